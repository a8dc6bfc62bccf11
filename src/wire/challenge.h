/*
 * challenge.h - both sides of how multiprocessing's connections prove that they know one key.
 *
 * Each line is one frame; see frame.h.  The server speaks first.
 *
 *     server                  client
 *     #CHALLENGE# M1    ->
 *                       <-    what proves it for M1
 *     #WELCOME#         ->                             or #FAILURE#
 *                       <-    #CHALLENGE# M2
 *     what proves it    ->
 *                       <-    #WELCOME#                or #FAILURE#
 *
 * There are two eras.  To CPython up to 3.11 M is 20 random bytes, and what proves it their
 * HMAC-MD5, 16 bytes.  Since 3.12 M is "{sha256}" and 40 random bytes, and what proves it
 * "{sha256}" and the HMAC of all 48.  Old clients answer such an M too, by MD5 of the whole; so
 * ours are always of the new era.  Answers by sha384, sha3_256 and sha3_384 are given and taken.
 */
#ifndef KITH__CHALLENGE_H
#define KITH__CHALLENGE_H

#include <kith/base.h>

/* Bytes of a challenge after "#CHALLENGE#": those that we make; those of an old one. */
#define KITH__CHALLENGE_SIZE 48
#define KITH__CHALLENGE_OLD_SIZE 20
/* Bytes of a challenge that is taken, at most, and of an answer, with its {name}. */
#define KITH__CHALLENGE_SIZE_MAX 245
#define KITH__ANSWER_SIZE_MAX 64

/* Of each payload of the handshake, at most. */
#define KITH__HANDSHAKE_SIZE_MAX 256

/*
 * The answer to `challenge`, by whatever digest it asks for.
 *
 * KITH_EINVAL   it is shorter than 20 bytes, or names no digest that is known
 * KITH_ETOOBIG  it is longer than KITH__CHALLENGE_SIZE_MAX
 * KITH_ESYSTEM  OpenSSL refuses the digest, as MD5 where only approved ones are allowed
 */
kith_err kith__challenge_answer(const void *key, size_t key_size, const void *challenge,
                                size_t size, uint8_t answer_out[KITH__ANSWER_SIZE_MAX],
                                size_t *size_out);

/*
 * Whether `answer` proves the knowledge of the key, compared in constant time: 16 bytes are taken
 * for MD5, others begin with {name}.
 *
 * KITH_EAUTH    it does not
 * KITH_ESYSTEM  OpenSSL refuses the digest
 */
kith_err kith__challenge_check(const void *key, size_t key_size, const void *challenge, size_t size,
                               const void *answer, size_t answer_size);

/* How far a handshake is: whose turn it is, and what is to come. */
enum kith__handshake_step {
    KITH__HANDSHAKE_AWAITS_CHALLENGE,
    KITH__HANDSHAKE_AWAITS_VERDICT,
    KITH__HANDSHAKE_AWAITS_ANSWER,
    KITH__HANDSHAKE_DONE,
    KITH__HANDSHAKE_FAILED
};

/* One handshake.  It keeps no copy of the key, which must live as long. */
struct kith__handshake {
    enum kith__handshake_step step;
    bool server;
    bool proved;    /* the other side has proved itself to us */
    bool we_proved; /* the other side has found us right */
    const void *key;
    size_t key_size;
    uint8_t challenge[KITH__CHALLENGE_SIZE]; /* ours */
    uint8_t out[KITH__HANDSHAKE_SIZE_MAX];   /* the payload to send now */
    size_t out_size;                         /* 0: none; it is the other side's turn */
};

/*
 * Begins; a server then has a payload to send.  An empty key is one.
 *
 * KITH_ESYSTEM  OpenSSL has no random bytes
 */
kith_err kith__handshake_begin(struct kith__handshake *handshake, bool server, const void *key,
                               size_t key_size);

/*
 * Takes one payload of the other side's.  On KITH_OK there is one to send in `out` unless
 * out_size is 0, and the handshake is over once `step` is KITH__HANDSHAKE_DONE.  On an error it has
 * failed: what is in `out`, if anything, is still to be sent, and then the connection is closed.
 *
 * KITH_EAUTH    the other side does not know the key, or says that we do not; or it says what
 *               belongs to no handshake
 * KITH_ESYSTEM  OpenSSL refuses the digest, or has no random bytes
 */
kith_err kith__handshake_take(struct kith__handshake *handshake, const void *payload, size_t size);

#endif /* KITH__CHALLENGE_H */
