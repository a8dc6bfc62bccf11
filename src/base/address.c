/*
 * address.c - an address taken apart.
 */
#include "address.h"

#include "alloc.h"
#include "clock.h"
#include "error.h"
#include "utf8.h"

#include <string.h>

/* Bytes of an address that a sentence shows at most. */
#define SHOWN_MAX 220

struct parser {
    const char *text;
    struct kith__address *address;
    char *memory; /* where the next decoded string goes: there is room for all of them */
};

/* ---- Sentences ---- */

/* The address as a sentence can show it: what is no text is shown as question marks. */
static void
show(const char *text, char shown[SHOWN_MAX + 4])
{
    size_t size = strnlen(text, SHOWN_MAX + 1);
    bool cut = size > SHOWN_MAX;
    bool is_text;

    if (cut) {
        size = SHOWN_MAX;
        while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80)
            size--;
    }
    is_text = kith__utf8_ok(text, size);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        shown[i] = c < 0x20 || c == 0x7f || (c >= 0x80 && !is_text) ? '?' : text[i];
    }
    memcpy(shown + size, cut ? "..." : "", cut ? 4 : 1);
}

static kith_err
wrong(const struct parser *p, const char *at, const char *why, const char *right)
{
    char shown[SHOWN_MAX + 4];
    size_t position = 1;

    for (const char *c = p->text; c < at; c++)
        position += ((unsigned char)*c & 0xc0) != 0x80;
    show(p->text, shown);
    return kith__fail(KITH_EINVAL,
                      "The address \"%s\" goes wrong at character %zu: %s.  A right one is \"%s\".",
                      shown, position, why, right);
}

/* ---- Pieces ---- */

static int
hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Copies [at, end) with its %XX resolved into the parser's memory, with a NUL behind it. */
static kith_err
decode(struct parser *p, const char *at, const char *end, const char **text_out)
{
    char *to = p->memory;

    for (; at < end; at++) {
        int high, low;

        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        high = end - at > 2 ? hex_digit(at[1]) : -1;
        low = end - at > 2 ? hex_digit(at[2]) : -1;
        if (high < 0 || low < 0)
            return wrong(p, at, "% stands before two hexadecimal digits", "100%25-done");
        if (high == 0 && low == 0)
            return wrong(p, at, "it may have no NUL in it", "shm://hits");
        *to++ = (char)(high << 4 | low);
        at += 2;
    }
    *to++ = '\0';
    *text_out = p->memory;
    p->memory = to;
    return KITH_OK;
}

static kith_err
parse_name(struct parser *p, const char *at, const char *end)
{
    const char *slash = memchr(at, '/', (size_t)(end - at));
    const char *right = "shm://hits";
    size_t size;
    kith_err rc;

    if (at == end)
        return wrong(p, at, "the name of the space is missing", right);
    if (slash != NULL)
        return wrong(p, slash, "a name has no '/'; a file is given as file:///PATH", right);
    rc = decode(p, at, end, &p->address->place);
    if (rc < 0)
        return rc;
    size = strlen(p->address->place);
    if (size > KITH__NAME_SIZE_MAX)
        return wrong(p, at + KITH__NAME_SIZE_MAX, "a name has at most 200 bytes", right);
    if (!kith__name_ok(p->address->place, size))
        return wrong(p, at, "a name is UTF-8 without '/' and NUL", right);
    return KITH_OK;
}

static kith_err
parse_path(struct parser *p, const char *at, const char *end)
{
    const char *right = "file:///var/lib/app/hits.kith";

    if (at == end || *at != '/')
        return wrong(p, at, "behind file:// stands an absolute path", right);
    if (end[-1] == '/')
        return wrong(p, end - 1, "the path ends in '/', so it leads to no file", right);
    return decode(p, at, end, &p->address->place);
}

/* ---- The query ---- */

