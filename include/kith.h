/*
 * kith.h - objects that live in crash-safe shared memory and are shared by processes.
 *
 * The one file most programs include; each header below it describes one kind of object.
 */
#ifndef KITH_H
#define KITH_H

#include <kith/array.h>
#include <kith/barrier.h>
#include <kith/base.h>
#include <kith/condition.h>
#include <kith/dict.h>
#include <kith/dump.h>
#include <kith/event.h>
#include <kith/inspect.h>
#include <kith/item.h>
#include <kith/limiter.h>
#include <kith/list.h>
#include <kith/lock.h>
#include <kith/namespace.h>
#include <kith/once.h>
#include <kith/poll.h>
#include <kith/pool.h>
#include <kith/process.h>
#include <kith/queue.h>
#include <kith/reference.h>
#include <kith/rwlock.h>
#include <kith/segment.h>
#include <kith/semaphore.h>
#include <kith/set.h>
#include <kith/space.h>
#include <kith/txn.h>
#include <kith/value.h>
#include <kith/view.h>

#endif /* KITH_H */
