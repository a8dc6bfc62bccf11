"""What is measured, and what is wanted of it.

A Measurement is one program, case and set of processes; it is run once a round.  A Row compares
measurements, and is what the table shows.  Every number that stands here is a target.
"""

from dataclasses import dataclass

MILLION = 1_000_000
MIB = 1 << 20


@dataclass(frozen=True)
class Measurement:
    name: str
    program: str
    arguments: tuple
    processors: int = 1  # that it needs to be what its name says
    ms: float = 1.0  # times the round's usual length
    once: bool = False  # the same in each round, so measured in one


@dataclass(frozen=True)
class Row:
    """`judge` says how `ours` meets the target:

    ratio    ours <= limit * peer                 limit    ours <= limit
    plus     ours <= peer + limit                 speedup  peer >= limit * ours
    near     ours is within limit * peer of peer
    p50, p99 that percentile of all events of all rounds <= limit
    none     no target; shown for what it tells
    """

    part: str
    title: str
    judge: str
    ours: str
    limit: float = 0
    peer: str = ""
    number: int = 0  # which of the numbers that one run of a memory case prints
    unit: str = "ns"
    why: str = ""  # shown with the row if it is missed: what is known of the reason


MEASUREMENTS = {}


def measured(name, program, *arguments, **more):
    MEASUREMENTS[name] = Measurement(name, program, tuple(arguments), **more)
    return name


def by_processes(*sides):
    """The same with 1, 2 and 8 processes, for each side of a comparison, which is a name, a program
    and its arguments.  Returns a list of three names for each side."""
    names = [[] for _ in sides]
    for count in (1, 2, 8):
        for side, (name, program, *arguments) in enumerate(sides):
            names[side].append(measured(f"{name}, {count}", program, *arguments, "--processes",
                                        str(count), processors=min(count, 2)))
    return names


# ---- measurements; neighbours here are neighbours in time ----

measured("calibrate", "peer-glibc", "calibrate", "--processes", "2", processors=2)

GET, BOOST_GET = by_processes(("kith get", "bench-dict", "get"),
                              ("boost get", "peer-boost", "get"))
measured("kith get beside a writer", "bench-dict", "get-beside-writer", processors=2)
measured("kith get str", "bench-dict", "get-str")
measured("kith get or compute", "bench-cache", "get-or-compute")

measured("kith get 1M", "bench-dict", "get", "--entries", str(MILLION))
measured("absl get 1M", "peer-absl", "get", "--entries", str(MILLION))
measured("lmdb get 1M", "peer-lmdb", "get", "--entries", str(MILLION))

ADD, BOOST_ADD = by_processes(("kith add", "bench-dict", "add"),
                              ("boost add", "peer-boost", "add"))
measured("kith add_many", "bench-dict", "add-many")

SET, LMDB_SET, BOOST_SET = by_processes(("kith set", "bench-dict", "set"),
                                        ("lmdb set", "peer-lmdb", "set"),
                                        ("boost set", "peer-boost", "set"))

measured("kith bounded set", "bench-cache", "set-present")
measured("kith bounded set new", "bench-cache", "set-new")
measured("kith set new", "bench-cache", "set-new-plain")
KEYS = 100_000  # that are asked for; a tenth of them fit
measured("kith hit rate", "bench-cache", "hit-rate", "--entries", str(KEYS), once=True)
measured("kith hit rate, 2", "bench-cache", "hit-rate", "--entries", str(KEYS), "--processes", "2",
         processors=2, once=True)
measured("exact hit rate", "peer-sieve", "hit-rate", "--entries", str(KEYS), once=True)
measured("kith set reference", "bench-dict", "set-reference")
measured("kith set name", "bench-dict", "set-name")

measured("kith grow 1M", "bench-dict", "grow", "--entries", str(MILLION))
measured("absl grow 1M", "peer-absl", "grow", "--entries", str(MILLION))

measured("kith list append", "bench-list", "append")
measured("kith list append and pop", "bench-list", "append-pop")
measured("kith list index", "bench-list", "get")
measured("kith list insert", "bench-list", "insert")
measured("kith list insert and pop", "bench-list", "insert-pop")

