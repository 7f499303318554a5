/* Balancers as objects: who owns them, what they refuse, states of topics, functions of the application, and what the
 * writer asks. Which partition is chosen: balancer_hash_test.c, balancer_spread_test.c. */
#include "api/calls.h"

#include "api/balancer_impl.h"

static const int32_t three[] = {0, 1, 2};

static int32_t balance(kafka_balancer *b, const kafka_message *m)
{
    return kafka_balancer_balance(b, m, three, 3);
}

/* ---- every kind -------------------------------------------------------------------------------------------------- */

static int32_t take_first(void *userdata, const kafka_message *m, const int32_t *partitions, size_t count)
{
    (void)userdata;
    (void)m;
    return count > 0 ? partitions[0] : -1;
}

static uint32_t hash_to_5(const void *data, size_t len)
{
    (void)data;
    (void)len;
    return 5;
}

enum { KINDS = 13 };

static kafka_balancer *make(int kind)
{
    switch (kind) {
    case 0: return kafka_balancer_round_robin();
    case 1: return kafka_balancer_least_bytes();
    case 2: return kafka_balancer_hash(NULL);
    case 3: return kafka_balancer_hash(hash_to_5);
    case 4: return kafka_balancer_reference_hash(NULL);
    case 5: return kafka_balancer_reference_hash(hash_to_5);
    case 6: return kafka_balancer_murmur2(false);
    case 7: return kafka_balancer_murmur2(true);
    case 8: return kafka_balancer_crc32(false);
    case 9: return kafka_balancer_crc32(true);
    case 10: return kafka_balancer_sticky();
    case 11: return kafka_balancer_manual();
    default: return kafka_balancer_func(take_first, NULL, NULL);
    }
}

static void every_kind_chooses_what_was_offered(void **state)
{
    (void)state;
    static const int32_t odd[] = {7, 30, 1000000};
    for (int kind = 0; kind < KINDS; kind++) {
        kafka_balancer *b = make(kind);
        for (int i = 0; i < 300; i++) {
            kafka_message m = {.value = {"value", 5}, .partition = odd[i % 3]};
            if (i % 3 > 0) m.key = (kafka_bytes){&i, i % 3 == 1 ? sizeof i : 0};
            if (i % 2 > 0) m.topic = "t";
            int32_t p = kafka_balancer_balance(b, &m, odd, 3);
            assert_true(p == odd[0] || p == odd[1] || p == odd[2]);
            if (i % 3 > 0) assert_int_equal(kafka_balancer_balance(b, &m, &odd[i % 3], 1), odd[i % 3]);
        }
        kafka_balancer_free(b);
    }
}

static void what_cannot_be_answered_is_refused_with_a_reason(void **state)
{
    (void)state;
    const kafka_message m = {.topic = "t"};
    for (int kind = 0; kind < KINDS; kind++) {
        kafka_balancer *b = make(kind);
        assert_fails(kafka_balancer_balance(b, &m, three, 0), KAFKA_EINVAL, "no partitions");
        assert_fails(kafka_balancer_balance(b, &m, NULL, 3), KAFKA_EINVAL, "no partitions");
        assert_fails(kafka_balancer_balance(b, NULL, three, 3), KAFKA_EINVAL, "message is NULL");
        assert_fails(kafka_balancer_balance(b, &m, three, (size_t)INT32_MAX + 1), KAFKA_EINVAL, "too many");
        kafka_balancer_free(b);
    }
    assert_fails(kafka_balancer_balance(NULL, &m, three, 3), KAFKA_EINVAL, "balancer is NULL");
    kafka_balancer_free(NULL);
}

static void without_memory_there_is_none_and_no_choice_for_new_topics(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        MEMCHECK_EACH_FAILURE(n)
        {
            const kafka_message m = {.topic = "t"};
            kafka_balancer *b = make(kind);
            if (b == NULL) {
                assert_true(memcheck_failed());
                assert_non_null(strstr(kafka_last_error(), "kafka_balancer_"));
                assert_non_null(strstr(kafka_last_error(), "memory"));
                continue;
            }
            int32_t p = balance(b, &m);
            if (memcheck_failed()) {
                assert_fails(p, KAFKA_ENOMEM, "topic t");
                memcheck_fail_at(0);
                p = balance(b, &m); /* it was only then */
            }
            assert_in_range(p, 0, 2);
            kafka_balancer_free(b);
        }
    }
}

/* ---- states ------------------------------------------------------------------------------------------------------ */

