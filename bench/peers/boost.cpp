/*
 * boost.cpp - Boost.Interprocess: an unordered_map in a managed segment under one
 * interprocess_mutex, which is what its documentation shows, and its message_queue.
 */
#include "../harness.h"

#include <boost/functional/hash.hpp>
#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/containers/string.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <boost/unordered_map.hpp>
#include <string>
#include <utility>
#include <vector>

namespace ipc = boost::interprocess;

namespace
{

using Key = std::pair<uint64_t, uint64_t>;
using Segment = ipc::managed_shared_memory;
using Manager = Segment::segment_manager;
using Lock = ipc::scoped_lock<ipc::interprocess_mutex>;
using Text = ipc::basic_string<char, std::char_traits<char>, ipc::allocator<char, Manager>>;

using Hash = boost::hash<Key>;

template <typename Value>
using Map = boost::unordered_map<Key, Value, Hash, std::equal_to<Key>,
                                 ipc::allocator<std::pair<const Key, Value>, Manager>>;

template <typename Value> struct Opened {
    Segment *segment;
    ipc::interprocess_mutex *mutex;
    Map<Value> *map;
};

Opened<int64_t> numbers;
Opened<Text> texts;
ipc::message_queue *there, *back;
std::vector<char> message;

Key
key_of(uint64_t index)
{
    bench_key key = bench_key_of(index);

    return Key(key.word[0], key.word[1]);
}

template <typename Value>
void
open(bench *b, std::size_t size, Opened<Value> *opened)
{
    Segment *segment = new Segment(ipc::open_or_create, b->name, size);

    opened->segment = segment;
    opened->mutex = segment->find_or_construct<ipc::interprocess_mutex>("mutex")();
    opened->map = segment->find_or_construct<Map<Value>>("map")(
        16, Hash(), std::equal_to<Key>(),
        typename Map<Value>::allocator_type(segment->get_segment_manager()));
}

/* ---- the map ---- */

void
open_numbers(bench *b)
{
    open(b, (std::size_t(64) << 20) + b->entries * 256, &numbers);
}

void
make_numbers(bench *b)
{
    open_numbers(b);
    for (uint64_t i = 0; i < b->entries; i++)
        numbers.map->emplace(key_of(i), static_cast<int64_t>(i));
}

void
get(bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);
        Key key = key_of(i);
        int64_t value;

        {
            Lock lock(*numbers.mutex);
            auto at = numbers.map->find(key);

            if (at == numbers.map->end())
                bench_fail("no key %llu", static_cast<unsigned long long>(i));
            value = at->second;
        }
        if (!bench_value_is_of(value, i))
            bench_fail("key %llu is wrong", static_cast<unsigned long long>(i));
    }
}

/* Each process sets keys of its own. */
void
set(bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries / b->workers) * b->workers + b->worker;
        Key key = key_of(i);
        Lock lock(*numbers.mutex);

        (*numbers.map)[key] = static_cast<int64_t>(n << 32 | i);
    }
}

/* All processes count up one key. */
void
add(bench *b, uint64_t ops)
{
    Key key = key_of(0);

    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        Lock lock(*numbers.mutex);

        (*numbers.map)[key] += 1;
    }
}

/* ---- the allocator: texts that grow from 16 bytes to 4 KiB, then are deleted ---- */

void
open_texts(bench *b)
{
    open(b, std::size_t(64) << 20, &texts);
}

void
resize(bench *b, uint64_t ops)
{
    static const char data[4096] = "";
    auto allocator = Text::allocator_type(texts.segment->get_segment_manager());

    for (uint64_t n = 0; n < ops; n++) {
        uint64_t step = n % 10;
        Key key = key_of(n / 10 % 64 * b->workers + b->worker);
        Lock lock(*texts.mutex);

        if (step == 9)
            texts.map->erase(key);
        else
            texts.map->emplace(key, Text(allocator)).first->second.assign(data, 16u << step);
    }
}

/* ---- message_queue ---- */

std::string
queue_name(bench *b, const char *which)
{
    return std::string(b->name) + "-" + which;
}

void
make_queues(bench *b, std::size_t capacity, std::size_t size)
{
    for (const char *which : { "there", "back" })
        ipc::message_queue(ipc::create_only, queue_name(b, which).c_str(), capacity, size);
}

void
make_small(bench *b)
{
    make_queues(b, 1024, 64);
}

void
make_large(bench *b)
{
    make_queues(b, 8, 1 << 20);
}

void
open_queues(bench *b)
{
    there = new ipc::message_queue(ipc::open_only, queue_name(b, "there").c_str());
    back = new ipc::message_queue(ipc::open_only, queue_name(b, "back").c_str());
    message.assign(there->get_max_msg_size(), '\0');
}

/* Each message is stamped with its number at both ends. */
void
stamp(uint64_t number)
{
    memcpy(message.data() + message.size() - 8, &number, 8);
    memcpy(message.data(), &number, 8);
}

void
check_stamp(uint64_t number)
{
    uint64_t first, last;

    memcpy(&first, message.data(), 8);
    memcpy(&last, message.data() + message.size() - 8, 8);
    if (first != number || last != number)
        bench_fail("message %llu is wrong", static_cast<unsigned long long>(number));
}

void
receive(ipc::message_queue *queue)
{
    ipc::message_queue::size_type size;
    unsigned priority;

    queue->receive(message.data(), message.size(), size, priority);
    if (size != message.size())
        bench_fail("a message of %zu bytes", static_cast<std::size_t>(size));
}

void
feed(bench *b)
{
    open_queues(b);
    for (uint64_t n = 0;; n++) {
        stamp(n);
        there->send(message.data(), message.size(), 0);
    }
}

void
drain(bench *b, uint64_t ops)
{
    static uint64_t next;

    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        receive(there);
        check_stamp(next++);
    }
}

void
echo(bench *b)
{
    open_queues(b);
    for (;;) {
        receive(there);
        back->send(message.data(), message.size(), 0);
    }
}

void
round_trip(bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        stamp(n);
        there->send(message.data(), message.size(), 0);
        receive(back);
        check_stamp(n);
    }
}

void
send_and_receive(bench *b, uint64_t ops)
{
    (void)b;
    for (uint64_t n = 0; n < ops; n++) {
        stamp(n);
        there->send(message.data(), message.size(), 0);
        receive(there);
        check_stamp(n);
    }
}

void
remove_all(bench *b)
{
    ipc::shared_memory_object::remove(b->name);
    ipc::message_queue::remove(queue_name(b, "there").c_str());
    ipc::message_queue::remove(queue_name(b, "back").c_str());
}

const bench_case cases[] = {
    { "get", 0, make_numbers, open_numbers, nullptr, get, nullptr, nullptr },
    { "set", 0, make_numbers, open_numbers, nullptr, set, nullptr, nullptr },
    { "add", 0, make_numbers, open_numbers, nullptr, add, nullptr, nullptr },
    { "resize", 0, open_texts, open_texts, nullptr, resize, nullptr, nullptr },
    { "one-way-64", 1, make_small, open_queues, feed, drain, nullptr, nullptr },
    { "one-way-1m", 1, make_large, open_queues, feed, drain, nullptr, nullptr },
    { "round-trip", 1, make_small, open_queues, echo, round_trip, nullptr, nullptr },
    { "put-get", 0, make_small, open_queues, nullptr, send_and_receive, nullptr, nullptr },
};

} // namespace

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]), remove_all);
}