measured("kith queue 64 B", "bench-queue", "one-way-64", processors=2)
measured("boost queue 64 B", "peer-boost", "one-way-64", processors=2)
measured("kith queue 64 B in batches", "bench-queue", "one-way-64-batch", processors=2)
measured("kith queue 1 MiB", "bench-queue", "one-way-1m", processors=2)
measured("boost queue 1 MiB", "peer-boost", "one-way-1m", processors=2)
measured("kith put and get", "bench-queue", "put-get")
measured("boost put and get", "peer-boost", "put-get")
measured("kith put and get by priority", "bench-queue", "put-get-priority")
measured("kith put, lease, ack", "bench-queue", "put-lease-ack")

measured("kith round trip, two cores", "bench-queue", "round-trip", processors=2)
measured("futex round trip, two cores", "peer-glibc", "futex-round-trip", processors=2)
measured("kith round trip, one core", "bench-queue", "round-trip", "--same-core")
measured("futex round trip, one core", "peer-glibc", "futex-round-trip", "--same-core")

LOCK, MUTEX = by_processes(("kith lock pair", "bench-lock", "pair"),
                           ("robust mutex pair", "peer-glibc", "lock-pair"))

VALUE_ADD, FETCH_ADD = by_processes(("kith value add", "bench-cell", "value-add"),
                                    ("atomic add", "peer-glibc", "fetch-add"))
measured("kith value get", "bench-cell", "value-get")
measured("kith array view", "bench-cell", "array-view")
PLAIN_MUTEX = measured("plain mutex pair", "peer-glibc", "plain-lock-pair")
measured("kith rlock pair", "bench-lock", "recursive-pair")
measured("kith fair lock pair", "bench-lock", "fair-pair")
measured("kith unowned lock pair", "bench-lock", "unowned-pair")
READ, GLIBC_READ = by_processes(("kith rwlock read", "bench-lock", "read-pair"),
                                ("glibc rwlock read", "peer-glibc", "read-pair"))
measured("kith rwlock read beside a writer", "bench-lock", "read-pair-beside-writer", processors=2)
measured("kith rwlock write", "bench-lock", "write-pair")
SEMAPHORE, GLIBC_SEMAPHORE = by_processes(("kith semaphore pair", "bench-sync", "semaphore-pair"),
                                          ("sem_t pair", "peer-glibc", "semaphore-pair"))

measured("kith event pair", "bench-sync", "event-pair")
measured("kith once", "bench-sync", "once-done")
measured("pthread_once", "peer-glibc", "once-done")
measured("kith limiter", "bench-sync", "limiter-take")
measured("bare bucket", "peer-glibc", "bucket-take")
MEETINGS = ("two cores", "one core")
for where, arguments in zip(MEETINGS, ((), ("--same-core",))):
    for what in ("barrier", "condition"):
        for whose, program in (("kith", "bench-sync"), ("glibc", "peer-glibc")):
            measured(f"{whose} {what}, {where}", program, what, *arguments,
                     processors=1 if arguments else 2)

RESIZE, BOOST_RESIZE = by_processes(("kith resize", "bench-dict", "resize"),
                                    ("boost resize", "peer-boost", "resize"))

STEP, LMDB_STEP = by_processes(("kith work item", "bench-txn", "work-item"),
                               ("lmdb work item", "peer-lmdb", "work-item"))

measured("kith open", "bench-space", "open")
measured("kith thread", "bench-space", "thread", ms=0.3)

measured("manager get", "manager.py", "get")
measured("manager set", "manager.py", "set")
measured("manager add", "manager.py", "add")
measured("redis get", "peer-redis", "get")
measured("redis set", "peer-redis", "set")
measured("redis add", "peer-redis", "add")

measured("kith lock true", "bench-command", "lock-true")
measured("flock true", "peer-flock", "lock-true")

