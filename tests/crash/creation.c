/*
 * creation.c - an arena is made, joined and left, and the process dies at each instruction of that.
 *
 * Here the state is a folder: which names stand in it, and what is in the files.  So the victim is
 * stopped after each of its stores into an arena and each of its system calls, and looked at from
 * outside; whenever the folder differs from what it ever was, it is copied.  In the copy nobody
 * holds a process byte or a token, as after the victim's death.  A survivor opens the space there,
 * which cleans up; it checks, works, and leaves.  One arena must be left and no other file, whole,
 * with what was in it before.
 *
 * A system call is seen before and after.  There is no state within one: none of those that are
 * made here sleeps, and a file appears, grows or goes at once.
 *
 * The survivor dies, too: while it opens, it is stopped and looked at in the same way, and a second
 * one opens the copy of the copy.  Samples are killed for real.  And at a sample the victim is
 * stopped and lives: another opens the space beside it and works, then the victim goes on.  Both
 * must be in one arena.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <kith.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hashes.h"
#include "nested.h"
#include "scenarios.h"
#include "trap.h"

#define STEPS_MAX 1000000u
#define SURVIVOR_CEILING_S 60u
#define DEPTHS 3u /* the victim's folder, its survivor's, and that of the survivor's survivor */
#define PAGE 4096

/* In memory shared with a process that is stepped, or that tells what went wrong. */
struct board {
    struct trap trap;
    uint64_t stop_at; /* it stops after that instruction; 0: each change; UINT64_MAX: after none */
    volatile bool ended;
    volatile bool told; /* it stopped because it was told that a stopped process has a lock */
    char wrong[256];
};

struct walk {
    const struct scenario *scenario;
    const struct making *making;
    struct totals *totals;
    struct hashes seen;
    struct board *board[DEPTHS];
    bool is_long;
    uint64_t looks;
};

/* What is done, in a process that has no arena open. */
struct making {
    const char *name;
    void (*set_up)(const char *address); /* in a process of its own, which is killed then */
    void (*prepare)(const char *address);
    void (*act)(const char *address);
    bool keeps; /* what set_up() put into the space is there to the end */
};

/* ---- The operations -------------------------------------------------------------------------- */

static kith_space *space; /* of the process that acts */

static void
open_as(const char *address, bool temporary)
{
    struct kith_options options = KITH_OPTIONS_INIT;

    options.size = UINT64_C(1) << 20;
    options.temporary = temporary;
    if (kith_open(address, &options, &space) < 0)
        _exit(4);
}

static void
open_plain(const char *address)
{
    open_as(address, false);
}

static void
open_temporary(const char *address)
{
    open_as(address, true);
}

static void
close_space(const char *address)
{
    (void)address;
    kith_close(space);
    space = NULL;
}

/* Adds one to a key; what it is then, or an error. */
static int64_t
count(const char *key)
{
    kith_dict *dict;
    int64_t now = 0;
    kith_err err = kith_dict_open(space, "counts", NULL, &dict);

    if (err < 0)
        return err;
    err = kith_dict_add(dict, kith_str(key), 1, &now);
    kith_dict_close(dict);
    return err < 0 ? err : now;
}

static void
make_before(const char *address)
{
    open_plain(address);
    if (count("before") != 1)
        _exit(4);
}

static void
make_temporary_before(const char *address)
{
    open_temporary(address);
    if (count("before") != 1)
        _exit(4);
}

static const struct making makings[] = {
    { "arena creation", NULL, NULL, open_plain, false },
    { "arena opened by one more", make_before, NULL, open_plain, true },
    { "arena opened, a temporary one left over", make_temporary_before, NULL, open_temporary,
      false },
    { "arena closed by its last, temporary", NULL, open_temporary, close_space, false },
};

/* ---- Folders --------------------------------------------------------------------------------- */

static void
folder_of(unsigned depth, char *folder)
{
    snprintf(folder, 256, "%.200s/making.%d.%u", getenv("STEPPER_FOLDER"), (int)getpid(), depth);
}

/* Calls `each` for every name; how many there are. */
static unsigned
walk_folder(const char *folder, void (*each)(const char *path, const char *name, void *arg),
            void *arg)
{
    DIR *dir = opendir(folder);
    unsigned names = 0;

    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        char path[600];

        if (entry->d_name[0] == '.')
            continue;
        names++;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (each != NULL)
            each(path, entry->d_name, arg);
    }
    if (dir != NULL)
        closedir(dir);
    return names;
}

