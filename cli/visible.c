/*
 * visible.c - text of others, as names are, in what a person reads.
 *
 * A name may have a newline in it, or an escape sequence that a terminal obeys.
 */
#include "cli.h"

#include <string.h>

size_t
cli_character(const char *text)
{
    unsigned char lead = (unsigned char)text[0];
    size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    return strnlen(text, size) == size && cli_is_utf8(text, size) ? size : 1;
}

/* Whether a character of `size` bytes is one that stands where it is printed. */
static bool
is_plain(const char *text, size_t size)
{
    unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];

    if (size == 1)
        return first >= 0x20 && first < 0x7f;
    return first != 0xc2 || second >= 0xa0; /* U+0080 to U+009F are controls as well */
}

size_t
cli_print_visible(FILE *out, const char *text)
{
    size_t columns = 0;

    while (*text != '\0') {
        size_t size = cli_character(text);

        if (is_plain(text, size)) {
            fwrite(text, 1, size, out);
            columns++;
        } else if (*text == '\n' || *text == '\t') {
            fputs(*text == '\n' ? "\\n" : "\\t", out);
            columns += 2;
        } else {
            for (size_t i = 0; i < size; i++)
                fprintf(out, "\\x%02x", (unsigned char)text[i]);
            columns += 4 * size;
        }
        text += size;
    }
    return columns;
}

void
cli_print_column(const char *text, size_t width)
{
    size_t columns = cli_print_visible(stdout, text);

    for (; columns < width; columns++)
        putchar(' ');
    putchar(' ');
}
