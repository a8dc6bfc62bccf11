/*
 * driver.c - does to a list, a dict and a set what a script says, and tells what came of it.
 *
 * One command a line on standard input, one answer a line on standard output: the outcome, a bar,
 * and all that is in the object.  Items are words: n, t, f, i INT, d FLOAT (in hex), s TEXT, b HEX,
 * with nothing between the letter and the rest.  lockstep.py does the same to Python's own.
 */
#include <kith.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 20000

static char *words[WORDS_MAX];
static size_t word_count;
static struct kith_item items[WORDS_MAX], more[WORDS_MAX];
static kith_space *space;
static struct kith_list *list;
static kith_dict *dict;
static kith_set *set, *other;

static void
print_item(struct kith_item item)
{
    switch (item.type) {
    case KITH_TYPE_NONE:
        fputs("n", stdout);
        break;
    case KITH_TYPE_BOOL:
        fputs(item.boolean ? "t" : "f", stdout);
        break;
    case KITH_TYPE_INT:
        printf("i%" PRId64, item.integer);
        break;
    case KITH_TYPE_FLOAT:
        printf("d%a", item.real);
        break;
    case KITH_TYPE_STR:
        printf("s%.*s", (int)item.size, (const char *)item.data);
        break;
    default:
        printf("?%d", (int)item.type);
    }
}

static struct kith_item
item_of(const char *word)
{
    switch (word[0]) {
    case 't':
        return kith_bool(true);
    case 'f':
        return kith_bool(false);
    case 'i':
        return kith_int(strtoll(word + 1, NULL, 10));
    case 'd':
        return kith_float(strtod(word + 1, NULL));
    case 's':
        return kith_str(word + 1);
    default:
        return kith_none();
    }
}

static size_t
items_from(size_t first)
{
    for (size_t i = first; i < word_count; i++)
        items[i - first] = item_of(words[i]);
    return word_count - first;
}

static int64_t
number(size_t i)
{
    return strtoll(words[i], NULL, 10);
}

static void
print_outcome(kith_err err)
{
    switch ((int)err) {
    case KITH_OK:
        fputs("ok", stdout);
        break;
    case KITH_ENOENT:
        fputs("absent", stdout);
        break;
    case KITH_ERANGE:
        fputs("range", stdout);
        break;
    case KITH_EEMPTY:
        fputs("empty", stdout);
        break;
    case KITH_ETYPE:
        fputs("type", stdout);
        break;
    case KITH_EINVAL:
        fputs("invalid", stdout);
        break;
    default:
        printf("error %d: %s", (int)err, kith_last_error());
    }
}

static int
print_one(struct kith_item item, void *arg)
{
    (void)arg;
    putchar(' ');
    print_item(item);
    return 0;
}

static int
print_pair(struct kith_item key, struct kith_item item, void *arg)
{
    (void)arg;
    putchar(' ');
    print_item(key);
    putchar('=');
    print_item(item);
    return 0;
}

static void
with_item(kith_err err, struct kith_buf *buf)
{
    print_outcome(err);
    if (err == KITH_OK) {
        putchar(' ');
        print_item(buf->item);
    }
    kith_buf_free(buf);
}

static void
with_count(kith_err err, const uint64_t *count)
{
    print_outcome(err);
    if (err == KITH_OK)
        printf(" %" PRIu64, *count);
}

static bool
is(const char *word)
{
    return strcmp(words[1], word) == 0;
}

static void
act_on_list(void)
{
    struct kith_buf buf = KITH_BUF_INIT;
    uint64_t n = 0;

    if (is("append"))
        print_outcome(kith_list_append(list, item_of(words[2])));
    else if (is("get"))
        with_item(kith_list_get(list, number(2), &buf), &buf);
    else if (is("pop"))
        with_item(kith_list_pop(list, number(2), &buf), &buf);
    else if (is("set"))
        print_outcome(kith_list_set(list, number(2), item_of(words[3])));
    else if (is("insert"))
        print_outcome(kith_list_insert(list, number(2), item_of(words[3])));
    else if (is("remove"))
        print_outcome(kith_list_remove(list, item_of(words[2])));
    else if (is("index"))
        with_count(kith_list_index(list, item_of(words[2]), number(3), number(4), &n), &n);
    else if (is("count"))
        with_count(kith_list_count(list, item_of(words[2]), &n), &n);
    else if (is("extend")) {
        n = items_from(2);
        print_outcome(kith_list_extend(list, items, n));
    } else if (is("slice")) {
        fputs("ok", stdout);
        print_outcome(kith_list_get_slice(list, number(2), number(3), number(4), print_one, NULL));
    } else if (is("setslice")) {
        n = items_from(5);
        print_outcome(kith_list_set_slice(list, number(2), number(3), number(4), items, n));
    } else if (is("delslice"))
        print_outcome(kith_list_delete_slice(list, number(2), number(3), number(4)));
    else if (is("reverse"))
        print_outcome(kith_list_reverse(list));
    else if (is("sort")) {
        struct kith_list_sort_options options = KITH_LIST_SORT_OPTIONS_INIT;

        options.descending = number(2) != 0;
        print_outcome(kith_list_sort(list, &options));
    } else if (is("clear"))
        print_outcome(kith_list_clear(list));
    else if (is("len"))
        with_count(kith_list_len(list, &n), &n);
    putchar('|');
    print_outcome(kith_list_each(list, print_one, NULL));
}