static void each_topic_has_its_own_turn(void **state)
{
    (void)state;
    static const char *const topics[] = {"a", "b", "ab", NULL, "topic-with-a-long-name"};
    kafka_balancer *b = kafka_balancer_round_robin();
    for (int32_t turn = 0; turn < 30; turn++) {
        for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++) {
            const kafka_message m = {.topic = topics[i]};
            assert_int_equal(balance(b, &m), turn % 3);
        }
    }
    kafka_balancer_free(b);
}

static void an_empty_topic_is_none(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_round_robin();
    const kafka_message empty = {.topic = ""}, none = {0};
    assert_int_equal(balance(b, &empty), 0);
    assert_int_equal(balance(b, &none), 1);
    kafka_balancer_free(b);
}

static void topics_without_number_take_memory_with_a_limit(void **state)
{
    (void)state;
    enum { LIMIT = 65536 };
    kafka_balancer *b = kafka_balancer_round_robin();
    char name[32];
    kafka_message m = {.topic = name};
    for (int i = 0; i < LIMIT; i++) {
        snprintf(name, sizeof name, "topic-%d", i);
        assert_int_equal(balance(b, &m), 0);
    }
    size_t blocks = memcheck_blocks();
    for (int i = 0; i < 300; i++) { /* they have one turn in common */
        snprintf(name, sizeof name, "late-%d", i);
        assert_int_equal(balance(b, &m), i % 3);
    }
    assert_int_equal(memcheck_blocks(), blocks);
    strcpy(name, "topic-77");
    assert_int_equal(balance(b, &m), 1);
    kafka_balancer_free(b);
}

static void a_state_that_was_looked_up_stays_the_same(void **state)
{
    (void)state;
    kafka_balancer *b = kafka_balancer_round_robin();
    kfk_balancer_topic *t = kfk_balancer_topic_of(b, "t", 1);
    for (int i = 0; i < 1000; i++) {
        char name[16];
        int len = snprintf(name, sizeof name, "x%d", i);
        assert_ptr_not_equal(kfk_balancer_topic_of(b, name, (size_t)len), t);
    }
    assert_ptr_equal(kfk_balancer_topic_of(b, "t-and-more", 1), t);
    kafka_balancer_free(b);
}

/* ---- functions of the application -------------------------------------------------------------------------------- */

typedef struct seen {
    kafka_balancer *balancer;
    kafka_message message;
    char topic[16];
    const int32_t *partitions;
    size_t count;
    int32_t answer;
    int calls, destroyed;
    int32_t nested;
    int waiting;
} seen;

static int32_t look(void *userdata, const kafka_message *m, const int32_t *partitions, size_t count)
{
    seen *s = userdata;
    s->message = *m;
    snprintf(s->topic, sizeof s->topic, "%s", m->topic != NULL ? m->topic : "-");
    s->partitions = partitions;
    s->count = count;
    s->calls++;
    return s->answer;
}

static void destroyed(void *userdata)
{
    ((seen *)userdata)->destroyed++;
}

static void a_function_sees_the_message_and_its_answer_counts(void **state)
{
    (void)state;
    seen s = {.answer = 2};
    kafka_balancer *b = kafka_balancer_func(look, &s, destroyed);
    kafka_header h = {"h", {"v", 1}};
    const kafka_message m = {.topic = "t",
                             .key = {"k", 1},
                             .value = {"v", 1},
                             .headers = &h,
                             .header_count = 1,
                             .userdata = &s,
                             .partition = 9};
    assert_int_equal(balance(b, &m), 2);
    assert_memory_equal(&s.message, &m, sizeof m);
    assert_ptr_equal(s.partitions, three);
    assert_int_equal(s.count, 3);
    s.answer = -17; /* whatever that means */
    assert_int_equal(balance(b, &m), -17);
    assert_int_equal(s.calls, 2);
    assert_int_equal(s.destroyed, 0);
    kafka_balancer_free(b);
    assert_int_equal(s.destroyed, 1);
}

static void without_a_function_there_is_none_and_nothing_is_destroyed(void **state)
{
    (void)state;
    seen s = {0};
    assert_null(kafka_balancer_func(NULL, &s, destroyed));
    assert_non_null(strstr(kafka_last_error(), "kafka_balancer_func"));
    memcheck_fail_at(1);
    assert_null(kafka_balancer_func(look, &s, destroyed));
    assert_int_equal(s.destroyed, 0);
}

static void the_last_one_who_holds_it_destroys_the_userdata(void **state)
{
    (void)state;
    seen s = {0};
    kafka_balancer *b = kafka_balancer_func(look, &s, destroyed);
    assert_ptr_equal(kfk_balancer_hold(b), b);
    assert_null(kfk_balancer_hold(NULL));
    kafka_balancer_free(b);
    assert_int_equal(s.destroyed, 0);
    const kafka_message m = {0};
    assert_int_equal(balance(b, &m), 0);
    kafka_balancer_free(b);
    assert_int_equal(s.destroyed, 1);
}

