/*
 * cmd_doctor.c - looks at the machine, and at all spaces of this user, and says what to do.
 *
 * It knows no more than any program: the public functions, and what the system tells everybody.
 */
#include "cli.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define MIB (UINT64_C(1) << 20)

struct doctor {
    bool json;
    unsigned troubles;
    const char *folder; /* of the named spaces */
};

/* Tells what was looked at and found; with advice there is something to do about it. */
static void
tell(struct doctor *doctor, const char *what, const char *found, const char *advice)
{
    doctor->troubles += advice != NULL;
    if (doctor->json) {
        fputs("{\"check\": ", stdout);
        cli_print_json_string(stdout, what);
        printf(", \"ok\": %s, \"found\": ", advice == NULL ? "true" : "false");
        cli_print_json_string(stdout, found);
        fputs(", \"advice\": ", stdout);
        if (advice == NULL)
            fputs("null", stdout);
        else
            cli_print_json_string(stdout, advice);
        fputs("}\n", stdout);
        return;
    }
    printf("%-4s ", advice == NULL ? "ok" : "!!");
    cli_print_visible(stdout, what);
    fputs(": ", stdout);
    cli_print_visible(stdout, found);
    putchar('\n');
    if (advice != NULL)
        printf("     %s\n", advice);
}

/* ---- The machine ------------------------------------------------------------------------ */

static void
look_at_kernel(struct doctor *doctor)
{
    struct utsname name;
    bool waitv;
    long commands;
    void *page;
    bool populates;

    if (uname(&name) == 0)
        tell(doctor, "kernel", name.release, NULL);
    waitv = syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0) == 0 || errno != ENOSYS;
    tell(doctor, "futex_waitv", waitv ? "there" : "missing",
         waitv ? NULL
               : "Waiters look after the dead by the clock only, up to a quarter of a second late; "
                 "use Linux 5.16 or newer, or let the sandbox pass the call.");
    commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    tell(doctor, "membarrier",
         commands >= 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0 ? "there" : "missing",
         commands >= 0 && (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) != 0
             ? NULL
             : "Free memory of spaces is not given back to the system; use Linux 4.16 or newer, "
               "or let the sandbox pass the call.");
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    populates = page != MAP_FAILED && madvise(page, 4096, MADV_POPULATE_WRITE) == 0;
    if (page != MAP_FAILED)
        munmap(page, 4096);
    tell(doctor, "MADV_POPULATE_WRITE", populates ? "there" : "missing",
         populates ? NULL : "Spaces grow more slowly; use Linux 5.14 or newer.");
    tell(doctor, "/proc", access("/proc/self/fd/0", F_OK) == 0 ? "there" : "missing",
         access("/proc/self/fd", F_OK) == 0
             ? NULL
             : "mem:// spaces cannot be joined by other processes; mount /proc.");
}

static void
look_at_folder(struct doctor *doctor)
{
    const char *named = getenv("KITH_DIR");
    char found[200], what[PATH_MAX + 32];
    const char *advice = NULL;
    uint64_t size, left;
    struct statvfs vfs;

    doctor->folder = named != NULL && named[0] != '\0' ? named : "/dev/shm";
    (void)snprintf(what, sizeof what, "folder of named spaces, %s", doctor->folder);
    if (statvfs(doctor->folder, &vfs) != 0 || access(doctor->folder, W_OK | X_OK) != 0) {
        (void)snprintf(found, sizeof found, "%s", strerror(errno));
        tell(doctor, what, found, "Name a folder that you may write to in KITH_DIR.");
        return;
    }
    size = (uint64_t)vfs.f_blocks * vfs.f_frsize;
    left = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    (void)snprintf(found, sizeof found, "%s free of %s", cli_bytes_text(left).text,
                   cli_bytes_text(size).text);
    if (size < 128 * MIB)
        advice = "That is little, as containers have it: start them with more (docker run "
                 "--shm-size=1g), or mount -o remount,size=1g.";
    else if (left < 32 * MIB || left < size / 20)
        advice = "It is nearly full, and spaces in it cannot grow: remove what nobody needs (kith "
                 "gc, kith rm -s SPACE), or make it larger.";
    tell(doctor, what, found, advice);
}

