/*
 * value.c - reads keys and values as they are typed.
 *
 * Plainly, a word is an int (-12), a float (1.5, 2e6; with a point or an exponent), true, false or
 * none, and else a str.  So "7" is a number; --str makes it the text.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t
count_digits(const char *text, size_t size)
{
    size_t count = 0;

    while (count < size && is_digit(text[count]))
        count++;
    return count;
}

static size_t
sign_size(const char *text, size_t size)
{
    return size > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
}

static bool
is_int(const char *text, size_t size)
{
    size_t at = sign_size(text, size);

    return at < size && count_digits(text + at, size - at) == size - at;
}

/* Digits on one side of a point at least, or before an exponent. */
static bool
is_float(const char *text, size_t size)
{
    size_t at = sign_size(text, size);
    size_t digits = count_digits(text + at, size - at);
    bool marked = false;

    at += digits;
    if (at < size && text[at] == '.') {
        size_t more = count_digits(text + at + 1, size - at - 1);

        at += 1 + more;
        digits += more;
        marked = true;
    }
    if (digits == 0)
        return false;
    if (at < size && (text[at] == 'e' || text[at] == 'E')) {
        size_t more;

        at++;
        at += sign_size(text + at, size - at);
        more = count_digits(text + at, size - at);
        if (more == 0)
            return false;
        at += more;
        marked = true;
    }
    return marked && at == size;
}

static bool
is_word(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && memcmp(text, word, size) == 0;
}

/* How many bytes the UTF-8 character takes whose first byte is `lead`; 0: none begins so. */
static size_t
utf8_size(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef)
        return 3;
    if (lead >= 0xf0 && lead <= 0xf4)
        return 4;
    return 0;
}

bool
cli_is_utf8(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + size;

    while (at < end) {
        size_t length = utf8_size(*at);

        if (length == 0 || length > (size_t)(end - at))
            return false;
        for (size_t i = 1; i < length; i++)
            if ((at[i] & 0xc0) != 0x80)
                return false;
        /* Overlong, a surrogate, or beyond U+10FFFF. */
        if ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] >= 0xa0) ||
            (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] >= 0x90))
            return false;
        at += length;
    }
    return true;
}

int
cli_reading(const struct cli *cli, const char *word, enum cli_reading *reading)
{
    if (word == NULL)
        return CLI_GO_ON;
    if (strcmp(word, "str") == 0)
        *reading = CLI_READ_STR;
    else if (strcmp(word, "bytes") == 0)
        *reading = CLI_READ_BYTES;
    else if (strcmp(word, "json") == 0)
        *reading = CLI_READ_JSON;
    else
        return cli_misused(cli, "The option --as takes json, bytes or str, not \"%s\".", word);
    return CLI_GO_ON;
}

static int
read_str(const struct cli *cli, const char *text, size_t size, struct kith_item *item_out)
{
    if (!cli_is_utf8(text, size))
        return cli_misused(cli, "A str has to be UTF-8; give other bytes with --as bytes.");
    *item_out = (struct kith_item){ .type = KITH_TYPE_STR, .data = text, .size = size };
    return CLI_GO_ON;
}

/* A text that is_float() knows; strtod() wants a NUL behind it. */
static bool
read_float(const char *text, size_t size, struct kith_item *item_out)
{
    char *copy = strndup(text, size);

    if (copy == NULL)
        return false;
    *item_out = kith_float(strtod(copy, NULL));
    free(copy);
    return true;
}

int
cli_read_item(const struct cli *cli, enum cli_reading reading, bool key, const char *text,
              size_t size, struct kith_item *item_out, void **memory_out)
{
    const char *wrong;
    bool fits = true;

    *memory_out = NULL;
    switch (reading) {
    case CLI_READ_BYTES:
        *item_out = kith_bytes(text, size);
        return CLI_GO_ON;
    case CLI_READ_STR:
        return read_str(cli, text, size, item_out);
    case CLI_READ_JSON:
        wrong = cli_json_read(text, size, key, item_out, memory_out);
        if (wrong != NULL)
            return cli_misused(cli, "%.*s%s is no JSON: %s.", size > 40 ? 40 : (int)size, text,
                               size > 40 ? "…" : "", wrong);
        return CLI_GO_ON;
    case CLI_READ_PLAIN:
        break;
    }
    if (is_int(text, size))
        fits = cli_decimal(text, size, item_out, memory_out);
    else if (is_float(text, size))
        fits = read_float(text, size, item_out);
    else if (is_word(text, size, "true") || is_word(text, size, "false"))
        *item_out = kith_bool(text[0] == 't');
    else if (is_word(text, size, "none"))
        *item_out = kith_none();
    else
        return read_str(cli, text, size, item_out);
    return fits ? CLI_GO_ON : cli_misused(cli, "There is no memory for a number so long.");
}

int
cli_read_text(const struct cli *cli, enum cli_reading reading, bool key, const char *text,
              struct kith_item *item_out, void **memory_out)
{
    return cli_read_item(cli, reading, key, text, strlen(text), item_out, memory_out);
}

int
cli_read_input(char **data_out, size_t *size_out)
{
    size_t capacity = 64 * 1024;
    size_t size = 0;
    char *data = malloc(capacity);

    while (data != NULL) {
        size_t got = fread(data + size, 1, capacity - size, stdin);
        char *larger;

        size += got;
        if (got == 0)
            break;
        if (size < capacity)
            continue;
        capacity *= 2;
        larger = realloc(data, capacity);
        if (larger == NULL)
            free(data);
        data = larger;
    }
    if (data == NULL || ferror(stdin)) {
        free(data);
        cli_say("Standard input cannot be read, or does not fit in memory.");
        return CLI_FAILED;
    }
    *data_out = data;
    *size_out = size;
    return CLI_GO_ON;
}
