/*
 * buf.h - filling a struct kith_buf, the copy that a caller gets.
 */
#ifndef KITH__BUF_H
#define KITH__BUF_H

#include <kith/item.h>

/*
 * Gives the buffer room for `size` bytes.  The item in it, and the bytes, are lost if it has to
 * grow; on KITH_ENOMEM the buffer is as it was.
 */
kith_err kith__buf_reserve(struct kith_buf *buf, size_t size);

/*
 * Copies `item` in, its data and its tag too; either may lie in this very buffer.  A tag that is
 * kith_absent stays that address.  On KITH_ENOMEM the buffer is as it was.
 */
kith_err kith__buf_set(struct kith_buf *buf, struct kith_item item);

#endif /* KITH__BUF_H */