static bool
parse_size(const char *text, uint64_t *size_out)
{
    static const char units[] = "KMGT";
    const char *unit;
    uint64_t size = 0;

    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (__builtin_mul_overflow(size, 10u, &size) ||
            __builtin_add_overflow(size, (uint64_t)(*text - '0'), &size))
            return false;
    }
    if (*text != '\0') {
        unit = strchr(units, *text);
        if (unit == NULL || text[1] != '\0')
            return false;
        for (const char *u = units; u <= unit; u++) {
            if (__builtin_mul_overflow(size, 1024u, &size))
                return false;
        }
    }
    *size_out = size;
    return size > 0;
}

static bool
parse_mode(const char *text, uint32_t *mode_out)
{
    uint32_t mode = 0;
    size_t digits = 0;

    for (; text[digits] >= '0' && text[digits] <= '7'; digits++) {
        if (digits == 6)
            return false;
        mode = mode * 8 + (uint32_t)(text[digits] - '0');
    }
    *mode_out = mode;
    return digits > 0 && text[digits] == '\0' && mode != 0;
}

static bool
parse_seconds(const char *text, int64_t *ns_out)
{
    int64_t ns = 0;
    int64_t unit = KITH__NS_PER_S;

    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        ns = ns * 10 + (*text - '0');
        if (ns > 1000000000)
            return false;
    }
    ns *= KITH__NS_PER_S;
    if (*text == '.') {
        for (text++; *text >= '0' && *text <= '9'; text++) {
            unit /= 10;
            ns += unit * (*text - '0');
        }
    }
    *ns_out = ns;
    return *text == '\0' && ns > 0;
}

static bool
parse_bool(const char *text, bool *value_out)
{
    *value_out = strcmp(text, "yes") == 0;
    return *value_out || strcmp(text, "no") == 0;
}

static bool
parse_create(const char *text, enum kith_create *create_out)
{
    if (strcmp(text, "yes") == 0)
        *create_out = KITH_CREATE_OR_OPEN;
    else if (strcmp(text, "no") == 0 || strcmp(text, "must-exist") == 0)
        *create_out = KITH_MUST_EXIST;
    else if (strcmp(text, "must-create") == 0)
        *create_out = KITH_MUST_CREATE;
    else
        return false;
    return true;
}

static bool
is(const char *at, size_t size, const char *name)
{
    return strlen(name) == size && memcmp(at, name, size) == 0;
}

static kith_err
parse_parameter(struct parser *p, const char *name, const char *end)
{
    struct kith_options *options = &p->address->options;
    const char *equals = memchr(name, '=', (size_t)(end - name));
    const char *at, *value;
    size_t size;
    kith_err rc;

    if (equals == NULL || equals == name)
        return wrong(p, name, "a parameter is written name=value", "hits?size=1G&mode=0660");
    size = (size_t)(equals - name);
    rc = decode(p, equals + 1, end, &value);
    if (rc < 0)
        return rc;
    at = equals + 1;
    if (is(name, size, "size"))
        return parse_size(value, &options->size)
                   ? KITH_OK
                   : wrong(p, at, "a size is a number of bytes, with K, M, G or T behind it or not",
                           "hits?size=64M");
    if (is(name, size, "mode"))
        return parse_mode(value, &options->mode)
                   ? KITH_OK
                   : wrong(p, at, "a mode is an octal number", "hits?mode=0660");
    if (is(name, size, "timeout"))
        return parse_seconds(value, &options->timeout_ns)
                   ? KITH_OK
                   : wrong(p, at, "a timeout is a positive number of seconds", "hits?timeout=2.5");
    if (is(name, size, "create"))
        return parse_create(value, &options->create)
                   ? KITH_OK
                   : wrong(p, at, "create is one of must-exist, must-create, yes and no",
                           "hits?create=must-exist");
    if (is(name, size, "readonly"))
        return parse_bool(value, &options->readonly)
                   ? KITH_OK
                   : wrong(p, at, "readonly is yes or no", "hits?readonly=yes");
    if (is(name, size, "temporary"))
        return parse_bool(value, &options->temporary)
                   ? KITH_OK
                   : wrong(p, at, "temporary is yes or no", "hits?temporary=yes");
    if (is(name, size, "transactional"))
        return parse_bool(value, &options->transactional)
                   ? KITH_OK
                   : wrong(p, at, "transactional is yes or no", "hits?transactional=yes");
    if (is(name, size, "authkey_file")) {
        options->authkey_file = value;
        return *value != '\0'
                   ? KITH_OK
                   : wrong(p, at, "the path of the file is missing", "hits?authkey_file=/etc/key");
    }
    return wrong(p, name,
                 "parameters are create, size, mode, readonly, temporary, transactional, "
                 "authkey_file and timeout",
                 "hits?size=1G&mode=0660");
}