# Who waits for what, and whose death ends that: the measurement, its case, and its rows' title.
DEATHS = [(measured(f"kith {case} killed", "bench-death", case, processors=2, ms=2), title)
          for case, title in (
              ("lock", "a lock's owner killed"),
              ("rlock", "a recursive lock's owner killed"),
              ("fair-lock", "a fair lock's owner killed"),
              ("unowned-lock", "an unowned lock's taker killed"),
              ("writer-for-writer", "a writer killed, another waits"),
              ("writer-for-reader", "a writer killed, a reader waits"),
              ("reader-for-writer", "a reader killed, a writer waits"),
              ("semaphore", "a permit's holder killed"),
              ("condition", "who was just notified killed"),
              ("barrier", "a party at a barrier killed"),
              ("once", "a once's claimer killed"),
              ("flight", "who computes a key killed"),
              ("lease", "an item's consumer killed"))]

measured("kith empty arena", "bench-memory", "empty-arena", once=True)
measured("kith per entry", "bench-memory", "per-entry", "--entries", str(MILLION), once=True)
measured("kith empty dict", "bench-memory", "empty-dict", once=True)
measured("kith empty queue", "bench-memory", "empty-queue", once=True)
measured("kith 100,000 dicts", "bench-memory", "many-dicts", "--entries", "100000", once=True)
CHURN = 100 * MILLION
QUICK_CHURN = 2 * MILLION
measured("kith churn", "bench-memory", "churn", "--entries", str(CHURN), once=True)

# What one process does alone, without a system call, so that its instructions can be counted.
COUNTED = (GET[0], BOOST_GET[0], "kith get str", SET[0], BOOST_SET[0], LMDB_SET[0], ADD[0],
           BOOST_ADD[0], "kith put and get", "boost put and get", "kith put, lease, ack", LOCK[0],
           MUTEX[0], RESIZE[0], BOOST_RESIZE[0], STEP[0], LMDB_STEP[0], "kith get or compute",
           "kith bounded set", "kith bounded set new", "kith set reference", "kith set name",
           SEMAPHORE[0], GLIBC_SEMAPHORE[0], "kith event pair", "kith once", "pthread_once",
           "kith limiter", "bare bucket")

# ---- how each peer is made comparable, by how the names of its measurements begin ----


@dataclass(frozen=True)
class Peer:
    begins: str
    label: str
    how: str


