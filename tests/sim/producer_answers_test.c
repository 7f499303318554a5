/* The producer and brokers that answer what no broker should, that are of several versions, and with more partitions than
 * usual. */
#include "base/time.h"
#include "sim/producers.h"
#include "wire/gen/produce.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what answers hold ------------------------------------------------------------------------------------------------ */

/* Changes an answer to Produce; how often that is still done. */
typedef struct change {
    void (*make)(kfk_produce_response *a, kfk_arena *memory);
    int left;
} change;

static void edit(void *arg, const kfk_api *api, void *answer, kfk_arena *memory)
{
    change *c = arg;
    if (api->key != KFK_API_PRODUCE || c->left == 0) return;
    c->left--;
    c->make(answer, memory);
}

/* Two partitions whose leader has acknowledged something. */
static book *warm_peers(sim *s, change *c, void (*make)(kfk_produce_response *, kfk_arena *), int times)
{
    book *b = book_on_peers(s, 1, 2);
    if (!b || !book_start(b)) return NULL;
    for (int i = 0; i < 2; i++) book_send(b, 0, i, 50, true);
    if (!book_wait(b, 5000)) return NULL;
    *c = (change){make, times};
    peer_set_edit(b->peer[1], edit, c);
    return b;
}

/* Both partitions go in one request. */
static void send_both(book *b, int each)
{
    for (int i = 0; i < 2 * each; i++) book_send(b, 0, i % 2, 50, i == 2 * each - 1);
}

static void lack_the_last(kfk_produce_response *a, kfk_arena *memory)
{
    kfk_produce_response_topic *t = &a->responses.items[a->responses.count - 1];
    (void)memory;
    t->partition_responses.count--;
}

static void say_nothing(kfk_produce_response *a, kfk_arena *memory)
{
    (void)memory;
    a->responses.count = 0;
}

SCENARIO(what_an_answer_lacks_is_sent_again)
{
    change c;
    book *b = warm_peers(s, &c, lack_the_last, 1);
    if (!b) return;
    send_both(b, 2);
    book_wait(b, 10000);
    sim_check_equal(s, c.left, 0);
    book_expect_written(b);
    sim_check(s, b->counted[KFK_COUNT_RETRY] > 0);
    book_end(b);
}

SCENARIO(a_broker_that_answers_nothing_of_it_is_tried_max_attempts_times)
{
    change c;
    book *b = warm_peers(s, &c, say_nothing, 1000);
    if (!b) return;
    book_send(b, 0, 0, 50, true);
    int asked = peer_requests(b->peer[1], KFK_API_PRODUCE);
    book_wait(b, 60000);
    const book_record *r = &b->records[b->accepted - 1];
    sim_check_equal(s, r->code, KAFKA_ERR_UNKNOWN);
    sim_check_equal(s, r->written, KAFKA_WRITTEN_MAYBE);
    sim_check_text(s, b->why, "lacks the partition");
    sim_check(s, peer_requests(b->peer[1], KFK_API_PRODUCE) - asked <= 10);
    book_end(b);
}

/* In front a stranger and a partition that nobody asked for, behind a second word about each. */
static void say_more(kfk_produce_response *a, kfk_arena *memory)
{
    kfk_produce_response_topic *t = &a->responses.items[0];
    int32_t n = t->partition_responses.count;
    kfk_produce_response_partition *p = kfk_arena_alloc(memory, ((size_t)n * 2 + 1) * sizeof *p);
    kfk_produce_response_topic *all = kfk_arena_alloc(memory, 2 * sizeof *all);
    memcpy(p + 1, t->partition_responses.items, (size_t)n * sizeof *p);
    memcpy(p + 1 + n, t->partition_responses.items, (size_t)n * sizeof *p);
    p[0] = p[1];
    p[0].index = 4711;
    for (int32_t i = 0; i < n; i++) p[1 + n + i].error_code = KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED;
    all[1] = *t;
    all[1].partition_responses.items = p;
    all[1].partition_responses.count = 2 * n + 1;
    all[0] = all[1];
    all[0].name = kafka_str("another");
    memset(&all[0].topic_id, 0xaa, sizeof all[0].topic_id);
    a->responses.items = all;
    a->responses.count = 2;
}

SCENARIO(what_nobody_asked_for_is_passed_over_and_the_first_word_counts)
{
    change c;
    book *b = warm_peers(s, &c, say_more, 1000);
    if (!b) return;
    for (int i = 0; i < 5; i++) send_both(b, 2);
    book_wait(b, 10000);
    book_expect_written(b);
    sim_check_equal(s, b->counted[KFK_COUNT_RETRY], 0);
    book_end(b);
}

