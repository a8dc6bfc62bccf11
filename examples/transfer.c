/*
 * transfer.c - a transaction on two keys, tried again while others are faster.
 *
 * Four processes move coins between two accounts; neither may fall below zero.  However they meet,
 * and whenever one is killed, the sum stays what it was.
 */
#include <inttypes.h>
#include <kith.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES 4
#define TRANSFERS 1000

static void
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    exit(1);
}

/* Whether it was done; false: too little is there. */
static bool
move(kith_space *space, kith_dict *accounts, struct kith_item from, struct kith_item to, int64_t n)
{
    struct kith_buf balance = KITH_BUF_INIT;
    kith_txn *txn;
    kith_err err;

    do {
        uint64_t version;

        if (kith_dict_get_version(accounts, from, &balance, &version) < 0)
            fail();
        if (balance.item.integer < n) {
            kith_buf_free(&balance);
            return false;
        }
        if (kith_txn_begin(space, &txn) < 0 ||
            kith_txn_if_version(txn, accounts, from, version) < 0 ||
            kith_txn_dict_add(txn, accounts, from, -n) < 0 ||
            kith_txn_dict_add(txn, accounts, to, n) < 0)
            fail();
        err = kith_txn_commit(txn);
    } while (err == KITH_ECONFLICT); /* another changed the balance since we read it */
    kith_buf_free(&balance);
    if (err < 0)
        fail();
    return true;
}

int
main(void)
{
    const struct kith_item names[] = { KITH_STR("hers"), KITH_STR("his") };
    struct kith_buf balances[2] = { KITH_BUF_INIT, KITH_BUF_INIT };
    kith_space *space;
    kith_dict *accounts;

    if (kith_open("mem://", NULL, &space) < 0 ||
        kith_dict_open(space, "accounts", NULL, &accounts) < 0 ||
        kith_dict_set(accounts, names[0], KITH_INT(100)) < 0 ||
        kith_dict_set(accounts, names[1], KITH_INT(100)) < 0)
        fail();
    for (int p = 0; p < PROCESSES; p++)
        if (fork() == 0) {
            for (int i = 0; i < TRANSFERS; i++)
                move(space, accounts, names[p % 2], names[1 - p % 2], 1 + i % 7);
            _exit(0);
        }
    while (wait(NULL) > 0)
        ;
    if (kith_dict_get_many(accounts, names, 2, balances) < 0)
        fail();
    printf("hers %" PRId64 " + his %" PRId64 " = %" PRId64 "\n", balances[0].item.integer,
           balances[1].item.integer, balances[0].item.integer + balances[1].item.integer);
    kith_dict_close(accounts);
    kith_close(space);
    return 0;
}