PEERS = [
    Peer("boost resize", "Boost", "a boost::unordered_map of strings in a managed segment, under "
         "one interprocess_mutex, set to the same sizes in the same order; an operation is one set "
         "or delete, of ten a key"),
    Peer("boost queue", "Boost", "a message_queue of as many messages (1,024 of 64 bytes, 8 of "
         "1 MiB) of the same size, received into the same memory each time"),
    Peer("boost put and get", "Boost", "the same message_queue, by one process"),
    Peer("boost", "Boost", "a boost::unordered_map with boost::hash in a managed segment, under "
         "one interprocess_mutex, on the same keys of 16 bytes with the same int64 values in the "
         "same random order; an add is `map[key] += 1` under the mutex, always of one key"),
    Peer("absl get", "absl", "an absl::flat_hash_map with absl's hash, private to the process and "
         "without a lock, on the same keys and values"),
    Peer("absl grow", "absl", "the same keys inserted into an empty absl::flat_hash_map; Kith's "
         "begin in a new arena, whose memory has never been touched"),
    Peer("lmdb work item", "LMDB", "a write transaction that puts the item, and one that takes the "
         "oldest, reads and writes one table and writes another"),
    Peer("lmdb", "LMDB", "the same keys and values on tmpfs with NOSYNC, NOMETASYNC, MAPASYNC and "
         "WRITEMAP; filled in key order, so that its pages are full; a get is a renewed read "
         "transaction, a put a write transaction"),
    Peer("futex", "futex", "FUTEX_WAKE and FUTEX_WAIT on two words, back and forth, with nothing "
         "carried; Kith's round trip carries 64 bytes through one queue and back through another"),
    Peer("robust mutex", "glibc", "a pthread_mutex_t, process-shared and robust, with the same "
         "work inside: one count"),
    Peer("atomic add", "processor", "an atomic_fetch_add on a word of shared memory, inlined"),
    Peer("plain mutex", "glibc", "a pthread_mutex_t, process-shared and not robust, with the same "
         "work inside: one count"),
    Peer("glibc rwlock", "glibc", "a pthread_rwlock_t, process-shared, which no death releases"),
    Peer("sem_t", "sem_t", "a process-shared sem_t, waited for and posted, which loses the "
         "permits of who is killed"),
    Peer("manager", "Manager", "proxies of a dict with the same number of entries over the "
         "manager's own unix socket, its process on the client's processor, where it is quicker; "
         "an add is `with lock: d[k] += 1`, since without the lock counts are lost"),
    Peer("redis", "Redis", "HGET, HSET and HINCRBY by hiredis over a unix socket, persistence off, "
         "the server on the client's processor, where it is quicker"),
    Peer("glibc barrier", "glibc", "a process-shared pthread_barrier_t, which waits for ever for "
         "who was killed"),
    Peer("glibc condition", "glibc", "two process-shared pthread_cond_t of one robust mutex, which "
         "lose what they told one who was killed"),
    Peer("pthread_once", "glibc", "pthread_once(), which is of one process"),
    Peer("bare bucket", "bare", "the least that a bucket of tokens takes: the clock is read, and "
         "one shared word compared and exchanged"),
    Peer("exact hit rate", "SIEVE", "SIEVE as its paper has it, by one process on the same "
         "requests: a million, for 100,000 keys, the n-th most wanted as often as 1/n, and room "
         "for 10,000"),
    Peer("flock true", "flock", "`flock FILE true` of util-linux beside `kith lock NAME -- true`, "
         "each from its start to its end, with the file on tmpfs"),
    Peer("standard python", "standard", "CPython's own multiprocessing, with the start method fork "
         "and the manager on the client's processor; for `import`, the modules that Kith's needs"),
    Peer("plain python", "dict", "a dict of this process alone"),
    Peer("ultradict python", "UltraDict", "UltraDict with its own defaults, as pip installs it, "
         "and one key; an add is `with d.lock: d[k] += 1`, since without the lock counts are lost"),
    Peer("faster_fifo python", "faster-fifo", "a faster_fifo.Queue with room for four arrays, by "
         "put() and get(), which pickle"),
    Peer("kith get", "get", "Kith's own get of a dict of as many keys, by one process"),
    Peer("kith set new", "plain set", "Kith's own set of a new key in a dict of as many keys "
         "without bounds, which loses its oldest by deletions that are not counted"),
    Peer("kith set name", "str", "Kith's own set of a str of the same bytes"),
    Peer("kith set", "plain set", "Kith's own set of a key that is there, in a dict without "
         "bounds"),
    Peer("kith", "itself", "Kith's own time with one process and nothing beside it"),
]


def peer_of(name):
    return next(each for each in PEERS if name.startswith(each.begins))


# From Python: the same case for each side.
for case, sides in (("dict-get", ("plain", "kith", "ultradict")),
                    ("dict-set", ("kith", "ultradict")),
                    ("dict-add", ("plain", "kith")),
                    ("counts-add", ("plain", "kith", "ultradict")),
                    *((each, ("standard", "kith")) for each in (
                        "manager-get", "manager-add", "value-add", "value-increase", "array-get",
                        "lock-pair", "event-pair", "semaphore-pair", "shareable-get",
                        "manager-start", "import", "queue-alone"))):
    for name in sides:
        measured(f"{name} python {case}", "python.py", name, case)
for case, sides in (("queue-pair", ("standard", "kith")), ("queue-echo", ("standard", "kith")),
                    ("queue-array", ("standard", "kith", "faster_fifo"))):
    for name in sides:
        measured(f"{name} python {case}", "python.py", name, case,
                 processors=1 if case == "queue-echo" else 2)
for case in ("pool-map", "pool-map-single", "pool-apply", "pool-start", "pool-arrays"):
    for name in ("standard", "kith"):
        measured(f"{name} python {case}", "python.py", name, case, processors=2)
for case in ("pool-naps", "pool-chaos"):
    measured(f"kith python {case}", "python.py", "kith", case, processors=2, once=True)
