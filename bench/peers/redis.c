/*
 * redis.c - a Redis of its own, without persistence, asked over a unix socket by hiredis: the usual
 * answer when processes need one dict and a crash must not take it along.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../harness.h"

#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static redisContext *redis;
static pid_t server;

static void
socket_path(struct bench *b, char *path, size_t size)
{
    snprintf(path, size, "/dev/shm/%s.sock", b->name);
}

/* The server runs on the worker's own processor, which is the faster place for it. */
static void
start(struct bench *b)
{
    char path[128];
    int64_t give_up_ns = bench_now_ns() + INT64_C(10000000000);

    socket_path(b, path, sizeof(path));
    server = fork();
    if (server == 0) {
        int null = open("/dev/null", O_RDWR);

        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
               "--appendonly", "no", (char *)NULL);
        _exit(127);
    }
    for (;;) {
        redis = redisConnectUnix(path);
        if (redis != NULL && redis->err == 0)
            break;
        redisFree(redis);
        if (bench_now_ns() > give_up_ns || waitpid(server, NULL, WNOHANG) != 0)
            bench_fail("redis-server does not start");
        bench_sleep_ns(2000000);
    }
    for (uint64_t i = 0; i < b->entries; i++) {
        struct bench_key key = bench_key_of(i);

        freeReplyObject(redisCommand(redis, "HSET d %b %llu", &key, (size_t)BENCH_KEY_SIZE,
                                     (unsigned long long)i));
    }
}

static redisReply *
wanted(redisReply *reply, int type)
{
    if (reply == NULL || reply->type != type)
        bench_fail("redis: %s", reply == NULL ? redis->errstr : "a strange reply");
    return reply;
}

static void
get(struct bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);
        struct bench_key key = bench_key_of(i);
        redisReply *reply = wanted(redisCommand(redis, "HGET d %b", &key, (size_t)BENCH_KEY_SIZE),
                                   REDIS_REPLY_STRING);

        if (strtoull(reply->str, NULL, 10) != i)
            bench_fail("key %llu is wrong", (unsigned long long)i);
        freeReplyObject(reply);
    }
}

static void
set(struct bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);
        struct bench_key key = bench_key_of(i);

        freeReplyObject(wanted(redisCommand(redis, "HSET d %b %llu", &key, (size_t)BENCH_KEY_SIZE,
                                            (unsigned long long)i),
                               REDIS_REPLY_INTEGER));
    }
}

static void
add(struct bench *b, uint64_t ops)
{
    struct bench_key key = bench_key_of(0);

    (void)b;
    for (uint64_t n = 0; n < ops; n++)
        freeReplyObject(wanted(redisCommand(redis, "HINCRBY d %b 1", &key, (size_t)BENCH_KEY_SIZE),
                               REDIS_REPLY_INTEGER));
}

static void
stop(struct bench *b)
{
    (void)b;
    redisFree(redis);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
}

static void
remove_socket(struct bench *b)
{
    char path[128];

    socket_path(b, path, sizeof(path));
    unlink(path);
}

static const struct bench_case cases[] = {
    { .name = "get", .begin = start, .work = get, .end = stop },
    { .name = "set", .begin = start, .work = set, .end = stop },
    { .name = "add", .begin = start, .work = add, .end = stop },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]), remove_socket);
}
