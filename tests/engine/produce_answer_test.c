/* Which part of an answer to Produce belongs to what was asked, whatever an answer holds. */
#include "support/memcheck.h"

#include "engine/produce_answer.h"
#include "kafka/error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1000 };

/* A request for some partitions of some topics, and an answer to it that may be changed. */
static struct {
    char names[MOST][16];
    kfk_produce_request_topic topics[MOST];
    kfk_produce_match matches[MOST];
    int32_t topic_count, count;
    kfk_produce_response answer;
    kfk_produce_response_topic said[MOST * 4];
    kfk_produce_response_partition *parts;
} x;

static void ask(int32_t topics, int32_t partitions)
{
    x.topic_count = topics;
    x.count = 0;
    for (int32_t t = 0; t < topics; t++) {
        snprintf(x.names[t], sizeof x.names[t], "topic%d", (int)t);
        x.topics[t] = (kfk_produce_request_topic){.name = kafka_str(x.names[t])};
        memcpy(&x.topics[t].topic_id, &t, sizeof t);
        for (int32_t p = 0; p < partitions; p++) x.matches[x.count++] = (kfk_produce_match){.topic = t, .index = p};
    }
    assert_in_range(x.count, 1, MOST);
}

static void nothing_is_said(void)
{
    x.answer = (kfk_produce_response){.responses.items = x.said};
}

static kfk_produce_response_topic *say_topic(int32_t t, kfk_produce_response_partition *parts, int32_t count)
{
    kfk_produce_response_topic *said = &x.said[x.answer.responses.count++];
    *said = (kfk_produce_response_topic){.name = x.topics[t].name, .topic_id = x.topics[t].topic_id};
    said->partition_responses.items = parts;
    said->partition_responses.count = count;
    return said;
}

static void match(bool by_id)
{
    kfk_produce_answer_match(x.topics, x.topic_count, by_id, &x.answer, x.matches, x.count);
}

static void each_partition_is_found_in_whatever_order_the_broker_answers(void **state)
{
    (void)state;
    for (int by_id = 0; by_id < 2; by_id++) {
        kfk_produce_response_partition parts[20][5];
        ask(20, 5);
        nothing_is_said();
        for (int32_t i = 0; i < 20; i++) {
            int32_t t = (i * 7 + 3) % 20;
            for (int32_t j = 0; j < 5; j++)
                parts[t][j] = (kfk_produce_response_partition){.index = 4 - j, .base_offset = t * 100 + (4 - j)};
            say_topic(t, parts[t], 5);
        }
        match(by_id);
        for (int32_t i = 0; i < x.count; i++) {
            assert_non_null(x.matches[i].answer);
            assert_int_equal(x.matches[i].answer->base_offset, x.matches[i].topic * 100 + x.matches[i].index);
        }
    }
}

static void what_was_not_asked_is_passed_over_and_what_is_missing_is_told(void **state)
{
    (void)state;
    kfk_produce_response_partition parts[] = {{.index = 7}, {.index = -1}, {.index = INT32_MAX}, {.index = 1}};
    ask(2, 2);
    nothing_is_said();
    kfk_produce_response_topic *stranger = say_topic(0, parts, 4);
    stranger->name = kafka_str("another");
    stranger->topic_id = (kfk_uuid){{0xff}};
    kfk_produce_response_topic *nameless = say_topic(0, parts, 4);
    nameless->name = (kafka_bytes){0};
    memset(&nameless->topic_id, 0xee, sizeof nameless->topic_id);
    say_topic(1, parts, 4);
    say_topic(0, NULL, -1);
    for (int by_id = 0; by_id < 2; by_id++) {
        match(by_id);
        assert_null(x.matches[0].answer);
        assert_null(x.matches[1].answer);
        assert_null(x.matches[2].answer);
        assert_ptr_equal(x.matches[3].answer, &parts[3]);
    }
    x.answer.responses = (kfk_produce_response_topic_array){NULL, -1};
    match(false);
    assert_null(x.matches[3].answer);
}

static void of_two_words_about_the_same_the_first_counts(void **state)
{
    (void)state;
    kfk_produce_response_partition parts[] = {{.index = 0, .base_offset = 5}, {.index = 0, .error_code = 29}};
    kfk_produce_response_partition later[] = {{.index = 0, .error_code = 10}};
    ask(1, 1);
    nothing_is_said();
    say_topic(0, parts, 2);
    say_topic(0, later, 1);
    match(false);
    assert_ptr_equal(x.matches[0].answer, &parts[0]);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static double seconds_for(int32_t topics, int32_t partitions)
{
    ask(topics, partitions);
    clock_t best = 0;
    for (int i = 0; i < 5; i++) {
        clock_t from = clock();
        match(true);
        clock_t took = clock() - from;
        if (i == 0 || took < best) best = took;
    }
    return ((double)best + 1) / CLOCKS_PER_SEC;
}

/* An answer of a million partitions, of which none was asked for: what it costs hardly depends on how many were. */
static void a_huge_answer_costs_no_more_for_a_large_request_than_for_a_small_one(void **state)
{
    (void)state;
    enum { HUGE_COUNT = 1000000 };
    x.parts = malloc(HUGE_COUNT * sizeof *x.parts);
    assert_non_null(x.parts);
    for (int32_t i = 0; i < HUGE_COUNT; i++) x.parts[i] = (kfk_produce_response_partition){.index = 5000 + i};
    ask(1, 1);
    nothing_is_said();
    say_topic(0, x.parts, HUGE_COUNT);
    double small = seconds_for(1, 1), large = seconds_for(1, 1000);
    assert_true(large < small * 10 + 0.05);
    free(x.parts);
}

/* The same with topics: far more than were asked for are not even looked at. */
static void an_answer_with_far_more_topics_than_were_asked_for_is_not_read_to_its_end(void **state)
{
    (void)state;
    kfk_produce_response_partition part = {.index = 0};
    ask(3, 1);
    nothing_is_said();
    for (int32_t i = 0; i < MOST; i++) say_topic(0, NULL, 0)->topic_id = (kfk_uuid){{0xaa}};
    say_topic(1, &part, 1);
    match(true);
    assert_null(x.matches[1].answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(each_partition_is_found_in_whatever_order_the_broker_answers),
        MEMCHECK_TEST(what_was_not_asked_is_passed_over_and_what_is_missing_is_told),
        MEMCHECK_TEST(of_two_words_about_the_same_the_first_counts),
        MEMCHECK_TEST(a_huge_answer_costs_no_more_for_a_large_request_than_for_a_small_one),
        MEMCHECK_TEST(an_answer_with_far_more_topics_than_were_asked_for_is_not_read_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
