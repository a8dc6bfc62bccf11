/*
 * scenarios_txn.c - several objects in one record, and readers beside it.
 */
#include "scenarios.h"

static void
txn(struct stage *stage, struct kith__self *self)
{
    struct kith__txn_step steps[5] = { 0 };
    struct kith__key one, fresh, other;
    size_t failed;

    key_of(stage, "one", &one);
    key_of(stage, "fresh", &fresh);
    key_of(stage, "other", &other);
    steps[0] =
        (struct kith__txn_step){ .what = KITH__TXN_ADD, .dict = stage->a, .key = &one, .n = 10 };
    steps[1] = (struct kith__txn_step){ .what = KITH__TXN_SET,
                                        .dict = stage->b,
                                        .key = &fresh,
                                        .item = kith_str("a text of more than eight bytes") };
    steps[2] = (struct kith__txn_step){
        .what = KITH__TXN_SET, .dict = stage->a, .key = &other, .item = KITH_INT(5)
    };
    steps[3] =
        (struct kith__txn_step){ .what = KITH__TXN_ACK, .queue = stage->q, .lent = stage->lent };
    steps[4] = (struct kith__txn_step){ .what = KITH__TXN_PUT,
                                        .queue = stage->letters,
                                        .item = kith_str("result") };
    kith__txn_run(self, steps, 5, &failed);
}

/* Everything that a transaction does with a queue, and a dict beside it. */
static void
txn_places(struct stage *stage, struct kith__self *self)
{
    struct kith__txn_step steps[5] = { 0 };
    struct kith__key one;
    size_t failed;

    key_of(stage, "one", &one);
    for (unsigned i = 0; i < 3; i++)
        steps[i] = (struct kith__txn_step){ .what = KITH__TXN_PUT,
                                            .queue = stage->q,
                                            .item = KITH_INT(i),
                                            .how = { (int64_t)i - 1,
                                                     i == 2 ? INT64_C(3600000000000) : 0, 0 } };
    steps[3] =
        (struct kith__txn_step){ .what = KITH__TXN_ACK, .queue = stage->q, .lent = stage->lent };
    steps[4] =
        (struct kith__txn_step){ .what = KITH__TXN_ADD, .dict = stage->a, .key = &one, .n = 10 };
    kith__txn_run(self, steps, 5, &failed);
}

static void
see_all(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    char *at = text, *end = text + size;

    print_dict(self, &stage->a, &at, end);
    print_dict(self, &stage->b, &at, end);
    print_queue(self, &stage->q, &at, end);
    print_queue(self, &stage->letters, &at, end);
    add_one(stage, self, "one");
}

/*
 * The image stands still, so a reader must see every key as it was, or every key as it will be,
 * and in whichever order it reads.  By single keys, by the lengths, and by get_many.
 */
static const char *
peek_txn(struct stage *stage, struct kith__self *self)
{
    static const int64_t before[] = { 1, -1, -1, 3, 0, 0 }, after[] = { 11, 31, 5, 4, 1, 1 };
    int64_t seen[6];
    uint64_t len = 0, ready = 0, lent = 0;
    bool is_before = true, is_after = true;

    for (unsigned order = 0; order < 2; order++) {
        for (unsigned i = 0; i < 3; i++) {
            unsigned k = order == 0 ? i : 2 - i;

            seen[k] = k == 0   ? look(stage, self, &stage->a, "one")
                      : k == 1 ? look(stage, self, &stage->b, "fresh")
                               : look(stage, self, &stage->a, "other");
        }
        kith__dict_len(self, &stage->a, &len);
        seen[3] = (int64_t)len;
        kith__dict_len(self, &stage->b, &len);
        seen[4] = (int64_t)len;
        kith__queue_count(self, &stage->letters, &ready, &lent);
        seen[5] = (int64_t)ready;
        for (unsigned i = 0; i < 6; i++) {
            is_before = is_before && seen[i] == before[i];
            is_after = is_after && seen[i] == after[i];
        }
    }
    return is_before || is_after ? NULL : "a reader sees a transaction half done";
}

static const struct scenario scenarios[] = {
    { .name = "transaction, two dicts and a lease",
      .set_up = few_keys,
      .prepare = lease_first,
      .act = txn,
      .observe = see_all,
      .peek = peek_txn },
    { .name = "transaction, priority and delay",
      .set_up = few_keys,
      .prepare = lease_first,
      .act = txn_places,
      .observe = see_all },
};
const struct scenario_table txn_scenarios = SCENARIO_TABLE(scenarios);
