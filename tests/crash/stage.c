/*
 * stage.c - the arena and the objects that scenarios act on, and how they are printed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "stepper.h"

void
stage_die(const char *what)
{
    fprintf(stderr, "stepper: %s: %s (%s)\n", what, strerror(errno), kith_last_error());
    exit(2);
}

bool
stage_wanted(const char *name, int argc, char **argv)
{
    bool any = false;

    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-')
            continue;
        any = true;
        if (argv[i][0] == '=' ? strcmp(name, argv[i] + 1) == 0 : strstr(name, argv[i]) != NULL)
            return true;
    }
    return !any;
}

/* ---- The stage --------------------------------------------------------------------------- */

static char stage_path[4096];

void
stage_open(struct stage *stage, const char *folder)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct kith__object object;
    struct kith__queue_making plain = { 0 }, failing = { .attempts_max = 2 };
    struct kith__self *self;

    memset(stage, 0, sizeof *stage);
    snprintf(stage_path, sizeof stage_path, "%s/stage.%d", folder, (int)getpid());
    unlink(stage_path);
    options.size = UINT64_C(64) << 20;
    options.timeout_ns = 200000000;
    if (kith__arena_open(KITH__WHERE_FILE, stage_path, &options, &stage->arena) < 0)
        stage_die("open");
    kith__reap_install(stage->arena);
    self = stage_self(stage);
    stage->self_id = self->id;
#define MAKE(kind, name, init, arg)                                                                \
    if (kith__catalog_open(self, name, kind, KITH_MUST_CREATE, init, arg, &object) < 0)            \
    stage_die(name)
    MAKE(KITH_KIND_DICT, "a", init_dict, NULL);
    stage->a = (struct kith__dict){ stage->arena, object.off, object.id };
    MAKE(KITH_KIND_DICT, "b", init_dict, NULL);
    stage->b = (struct kith__dict){ stage->arena, object.off, object.id };
    MAKE(KITH_KIND_QUEUE, "letters", kith__queue_init, &plain);
    stage->letters = (struct kith__queue){ stage->arena, object.off, object.id };
    failing.dead_letter = object.off;
    failing.dead_letter_id = object.id;
    MAKE(KITH_KIND_QUEUE, "q", kith__queue_init, &failing);
    stage->q = (struct kith__queue){ stage->arena, object.off, object.id };
    MAKE(KITH_KIND_LOCK, "lock", kith__sync_init, NULL);
    stage->lock = (struct kith__sync){ stage->arena, object.off, object.id };
    MAKE(KITH_KIND_EVENT, "event", kith__sync_init, NULL);
    stage->event = (struct kith__sync){ stage->arena, object.off, object.id };
    stage->big = malloc(100000);
    memset(stage->big, 'x', 100000);
}

void
stage_close(struct stage *stage)
{
    if (stage->reaper_pid != 0) {
        kill(stage->reaper_pid, SIGKILL);
        waitpid(stage->reaper_pid, NULL, 0);
    }
    kith__arena_close(stage->arena);
    unlink(stage_path);
    free(stage->big);
}

struct kith__self *
stage_self(struct stage *stage)
{
    struct kith__self *self = kith__self_of(stage->arena);

    if (self == NULL)
        stage_die("register");
    return self;
}

void
stage_make(struct stage *stage, unsigned index, const char *name, enum kith_kind kind,
           kith_err (*init)(struct kith__op *op, uint64_t off, uint64_t id, void *arg), void *arg)
{
    if (kith__catalog_open(stage_self(stage), name, kind, KITH_MUST_CREATE, init, arg,
                           &stage->object[index]) < 0)
        stage_die(name);
}

void
stage_hire_reaper(struct stage *stage)
{
    int ready[2];

    if (pipe(ready) != 0)
        stage_die("pipe");
    fflush(stdout);
    stage->reaper_pid = fork();
    if (stage->reaper_pid == 0) {
        unsigned slots[2];
        struct kith__self *self = kith__self_of(stage->arena);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        slots[0] = self == NULL ? 0 : self->id;
        slots[1] = stage->arena->holder;
        if (write(ready[1], slots, sizeof slots) == (ssize_t)sizeof slots)
            pause();
        _exit(0);
    } else {
        unsigned slots[2] = { 0 };

        close(ready[1]);
        if (stage->reaper_pid < 0 || read(ready[0], slots, sizeof slots) != (ssize_t)sizeof slots ||
            slots[0] == 0)
            stage_die("the reaper did not get ready");
        close(ready[0]);
        stage->reaper = slots[0];
        stage->reaper_holder = slots[1];
    }
}

/* ---- Seeing --------------------------------------------------------------------------------- */

static void
print_item(struct kith_item item, char **at, char *end)
{
    switch (item.type) {
    case KITH_TYPE_INT:
        *at += snprintf(*at, (size_t)(end - *at), "%lld", (long long)item.integer);
        break;
    case KITH_TYPE_STR:
    case KITH_TYPE_BYTES:
        if (item.size > 24)
            *at += snprintf(
                *at, (size_t)(end - *at), "<%zu bytes, hash %llx>", item.size,
                (unsigned long long)kith__hash((const uint64_t[2]){ 1, 2 }, item.data, item.size));
        else
            *at +=
                snprintf(*at, (size_t)(end - *at), "%.*s", (int)item.size, (const char *)item.data);
        break;
    default:
        *at += snprintf(*at, (size_t)(end - *at), "type %d", (int)item.type);
    }
    if (*at > end)
        *at = end;
}

void
print_dict(struct kith__self *self, const struct kith__dict *dict, char **at, char *end)
{
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith__copy copy;
    kith_err err = kith__dict_copy(self, dict, true, &copy);
    uint64_t len = 0;

    if (err < 0) {
        *at += snprintf(*at, (size_t)(end - *at), "{error %d}", (int)err);
        return;
    }
    kith__dict_len(self, dict, &len);
    *at += snprintf(*at, (size_t)(end - *at), "%llu{", (unsigned long long)len);
    for (uint64_t i = 0; i < copy.count && end - *at > 64; i++) {
        print_item(kith__copy_key(&copy, i), at, end);
        *at += snprintf(*at, (size_t)(end - *at), ":");
        print_item(kith__copy_item(self->arena, &copy, i, tag), at, end);
        *at += snprintf(*at, (size_t)(end - *at), " ");
    }
    *at += snprintf(*at, (size_t)(end - *at), "}");
    kith__copy_free(&copy);
}

/* Takes everything out on the way. */
void
print_queue(struct kith__self *self, const struct kith__queue *queue, char **at, char *end)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__queue_counts counts = { 0 };
    size_t got;

    kith__queue_settled(self, queue, &counts);
    *at += snprintf(*at, (size_t)(end - *at), "%llu+%llu+%llu[", (unsigned long long)counts.ready,
                    (unsigned long long)counts.lent, (unsigned long long)counts.delayed);
    while (end - *at > 64 && kith__queue_get(self, queue, 1, 0, &buf, &got) == KITH_OK) {
        print_item(buf.item, at, end);
        *at += snprintf(*at, (size_t)(end - *at), " ");
    }
    *at += snprintf(*at, (size_t)(end - *at), "]");
    kith_buf_free(&buf);
}
