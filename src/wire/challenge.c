/*
 * challenge.c - both sides of how multiprocessing's connections prove that they know one key.
 *
 * What is proved is HMAC(key, M) of the whole M, its "{sha256}" included.  A challenge of 20 bytes
 * is of the old era even if it begins with a brace.
 */
#include "challenge.h"

#include "base/assert.h"
#include "base/error.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#define MD5_SIZE 16
#define PREFIX "{sha256}"
#define PREFIX_SIZE (sizeof(PREFIX) - 1)

static const char hello[] = "#CHALLENGE#";
static const char welcome[] = "#WELCOME#";
static const char failure[] = "#FAILURE#";
#define HELLO_SIZE (sizeof(hello) - 1)

static_assert(HELLO_SIZE + KITH__CHALLENGE_SIZE_MAX == KITH__HANDSHAKE_SIZE_MAX,
              "no challenge fits that is refused, and none that fits is");
static_assert(KITH__CHALLENGE_SIZE != KITH__CHALLENGE_OLD_SIZE && KITH__CHALLENGE_SIZE != MD5_SIZE,
              "ours would be taken for one of the old era");

/* A digest that may be asked for by name.  Names are those of Python's hashlib. */
struct digest {
    const char *prefix;
    const char *name; /* OpenSSL's */
    size_t size;
};
static const struct digest digests[] = {
    { "{md5}", "MD5", MD5_SIZE },     { PREFIX, "SHA256", 32 },
    { "{sha384}", "SHA384", 48 },     { "{sha3_256}", "SHA3-256", 32 },
    { "{sha3_384}", "SHA3-384", 48 },
};
static const struct digest *const old = &digests[0];

/* The digest whose {name} the bytes begin with, or NULL. */
static const struct digest *
named(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
        size_t length = strlen(digests[i].prefix);

        if (size >= length && memcmp(data, digests[i].prefix, length) == 0)
            return &digests[i];
    }
    return NULL;
}

static kith_err
authenticate(const struct digest *digest, const void *key, size_t key_size, const void *challenge,
             size_t size, uint8_t mac_out[EVP_MAX_MD_SIZE])
{
    EVP_MD *md = EVP_MD_fetch(NULL, digest->name, NULL);
    unsigned length = 0;
    bool made;

    /* A key of no bytes is one, and not the one of the last call, which NULL would mean. */
    made =
        md != NULL && key_size <= INT32_MAX &&
        HMAC(md, key_size > 0 ? key : "", (int)key_size, challenge, size, mac_out, &length) != NULL;
    EVP_MD_free(md);
    if (!made || length != digest->size)
        return kith__fail(KITH_ESYSTEM,
                          "The key cannot be proved by %s: this system's OpenSSL refuses that "
                          "digest.  CPython asks for MD5 up to 3.11, and for SHA256 since.",
                          digest->name);
    return KITH_OK;
}

kith_err
kith__challenge_answer(const void *key, size_t key_size, const void *challenge, size_t size,
                       uint8_t answer_out[KITH__ANSWER_SIZE_MAX], size_t *size_out)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    const struct digest *digest = old;
    size_t prefix_size = 0;
    kith_err err;

    if (size > KITH__CHALLENGE_SIZE_MAX)
        return kith__fail(KITH_ETOOBIG, "A challenge of %zu bytes came; %d are allowed.", size,
                          KITH__CHALLENGE_SIZE_MAX);
    if (size < KITH__CHALLENGE_OLD_SIZE)
        return kith__fail(KITH_EINVAL,
                          "A challenge of %zu bytes came: so short a one could be one that was "
                          "answered before.",
                          size);
    if (size != KITH__CHALLENGE_OLD_SIZE) {
        digest = named(challenge, size);
        if (digest == NULL)
            return kith__fail(KITH_EINVAL,
                              "A challenge of %zu bytes came that names no digest Kith knows.",
                              size);
        prefix_size = strlen(digest->prefix);
    }
    err = authenticate(digest, key, key_size, challenge, size, mac);
    if (err < 0)
        return err;
    memcpy(answer_out, digest->prefix, prefix_size);
    memcpy(answer_out + prefix_size, mac, digest->size);
    *size_out = prefix_size + digest->size;
    return KITH_OK;
}

kith_err
kith__challenge_check(const void *key, size_t key_size, const void *challenge, size_t size,
                      const void *answer, size_t answer_size)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    const struct digest *digest = answer_size == MD5_SIZE ? old : named(answer, answer_size);
    size_t prefix_size = answer_size == MD5_SIZE || digest == NULL ? 0 : strlen(digest->prefix);
    kith_err err;

    if (digest == NULL || answer_size != prefix_size + digest->size)
        return kith__fail(KITH_EAUTH, "The answer to the challenge, of %zu bytes, is none.",
                          answer_size);
    err = authenticate(digest, key, key_size, challenge, size, mac);
    if (err < 0)
        return err;
    if (CRYPTO_memcmp(mac, (const uint8_t *)answer + prefix_size, digest->size) != 0)
        return kith__fail(KITH_EAUTH, "The other side does not have the same key: its answer to "
                                      "the challenge was wrong.");
    return KITH_OK;
}

