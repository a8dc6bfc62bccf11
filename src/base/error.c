/*
 * error.c - messages of the error codes, and each thread's last failure as a sentence.
 */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * The library is built for initial-exec thread storage, of which a program that loads it late has
 * only a few hundred bytes left.  A sentence is too large for that and in no hurry.
 */
static _Thread_local char sentence[KITH__SENTENCE_SIZE_MAX]
    __attribute__((tls_model("global-dynamic")));

_Thread_local struct kith__telling kith__telling;

static kith_err
told(kith_err code)
{
    kith__telling.count++;
    kith__telling.code = code;
    return code;
}

/* Ends `text` before a UTF-8 character that the cut at `size` bytes has broken. */
static void
drop_broken_character(char *text, size_t size)
{
    size_t at = size;

    while (at > 0 && ((unsigned char)text[at - 1] & 0xc0) == 0x80)
        at--;
    if (at > 0 && (unsigned char)text[at - 1] >= 0xc0)
        text[at - 1] = '\0';
}

kith_err
kith__fail(kith_err code, const char *fmt, ...)
{
    char text[KITH__SENTENCE_SIZE_MAX];
    int errno_before = errno;
    va_list args;
    int size;

    va_start(args, fmt);
    size = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (size < 0)
        (void)snprintf(text, sizeof(text), "%s", kith_strerror(code));
    else if ((size_t)size >= sizeof(text))
        drop_broken_character(text, sizeof(text) - 1);
    memcpy(sentence, text, sizeof(sentence));
    errno = errno_before;
    return told(code);
}

kith_err
kith__fail_object(kith_err code, const char *before, const char *name, const char *after)
{
    const char *parts[] = { before, name, after };
    char *to = sentence;
    size_t left = sizeof(sentence) - 1;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t size = strnlen(parts[i], left);

        memcpy(to, parts[i], size);
        to += size;
        left -= size;
    }
    *to = '\0';
    return told(code);
}

const char *
kith_last_error(void)
{
    return sentence;
}

const char *
kith_strerror(kith_err err)
{
    switch ((int)err) {
    case KITH_OK:
        return "done";
    case KITH_OWNER_DIED:
        return "done, and the last owner died";
    case KITH_EVICTED:
        return "done, and something else was evicted to make room";
#define X(name, number, text)                                                                      \
    case KITH_##name:                                                                              \
        return text;
        KITH_ERR_MAP(X)
#undef X
    default:
        return "an error that this version of Kith does not know";
    }
}
