/*
 * test_challenge.c - digests against known ones, and both sides of a handshake against each other.
 */
#include "unit.h"

#include "wire/challenge.h"

static const uint8_t *
from_hex(const char *text, size_t *size_out)
{
    static uint8_t bytes[256];
    size_t size = strlen(text) / 2;

    for (size_t i = 0; i < size; i++) {
        unsigned byte;

        assert_int_equal(1, sscanf(text + 2 * i, "%2x", &byte));
        bytes[i] = (uint8_t)byte;
    }
    *size_out = size;
    return bytes;
}

/* 0, 1, 2, … behind a prefix. */
static size_t
counting(const char *prefix, size_t size, uint8_t *out)
{
    size_t length = strlen(prefix);

    memcpy(out, prefix, length);
    for (size_t i = 0; i < size; i++)
        out[length + i] = (uint8_t)i;
    return length + size;
}

static void
challenge_is_answered_as_cpython_does(void **state)
{
    uint8_t challenge[64], answer[KITH__ANSWER_SIZE_MAX];
    size_t size, wanted_size;
    const uint8_t *wanted = from_hex("5b2709aec5bcecbd08bd1f92d77ecea1", &wanted_size);

    EXPECT_OK(
        kith__challenge_answer("key", 3, challenge, counting("", 20, challenge), answer, &size));
    assert_int_equal(wanted_size, size);
    assert_memory_equal(wanted, answer, size);

    wanted =
        from_hex("05b37335205f51ff483146e965fdf576943e0e64675a64ceccba80b6704d76b8", &wanted_size);
    EXPECT_OK(kith__challenge_answer("key", 3, challenge, counting("{sha256}", 40, challenge),
                                     answer, &size));
    assert_int_equal(8 + wanted_size, size);
    assert_memory_equal("{sha256}", answer, 8);
    assert_memory_equal(wanted, answer + 8, wanted_size);
    (void)state;
}

static void
challenge_is_proved_by_the_md5_of_old_clients(void **state)
{
    uint8_t challenge[64];
    size_t answer_size, size = counting("{sha256}", 40, challenge);
    const uint8_t *answer = from_hex("044b1f89b24a16c831a13039e4534300", &answer_size);

    EXPECT_OK(kith__challenge_check("key", 3, challenge, size, answer, answer_size));
    EXPECT_RC(KITH_EAUTH, kith__challenge_check("Key", 3, challenge, size, answer, answer_size));
    (void)state;
}

static void
challenge_names_any_digest_of_the_protocol(void **state)
{
    static const char *const names[] = { "{md5}", "{sha256}", "{sha384}", "{sha3_256}",
                                         "{sha3_384}" };
    uint8_t challenge[64], answer[KITH__ANSWER_SIZE_MAX];
    size_t answer_size;

    for (size_t i = 0; i < COUNTOF(names); i++) {
        size_t size = counting(names[i], 40, challenge);

        EXPECT_OK(kith__challenge_answer("", 0, challenge, size, answer, &answer_size));
        assert_memory_equal(names[i], answer, strlen(names[i]));
        EXPECT_OK(kith__challenge_check("", 0, challenge, size, answer, answer_size));
        for (size_t cut = 0; cut < answer_size; cut++)
            EXPECT_RC(KITH_EAUTH, kith__challenge_check("", 0, challenge, size, answer, cut));
        for (size_t at = 0; at < answer_size; at++) {
            answer[at] ^= 0x20;
            EXPECT_RC(KITH_EAUTH,
                      kith__challenge_check("", 0, challenge, size, answer, answer_size));
            answer[at] ^= 0x20;
        }
    }
    (void)state;
}

static void
challenge_that_is_none_is_refused(void **state)
{
    uint8_t challenge[300], answer[KITH__ANSWER_SIZE_MAX];
    size_t size;

    for (size_t length = 0; length < 20; length++)
        EXPECT_RC(KITH_EINVAL,
                  kith__challenge_answer("key", 3, challenge, counting("", length, challenge),
                                         answer, &size));
    EXPECT_RC(KITH_EINVAL,
              kith__challenge_answer("key", 3, challenge, counting("{crc32}", 40, challenge),
                                     answer, &size));
    EXPECT_RC(KITH_ETOOBIG,
              kith__challenge_answer("key", 3, challenge, counting("{sha256}", 238, challenge),
                                     answer, &size));
    EXPECT_OK(kith__challenge_answer("key", 3, challenge, counting("{sha256}", 237, challenge),
                                     answer, &size));
    (void)state;
}

/* Lets both talk until neither has anything to say; the first error. */
static kith_err
converse(struct kith__handshake *server, struct kith__handshake *client)
{
    struct kith__handshake *from = server, *to = client;
    kith_err err = KITH_OK;

    while (from->out_size > 0) {
        struct kith__handshake *turn = to;
        kith_err now = kith__handshake_take(to, from->out, from->out_size);

        err = err < 0 ? err : now;
        from->out_size = 0;
        if (to->out_size == 0)
            break;
        to = from;
        from = turn;
    }
    return err;
}