measured("kith pool task", "bench-pool", "task", processors=2)
measured("kith pool task in chunks", "bench-pool", "task-in-chunks", processors=2)
measured("kith python queue-array-view", "python.py", "kith", "queue-array-view", processors=2)

# ---- rows ----

LIST_COPIES = ("The leaf and the nodes above it are copied, up to 1 KiB each, and one record swaps "
               "them in, so that readers without a lock see the list as before or as after.")

ROWS = [
    Row("dict", "get, 1k entries", "ratio", GET[0], 0.6, BOOST_GET[0],
        why="A quarter is the keyed hash, which nobody's choice of keys can flood; the rest finds "
            "handle, shard, bucket and entry, and looks at the end whether they are what they "
            "were, where Boost takes a mutex that is free."),
    Row("dict", "get, two processes against one", "ratio", GET[1], 0.6, GET[0],
        why="Readers write nothing shared; best rounds halve. On a busy host the second "
            "processor is often not there."),
    Row("dict", "get beside a writer", "ratio", "kith get beside a writer", 2.5, GET[0]),
    Row("dict", "get, 1M entries, against in-process", "ratio", "kith get 1M", 2, "absl get 1M",
        why="Nearly all of it waits for two misses, one after the other: the bucket, and the entry "
            "that it names.  An entry that is in order, has a version and can be read without a "
            "lock takes about 100 bytes; absl's whole table is a third of that and nearly fits "
            "this machine's cache."),
    Row("dict", "get, 1M entries, against shared", "ratio", "kith get 1M", 0.2, "lmdb get 1M",
        why="The same two misses; the upper pages of LMDB's tree stay in the cache."),
    Row("dict", "add, existing key", "ratio", ADD[0], 1.0, BOOST_ADD[0],
        why="Nearly half is the shard's lock: two locked instructions, and its name in a ledger, "
            "by which it is free again after a kill.  Boost's mutex is locked for ever then."),
    Row("dict", "add, two processes on one key", "ratio", ADD[1], 0.8, BOOST_ADD[1],
        why="As above, and the shard's line carries the lock and its sequence number "
            "between the processors."),
    Row("dict", "set, existing key", "ratio", SET[0], 0.2, LMDB_SET[0]),
    Row("dict", "set, new key, growing to 1M", "plus", "kith grow 1M", 150, "absl grow 1M",
        why="Fresh shared memory costs more than private here, though most of it comes in huge "
            "pages, and each new key is a record of seven words."),
    Row("dict", "set, two processes on own keys", "ratio", SET[1], 1.2, SET[0],
        why="The two meet at one of the shards' locks now and then; on a busy host one of them "
            "is put aside while it holds one."),
    Row("cache", "get_or_compute of what is there", "ratio", "kith get or compute", 1.3, GET[0]),
    Row("cache", "set at capacity, a key that is there", "ratio", "kith bounded set", 2, SET[0]),
    Row("cache", "set at capacity, a new key for another", "ratio", "kith bounded set new", 2,
        "kith set new",
        why="The record that puts the new key in takes another out: two buckets and two places "
            "in the order of keys instead of one."),
    Row("cache", "hit rate on a Zipf trace", "near", "kith hit rate", 0.02, "exact hit rate",
        unit="part"),
    Row("cache", "hit rate, two processes on one trace", "near", "kith hit rate, 2", 0.02,
        "exact hit rate", unit="part"),
    Row("dict", "add_many of 10,000 keys, a key", "limit", "kith add_many", 60,
        why="Three words of record a key, written, indexed for readers, and carried out: "
            "all of it isolated from readers and atomic."),
    Row("queue", "64-byte items, one to one", "ratio", "kith queue 64 B", 0.4,
        "boost queue 64 B",
        why="The lines of each item, and of head and tail, travel between the processors."),
    Row("queue", "1 MiB items, one to one", "ratio", "kith queue 1 MiB", 0.8,
        "boost queue 1 MiB",
        why="Nearly all of it is the copying, in and out, which both do; what Kith saves is that "
            "nobody waits for a lock meanwhile."),
    Row("queue", "round trip, two hot cores", "ratio", "kith round trip, two cores", 0.2,
        "futex round trip, two cores",
        why="The best rounds make it: a spin sees the answer. On a busy host the partner is "
            "not running, and both sleep."),
    Row("queue", "round trip, one core", "ratio", "kith round trip, one core", 1.3,
        "futex round trip, one core",
        why="futex_waitv watches the other's token too, and so costs half as much again as a "
            "wait for one word."),
    Row("lock", "acquire and release, free", "ratio", LOCK[0], 0.8, MUTEX[0],
        why="One locked instruction and a plain store, with a ledger entry beside them that "
            "names the lock to survivors."),
    Row("lock", "acquire and release, two processes", "ratio", LOCK[1], 1.0, MUTEX[1],
        why="One locked instruction and a plain store, with a ledger entry beside them that "
            "names the lock to survivors."),
    Row("lock", "recursive, acquire and release", "ratio", "kith rlock pair", 1.5, PLAIN_MUTEX,
        why="It takes the path of the plain lock, which survives its owner; glibc's plain "
            "mutex does not."),
    Row("lock", "rwlock, readers in two processes against one", "ratio", READ[1], 1 / 1.5, READ[0],
        why="Readers write nothing shared. On a busy host the second processor is often not "
            "there."),
    Row("semaphore", "acquire and release, free", "ratio", SEMAPHORE[0], 3, GLIBC_SEMAPHORE[0],
        why="A permit is charged to its process under a lock, taken by one locked instruction and "
            "left by a store; sem_t counts, and loses what a killed process took."),
    Row("event", "set and clear, nobody waiting", "limit", "kith event pair", 20,
        why="Three locked instructions, since a set is counted too: who slept is then told of it "
            "even if it was cleared at once."),
    Row("command", "kith lock NAME -- true", "ratio", "kith lock true", 1.3, "flock true",
        why="Starting a process is most of it; kith maps an arena and two libraries more."),
    Row("space", "open an existing arena", "limit", "kith open", 300_000),
    Row("space", "first use by a thread", "limit", "kith thread", 20_000),
    Row("manager", "dict get", "speedup", GET[0], 500, "manager get",
        why="The Manager's round trip is short on this machine; see get above."),
    Row("manager", "dict set", "speedup", SET[0], 500, "manager set",
        why="The Manager's round trip is short on this machine; a set takes its shard's "
            "lock and makes one store."),
    Row("manager", "dict add", "speedup", ADD[0], 500, "manager add"),
    *(Row("death", f"{title}, {judge}", judge, name, limit,
          why="On a busy host neither who was killed nor who waits runs at once.")
      for name, title in DEATHS
      for judge, limit in (("p50", 1_000_000), ("p99", 100_000_000))),
    Row("memory", "an entry, over key and value, at 1M", "limit", "kith per entry", 96,
        unit="bytes"),
    Row("memory", "an empty arena, resident", "limit", "kith empty arena", MIB, unit="bytes"),
    Row("memory", "an empty dict", "limit", "kith empty dict", 1024, unit="bytes"),
    Row("memory", "an empty queue", "limit", "kith empty queue", 2048, unit="bytes"),
    Row("memory", "100,000 dicts, resident", "limit", "kith 100,000 dicts", 200 * MIB,
        unit="bytes"),
    Row("memory", "after churn, to before", "limit", "kith churn", 1.05, unit="times"),
    Row("memory", "iterating after churn, to before", "limit", "kith churn", 1.5, number=1,
        unit="times"),
    Row("list", "append, at 1M items", "limit", "kith list append", 60,
        why="A third of it is the kernel's: the list grows into memory that nobody has touched."),
    Row("list", "append and pop, the mean, at 1M items", "limit", "kith list append and pop", 60,
        why="The list's lock and its name in the ledger are most of it; the item is two stores."),
    Row("list", "index, random, 1M items", "limit", "kith list index", 120,
        why="Nearly all of it waits for one miss: that of the item itself, which stands in one of "
            "4,000 pages of 4 KiB.  The way to it stays in the cache."),
    Row("list", "insert in the middle, 1M items", "limit", "kith list insert", 1000,
        why=LIST_COPIES),
    Row("list", "insert or pop anywhere, 1M items", "limit", "kith list insert and pop", 1000,
        why=LIST_COPIES),
    Row("value", "add", "ratio", VALUE_ADD[0], 3, FETCH_ADD[0],
        why="Beside the locked instruction, which is all that it is held against, stand the calls "
            "and the two stores that tell whoever cleans up after a kill what was being done."),
    Row("value", "get: 3 ns and the calls", "limit", "kith value get", 7),
    Row("array", "view of 1 GiB, and its release", "limit", "kith array view", 2000),
    *(Row("python", title, "ratio", f"kith python {case}", limit, f"plain python {case}")
      for title, case, limit in (("`d[k]` of an int, against a plain dict", "dict-get", 4),
                                 ("`d.add(k, 1)`, against a plain dict's `d[k] += 1`",
                                  "dict-add", 5),
                                 ("`counts[k] += 1`, against a plain dict's", "counts-add", 6))),
    *(Row("python", title, "speedup", f"kith python {ours or case}", limit,
          f"standard python {case}", why=why)
      for title, case, ours, limit, why in (
          ("Manager().dict(), `d[k]`", "manager-get", "", 300, ""),
          ("Manager().dict(), adding 1", "manager-add", "", 300, ""),
          ("Value, adding 1 for sure", "value-add", "", 8, ""),
          ("Array, `a[i]`", "array-get", "", 6, ""),
          ("`with lock`", "lock-pair", "", 2.5, ""),
          ("`event.set(); event.clear()`", "event-pair", "", 10, ""),
          ("semaphore, acquire and release", "semaphore-pair", "", 1,
           "The standard's is a word of memory and a counter; ours notes whose each permit is, so "
           "that a killed process's come back."),
          ("ShareableList, `l[i]`", "shareable-get", "", 10, ""),
          ("Manager(), start and stop", "manager-start", "", 20, ""),
          ("queue, small tuples, one to one", "queue-pair", "", 5, ""),
          ("queue, small tuples, in one process", "queue-alone", "", 8, ""),
          ("queue, there and back on one processor", "queue-echo", "", 3, ""),
          ("queue, numpy arrays of 1 MiB", "queue-array", "", 12, ""),
          ("queue, 1 MiB as a view", "queue-array", "queue-array-view", 50, ""))),
    *(Row("python", title, "speedup", f"kith python {case}", limit, f"ultradict python {case}")
      for title, case, limit in (("UltraDict, `d[k]`", "dict-get", 5),
                                 ("UltraDict, `d[k] = 1`", "dict-set", 10),
                                 ("UltraDict, adding 1 for sure", "counts-add", 14))),
    Row("python", "`import kith`, against `import _multiprocessing, pickle`", "ratio",
        "kith python import", 1.5, "standard python import"),
    *(Row("python", title, "speedup", f"kith python {case}", limit, f"standard python {case}",
          why=why)
      for title, case, limit, why in (
          ("Pool, an item of a map of 100,000 ints by `chunksize=1`", "pool-map-single", 8, ""),
          ("Pool, the same in chunks as it likes", "pool-map", 1.2,
           "The standard's pickles a chunk as one list; ours keeps each item by itself, so that "
           "of a chunk whose worker was killed only the task that kills fails."),
          ("Pool, `apply()`", "pool-apply", 1.5, ""),
          ("Pool, start and stop of two workers", "pool-start", 1,
           "There is one process more, which keeps the workers whatever the program is at."),
          ("Pool, the sum of numpy arrays of 8 MiB", "pool-arrays", 5,
           "An argument is copied when it is submitted, into the arena, and out of it."))),
    Row("python", "Pool, tasks of 1 ms, a worker killed every 50 ms, to undisturbed", "ratio",
        "kith python pool-chaos", 1.5, "kith python pool-naps"),
    Row("pool", "a trivial task in C, two workers", "limit", "kith pool task", 1500,
        why="A task is put, leased, and acknowledged together with its result: two transactions "
            "of two processes on one queue each."),
    # Without a target.
    Row("pool", "a trivial task in C, in chunks", "none", "kith pool task in chunks",
        peer="kith pool task"),
    Row("python", "Value, `v.value += 1`, two steps here as there", "none",
        "kith python value-increase", peer="standard python value-increase"),
    *(Row("python", title, "none", f"kith python {case}", peer="faster_fifo python queue-array")
      for title, case in (("queue, numpy arrays of 1 MiB", "queue-array"),
                          ("queue, 1 MiB as a view", "queue-array-view"))),
    Row("dict", "get, 8 processes", "none", GET[2], peer=BOOST_GET[2]),
    Row("dict", "get, str keys", "none", "kith get str", peer=GET[0]),
    Row("dict", "get", "none", GET[0], peer="redis get"),
    Row("dict", "set", "none", SET[0], peer=BOOST_SET[0]),
    Row("dict", "set, two processes", "none", SET[1], peer=BOOST_SET[1]),
    Row("dict", "set, 8 processes", "none", SET[2], peer=BOOST_SET[2]),
    Row("dict", "set, two processes", "none", SET[1], peer=LMDB_SET[1]),
    Row("dict", "set", "none", SET[0], peer="redis set"),
    Row("dict", "add, 8 processes on one key", "none", ADD[2], peer=BOOST_ADD[2]),
    Row("dict", "add", "none", ADD[0], peer="redis add"),
    Row("dict", "set of a reference", "none", "kith set reference", peer="kith set name"),
    Row("cache", "set at capacity, a new key for another", "none", "kith bounded set new",
        peer=SET[0]),
    *(Row(what, f"{title}, {where}", "none", f"kith {what}, {where}",
          peer=f"glibc {what}, {where}")
      for what, title in (("barrier", "a round of two"),
                          ("condition", "notify to return, there and back"))
      for where in MEETINGS),
    Row("once", "asked for when it is done", "none", "kith once", peer="pthread_once"),
    Row("limiter", "take a token", "none", "kith limiter", peer="bare bucket"),
    Row("lock", "acquire and release, 8 processes", "none", LOCK[2], peer=MUTEX[2]),
    Row("value", "add, two processes", "none", VALUE_ADD[1], peer=FETCH_ADD[1]),
    Row("value", "add, 8 processes", "none", VALUE_ADD[2], peer=FETCH_ADD[2]),
    Row("semaphore", "acquire and release, two processes", "none", SEMAPHORE[1],
        peer=GLIBC_SEMAPHORE[1]),
    Row("lock", "fair, acquire and release", "none", "kith fair lock pair", peer=LOCK[0]),
    Row("lock", "unowned, acquire and release", "none", "kith unowned lock pair", peer=LOCK[0]),
    Row("lock", "rwlock, shared", "none", READ[0], peer=GLIBC_READ[0]),
    Row("lock", "rwlock, shared, two processes", "none", READ[1], peer=GLIBC_READ[1]),
    Row("lock", "rwlock, shared, 8 processes", "none", READ[2], peer=GLIBC_READ[2]),
    Row("lock", "rwlock, shared, beside a writer", "none", "kith rwlock read beside a writer",
        peer=READ[0]),
    Row("lock", "rwlock, alone", "none", "kith rwlock write", peer=LOCK[0]),
    Row("queue", "64-byte items in batches of 100", "none", "kith queue 64 B in batches",
        peer="boost queue 64 B"),
    Row("queue", "put and get, one process", "none", "kith put and get",
        peer="boost put and get"),
    Row("queue", "put and get by priority among 1,000, one process", "none",
        "kith put and get by priority", peer="kith put and get"),
    Row("queue", "put, lease, acknowledge, one process", "none", "kith put, lease, ack",
        peer="kith put and get"),
    *(Row("allocator", f"items of 16 B to 4 KiB set and deleted, {text}", "none", RESIZE[n],
          peer=BOOST_RESIZE[n])
      for n, text in enumerate(("one process", "two", "8"))),
    *(Row("transaction", f"put, lease; count, note, acknowledge, {text}", "none", STEP[n],
          peer=LMDB_STEP[n])
      for n, text in enumerate(("one process", "two", "8"))),
]