static void say_the_last_offset(kfk_produce_response *a, kfk_arena *memory)
{
    (void)memory;
    for (int32_t i = 0; i < a->responses.items[0].partition_responses.count; i++)
        a->responses.items[0].partition_responses.items[i].base_offset = INT64_MAX;
}

static void say_no_offset(kfk_produce_response *a, kfk_arena *memory)
{
    (void)memory;
    for (int32_t i = 0; i < a->responses.items[0].partition_responses.count; i++)
        a->responses.items[0].partition_responses.items[i].base_offset = INT64_MIN;
}

static void offsets_are_as_none(sim *s, void (*say)(kfk_produce_response *, kfk_arena *))
{
    change c;
    book *b = warm_peers(s, &c, say, 1000);
    if (!b) return;
    uint32_t first = b->accepted;
    send_both(b, 3);
    book_wait(b, 10000);
    book_expect_written(b);
    sim_check_equal(s, b->records[first].offset, -1);
    sim_check_equal(s, b->records[b->accepted - 1].offset, -1);
    c.left = 0;
    send_both(b, 1);
    book_wait(b, 10000);
    sim_check(s, b->records[b->accepted - 1].offset > 0);
    book_end(b);
}

SCENARIO(an_offset_behind_which_no_record_can_stand_is_as_none)
{
    offsets_are_as_none(s, say_the_last_offset);
}

SCENARIO(a_negative_offset_is_as_none)
{
    offsets_are_as_none(s, say_no_offset);
}

/* Code 87 that names far more records than there are: the last but one of the batch, what is none, and the same again. */
static void name_many(kfk_produce_response *a, kfk_arena *memory)
{
    enum { MANY = 100000 };
    kfk_produce_response_partition *p = &a->responses.items[0].partition_responses.items[0];
    p->error_code = KAFKA_ERR_INVALID_RECORD;
    p->base_offset = -1;
    p->record_errors.items = kfk_arena_alloc(memory, MANY * sizeof *p->record_errors.items);
    memset(p->record_errors.items, 0, MANY * sizeof *p->record_errors.items);
    for (int32_t i = 0; i < MANY; i++) p->record_errors.items[i].batch_index = i % 3 == 0 ? 1 : i % 3 == 1 ? -5 : i;
    p->record_errors.count = MANY;
}

SCENARIO_WITH(names_of_more_records_than_there_are_cost_nothing, .seeds = 5)
{
    change c;
    book *b = warm_peers(s, &c, name_many, 1);
    if (!b) return;
    uint32_t first = b->accepted;
    for (int i = 0; i < 3; i++) book_send(b, 0, 0, 50, i == 2);
    book_wait(b, 10000);
    sim_check_equal(s, c.left, 0);
    int failed = 0;
    for (uint32_t i = first; i < b->accepted; i++) {
        if (b->records[i].code == 0) continue;
        sim_check_equal(s, b->records[i].code, KAFKA_ERR_INVALID_RECORD);
        sim_check_equal(s, b->records[i].written, KAFKA_WRITTEN_NO);
        failed++;
    }
    sim_check(s, failed >= 1);
    book_end(b);
}

/* ---- brokers of several versions -------------------------------------------------------------------------------------- */

/* Two messages, the second with a header, which message sets have no place for. */
static void send_with_header(book *b)
{
    kafka_header h = {.key = "k", .value = {"v", 1}};
    kfk_producer_call call;
    kfk_producer_map *map = kfk_producer_topic_map(b->topic);
    if (!sim_check(b->sim, map != NULL)) return;
    kfk_producer_call_begin(&call, b->producer, kfk_time_now_ms(), true);
    for (int i = 0; i < 2; i++) {
        uint64_t id = b->accepted++;
        b->records[id] = (book_record){.accepted_ms = sim_now_ms(b->sim), .partition = -1};
        kafka_message m = {.value = {&id, sizeof id}, .headers = &h, .header_count = (size_t)i};
        int err = kfk_producer_call_append(&call, map->partitions[0], &m, kfk_time_wall_ms(), KFK_CODEC_NONE, &id);
        sim_check_equal(b->sim, err, 0);
    }
    b->all_told = false;
    kfk_producer_call_end(&call);
    kfk_producer_map_drop(map);
}

