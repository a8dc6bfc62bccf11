/*
 * pickle_text.h - values as protocol 0 writes them: as text in a line.
 */
#ifndef KITH__PICKLE_TEXT_H
#define KITH__PICKLE_TEXT_H

#include "wire/graph.h"

/* Digits of an int at most; Python has the same limit. */
#define KITH__PICKLE_DIGITS_MAX 4300

/*
 * The node of a line, which is without its end: NULL if it is none, or there is no memory.  The
 * sentence of *why_out says what is wrong; it is NULL if the graph has kept one already.
 */
const struct kith__node *kith__pickle_int_line(struct kith__graph *graph, struct kith__span line,
                                               const char **why_out);
const struct kith__node *kith__pickle_float_line(struct kith__graph *graph, struct kith__span line,
                                                 const char **why_out);
/* A str as Python's repr() has one of bytes, of ASCII. */
const struct kith__node *kith__pickle_string_line(struct kith__graph *graph, struct kith__span line,
                                                  const char **why_out);
/* A str of Latin-1, with \uXXXX and \UXXXXXXXX. */
const struct kith__node *kith__pickle_unicode_line(struct kith__graph *graph,
                                                   struct kith__span line, const char **why_out);
/* A memo's index. */
bool kith__pickle_index_line(struct kith__span line, uint64_t *index_out);
/* Text of the code points, which are Latin-1 bytes, as `_codecs.encode` takes it; false if not. */
bool kith__pickle_latin1(const struct kith__node *text, uint8_t *bytes_out, size_t *size_out);

#endif /* KITH__PICKLE_TEXT_H */
