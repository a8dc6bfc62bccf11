/*
 * test_namespace.c - what kith/namespace.h promises: attributes by name.
 */
#include <string.h>

#include "test.h"

static void
close_namespace(void *names)
{
    kith_namespace_close(names);
}

static kith_namespace *
namespace_of(struct test *t, const char *name)
{
    kith_namespace *names = NULL;

    EXPECT_OK(kith_namespace_open(test_space(t), name, NULL, &names));
    t->handles[t->handle_count].handle = names;
    t->handles[t->handle_count++].close = close_namespace;
    return names;
}

static int
join_names(const char *attribute, void *arg)
{
    char *text = arg;

    strcat(text, attribute);
    strcat(text, " ");
    return 0;
}

TEST(namespace_keeps_attributes_by_name)
{
    kith_namespace *names = namespace_of(t, "n");
    struct kith_buf item = KITH_BUF_INIT;
    char text[64] = "";

    EXPECT_OK(kith_namespace_set(names, "rate", kith_float(0.5)));
    EXPECT_OK(kith_namespace_set(names, "name", KITH_STR("a text of more than eight bytes")));
    EXPECT_OK(kith_namespace_set(names, "rate", KITH_INT(7)));
    EXPECT_OK(kith_namespace_get(names, "rate", &item));
    EXPECT_ITEM(KITH_INT(7), item.item);
    EXPECT_OK(kith_namespace_names(names, join_names, text));
    EXPECT_STR("rate name ", text);
    EXPECT_OK(kith_namespace_delete(names, "rate"));
    EXPECT_FAILS(KITH_ENOENT, "\"n\" has no such attribute",
                 kith_namespace_get(names, "rate", &item));
    EXPECT_RC(KITH_ENOENT, kith_namespace_delete(names, "rate"));
    kith_buf_free(&item);
}

TEST(namespace_carries_names_of_any_length)
{
    kith_namespace *names = namespace_of(t, "n");
    char longest[5000], text[6000] = "";

    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    EXPECT_OK(kith_namespace_set(names, longest, KITH_INT(1)));
    EXPECT_OK(kith_namespace_names(names, join_names, text));
    EXPECT_EQ(sizeof(longest), strlen(text));
}

TEST(namespace_refuses_what_is_no_name)
{
    kith_namespace *names = namespace_of(t, "n");
    char text[64] = "";

    EXPECT_FAILS(KITH_EINVAL, "empty", kith_namespace_set(names, "", KITH_INT(1)));
    EXPECT_RC(KITH_EINVAL, kith_namespace_set(names, "\xff", KITH_INT(1)));
    EXPECT_RC(KITH_EINVAL, kith_namespace_set(names, NULL, KITH_INT(1)));
    EXPECT_RC(KITH_EINVAL, kith_namespace_get(NULL, "a", &(struct kith_buf)KITH_BUF_INIT));
    EXPECT_OK(kith_namespace_names(names, join_names, text));
    EXPECT_STR("", text);
}

TEST(namespace_is_a_kind_of_its_own)
{
    kith_namespace *names = namespace_of(t, "n"), *other = NULL;
    kith_dict *dict = NULL;

    EXPECT_FAILS(KITH_ETYPE, "is a namespace", kith_dict_open(test_space(t), "n", NULL, &dict));
    test_dict(t, "d");
    EXPECT_FAILS(KITH_ETYPE, "opened as a namespace",
                 kith_namespace_open(test_space(t), "d", NULL, &other));
    EXPECT_OK(kith_destroy(test_space(t), "n"));
    EXPECT_FAILS(KITH_EGONE, "destroyed", kith_namespace_set(names, "a", KITH_INT(1)));
}
