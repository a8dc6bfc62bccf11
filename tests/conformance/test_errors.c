/*
 * test_errors.c - what kith/base.h promises of errors, names and versions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "test.h"

TEST(errors_all_have_texts_of_their_own)
{
    static const kith_err errors[] = { KITH_OK, KITH_OWNER_DIED, KITH_EVICTED,
#define X(name, number, text) KITH_##name,
                                       KITH_ERR_MAP(X)
#undef X
    };

    for (size_t i = 0; i < COUNTOF(errors); i++) {
        const char *text = kith_strerror(errors[i]);

        EXPECT_TRUE(text != NULL && text[0] != '\0');
        EXPECT_TRUE(text[strlen(text) - 1] != '.');
        EXPECT_TRUE(kith_strerror(errors[i]) == text);
        for (size_t j = 0; j < i; j++)
            EXPECT_TRUE(strcmp(text, kith_strerror(errors[j])) != 0);
    }
    EXPECT_TRUE(kith_strerror((kith_err)-1000) != NULL);
    EXPECT_TRUE(kith_strerror((kith_err)1000) != NULL);
}

/* They travel between processes and hosts, so they never move. */
TEST(errors_keep_their_numbers)
{
    static const int numbers[] = {
        KITH_EINVAL,       KITH_ENOENT,   KITH_EEXIST,       KITH_ETYPE,     KITH_ENOMEM,
        KITH_ETIMEDOUT,    KITH_EFULL,    KITH_EEMPTY,       KITH_ECLOSED,   KITH_EINTERRUPTED,
        KITH_ECONFLICT,    KITH_ETOOBIG,  KITH_ERANGE,       KITH_EDEADLOCK, KITH_EPERM,
        KITH_ECORRUPT,     KITH_EVERSION, KITH_EUNAVAILABLE, KITH_EAUTH,     KITH_EGONE,
        KITH_EUNSUPPORTED, KITH_ESYSTEM,
    };

    for (size_t i = 0; i < COUNTOF(numbers); i++)
        EXPECT_EQ(-1 - (int)i, numbers[i]);
    EXPECT_EQ(0, KITH_OK);
    EXPECT_EQ(1, KITH_OWNER_DIED);
    EXPECT_EQ(2, KITH_EVICTED);
}

TEST(errors_are_sentences_that_name_the_object)
{
    kith_dict *d = test_dict(t, "by-host");
    kith_queue *q = test_queue(t, "jobs", NULL);
    kith_lock *lock = test_lock(t, "report");
    kith_event *event = test_event(t, "started");
    kith_dict *none = NULL;
    struct kith_item bad = { .type = KITH_TYPE_STR, .data = "\xff", .size = 1 };

    EXPECT_FAILS(KITH_ENOENT, "by-host", kith_dict_get(d, KITH_STR("k"), NULL));
    EXPECT_FAILS(KITH_ENOENT, "by-host", kith_dict_delete(d, KITH_STR("k")));
    EXPECT_FAILS(KITH_ENOENT, "by-host", kith_dict_replace(d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_FAILS(KITH_EEMPTY, "by-host", kith_dict_popitem(d, NULL, NULL));
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_STR("v")));
    EXPECT_FAILS(KITH_EEXIST, "by-host", kith_dict_insert(d, KITH_STR("k"), KITH_INT(1)));
    EXPECT_FAILS(KITH_ETYPE, "by-host", kith_dict_add(d, KITH_STR("k"), 1, NULL));
    EXPECT_FAILS(KITH_ECONFLICT, "by-host",
                 kith_dict_cas(d, KITH_STR("k"), KITH_INT(1), KITH_INT(1)));
    EXPECT_FAILS(KITH_EEMPTY, "jobs", kith_queue_get(q, 0, NULL));
    EXPECT_FAILS(KITH_ETIMEDOUT, "jobs", kith_queue_get(q, TEST_MS, NULL));
    EXPECT_FAILS(KITH_EPERM, "report", kith_lock_release(lock));
    EXPECT_FAILS(KITH_ETIMEDOUT, "started", kith_event_wait(event, 0));
    EXPECT_FAILS(KITH_ETYPE, "jobs", kith_dict_open(test_space(t), "jobs", NULL, &none));
    EXPECT_FAILS(KITH_ENOENT, "absent", kith_destroy(test_space(t), "absent"));
    EXPECT_FAILS(KITH_EINVAL, "", kith_dict_set(d, KITH_STR("k"), bad));
    EXPECT_FAILS(KITH_EINVAL, "a/b", kith_dict_open(test_space(t), "a/b", NULL, &none));
}

static void *
fresh_thread(void *arg)
{
    kith_dict *d = arg;

    EXPECT_STR("", kith_last_error());
    EXPECT_RC(KITH_ENOENT, kith_dict_get(d, KITH_STR("of the thread"), NULL));
    EXPECT_TRUE(kith_last_error()[0] != '\0');
    return NULL;
}

TEST(errors_last_one_belongs_to_the_thread_and_outlives_success_and_fork)
{
    kith_dict *d;
    char before[2048];
    pid_t pid;

    EXPECT_STR("", kith_last_error());
    d = test_dict(t, "by-host");
    EXPECT_FAILS(KITH_EEMPTY, "by-host", kith_dict_popitem(d, NULL, NULL));
    (void)snprintf(before, sizeof(before), "%s", kith_last_error());
    test_thread_join(test_thread(fresh_thread, d));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_INT(1)));
    EXPECT_OK(kith_dict_delete(d, KITH_INT(1)));
    EXPECT_STR(before, kith_last_error());
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        EXPECT_STR(before, kith_last_error());
        _exit(0);
    }
    CHILD_JOIN(pid);
}

TEST(errors_with_the_longest_names_are_still_sentences)
{
    char name[201];
    kith_dict *d;

    /* Two-byte characters, so that a cut in the middle of one would show. */
    for (size_t i = 0; i < 200; i += 2)
        memcpy(name + i, "\xc3\xa9", 2);
    name[200] = '\0';
    d = test_dict(t, name);
    EXPECT_FAILS(KITH_EEMPTY, "\xc3\xa9\xc3\xa9\xc3\xa9", kith_dict_popitem(d, NULL, NULL));
}

TEST(errors_names_of_kinds_and_the_version)
{
    EXPECT_STR("none", kith_kind_name(KITH_KIND_NONE));
    EXPECT_STR("dict", kith_kind_name(KITH_KIND_DICT));
    EXPECT_STR("queue", kith_kind_name(KITH_KIND_QUEUE));
    EXPECT_STR("lock", kith_kind_name(KITH_KIND_LOCK));
    EXPECT_STR("event", kith_kind_name(KITH_KIND_EVENT));
    EXPECT_STR("unknown", kith_kind_name((enum kith_kind)250));
    EXPECT_STR(KITH_VERSION, kith_version());
}