/* The number after `key` in a file of such lines, in bytes for kB; UINT64_MAX: unknown or "max". */
static uint64_t
number_in(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    uint64_t number = UINT64_MAX;
    char line[256];

    while (file != NULL && number == UINT64_MAX && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, key, strlen(key)) == 0 &&
            isdigit((unsigned char)line[strlen(key) + strspn(line + strlen(key), " \t:")]))
            number = strtoull(line + strlen(key) + strspn(line + strlen(key), " \t:"), NULL, 10) *
                     (strstr(line, "kB") != NULL ? 1024 : 1);
    if (file != NULL)
        fclose(file);
    return number;
}

static void
look_at_memory(struct doctor *doctor)
{
    uint64_t available = number_in("/proc/meminfo", "MemAvailable");
    uint64_t limit = number_in("/sys/fs/cgroup/memory.max", "");
    uint64_t used = number_in("/sys/fs/cgroup/memory.current", "");
    struct rlimit rlimit;
    char found[200];

    if (available != UINT64_MAX) {
        (void)snprintf(found, sizeof found, "%s available", cli_bytes_text(available).text);
        tell(doctor, "memory", found,
             available >= 64 * MIB ? NULL
                                   : "Spaces live in memory: end something, or free some of them.");
    }
    if (limit != UINT64_MAX) {
        (void)snprintf(found, sizeof found, "%s", cli_bytes_text(limit).text);
        tell(doctor, "memory limit of the control group", found,
             used == UINT64_MAX || used < limit / 10 * 9
                 ? NULL
                 : "It is nearly used up, and named spaces count: raise it, or processes get "
                   "killed.");
    }
    if (getrlimit(RLIMIT_AS, &rlimit) == 0 && rlimit.rlim_cur != RLIM_INFINITY) {
        (void)snprintf(found, sizeof found, "%s", cli_bytes_text(rlimit.rlim_cur).text);
        tell(doctor, "address space limit (ulimit -v)", found,
             rlimit.rlim_cur >= (UINT64_C(80) << 30)
                 ? NULL
                 : "A space reserves 64 GiB of addresses by default: raise the limit, or open "
                   "spaces with a size, as NAME?size=1G.");
    }
    if (getrlimit(RLIMIT_FSIZE, &rlimit) == 0 && rlimit.rlim_cur != RLIM_INFINITY) {
        (void)snprintf(found, sizeof found, "%s", cli_bytes_text(rlimit.rlim_cur).text);
        tell(doctor, "file size limit (ulimit -f)", found,
             rlimit.rlim_cur >= (UINT64_C(80) << 30)
                 ? NULL
                 : "A new space is smaller than usual under it, or cannot be made: raise it.");
    }
}

/* ---- Stopped processes ------------------------------------------------------------------- */

/* The state letter of a process, and whether its memory has a space in it, by its name or any. */
static bool
has_space(const char *pid, const char *name)
{
    char path[300], line[PATH_MAX + 128];
    bool found = false;
    FILE *maps;

    (void)snprintf(path, sizeof path, "/proc/%s/maps", pid);
    maps = fopen(path, "re");
    while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL)
        found = strstr(line, name) != NULL;
    if (maps != NULL)
        fclose(maps);
    return found;
}

static char
state_of(const char *pid)
{
    char path[300], line[512];
    FILE *stat;
    char *end = NULL;

    (void)snprintf(path, sizeof path, "/proc/%s/stat", pid);
    stat = fopen(path, "re");
    if (stat != NULL && fgets(line, sizeof line, stat) != NULL)
        end = strrchr(line, ')'); /* the command's name may have anything in it */
    if (stat != NULL)
        fclose(stat);
    return end != NULL && end[1] == ' ' ? end[2] : '?';
}

static void
look_at_processes(struct doctor *doctor)
{
    DIR *proc = opendir("/proc");
    unsigned stopped = 0;
    struct dirent *entry;
    char own[64];

    (void)snprintf(own, sizeof own, "kith.%u.", (unsigned)geteuid());
    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        char found[300];

        if (!isdigit((unsigned char)entry->d_name[0]) || state_of(entry->d_name) != 'T' ||
            (!has_space(entry->d_name, own) && !has_space(entry->d_name, "/memfd:kith")))
            continue;
        stopped++;
        (void)snprintf(found, sizeof found, "process %s is stopped and has a space open",
                       entry->d_name);
        tell(doctor, "stopped processes", found,
             "It counts as alive, and whoever needs what it holds waits for it: let it go on "
             "(kill -CONT), or end it.");
    }
    if (proc != NULL)
        closedir(proc);
    if (stopped == 0)
        tell(doctor, "stopped processes", "none has a space open", NULL);
}

