/*
 * tally_show.c - progress while it runs, and bars at the end.
 */
#include "tally.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)
#define TERMINAL_EVERY_NS (100 * MS)
#define LINE_EVERY_NS (2000 * MS)
#define METER_WIDTH 20
#define BAR_WIDTH 40

/* ---- progress ---- */

/* Reads the totals of one instant; those that are not there yet are 0. */
static void
read_totals(struct tally_space *shared, int64_t *files, int64_t *bytes, int64_t *words)
{
    const struct kith_item keys[] = { KITH_STR("files"), KITH_STR("bytes"), KITH_STR("words") };
    struct kith_buf items[] = { KITH_BUF_INIT, KITH_BUF_INIT, KITH_BUF_INIT };
    kith_err err = kith_dict_get_many(shared->totals, keys, 3, items);
    bool known = err == KITH_OK || err == KITH_ENOENT;

    *files = known ? items[0].item.integer : 0;
    *bytes = known ? items[1].item.integer : 0;
    *words = known ? items[2].item.integer : 0;
    for (size_t i = 0; i < 3; i++)
        kith_buf_free(&items[i]);
}

static void
print_meter(double part)
{
    int full = (int)(part * METER_WIDTH);

    if (full > METER_WIDTH)
        full = METER_WIDTH;
    fprintf(stderr, "[%.*s%*s]", full, "########################################",
            METER_WIDTH - full, "");
}

static void
print_line(const struct tally_progress *progress, struct tally_space *shared,
           const struct tally_result *result)
{
    uint64_t all = (uint64_t)progress->corpus->count * result->passes;
    double seconds = (double)(cli_now_ns() - progress->started_ns) / 1e9;
    int64_t files;
    int64_t bytes;
    int64_t words;

    read_totals(shared, &files, &bytes, &words);
    if (progress->terminal)
        print_meter(all == 0 ? 0 : (double)files / (double)all);
    fprintf(stderr, "%s%s of %s files, %s, %s words", progress->terminal ? " " : "",
            cli_count_text((uint64_t)files).text, cli_count_text(all).text,
            cli_bytes_text((uint64_t)bytes).text, cli_count_text((uint64_t)words).text);
    if (result->kills > 0)
        fprintf(stderr, ", %u killed", result->kills);
    fprintf(stderr, ", %.1f s", seconds);
}

void
tally_show_progress(struct tally_progress *progress, struct tally_space *shared,
                    const struct tally_result *result)
{
    int64_t now_ns = cli_now_ns();

    if (progress->shown_ns == 0 && !progress->terminal)
        progress->shown_ns = progress->started_ns;
    if (now_ns - progress->shown_ns < (progress->terminal ? TERMINAL_EVERY_NS : LINE_EVERY_NS))
        return;
    progress->shown_ns = now_ns;
    if (progress->terminal)
        fputs("\r", stderr);
    print_line(progress, shared, result);
    fputs(progress->terminal ? "\033[K" : "\n", stderr);
    fflush(stderr);
}

void
tally_end_progress(struct tally_progress *progress)
{
    if (progress->terminal && progress->shown_ns != 0)
        fputs("\r\033[K", stderr);
    progress->shown_ns = 0;
}

/* ---- the most frequent ---- */

void
tally_top_add(struct tally_top *top, const char *name, size_t size, int64_t n)
{
    size_t at = top->count;
    char *copy;

    while (at > 0 && (n > top->ns[at - 1] ||
                      (n == top->ns[at - 1] && strncmp(name, top->names[at - 1], size) < 0)))
        at--;
    if (at == TALLY_TOP)
        return;
    copy = tally_realloc(NULL, size + 1);
    memcpy(copy, name, size);
    copy[size] = '\0';
    if (top->count == TALLY_TOP)
        free(top->names[TALLY_TOP - 1]);
    else
        top->count++;
    for (size_t i = top->count - 1; i > at; i--) {
        top->names[i] = top->names[i - 1];
        top->sizes[i] = top->sizes[i - 1];
        top->ns[i] = top->ns[i - 1];
    }
    top->names[at] = copy;
    top->sizes[at] = size;
    top->ns[at] = n;
}

void
tally_top_free(struct tally_top *top)
{
    for (size_t i = 0; i < top->count; i++)
        free(top->names[i]);
    memset(top, 0, sizeof *top);
}

/* A block of the bar, if what reads this knows UTF-8. */
static const char *
block(void)
{
    setlocale(LC_CTYPE, "");
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? "\xe2\x96\x88" : "#";
}

void
tally_show_bars(const char *title, const struct tally_top *top)
{
    const char *mark = block();

    printf("%s\n", title);
    for (size_t i = 0; i < top->count; i++) {
        int64_t length = top->ns[i] * BAR_WIDTH / (top->ns[0] > 0 ? top->ns[0] : 1);

        printf("  %-32s %12s ", top->names[i], cli_count_text((uint64_t)top->ns[i]).text);
        for (int64_t j = 0; j < (length == 0 ? 1 : length); j++)
            fputs(mark, stdout);
        putchar('\n');
    }
}

void
tally_print_top_json(const char *title, const struct tally_top *top)
{
    printf("\"%s\": [", title);
    for (size_t i = 0; i < top->count; i++) {
        fputs(i == 0 ? "[" : ", [", stdout);
        cli_print_json_text(stdout, top->names[i], top->sizes[i]);
        printf(", %lld]", (long long)top->ns[i]);
    }
    putchar(']');
}