/* ---- the handshake ---- */

static void
say(struct kith__handshake *h, const void *data, size_t size)
{
    KITH__ASSERT(h->out_size + size <= sizeof(h->out));
    memcpy(h->out + h->out_size, data, size);
    h->out_size += size;
}

static kith_err
challenge(struct kith__handshake *h)
{
    memcpy(h->challenge, PREFIX, PREFIX_SIZE);
    if (RAND_bytes(h->challenge + PREFIX_SIZE, KITH__CHALLENGE_SIZE - (int)PREFIX_SIZE) != 1) {
        h->step = KITH__HANDSHAKE_FAILED;
        return kith__fail(KITH_ESYSTEM, "No challenge can be made: OpenSSL has no random bytes.");
    }
    say(h, hello, HELLO_SIZE);
    say(h, h->challenge, sizeof(h->challenge));
    h->step = KITH__HANDSHAKE_AWAITS_ANSWER;
    return KITH_OK;
}

kith_err
kith__handshake_begin(struct kith__handshake *handshake, bool server, const void *key,
                      size_t key_size)
{
    struct kith__handshake *h = handshake;

    memset(h, 0, sizeof(*h));
    h->server = server;
    h->key = key;
    h->key_size = key_size;
    h->step = KITH__HANDSHAKE_AWAITS_CHALLENGE;
    return server ? challenge(h) : KITH_OK;
}

static kith_err
fail(struct kith__handshake *h, const char *why)
{
    h->step = KITH__HANDSHAKE_FAILED;
    return kith__fail(KITH_EAUTH, "%s", why);
}

static kith_err
take_challenge(struct kith__handshake *h, const uint8_t *payload, size_t size)
{
    size_t answer_size;
    kith_err err;

    if (size < HELLO_SIZE || memcmp(payload, hello, HELLO_SIZE) != 0)
        return fail(h, "The other side does not speak as a manager does: what came is no "
                       "challenge.");
    /* Whoever could have our own answered would need no key. */
    if (size - HELLO_SIZE == sizeof(h->challenge) &&
        memcmp(payload + HELLO_SIZE, h->challenge, sizeof(h->challenge)) == 0)
        return fail(h, "The other side sent our own challenge back.");
    err = kith__challenge_answer(h->key, h->key_size, payload + HELLO_SIZE, size - HELLO_SIZE,
                                 h->out, &answer_size);
    if (err < 0) {
        h->step = KITH__HANDSHAKE_FAILED;
        return err == KITH_ESYSTEM ? err : kith__fail(KITH_EAUTH, "%s", kith_last_error());
    }
    h->out_size = answer_size;
    h->step = KITH__HANDSHAKE_AWAITS_VERDICT;
    return KITH_OK;
}

static kith_err
take_verdict(struct kith__handshake *h, const uint8_t *payload, size_t size)
{
    if (size == sizeof(failure) - 1 && memcmp(payload, failure, size) == 0)
        return fail(h, "The other side refused the key: it has another one.");
    if (size != sizeof(welcome) - 1 || memcmp(payload, welcome, size) != 0)
        return fail(h, "The other side said neither that our key is right nor that it is wrong.");
    h->we_proved = true;
    if (h->server) {
        h->step = KITH__HANDSHAKE_DONE;
        return KITH_OK;
    }
    return challenge(h);
}

static kith_err
take_answer(struct kith__handshake *h, const void *payload, size_t size)
{
    kith_err err = kith__challenge_check(h->key, h->key_size, h->challenge, sizeof(h->challenge),
                                         payload, size);

    if (err < 0) {
        say(h, failure, sizeof(failure) - 1);
        h->step = KITH__HANDSHAKE_FAILED;
        return err;
    }
    say(h, welcome, sizeof(welcome) - 1);
    h->proved = true;
    h->step = h->server ? KITH__HANDSHAKE_AWAITS_CHALLENGE : KITH__HANDSHAKE_DONE;
    return KITH_OK;
}

kith_err
kith__handshake_take(struct kith__handshake *handshake, const void *payload, size_t size)
{
    struct kith__handshake *h = handshake;

    h->out_size = 0;
    switch (h->step) {
    case KITH__HANDSHAKE_AWAITS_CHALLENGE:
        return take_challenge(h, payload, size);
    case KITH__HANDSHAKE_AWAITS_VERDICT:
        return take_verdict(h, payload, size);
    case KITH__HANDSHAKE_AWAITS_ANSWER:
        return take_answer(h, payload, size);
    case KITH__HANDSHAKE_DONE:
    case KITH__HANDSHAKE_FAILED:
        break;
    }
    return fail(h, "Something came after the handshake was over.");
}