/* Calls `each` for every page of a file that has memory. */
static void
walk_pages(int fd, void (*each)(const uint8_t *page, off_t at, void *arg), void *arg)
{
    static uint8_t page[PAGE];

    for (off_t at = 0; (at = lseek(fd, at, SEEK_DATA)) >= 0;) {
        off_t end = lseek(fd, at, SEEK_HOLE);

        for (; at < end; at += PAGE) {
            memset(page, 0, sizeof page);
            if (pread(fd, page, sizeof page, at) <= 0)
                return;
            each(page, at, arg);
        }
    }
}

static void
add_page(const uint8_t *page, off_t at, void *arg)
{
    *(uint64_t *)arg += hash_bytes(page, PAGE) * (2 * (uint64_t)at + 1);
}

static void
add_file(const char *path, const char *name, void *arg)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    *(uint64_t *)arg += hash_bytes(name, strlen(name));
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0)
        *(uint64_t *)arg += hash_bytes(&st.st_size, sizeof st.st_size);
    walk_pages(fd, add_page, arg);
    close(fd);
}

static void
write_page(const uint8_t *page, off_t at, void *arg)
{
    if (pwrite(*(int *)arg, page, PAGE, at) != PAGE)
        stage_die("pwrite");
}

static void
copy_file(const char *path, const char *name, void *arg)
{
    int from = open(path, O_RDONLY | O_CLOEXEC), to;
    char copy[600];
    struct stat st;

    snprintf(copy, sizeof copy, "%.300s/%.250s", (const char *)arg, name);
    to = open(copy, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (from < 0 || to < 0 || fstat(from, &st) != 0 || ftruncate(to, st.st_size) != 0)
        stage_die(copy);
    walk_pages(from, write_page, &to);
    close(from);
    close(to);
}

static void
unlink_file(const char *path, const char *name, void *unused)
{
    (void)name;
    (void)unused;
    unlink(path);
}

static void
empty_folder(const char *folder)
{
    mkdir(folder, 0700);
    walk_folder(folder, unlink_file, NULL);
}

/* ---- Processes ------------------------------------------------------------------------------- */

static struct board *stepped_board; /* of this process, if it is stepped */

/* Nothing else changes a file: it is a store into the arena, or a system call. */
static void
after_change(struct trap *trap, void *context)
{
    (void)trap;
    (void)context;
    if (stepped_board->stop_at == 0)
        raise(SIGSTOP);
}

static void
after_step(struct trap *trap)
{
    if (trap->steps == stepped_board->stop_at)
        raise(SIGSTOP);
}

static void
address_in(const char *folder, char *address)
{
    snprintf(address, 320, "file://%s/arena", folder);
}

static pid_t
fork_child(void)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid < 0)
        stage_die("fork");
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

/* The process that is stepped: stopped before its first step, and again when it has ended. */
static pid_t
start_stepped(struct board *board, const char *folder, const struct making *making)
{
    char address[320];
    int status;
    pid_t pid;

    memset(board, 0, sizeof *board);
    board->trap = (struct trap){
        .every = true, .finds = true, .stored = after_change, .stepped = after_step
    };
    address_in(folder, address);
    pid = fork_child();
    if (pid == 0) {
        stepped_board = board;
        if (making->prepare != NULL)
            making->prepare(address);
        if (kith__arenas_held() != NULL) {
            board->trap.base = kith__arenas_held()->base;
            board->trap.size = kith__arenas_held()->size;
        }
        raise(SIGSTOP);
        trap_begin(&board->trap);
        making->act(address);
        trap_end(&board->trap);
        if (space != NULL && count("stepped") < 1)
            snprintf(board->wrong, sizeof board->wrong, "it cannot work: %.200s",
                     kith_last_error());
        board->ended = true;
        raise(SIGSTOP);
        _exit(0);
    }
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        stage_die("the victim did not get ready");
    return pid;
}

/* To where it stops next; false: it has ended, or is gone. */
static bool
go_on(pid_t pid, const struct board *board)
{
    int status;

    kill(pid, SIGCONT);
    return waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && !board->ended;
}