static void
handshake_proves_both_sides_to_each_other(void **state)
{
    struct kith__handshake server, client;

    EXPECT_OK(kith__handshake_begin(&server, true, "secret", 6));
    EXPECT_OK(kith__handshake_begin(&client, false, "secret", 6));
    assert_int_equal(0, client.out_size);
    /* Server to client and back; then the client has a challenge of its own. */
    EXPECT_OK(converse(&server, &client));
    assert_int_equal(KITH__HANDSHAKE_DONE, server.step);
    assert_int_equal(KITH__HANDSHAKE_DONE, client.step);
    assert_true(server.proved && server.we_proved && client.proved && client.we_proved);
    EXPECT_RC(KITH_EAUTH, kith__handshake_take(&server, "#WELCOME#", 9));
    (void)state;
}

static void
handshake_with_another_key_fails_on_both_sides(void **state)
{
    struct kith__handshake server, client;

    EXPECT_OK(kith__handshake_begin(&server, true, "secret", 6));
    EXPECT_OK(kith__handshake_begin(&client, false, "Secret", 6));
    EXPECT_OK(kith__handshake_take(&client, server.out, server.out_size));
    EXPECT_RC(KITH_EAUTH, kith__handshake_take(&server, client.out, client.out_size));
    assert_int_equal(9, server.out_size);
    assert_memory_equal("#FAILURE#", server.out, 9);
    EXPECT_RC(KITH_EAUTH, kith__handshake_take(&client, server.out, server.out_size));
    assert_int_equal(0, client.out_size);
    assert_false(server.proved || client.we_proved);
    (void)state;
}

static void
handshake_does_not_take_an_answer_twice(void **state)
{
    struct kith__handshake first, second, client;

    EXPECT_OK(kith__handshake_begin(&first, true, "secret", 6));
    EXPECT_OK(kith__handshake_begin(&second, true, "secret", 6));
    EXPECT_OK(kith__handshake_begin(&client, false, "secret", 6));
    EXPECT_OK(kith__handshake_take(&client, first.out, first.out_size));
    EXPECT_RC(KITH_EAUTH, kith__handshake_take(&second, client.out, client.out_size));
    (void)state;
}

static void
handshake_is_not_fooled_by_its_own_challenge(void **state)
{
    struct kith__handshake client, rogue;
    uint8_t copy[KITH__HANDSHAKE_SIZE_MAX];
    size_t size;

    /* One without the key wants the client to answer the challenge that it is to answer itself. */
    EXPECT_OK(kith__handshake_begin(&rogue, true, "guess", 5));
    EXPECT_OK(kith__handshake_begin(&client, false, "secret", 6));
    EXPECT_OK(kith__handshake_take(&client, rogue.out, rogue.out_size));
    EXPECT_OK(kith__handshake_take(&client, "#WELCOME#", 9));
    size = client.out_size;
    memcpy(copy, client.out, size);
    EXPECT_RC(KITH_EAUTH, kith__handshake_take(&client, copy, size));
    assert_int_equal(KITH__HANDSHAKE_FAILED, client.step);
    (void)state;
}

static void
handshake_refuses_what_does_not_belong_to_it(void **state)
{
    static const char *const lines[] = { "", "#CHALLENGE", "#CHALLENGE#", "#FAILURE#",
                                         "GET / HTTP/1.1" };
    struct kith__handshake client, server;

    for (size_t i = 0; i < COUNTOF(lines); i++) {
        EXPECT_OK(kith__handshake_begin(&client, false, "key", 3));
        EXPECT_RC(KITH_EAUTH, kith__handshake_take(&client, lines[i], strlen(lines[i])));
        assert_int_equal(KITH__HANDSHAKE_FAILED, client.step);
        EXPECT_OK(kith__handshake_begin(&server, true, "key", 3));
        EXPECT_RC(KITH_EAUTH, kith__handshake_take(&server, lines[i], strlen(lines[i])));
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(challenge_is_answered_as_cpython_does),
        cmocka_unit_test(challenge_is_proved_by_the_md5_of_old_clients),
        cmocka_unit_test(challenge_names_any_digest_of_the_protocol),
        cmocka_unit_test(challenge_that_is_none_is_refused),
        cmocka_unit_test(handshake_proves_both_sides_to_each_other),
        cmocka_unit_test(handshake_with_another_key_fails_on_both_sides),
        cmocka_unit_test(handshake_does_not_take_an_answer_twice),
        cmocka_unit_test(handshake_is_not_fooled_by_its_own_challenge),
        cmocka_unit_test(handshake_refuses_what_does_not_belong_to_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
