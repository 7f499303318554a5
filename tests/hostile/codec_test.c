/* Messages (H10, H11, H16): counts, lengths and tagged fields that cannot be, in bytes written down by hand. What is
 * wrong is told with the field and its place behind the answer's header. */
#include "hostile/hostile.h"

enum { RIGID = 1, FLEXIBLE = 12 }; /* versions of Metadata */

/* Metadata v1: no brokers, controller 1, one topic "t" up to its partitions. */
#define TOPIC_V1 "\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\1t\0"
/* Metadata v12: throttle time; then no brokers, no cluster id, controller 1, no topics. */
#define START_V12 "\0\0\0\0"
#define EMPTY_V12 START_V12 "\1\0\0\0\0\1\1"
/* Fetch v4: throttle time, one topic "t" with one partition, 0, up to what was aborted. */
#define FETCH_V4 "\0\0\0\0\0\0\0\1\0\1t\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\5\0\0\0\0\0\0\0\5"

#define RIGID_ROW(name, bytes, text)                                                  \
    {                                                                                 \
        (name), HOSTILE_METADATA, {TCP_BODY(bytes)}, .version = RIGID, .part = (text) \
    }
#define FLEXIBLE_ROW(name, bytes, text)                                                  \
    {                                                                                    \
        (name), HOSTILE_METADATA, {TCP_BODY(bytes)}, .version = FLEXIBLE, .part = (text) \
    }
#define FETCH_ROW(name, bytes, text)                                          \
    {                                                                         \
        (name), HOSTILE_READ, {TCP_BODY(bytes)}, .version = 4, .part = (text) \
    }

static void H10_counts_that_cannot_be_are_refused_before_memory_is_asked_for(void **state)
{
    (void)state;
    HOSTILE(
        RIGID_ROW("2^31-1", "\x7f\xff\xff\xff", "brokers: 2147483647 elements announced, 0 bytes left (byte 4)"),
        RIGID_ROW("-2", "\xff\xff\xff\xfe", "brokers: -2 elements announced, 0 bytes left (byte 4)"),
        RIGID_ROW("null where there is none", "\xff\xff\xff\xff", "brokers: null"),
        RIGID_ROW("3 where 2 can be", "\0\0\0\3 24 bytes for two brokers", "brokers: 3 elements announced, 25 bytes"),
        RIGID_ROW("2^31-1 inside", TOPIC_V1 "\x7f\xff\xff\xff", "partitions: 2147483647 elements announced"),
        FLEXIBLE_ROW("2^32-2", START_V12 "\xff\xff\xff\xff\x0f\0\0", "brokers: 4294967294 elements announced"),
        FLEXIBLE_ROW("2^31-1", START_V12 "\x80\x80\x80\x80\x08\0\0", "brokers: 2147483647 elements announced"),
        FLEXIBLE_ROW("null where there is none", START_V12 "\0", "brokers: null"),
        FETCH_ROW("2^31-1 aborted", FETCH_V4 "\x7f\xff\xff\xff\0\0\0\0", "2147483647 elements announced"),
        FETCH_ROW("-2 aborted", FETCH_V4 "\xff\xff\xff\xfe\0\0\0\0", "-2 elements announced"));
}

static void H11_lengths_that_cannot_be_are_refused(void **state)
{
    (void)state;
    HOSTILE(
        RIGID_ROW("a string of -2", "\0\0\0\1\0\0\0\0\xff\xfe\0\0\0\0\0\0", "brokers[0].host: impossible length -2"),
        RIGID_ROW("a string of null", "\0\0\0\1\0\0\0\0\xff\xff\0\0\0\0\0\0", "brokers[0].host: null"),
        RIGID_ROW("a string too long", "\0\0\0\1\0\0\0\0\x7f\xff\0\0\0\0\0\0", "32767 bytes wanted, 6 left (byte 10)"),
        FLEXIBLE_ROW("a string of 2^32-2", START_V12 "\2\0\0\0\0\xff\xff\xff\xff\x0f\0\0\0\0\0\0\0",
                     "brokers[0].host: impossible length 4294967294"),
        FLEXIBLE_ROW("a varint of 10 bytes", START_V12 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", "no valid varint"),
        FLEXIBLE_ROW("a varint that is too long", START_V12 "\x81\0\0\0\0\0\0", "brokers: no valid varint (byte 4)"),
        FLEXIBLE_ROW("a varint that is cut", START_V12 "\x81", "brokers: no valid varint"),
        FETCH_ROW("records of -2", FETCH_V4 "\0\0\0\0\xff\xff\xff\xfe", "records: impossible length -2"),
        FETCH_ROW("records too long",
                  FETCH_V4 "\0\0\0\0\0\0\0\x9"
                           "8 bytes.",
                  "records: 9 bytes wanted, 8 left"),
        FETCH_ROW("records of 2^31-1", FETCH_V4 "\0\0\0\0\x7f\xff\xff\xff", "records: 2147483647 bytes wanted"));
}

static void H16_tagged_fields_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static uint8_t many[300000] = EMPTY_V12 "\xa0\x8d\x06";
    HOSTILE(FLEXIBLE_ROW("a field longer than the rest",
                         EMPTY_V12 "\1\5\x7f"
                                   "abc",
                         "127 bytes wanted, 3 left"),
            FLEXIBLE_ROW("a length of 2^32-1", EMPTY_V12 "\1\5\xff\xff\xff\xff\x0f", "4294967295 bytes wanted, 0 left"),
            FLEXIBLE_ROW("a tag twice", EMPTY_V12 "\2\5\0\5\0", "tag 5 is not in ascending order"),
            FLEXIBLE_ROW("tags that descend", EMPTY_V12 "\2\5\0\4\0", "tag 4 is not in ascending order"),
            FLEXIBLE_ROW("more than there is room for", EMPTY_V12 "\5\1\0\2\0", "5 tagged fields announced, 4 bytes"),
            FLEXIBLE_ROW("2^32-1", EMPTY_V12 "\xff\xff\xff\xff\x0f\0\0", "4294967295 tagged fields announced"),
            {"10^5",
             HOSTILE_METADATA,
             {.body = many, .body_len = sizeof many},
             .version = FLEXIBLE,
             .part = "100000 tagged fields announced"});
}

static void H16_tagged_fields_of_the_future_are_passed_over(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, TCP_BODY(EMPTY_V12 "\2\x63\3abc\x64\0")});
    kafka_conn *c = NULL;
    kafka_brokers *brokers;
    tcp_peer_set_versions(p, KFK_API_METADATA, 0, FLEXIBLE);
    hostile_witness_begin();
    assert_works(kafka_dial(NULL, NULL, tcp_peer_address(p), &c));
    assert_works(kafka_conn_brokers(c, &brokers));
    assert_int_equal(brokers->count, 0);
    kafka_brokers_free(brokers);
    hostile_witness_end();
    kafka_conn_free(c);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(H10_counts_that_cannot_be_are_refused_before_memory_is_asked_for),
        HOSTILE_TEST(H11_lengths_that_cannot_be_are_refused),
        HOSTILE_TEST(H16_tagged_fields_that_cannot_be_are_refused),
        HOSTILE_TEST(H16_tagged_fields_of_the_future_are_passed_over),
    };
    return hostile_main(tests);
}