static void
end_process(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

/* ---- Surviving ------------------------------------------------------------------------------- */

static int
keep_sentence(const char *sentence, void *arg)
{
    snprintf(arg, 256, "%.255s", sentence);
    return 1;
}

/* Opens what is left, in a process of its own, and says in `wrong` what is wrong with it. */
static void
survive_here(const struct making *making, const char *folder, char *wrong)
{
    char address[320];
    struct kith_report report;

    address_in(folder, address);
    open_plain(address);
    if (kith_check_each(space, keep_sentence, wrong, &report) < 0)
        return;
    if (making->keeps && count("before") != 2)
        snprintf(wrong, 256, "what was in the arena is lost");
    else if (count("survivor") < 1)
        snprintf(wrong, 256, "a survivor cannot work: %.200s", kith_last_error());
    else if (walk_folder(folder, NULL, NULL) != 1)
        snprintf(wrong, 256, "something is left over in the folder");
    else if (kith_check_each(space, keep_sentence, wrong, &report) == 0)
        kith_close(space);
}

static void
survive_beside(struct walk *walk, unsigned depth, uint64_t step)
{
    struct board *board = walk->board[depth];
    char folder[256];
    int status;
    pid_t pid;

    folder_of(depth, folder);
    board->wrong[0] = '\0';
    pid = fork_child();
    if (pid == 0) {
        alarm(SURVIVOR_CEILING_S);
        survive_here(walk->making, folder, board->wrong);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    walk->totals->deaths++;
    if (status != 0)
        snprintf(board->wrong, sizeof board->wrong, "the survivor ended with status %x",
                 (unsigned)status);
    if (board->wrong[0] != '\0')
        complain(walk->scenario, step, board->wrong, walk->totals);
}

/* ---- Each of its steps ----------------------------------------------------------------------- */

static void
copy_of(unsigned depth)
{
    char from[256], to[256];

    folder_of(depth - 1, from);
    folder_of(depth, to);
    empty_folder(to);
    walk_folder(from, copy_file, to);
}

static const struct making survivor = { "", NULL, NULL, open_plain, false };

static void step_through_depth(struct walk *walk, unsigned depth, uint64_t outer_step);

/* The process of the folder at `depth` dies here, if the folder was never as it is now. */
static void
look_at(struct walk *walk, unsigned depth, uint64_t step)
{
    uint64_t number = 0;
    char folder[256];

    folder_of(depth, folder);
    walk_folder(folder, add_file, &number);
    if (!hashes_add(&walk->seen, number + depth, 0, NULL))
        return;
    walk->totals->states++;
    copy_of(depth + 1);
    survive_beside(walk, depth + 1, step);
    if (depth > 0)
        return;
    walk->looks++;
    if (walk->is_long || walk->looks == 2 || walk->looks % 64 == 0) {
        copy_of(1);
        step_through_depth(walk, 1, step);
    }
}

static void
step_through_depth(struct walk *walk, unsigned depth, uint64_t outer_step)
{
    struct board *board = walk->board[depth];
    char folder[256];
    pid_t pid;

    folder_of(depth, folder);
    pid = start_stepped(board, folder, depth == 0 ? walk->making : &survivor);
    look_at(walk, depth, depth == 0 ? 0 : outer_step);
    while (go_on(pid, board) && board->trap.steps < STEPS_MAX)
        look_at(walk, depth, depth == 0 ? board->trap.steps : outer_step);
    if (!board->ended)
        complain(walk->scenario, board->trap.steps, "it does not end", walk->totals);
    else if (board->wrong[0] != '\0')
        complain(walk->scenario, board->trap.steps, board->wrong, walk->totals);
    if (depth == 0)
        walk->totals->steps += board->trap.steps;
    else
        walk->totals->nested += board->trap.steps;
    end_process(pid);
}

/* ---- Samples --------------------------------------------------------------------------------- */

static void
set_up(const struct walk *walk, const char *folder)
{
    char address[320];
    int status;
    pid_t pid;

    empty_folder(folder);
    if (walk->making->set_up == NULL)
        return;
    address_in(folder, address);
    pid = fork_child();
    if (pid == 0) {
        walk->making->set_up(address);
        raise(SIGKILL);
    }
    waitpid(pid, &status, 0);
    if (!WIFSIGNALED(status))
        stage_die("the arena was not set up");
}

/*
 * Works in the arena beside one that is stopped there.  That one lives: if it has a lock, we are
 * told so, and have our way when it has gone on.
 */
static void
work_beside(const char *address, struct board *other)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    int64_t got = KITH_EUNAVAILABLE;

    alarm(SURVIVOR_CEILING_S);
    options.size = UINT64_C(1) << 20;
    options.timeout_ns = 100000000;
    for (unsigned attempt = 0; attempt < 2 && got == KITH_EUNAVAILABLE; attempt++) {
        got = space != NULL ? KITH_OK : kith_open(address, &options, &space);
        if (got == KITH_OK)
            got = count("beside");
        if (got == KITH_EUNAVAILABLE && attempt == 0) {
            other->told = true;
            raise(SIGSTOP);
        }
    }
    if (got != 1)
        snprintf(other->wrong, sizeof other->wrong, "another cannot work beside it: %.200s",
                 kith_last_error());
    raise(SIGSTOP); /* it stays in the arena */
    _exit(0);
}

/* Waits until it stops. */
static void
await_stop(pid_t pid, struct board *other)
{
    int status;

    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        snprintf(other->wrong, sizeof other->wrong, "another beside it ended with status %x",
                 (unsigned)status);
}

/* Steps to `at`, and there is killed, or another works beside it. */
static void
try_sample(struct walk *walk, uint64_t at, bool killed)
{
    struct board *board = walk->board[0], *other = walk->board[1];
    char folder[256], address[320];
    pid_t pid, beside = 0;
    int status;

    folder_of(0, folder);
    set_up(walk, folder);
    pid = start_stepped(board, folder, walk->making);
    board->stop_at = at;
    if (at > 0)
        go_on(pid, board);
    if (!killed) {
        address_in(folder, address);
        memset(other, 0, sizeof *other);
        beside = fork_child();
        if (beside == 0)
            work_beside(address, other);
        await_stop(beside, other);
        board->stop_at = UINT64_MAX;
        go_on(pid, board);
        if (!board->ended)
            complain(walk->scenario, at, "with another beside it, it does not end", walk->totals);
    }
    end_process(pid);
    if (!killed && other->told) {
        kill(beside, SIGCONT);
        await_stop(beside, other);
    }
    survive_beside(walk, 0, at);
    if (!killed) {
        pid = fork_child();
        if (pid == 0) {
            alarm(SURVIVOR_CEILING_S);
            open_plain(address);
            if (count("beside") != 2 && other->wrong[0] == '\0')
                snprintf(other->wrong, sizeof other->wrong,
                         "another that works beside it is in an arena of its own");
            _exit(0);
        }
        waitpid(pid, &status, 0);
        if (other->wrong[0] != '\0')
            complain(walk->scenario, at, other->wrong, walk->totals);
        end_process(beside);
    }
    walk->totals->kills += killed;
    walk->totals->thirds += !killed;
}

static void
remove_folders(void)
{
    for (unsigned depth = 0; depth < DEPTHS; depth++) {
        char folder[256];

        folder_of(depth, folder);
        empty_folder(folder);
        rmdir(folder);
    }
}

static void
step_through_making(const struct scenario *scenario, bool is_long, struct totals *totals)
{
    struct walk walk = { .scenario = scenario, .totals = totals, .is_long = is_long };
    unsigned samples = is_long ? 40 : 4;
    struct board *boards = mmap(NULL, DEPTHS * sizeof *boards, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char folder[256];
    uint64_t steps;

    if (boards == MAP_FAILED)
        stage_die("mmap");
    for (unsigned depth = 0; depth < DEPTHS; depth++)
        walk.board[depth] = &boards[depth];
    for (unsigned i = 0; i < sizeof makings / sizeof makings[0]; i++)
        if (strcmp(makings[i].name, scenario->name) == 0)
            walk.making = &makings[i];
    folder_of(0, folder);
    set_up(&walk, folder);
    step_through_depth(&walk, 0, 0);
    steps = totals->steps;
    for (unsigned i = 0; i < samples; i++) {
        try_sample(&walk, steps * (2 * i + 1) / (2 * samples), true);
        try_sample(&walk, steps * (2 * i + 1) / (2 * samples), false);
    }
    remove_folders();
    hashes_free(&walk.seen);
    munmap(boards, DEPTHS * sizeof *boards);
    print_line(scenario, totals);
}

#define MAKING(i)                                                                                  \
    {                                                                                              \
        .name = (i), .through = step_through_making                                                \
    }
static const struct scenario scenarios[] = {
    MAKING("arena creation"),
    MAKING("arena opened by one more"),
    MAKING("arena opened, a temporary one left over"),
    MAKING("arena closed by its last, temporary"),
};
const struct scenario_table making_scenarios = SCENARIO_TABLE(scenarios);