static void
act_on_dict(void)
{
    struct kith_buf buf = KITH_BUF_INIT, key = KITH_BUF_INIT;
    uint64_t n = 0;

    if (is("set"))
        print_outcome(kith_dict_set(dict, item_of(words[2]), item_of(words[3])));
    else if (is("get"))
        with_item(kith_dict_get(dict, item_of(words[2]), &buf), &buf);
    else if (is("delete"))
        print_outcome(kith_dict_delete(dict, item_of(words[2])));
    else if (is("pop"))
        with_item(kith_dict_pop(dict, item_of(words[2]), &buf), &buf);
    else if (is("popitem")) {
        kith_err err = kith_dict_popitem(dict, &key, &buf);

        print_outcome(err);
        if (err == KITH_OK)
            print_pair(key.item, buf.item, NULL);
        kith_buf_free(&key);
        kith_buf_free(&buf);
    } else if (is("setdefault"))
        with_item(kith_dict_setdefault(dict, item_of(words[2]), item_of(words[3]), &buf), &buf);
    else if (is("has"))
        print_outcome(kith_dict_has(dict, item_of(words[2])));
    else if (is("update")) {
        n = items_from(2) / 2;
        for (size_t i = 0; i < n; i++) {
            items[i] = item_of(words[2 + 2 * i]);
            more[i] = item_of(words[3 + 2 * i]);
        }
        print_outcome(kith_dict_set_many(dict, items, more, n));
    } else if (is("clear"))
        print_outcome(kith_dict_clear(dict));
    else if (is("len"))
        with_count(kith_dict_len(dict, &n), &n);
    putchar('|');
    print_outcome(kith_dict_each(dict, print_pair, NULL));
}

static void
act_on_set(void)
{
    struct kith_buf buf = KITH_BUF_INIT;
    uint64_t n = 0;

    if (is("add"))
        print_outcome(kith_set_add(set, item_of(words[2])));
    else if (is("other")) /* what set algebra is done with */
        print_outcome(kith_set_add(other, item_of(words[2])));
    else if (is("discard"))
        print_outcome(kith_set_discard(set, item_of(words[2])));
    else if (is("remove"))
        print_outcome(kith_set_remove(set, item_of(words[2])));
    else if (is("has"))
        print_outcome(kith_set_has(set, item_of(words[2])));
    else if (is("pop"))
        with_item(kith_set_pop(set, &buf), &buf);
    else if (is("update")) {
        n = items_from(2);
        print_outcome(kith_set_update(set, items, n));
    } else if (is("union"))
        print_outcome(kith_set_union(set, other, print_one, NULL));
    else if (is("intersection"))
        print_outcome(kith_set_intersection(set, other, print_one, NULL));
    else if (is("difference"))
        print_outcome(kith_set_difference(set, other, print_one, NULL));
    else if (is("clear"))
        print_outcome(kith_set_clear(set));
    else if (is("len"))
        with_count(kith_set_len(set, &n), &n);
    putchar('|');
    print_outcome(kith_set_each(set, print_one, NULL));
}

/* Another object for each number, so that many shapes begin from nothing. */
static bool
start(const char *number_word)
{
    char name[32];

    kith_list_close(list);
    kith_dict_close(dict);
    kith_set_close(set);
    kith_set_close(other);
    snprintf(name, sizeof(name), "list%.16s", number_word);
    if (kith_list_open(space, name, NULL, &list) < 0)
        return false;
    snprintf(name, sizeof(name), "dict%.16s", number_word);
    if (kith_dict_open(space, name, NULL, &dict) < 0)
        return false;
    snprintf(name, sizeof(name), "set%.16s", number_word);
    if (kith_set_open(space, name, NULL, &set) < 0)
        return false;
    snprintf(name, sizeof(name), "other%.16s", number_word);
    return kith_set_open(space, name, NULL, &other) == KITH_OK;
}

int
main(void)
{
    char *line = NULL;
    size_t room = 0;

    if (kith_open("mem://", NULL, &space) < 0 || !start("0")) {
        fprintf(stderr, "%s\n", kith_last_error());
        return 1;
    }
    while (getline(&line, &room, stdin) > 0) {
        char *save = NULL;

        word_count = 0;
        line[strcspn(line, "\n")] = '\0';
        for (char *word = strtok_r(line, " ", &save); word != NULL && word_count < WORDS_MAX;
             word = strtok_r(NULL, " ", &save))
            words[word_count++] = word;
        if (word_count < 2)
            break;
        if (words[0][0] == 'L') {
            act_on_list();
        } else if (words[0][0] == 'D') {
            act_on_dict();
        } else if (words[0][0] == 'S') {
            act_on_set();
        } else if (words[0][0] == 'C') {
            struct kith_report report;

            print_outcome(kith_check(space, &report));
        } else if (words[0][0] == 'F') {
            fflush(stdout);
            continue;
        } else {
            fputs(start(words[1]) ? "ok" : "failed", stdout);
        }
        putchar('\n');
    }
    free(line);
    kith_list_close(list);
    kith_dict_close(dict);
    kith_set_close(set);
    kith_set_close(other);
    kith_close(space);
    return 0;
}