/* Two brokers; the second takes message sets only, as Kafka before 0.11 does. */
static book *with_an_old_one(sim *s, bool idempotence)
{
    book *b = book_on_peers(s, 2, 1);
    if (!b) return NULL;
    b->cfg.idempotence = idempotence;
    peer_set_versions(b->peer[2], KFK_API_PRODUCE, 0, 2);
    if (!book_start(b)) return NULL;
    book_send(b, 0, 0, 50, true);
    return book_wait(b, 5000) ? b : NULL;
}

/* The new broker appends and closes the connection in place of answering. */
static void lose_and_move(book *b)
{
    PEER_SCRIPT(b->peer[1], PEER_ON(KFK_API_PRODUCE, .action = PEER_APPLY_CLOSE));
}

static void move_to_the_old_one(book *b)
{
    while (peer_requests(b->peer[1], KFK_API_PRODUCE) < 2 && !sim_failed(b->sim)) sim_sleep_ms(b->sim, 1);
    peer_cluster_move(b->peers, BOOK_TOPIC, 0, 2);
}

SCENARIO(what_may_be_written_is_not_taken_apart_for_an_older_leader)
{
    book *b = with_an_old_one(s, false);
    if (!b) return;
    lose_and_move(b);
    send_with_header(b);
    move_to_the_old_one(b);
    book_wait(b, 30000);
    for (uint32_t i = 1; i < b->accepted && !sim_failed(s); i++) {
        sim_check_equal(s, b->records[i].code, KAFKA_EVERSION);
        sim_check_equal(s, b->records[i].written, KAFKA_WRITTEN_MAYBE);
    }
    sim_check_text(s, b->why, "headers");
    book_end(b);
}

SCENARIO(idempotence_is_not_given_up_for_an_older_leader)
{
    book *b = with_an_old_one(s, true);
    if (!b) return;
    lose_and_move(b);
    book_send(b, 0, 0, 50, true);
    move_to_the_old_one(b);
    book_wait(b, 30000);
    sim_check_equal(s, b->records[1].code, KAFKA_EVERSION);
    sim_check_equal(s, b->records[1].written, KAFKA_WRITTEN_MAYBE);
    sim_check_text(s, b->why, "idempotence");
    book_send(b, 0, 0, 50, true); /* no copy of it is anywhere */
    book_wait(b, 30000);
    sim_check_equal(s, b->records[2].code, KAFKA_EVERSION);
    sim_check_equal(s, b->records[2].written, KAFKA_WRITTEN_NO);
    sim_check_equal(s, peer_requests(b->peer[2], KFK_API_PRODUCE), 0);
    book_end(b);
}

/* ---- many partitions -------------------------------------------------------------------------------------------------- */

SCENARIO_WITH(ten_thousand_partitions_with_a_message_each_stay_within_64_mib, .seeds = 1, .config.calm = true)
{
    enum { PARTITIONS = 10000, MIB = 1024 * 1024 };
    book *b = book_new(s, 1, PARTITIONS);
    if (!b) return;
    size_t before = memcheck_bytes();
    if (!book_start(b)) return;
    book_send(b, 0, 0, 100, true);
    book_wait(b, 10000);
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 2000), 0);
    for (int i = 0; i < PARTITIONS; i++) book_send(b, 0, i, 100, false);
    sim_check(s, b->told < 2000); /* most are held */
    size_t held = memcheck_bytes() - before;
    sim_check(s, held > 10 * MIB && held < 64 * MIB);
    sim_check_equal(s, kafka_cluster_set_disk_delay(b->cluster, 1, 0), 0);
    book_wait(b, 60000);
    book_expect_written(b);
    b->partitions = b->cfg.acks = 0; /* the logs are not read: that would take a connection for each */
    book_end(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(what_an_answer_lacks_is_sent_again),
        MEMCHECK_TEST(a_broker_that_answers_nothing_of_it_is_tried_max_attempts_times),
        MEMCHECK_TEST(what_nobody_asked_for_is_passed_over_and_the_first_word_counts),
        MEMCHECK_TEST(an_offset_behind_which_no_record_can_stand_is_as_none),
        MEMCHECK_TEST(a_negative_offset_is_as_none),
        MEMCHECK_TEST(names_of_more_records_than_there_are_cost_nothing),
        MEMCHECK_TEST(what_may_be_written_is_not_taken_apart_for_an_older_leader),
        MEMCHECK_TEST(idempotence_is_not_given_up_for_an_older_leader),
        MEMCHECK_TEST(ten_thousand_partitions_with_a_message_each_stay_within_64_mib),
    };
    int failed = RUNNER_MAIN(tests);
    runner_sum_up();
    return failed;
}
