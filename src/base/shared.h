/*
 * shared.h - what libkith-net.so takes of libkith.so besides the public functions.
 *
 * Networks live in a library of their own, so that one who uses none of them does not load OpenSSL.
 * It stands on src/base as the rest does.  There must be one last error a thread, and one interrupt
 * function, in the whole process: so it has no copies of its own.  What is declared between these
 * two lines, and is listed in src/libkith.map under KITH_PRIVATE, it may call; that version's name
 * has the library's in it, so the two load together only if they are of one build.
 */
#ifndef KITH__SHARED_H
#define KITH__SHARED_H

#define KITH__SHARED_BEGIN _Pragma("GCC visibility push(default)")
#define KITH__SHARED_END _Pragma("GCC visibility pop")

#endif /* KITH__SHARED_H */