static int32_t ask_again(void *userdata, const kafka_message *m, const int32_t *partitions, size_t count)
{
    seen *s = userdata;
    kafka_conn *c = NULL;
    s->calls++;
    s->nested = kafka_balancer_balance(s->balancer, m, partitions, count);
    s->waiting = kafka_dial(NULL, KAFKA_WITHIN(1000), "127.0.0.1:1", &c);
    return partitions[count - 1];
}

static void inside_of_a_function_nothing_waits_not_even_for_itself(void **state)
{
    (void)state;
    seen s = {0};
    const kafka_message m = {.topic = "t"};
    s.balancer = kafka_balancer_func(ask_again, &s, NULL);
    assert_fails(kafka_balancer_balance(s.balancer, &m, three, 0), KAFKA_EINVAL, "no partitions");
    assert_int_equal(balance(s.balancer, &m), 2);
    assert_int_equal(s.nested, KAFKA_EAGAIN);
    assert_int_equal(s.waiting, KAFKA_EAGAIN);
    assert_int_equal(s.calls, 1);
    assert_non_null(strstr(kafka_last_error(), "no partitions")); /* what failed inside is not told outside */
    kafka_balancer_free(s.balancer);
}

static void a_function_may_ask_another_balancer(void **state)
{
    (void)state;
    seen s = {.balancer = kafka_balancer_murmur2(true)};
    kafka_balancer *b = kafka_balancer_func(ask_again, &s, NULL);
    const kafka_message m = {.key = {"21", 2}};
    assert_int_equal(balance(b, &m), 2);
    assert_int_equal(s.nested, balance(s.balancer, &m));
    kafka_balancer_free(b);
    kafka_balancer_free(s.balancer);
}

static kafka_balancer *hashing;
static int32_t nested_hash;

static uint32_t hash_again(const void *data, size_t len)
{
    const kafka_message m = {.key = {data, len}};
    nested_hash = kafka_balancer_balance(hashing, &m, three, 3);
    return 4;
}

static void a_hash_function_is_a_function_like_any_other(void **state)
{
    (void)state;
    const kafka_message keyed = {.key = {"k", 1}}, keyless = {0};
    hashing = kafka_balancer_hash(hash_again);
    assert_int_equal(balance(hashing, &keyed), 1);
    assert_int_equal(nested_hash, KAFKA_EAGAIN);
    nested_hash = 0;
    assert_int_equal(balance(hashing, &keyless), 0);
    assert_int_equal(nested_hash, 0); /* it was not asked */
    kafka_balancer_free(hashing);
}

/* ---- what the writer asks ---------------------------------------------------------------------------------------- */

static const int32_t led[] = {0, 2};
static const kfk_balancer_offer some_led = {.all = three, .all_count = 3, .led = led, .led_count = 2};

static void keys_keep_their_partition_when_it_has_no_leader(void **state)
{
    (void)state;
    for (int kind = 2; kind <= 10; kind++) {
        kafka_balancer *b = make(kind);
        kfk_balancer_topic *t = kfk_balancer_topic_of(b, "t", 1);
        int leaderless = 0;
        for (uint32_t i = 0; i < 300; i++) {
            kfk_error err = {0};
            const kafka_message m = {.key = {&i, sizeof i}};
            int32_t p = kfk_balancer_pick(t, &m, &some_led, &err);
            assert_int_equal(p, balance(b, &m));
            leaderless += p == 1;
        }
        if (kind != 3 && kind != 5) assert_in_range(leaderless, 50, 150); /* these hash everything to 5 */
        kafka_balancer_free(b);
    }
}

static void what_may_go_anywhere_goes_where_there_is_a_leader(void **state)
{
    (void)state;
    static const int kinds[] = {0, 1, 2, 4, 6, 8, 10}; /* not those that hash a null key */
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        kafka_balancer *b = make(kinds[k]);
        kfk_balancer_topic *t = kfk_balancer_topic_of(b, "t", 1);
        int counts[3] = {0};
        for (int i = 0; i < 400; i++) {
            kfk_error err = {0};
            const kafka_message m = {.value = {NULL, 0}, .header_count = 0};
            int32_t p = kfk_balancer_pick(t, &m, &some_led, &err);
            assert_in_range(p, 0, 2);
            counts[p]++;
        }
        assert_int_equal(counts[1], 0);
        assert_int_equal(counts[0] + counts[2], 400);
        kafka_balancer_free(b);
    }
}

