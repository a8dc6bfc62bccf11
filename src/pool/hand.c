/*
 * hand.c - spaces that are handed on to a command, by a word of its environment.
 *
 *     KITH_SPACES=fd:7 file:///dev/shm/kith-1000/hits
 *
 * One for each space, in their order, with a blank between: a descriptor that is open in the
 * command, for a mem:// space, or else the address of the file.  An address has no blanks, since
 * all bytes that are not plain are written as %XX.
 */
#include <errno.h>
#include <fcntl.h>
#include <kith/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/descriptor.h"
#include "object/handle.h"
#include "pool/process.h"

#define WORD "KITH_SPACES="
#define WORD_SIZE (sizeof(WORD) - 1)
/* "fd:" and a descriptor; "file://" and a path, each byte of it as %XX at worst; and a blank. */
#define FD_SIZE_MAX 16
#define ADDRESS_SIZE_MAX (8 + 3 * 4096)

extern char **environ;

/* ---- In who starts the command --------------------------------------------------------- */

static char *
write_address(char *at, const char *path)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";

    at += sprintf(at, "file://");
    for (; *path != '\0'; path++) {
        if (strchr(plain, *path) != NULL)
            *at++ = *path;
        else
            at += sprintf(at, "%%%02X", (unsigned char)*path);
    }
    return at;
}

/* Writes what stands for one space; NULL with a sentence. */
static char *
write_space(struct kith__hand *hand, kith_space *space, char *at)
{
    struct kith_stat stat = KITH_STAT_INIT;
    int fd;

    if (space == NULL) {
        kith__fail_null("kith_process_exec");
        return NULL;
    }
    if (kith_stat(space, &stat) < 0)
        return NULL;
    if (stat.path[0] != '\0')
        return write_address(at, stat.path);
    if (kith_share(space, &fd) < 0)
        return NULL;
    /* A standard descriptor would be taken for what the command reads and writes. */
    fd = kith__descriptor_high(fd);
    if (fd < 0) {
        kith__fail(KITH_ESYSTEM, "A space cannot be handed on: %s.", strerror(errno));
        return NULL;
    }
    hand->fds[hand->fd_count++] = fd;
    return at + sprintf(at, "fd:%d", fd);
}

static kith_err
write_word(struct kith__hand *hand, const struct kith_process_options *options)
{
    char *at;

    if (options->space_count > SIZE_MAX / ADDRESS_SIZE_MAX - 1)
        return kith__fail(KITH_EINVAL, "%zu spaces are more than can be handed on.",
                          options->space_count);
    hand->word = kith__malloc(WORD_SIZE + 1 + options->space_count * ADDRESS_SIZE_MAX);
    hand->fds = kith__calloc(options->space_count, sizeof(*hand->fds));
    if (hand->word == NULL || hand->fds == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory left to start another.");
    at = stpcpy(hand->word, WORD);
    for (size_t i = 0; i < options->space_count; i++) {
        unsigned told = kith__told();

        if (i > 0)
            *at++ = ' ';
        at = write_space(hand, options->spaces[i], at);
        if (at == NULL)
            return kith__told() != told ? kith__telling.code : KITH_ESYSTEM;
    }
    *at = '\0';
    return KITH_OK;
}

kith_err
kith__hand_make(const struct kith_process_options *options, struct kith__hand *hand_out)
{
    const char *const *words = options->environment;
    struct kith__hand hand = { NULL, NULL, NULL, 0 };
    size_t count = 0, kept = 0;
    kith_err err = KITH_OK;

    if (words == NULL)
        words = (const char *const *)environ;
    while (words != NULL && words[count] != NULL)
        count++;
    if (options->space_count > 0)
        err = write_word(&hand, options);
    if (err == KITH_OK && (hand.environment = kith__calloc(count + 2, sizeof(char *))) == NULL)
        err = kith__fail(KITH_ENOMEM, "This process has no memory left to start another.");
    if (err < 0) {
        kith__hand_free(&hand);
        return err;
    }
    /* What was handed to this process is not handed further. */
    for (size_t i = 0; i < count; i++)
        if (strncmp(words[i], WORD, WORD_SIZE) != 0)
            hand.environment[kept++] = (char *)words[i];
    if (hand.word != NULL)
        hand.environment[kept++] = hand.word;
    *hand_out = hand;
    return KITH_OK;
}

void
kith__hand_free(struct kith__hand *hand)
{
    for (size_t i = 0; i < hand->fd_count; i++)
        close(hand->fds[i]);
    kith__free(hand->fds);
    kith__free(hand->word);
    kith__free(hand->environment);
}

/* ---- In the command -------------------------------------------------------------------- */

static kith_err
none_there(size_t index)
{
    return kith__fail(KITH_ENOENT, "No space %zu was handed on to this process.", index);
}

/* The descriptor of "fd:N"; -1 if that is none. */
static int
read_fd(const char *text, size_t size)
{
    int64_t fd = 0;

    if (size == 0)
        return -1;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9' || fd > INT32_MAX / 10 - 1)
            return -1;
        fd = fd * 10 + (text[i] - '0');
    }
    return (int)fd;
}

static kith_err
open_fd(size_t index, int fd, const struct kith_options *options, kith_space **space_out)
{
    kith_err err;

    if (fd <= STDERR_FILENO || fcntl(fd, F_GETFD) < 0)
        return none_there(index);
    err = kith_open_fd(fd, options, space_out);
    /* Not for the commands that this one starts; it may be opened again here. */
    if (err == KITH_OK)
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    return err;
}

kith_err
kith_process_space(size_t index, const struct kith_options *options, kith_space **space_out)
{
    struct kith_options whole = KITH_OPTIONS_INIT;
    const char *at = getenv("KITH_SPACES");
    size_t size;
    char *address;
    kith_err err;

    if (space_out == NULL)
        return kith__fail_null("kith_process_space");
    err = kith__options_copy("kith_process_space", options, &whole, sizeof(whole));
    if (err < 0)
        return err;
    for (size_t i = 0; at != NULL && i < index; i++) {
        at = strchr(at, ' ');
        at = at == NULL ? NULL : at + 1;
    }
    if (at == NULL || *at == '\0')
        return none_there(index);
    size = strcspn(at, " ");
    if (strncmp(at, "fd:", 3) == 0)
        return open_fd(index, read_fd(at + 3, size - 3), &whole, space_out);
    address = kith__malloc(size + 1);
    if (address == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory left to open a space.");
    memcpy(address, at, size);
    address[size] = '\0';
    whole.create = KITH_MUST_EXIST;
    err = kith_open(address, &whole, space_out);
    kith__free(address);
    return err;
}