/* ---- Spaces ------------------------------------------------------------------------------ */

static void
look_at_space(struct doctor *doctor, const char *name)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct kith_stat stat = KITH_STAT_INIT;
    struct kith_report report;
    char what[300], found[700];
    const char *advice = NULL;
    kith_space *space;
    kith_err err;

    (void)snprintf(what, sizeof what, "space %s", name);
    options.create = KITH_MUST_EXIST;
    err = kith_open(name, &options, &space);
    if (err == KITH_ENOENT)
        return; /* a left-over, which is gone by that, or one that ended meanwhile */
    if (err < 0) {
        (void)snprintf(found, sizeof found, "%s", kith_last_error());
        tell(doctor, what, found,
             err == KITH_EVERSION ? "Dump it with the version that made it, remove it, and load it."
             : err == KITH_ECORRUPT
                 ? "Its header is damaged: remove it (kith rm -s), and load a dump."
                 : "See what the sentence says.");
        return;
    }
    err = kith_check(space, &report);
    if (err == KITH_OK)
        err = kith_stat(space, &stat);
    if (err < 0)
        (void)snprintf(found, sizeof found, "%s", kith_last_error());
    else
        (void)snprintf(found, sizeof found,
                       "%" PRIu64 " objects, %s, %" PRIu64 " other processes, %" PRIu64
                       " deaths recovered, whole",
                       stat.objects, cli_bytes_text(stat.bytes_committed).text, stat.processes - 1,
                       stat.reaped);
    if (err == KITH_ECORRUPT)
        advice = "Close all who have it open, and run: kith repair -s SPACE";
    else if (err < 0)
        advice = "See what the sentence says.";
    else if (stat.bytes_used > stat.size_limit / 10 * 9)
        advice = "It is nearly as large as it may grow: make a larger one, and load a dump of it.";
    kith_close(space);
    tell(doctor, what, found, advice);
}

/* What a killed repair leaves ends like this. */
static bool
is_leftover(const char *name)
{
    const char *mark = strstr(name, ".repair-");

    return mark != NULL && strspn(mark + 8, "0123456789abcdef") == 16 && mark[24] == '\0';
}

/* All files that are named as this user's spaces, also those that kith ls does not list. */
static void
look_at_spaces(struct doctor *doctor)
{
    struct dirent **entries = NULL;
    char prefix[64];
    int count = scandir(doctor->folder, &entries, NULL, alphasort);
    int size = snprintf(prefix, sizeof prefix, "kith.%u.", (unsigned)geteuid());
    unsigned spaces = 0;

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;

        if (strncmp(name, prefix, (size_t)size) == 0) {
            spaces++;
            if (is_leftover(name))
                tell(doctor, name, "left over by a repair that was killed", "Run: kith gc");
            else
                look_at_space(doctor, name + size);
        }
        free(entries[i]);
    }
    free(entries);
    if (spaces == 0)
        tell(doctor, "spaces", "none", NULL);
}

static int
run(struct cli *cli, int argc, char **argv)
{
    const struct cli_option options[] = { { 0, NULL, CLI_FLAG, NULL } };
    int status = cli_options(cli, options, &argc, argv, 0, 0);
    struct doctor doctor = { .json = cli->json };

    if (status != CLI_GO_ON)
        return status;
    look_at_kernel(&doctor);
    look_at_folder(&doctor);
    look_at_memory(&doctor);
    look_at_processes(&doctor);
    look_at_spaces(&doctor);
    return doctor.troubles == 0 ? CLI_DONE : CLI_NO;
}

const struct cli_verb cli_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "look at the machine and all spaces, and say what to do",
    .help = "Looks at what the kernel offers, the folder of the named spaces, memory and limits,\n"
            "stopped processes that have a space open, and checks each named space of this user.\n"
            "What needs something done about it is marked with !!, and what to do stands below.\n"
            "Exits with 1 if there is any such thing.\n"
            "\n"
            "example\n"
            "  kith doctor\n",
    .run = run,
};