static void where_none_has_a_leader_all_will_do(void **state)
{
    (void)state;
    const kfk_balancer_offer dark = {.all = three, .all_count = 3};
    kafka_balancer *b = kafka_balancer_round_robin();
    kfk_balancer_topic *t = kfk_balancer_topic_of(b, "t", 1);
    const kafka_message m = {0};
    kfk_error err = {0};
    for (int i = 0; i < 9; i++) assert_int_equal(kfk_balancer_pick(t, &m, &dark, &err), i % 3);
    const kfk_balancer_offer nothing = {0};
    assert_int_equal(kfk_balancer_pick(t, &m, &nothing, &err), KAFKA_EINVAL);
    assert_non_null(strstr(err.text, "topic t has no partitions"));
    kafka_balancer_free(b);
}

static void a_choice_that_was_not_offered_is_refused_by_name(void **state)
{
    (void)state;
    static const int32_t gaps[] = {2, 5, 9, 11};
    static const int32_t wrong[] = {-1, INT32_MIN, 0, 3, 10, 12, INT32_MAX, KAFKA_EAGAIN};
    const kfk_balancer_offer offer = {.all = gaps, .all_count = 4, .led = gaps, .led_count = 4};
    seen s = {0};
    kafka_balancer *both[] = {kafka_balancer_func(look, &s, NULL), kafka_balancer_manual()};
    for (size_t k = 0; k < 2; k++) {
        kfk_balancer_topic *t = kfk_balancer_topic_of(both[k], "t", 1);
        kfk_error err = {0};
        char number[16];
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            s.answer = wrong[i];
            const kafka_message m = {.partition = wrong[i]};
            assert_int_equal(kfk_balancer_pick(t, &m, &offer, &err), KAFKA_EINVAL);
            snprintf(number, sizeof number, "partition %d ", (int)wrong[i]);
            assert_non_null(strstr(err.text, number));
            assert_non_null(strstr(err.text, "topic t"));
        }
        for (size_t i = 0; i < 4; i++) {
            s.answer = gaps[i];
            const kafka_message m = {.partition = gaps[i]};
            assert_int_equal(kfk_balancer_pick(t, &m, &offer, &err), gaps[i]);
        }
        kafka_balancer_free(both[k]);
    }
}

static void a_function_sees_all_partitions_and_the_writers_topic(void **state)
{
    (void)state;
    seen s = {.answer = 1};
    kafka_balancer *b = kafka_balancer_func(look, &s, NULL);
    kfk_error err = {0};
    const kafka_message m = {.key = {"k", 1}}, named = {.topic = "t"};
    assert_int_equal(kfk_balancer_pick(kfk_balancer_topic_of(b, "t", 1), &m, &some_led, &err), 1);
    assert_int_equal(s.count, 3);
    assert_string_equal(s.topic, "t");
    assert_memory_equal(s.message.key.data, "k", 1);
    assert_int_equal(kfk_balancer_pick(kfk_balancer_topic_of(b, "t", 1), &named, &some_led, &err), 1);
    assert_ptr_equal(s.message.topic, named.topic);
    assert_int_equal(balance(b, &m), 1);
    assert_string_equal(s.topic, "-");
    kafka_balancer_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(every_kind_chooses_what_was_offered),
        MEMCHECK_TEST(what_cannot_be_answered_is_refused_with_a_reason),
        MEMCHECK_TEST(without_memory_there_is_none_and_no_choice_for_new_topics),
        MEMCHECK_TEST(each_topic_has_its_own_turn),
        MEMCHECK_TEST(an_empty_topic_is_none),
        MEMCHECK_TEST(topics_without_number_take_memory_with_a_limit),
        MEMCHECK_TEST(a_state_that_was_looked_up_stays_the_same),
        MEMCHECK_TEST(a_function_sees_the_message_and_its_answer_counts),
        MEMCHECK_TEST(without_a_function_there_is_none_and_nothing_is_destroyed),
        MEMCHECK_TEST(the_last_one_who_holds_it_destroys_the_userdata),
        MEMCHECK_TEST(inside_of_a_function_nothing_waits_not_even_for_itself),
        MEMCHECK_TEST(a_function_may_ask_another_balancer),
        MEMCHECK_TEST(a_hash_function_is_a_function_like_any_other),
        MEMCHECK_TEST(keys_keep_their_partition_when_it_has_no_leader),
        MEMCHECK_TEST(what_may_go_anywhere_goes_where_there_is_a_leader),
        MEMCHECK_TEST(where_none_has_a_leader_all_will_do),
        MEMCHECK_TEST(a_choice_that_was_not_offered_is_refused_by_name),
        MEMCHECK_TEST(a_function_sees_all_partitions_and_the_writers_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
