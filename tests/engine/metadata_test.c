#include "support/memcheck.h"

#include "engine/metadata.h"
#include <string.h>

#define TEXT(s) ((kafka_bytes){"" s, sizeof(s) - 1})

/* ---- what is asked ----------------------------------------------------------------------------------------------- */

static void asks_for(const char *const *topics, size_t count, bool all, int32_t expected)
{
    kfk_request r;
    kfk_metadata_request message;
    kfk_metadata_response answer;
    kfk_arena memory;
    kfk_arena_init(&memory, SIZE_MAX);
    kfk_request_init(&r, KFK_API_METADATA);
    assert_int_equal(kfk_metadata_prepare(&r, &message, &answer, &memory, topics, count, all), 0);
    assert_int_equal(message.topics.count, expected);
    for (size_t i = 0; i < count; i++)
        assert_memory_equal(message.topics.items[i].name.data, topics[i], strlen(topics[i]) + 1);
    assert_int_equal(r.min_version, 1);
    assert_true(r.message == &message && r.response == &answer);
    kfk_request_fini(&r);
    kfk_arena_fini(&memory);
}

static void it_asks_for_some_topics_for_all_or_for_none(void **state)
{
    (void)state;
    static const char *const topics[] = {"a", "bb"};
    asks_for(topics, 2, false, 2);
    asks_for(NULL, 0, true, -1);
    asks_for(NULL, 0, false, 0);
}

static void a_question_that_finds_no_memory_is_told(void **state)
{
    (void)state;
    static const char *const topics[] = {"a", "bb"};
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_request r;
        kfk_metadata_request message;
        kfk_metadata_response answer;
        kfk_arena memory;
        kfk_arena_init(&memory, SIZE_MAX);
        kfk_request_init(&r, KFK_API_METADATA);
        int err = kfk_metadata_prepare(&r, &message, &answer, &memory, topics, 2, false);
        assert_int_equal(err, memcheck_failed() ? KAFKA_ENOMEM : 0);
        kfk_request_fini(&r);
        kfk_arena_fini(&memory);
    }
}

/* ---- hostile answers (H12, H13, H15) ----------------------------------------------------------------------------- */

static bool sane(int32_t id, kafka_bytes host, int32_t port)
{
    kfk_metadata_response_broker b = {.node_id = id, .host = host, .port = port};
    return kfk_metadata_broker_is_sane(&b);
}

static void brokers_that_cannot_be_are_not_believed(void **state)
{
    (void)state;
    char longest[256], longer[257];
    memset(longest, 'a', sizeof longest);
    memset(longer, 'a', sizeof longer);
    assert_true(sane(0, TEXT("kafka-1.example.com"), 9092));
    assert_true(sane(1, TEXT("10.0.0.1"), 1));
    assert_true(sane(1, TEXT("2001:db8::1"), 65535));
    assert_true(sane(1, TEXT("my_host"), 9092));
    assert_true(sane(1, (kafka_bytes){longest, 255}, 9092));
    assert_false(sane(1, (kafka_bytes){longer, 256}, 9092));
    assert_false(sane(-7, TEXT("host"), 9092));
    assert_false(sane(1, TEXT("host"), 0));
    assert_false(sane(1, TEXT("host"), -1));
    assert_false(sane(1, TEXT("host"), 70000));
    assert_false(sane(1, TEXT(""), 9092));
    assert_false(sane(1, (kafka_bytes){NULL, 0}, 9092));
    assert_false(sane(1, TEXT("ho\0st"), 9092));
    assert_false(sane(1, TEXT("host\n"), 9092));
    assert_false(sane(1, TEXT("host name"), 9092));
    assert_false(sane(1, TEXT("h\xc3\xb6st"), 9092));
    assert_false(sane(1, TEXT("-host"), 9092));
    assert_false(sane(1, TEXT("$(reboot)"), 9092));
    assert_false(sane(1, TEXT("2001:db8::1::2"), 9092));
}

static void topic_names_that_cannot_be_are_not_believed(void **state)
{
    (void)state;
    char name[300];
    memset(name, 'a', sizeof name);
    assert_true(kfk_metadata_topic_is_sane(TEXT("orders.v1_new-2")));
    assert_true(kfk_metadata_topic_is_sane(TEXT("...")));
    assert_true(kfk_metadata_topic_is_sane((kafka_bytes){name, 249}));
    assert_false(kfk_metadata_topic_is_sane((kafka_bytes){name, 250}));
    assert_false(kfk_metadata_topic_is_sane((kafka_bytes){NULL, 0}));
    assert_false(kfk_metadata_topic_is_sane(TEXT("")));
    assert_false(kfk_metadata_topic_is_sane(TEXT(".")));
    assert_false(kfk_metadata_topic_is_sane(TEXT("..")));
    assert_false(kfk_metadata_topic_is_sane(TEXT("a/b")));
    assert_false(kfk_metadata_topic_is_sane(TEXT("a\0b")));
    assert_false(kfk_metadata_topic_is_sane(TEXT("a\x1b[2J")));
}

static void partition_numbers_that_cannot_be_are_not_believed(void **state)
{
    (void)state;
    assert_true(kfk_metadata_partition_is_sane(0));
    assert_true(kfk_metadata_partition_is_sane(999999));
    assert_false(kfk_metadata_partition_is_sane(1000000));
    assert_false(kfk_metadata_partition_is_sane(INT32_MAX));
    assert_false(kfk_metadata_partition_is_sane(-1));
    assert_false(kfk_metadata_partition_is_sane(INT32_MIN));
}

static void of_too_many_brokers_the_first_ten_thousand_count(void **state)
{
    (void)state;
    kfk_metadata_response r = {.brokers.count = 10001};
    assert_int_equal(kfk_metadata_broker_count(&r), 10000);
    assert_int_equal(kfk_metadata_broker_count(&(kfk_metadata_response){.brokers.count = -1}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(it_asks_for_some_topics_for_all_or_for_none),
        MEMCHECK_TEST(a_question_that_finds_no_memory_is_told),
        MEMCHECK_TEST(brokers_that_cannot_be_are_not_believed),
        MEMCHECK_TEST(topic_names_that_cannot_be_are_not_believed),
        MEMCHECK_TEST(partition_numbers_that_cannot_be_are_not_believed),
        MEMCHECK_TEST(of_too_many_brokers_the_first_ten_thousand_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
