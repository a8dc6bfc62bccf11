/*
 * memory.c - how much memory the machine has left for this process.
 *
 * The kernel promises memory that it does not have, and kills a process when it is used.  So
 * whoever wants much of it asks first.
 */
#include "base/memory.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_SIZE 4096

static uint64_t
least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The number that a file begins with; UINT64_MAX if it begins with none, as "max". */
static uint64_t
number_in(const char *folder, const char *name)
{
    char path[PATH_SIZE + 64];
    uint64_t number = UINT64_MAX;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "re");
    if (file == NULL)
        return UINT64_MAX;
    if (fscanf(file, "%" SCNu64, &number) != 1)
        number = UINT64_MAX;
    fclose(file);
    return number;
}

static uint64_t
left_in(const char *folder, const char *limit_name, const char *used_name)
{
    uint64_t limit = number_in(folder, limit_name), used = number_in(folder, used_name);

    if (limit == UINT64_MAX || used == UINT64_MAX)
        return UINT64_MAX;
    return limit > used ? limit - used : 0;
}

/* What is left in the cgroup at `path` below `root` and in all above it. */
static uint64_t
left_in_groups(const char *root, const char *path, const char *limit_name, const char *used_name)
{
    uint64_t left = UINT64_MAX;
    char folder[PATH_SIZE];
    size_t root_size = strlen(root);
    char *cut;

    if (snprintf(folder, sizeof(folder), "%s%s", root, path) >= (int)sizeof(folder))
        return UINT64_MAX;
    for (;;) {
        left = least(left, left_in(folder, limit_name, used_name));
        cut = strrchr(folder, '/');
        if (cut == NULL || (size_t)(cut - folder) < root_size)
            return left;
        *cut = '\0';
    }
}

static uint64_t
left_in_all_groups(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    uint64_t left = UINT64_MAX;
    char line[PATH_SIZE];

    if (file == NULL)
        return UINT64_MAX;
    while (fgets(line, sizeof(line), file) != NULL) {
        char *path = strchr(line, '/');

        line[strcspn(line, "\n")] = '\0';
        if (path == NULL)
            continue;
        if (strncmp(line, "0::", 3) == 0)
            left =
                least(left, left_in_groups("/sys/fs/cgroup", path, "memory.max", "memory.current"));
        else if (strstr(line, ":memory:") != NULL)
            left = least(left, left_in_groups("/sys/fs/cgroup/memory", path,
                                              "memory.limit_in_bytes", "memory.usage_in_bytes"));
    }
    fclose(file);
    return left;
}

static uint64_t
left_in_machine(void)
{
    FILE *file = fopen("/proc/meminfo", "re");
    uint64_t sum = 0, kib;
    bool known = false;
    char line[256];

    if (file == NULL)
        return UINT64_MAX;
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1 ||
            sscanf(line, "SwapFree: %" SCNu64, &kib) == 1) {
            known |= line[0] == 'M';
            sum += kib * 1024;
        }
    fclose(file);
    return known ? sum : UINT64_MAX;
}

uint64_t
kith__memory_available(void)
{
    return least(left_in_machine(), left_in_all_groups());
}