static kith_err
parse_query(struct parser *p, const char *at)
{
    for (;;) {
        const char *end = at + strcspn(at, "&");
        kith_err rc = parse_parameter(p, at, end);

        if (rc < 0 || *end == '\0')
            return rc;
        at = end + 1;
    }
}

/* ---- The whole ---- */

/* Bytes of the scheme before "://"; 0 if there is none. */
static size_t
scheme_size(const char *text)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.");

    return strncmp(text + size, "://", 3) == 0 ? size : 0;
}

static kith_err
refuse_scheme(const struct parser *p, size_t size)
{
    static const char *const others[] = { "unix", "tcp", "tls", "redis", "rediss", "redis+unix" };
    char shown[SHOWN_MAX + 4];

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (!is(p->text, size, others[i]))
            continue;
        show(p->text, shown);
        return kith__fail(KITH_EUNSUPPORTED,
                          "The address \"%s\" leads to an engine that this build does not have: it "
                          "has only shm, for NAME, shm://NAME, file:///PATH and mem://.",
                          shown);
    }
    return wrong(p, p->text, "there is no such scheme", "shm://hits");
}

static kith_err
parse(struct parser *p)
{
    size_t scheme = scheme_size(p->text);
    const char *at = p->text + (scheme > 0 ? scheme + 3 : 0);
    const char *end = at + strcspn(at, "?");
    kith_err rc;

    if (scheme == 0 || is(p->text, scheme, "shm")) {
        p->address->scheme = KITH__SCHEME_SHM;
        rc = parse_name(p, at, end);
    } else if (is(p->text, scheme, "file")) {
        p->address->scheme = KITH__SCHEME_FILE;
        rc = parse_path(p, at, end);
    } else if (is(p->text, scheme, "mem")) {
        p->address->scheme = KITH__SCHEME_MEM;
        p->address->place = "";
        rc = at == end ? KITH_OK : wrong(p, at, "mem:// has no name", "mem://?size=64M");
    } else {
        return refuse_scheme(p, scheme);
    }
    return rc < 0 || *end == '\0' ? rc : parse_query(p, end + 1);
}

kith_err
kith__address_parse(const char *text, const struct kith_options *options,
                    struct kith__address *address_out)
{
    struct kith__address address = { .options = *options };
    struct parser p = { .text = text, .address = &address };
    size_t key_size = options->authkey_file != NULL ? strlen(options->authkey_file) + 1 : 0;
    size_t size = strlen(text);
    kith_err rc;

    /* Decoding makes nothing longer, and each piece but the scheme loses a separator to its NUL. */
    address.memory = p.memory = kith__malloc(size + 2 + key_size);
    if (address.memory == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory for an address of %zu bytes.",
                          size);
    if (key_size > 0) {
        address.options.authkey_file = memcpy(p.memory, options->authkey_file, key_size);
        p.memory += key_size;
    }
    rc = parse(&p);
    if (rc < 0) {
        kith__free(address.memory);
        return rc;
    }
    *address_out = address;
    return KITH_OK;
}

void
kith__address_free(struct kith__address *address)
{
    kith__free(address->memory);
    address->memory = NULL;
}
