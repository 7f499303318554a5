/* Every allocation of a producer's work fails once: making it, looking up its topic, writing, compressing, splitting,
 * waiting for room, flushing, closing. The simulated brokers are spared.
 *
 * What is hit says so, or is done later; each message that was accepted has one outcome, nothing leaks, hangs or
 * crashes, and what is written afterwards succeeds. */
#include "base/mem.h"
#include "sim/producers.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static struct {
    sim *sim;
    size_t countdown; /* the allocation that fails; 0 = none any more */
    long blocks;
    bool failed;
    int32_t codec;
    bool refusals;
} oom;

static void *oom_alloc(size_t size)
{
    if (oom.countdown > 0 && sim_in_library(oom.sim) && --oom.countdown == 0) {
        oom.failed = true;
        sim_trace(oom.sim, "no memory for %zu bytes", size);
        return NULL;
    }
    void *p = malloc(size ? size : 1);
    if (!p) abort();
    oom.blocks++;
    return memset(p, 0xa5, size);
}

static void oom_free(void *p)
{
    oom.blocks--;
    free(p);
}

static void *oom_realloc(void *p, size_t size)
{
    void *moved = oom_alloc(size);
    if (!moved || !p) return moved;
    size_t old = malloc_usable_size(p);
    memcpy(moved, p, old < size ? old : size);
    oom_free(p);
    return moved;
}

static const kfk_mem_ops oom_ops = {.alloc = oom_alloc, .realloc = oom_realloc, .free = oom_free};

static bool lack_or_success(sim *s, int code, const char *what)
{
    if (code != 0 && code != KAFKA_ENOMEM) sim_fail(s, "%s: %d", what, code);
    if (code != 0) sim_check(s, oom.failed);
    return code == 0;
}

/* The next few answers find batches too large. */
static void refuse(void *arg, const kfk_api *api, void *answer, kfk_arena *memory)
{
    int *left = arg;
    kfk_produce_response *a = answer;
    (void)memory;
    if (api->key != KFK_API_PRODUCE || *left == 0) return;
    --*left;
    for (int32_t i = 0; i < a->responses.count; i++) {
        for (int32_t j = 0; j < a->responses.items[i].partition_responses.count; j++)
            a->responses.items[i].partition_responses.items[j].error_code = KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE;
    }
}

/* The next few answers refuse one record of each batch. */
static void refuse_one(void *arg, const kfk_api *api, void *answer, kfk_arena *memory)
{
    int *left = arg;
    kfk_produce_response *a = answer;
    if (api->key != KFK_API_PRODUCE || *left == 0) return;
    --*left;
    kfk_produce_response_partition *p = &a->responses.items[0].partition_responses.items[0];
    p->error_code = KAFKA_ERR_INVALID_RECORD;
    p->base_offset = -1;
    p->record_errors.items = kfk_arena_alloc(memory, sizeof *p->record_errors.items);
    if (!p->record_errors.items) abort();
    memset(p->record_errors.items, 0, sizeof *p->record_errors.items);
    p->record_errors.count = 1;
}

/* What is refused for some records, and a topic that is created anew. */
static void use_refusals(book *b)
{
    sim *s = b->sim;
    int left = 0, refused = 0;
    uint32_t from = b->accepted;
    for (int i = 0; i < 12; i++) lack_or_success(s, book_send(b, 0, i % 3, 300, i == 11), "send");
    book_wait(b, 30000);
    left = 2;
    for (int id = 1; id <= 2; id++) peer_set_edit(b->peer[id], refuse_one, &left);
    for (int i = 0; i < 30; i++) lack_or_success(s, book_send(b, 0, i % 3, 300, false), "send");
    lack_or_success(s, book_flush(b, 30000), "flush");
    book_wait(b, 30000);
    for (int id = 1; id <= 2; id++) peer_set_edit(b->peer[id], NULL, NULL);
    for (uint32_t i = from; i < b->accepted; i++) refused += b->records[i].code == KAFKA_ERR_INVALID_RECORD;
    sim_check(s, refused <= 2 - left);
    peer_cluster_recreate(b->peers, BOOK_TOPIC, 3, 2);
    for (int i = 0; i < 12; i++) lack_or_success(s, book_send(b, 0, i % 3, 300, i == 11), "send");
    book_wait(b, 30000);
}

/* All of what a producer does. */
static void use(book *b)
{
    sim *s = b->sim;
    for (int i = 0; i < 40; i++) lack_or_success(s, book_send(b, 0, i < 10 ? -1 : i % 3, 300, i % 7 == 0), "send");
    book_wait(b, 30000);
    peer_cluster_move(b->peers, BOOK_TOPIC, 0, 2);
    int left = 2;
    peer_set_edit(b->peer[2], refuse, &left);
    for (int i = 0; i < 90; i++) {
        lack_or_success(s, book_send(b, 0, i % 3, 300, false), "send");
        if (i == 60) sim_net_reset(s, book_address(1));
    }
    lack_or_success(s, book_flush(b, 30000), "flush");
    book_wait(b, 30000);
    peer_set_edit(b->peer[2], NULL, NULL);
}

static void without_memory(sim *s, void *arg)
{
    (void)arg;
    oom.sim = s;
    book *b = book_on_peers(s, 2, 3);
    b->cfg.codec = oom.codec;
    b->cfg.batch_bytes = 8000;
    int code = kfk_producer_new(&b->cfg, &b->producer);
    if (!lack_or_success(s, code, "new")) return;
    code = kfk_producer_topic_get(b->producer, kafka_str(BOOK_TOPIC), &b->topic);
    if (lack_or_success(s, code, "topic")) oom.refusals ? use_refusals(b) : use(b);
    oom.countdown = 0;
    if (code != 0) book_use_topic(b, NULL);
    uint32_t from = b->accepted;
    for (int i = 0; i < 30; i++) sim_check_equal(s, book_send(b, 0, i % 3, 100, false), 0);
    sim_check_equal(s, book_flush(b, 30000), 0);
    for (uint32_t i = from; i < b->accepted; i++) sim_check_equal(s, b->records[i].code, 0);
    for (uint32_t i = 0; i < from; i++) { /* the peers make nothing fail for good but a message on its own */
        int told = b->records[i].code;
        if (told != 0 && told != KAFKA_ENOMEM && told != KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE &&
            told != KAFKA_ERR_INVALID_RECORD)
            sim_fail(s, "message %u: %d, %s", i, told, b->why);
    }
    if (b->told == b->accepted && !oom.failed && !oom.refusals)
        sim_check_equal(s, b->counted[KFK_COUNT_SENT_BYTES] < 20000, oom.codec != KFK_CODEC_NONE);
    book_end(b);
}

static void each_allocation_fails(const char *name, int32_t codec, bool refusals)
{
    kfk_mem_set_ops(&oom_ops);
    oom.codec = codec;
    oom.refusals = refusals;
    for (size_t n = 1; n == 1 || oom.failed; n++) {
        const scenario sc = {.name = name, .run = without_memory};
        oom.blocks = 0;
        oom.failed = false;
        oom.countdown = n;
        bool ok = runner_seed(&sc, n, NULL);
        oom.countdown = 0;
        if (!ok || oom.blocks != 0) {
            kfk_mem_set_ops(NULL);
            fail_msg("allocation %zu: %s, %ld blocks left", n, ok ? "ok" : "failed", oom.blocks);
        }
        if (!oom.failed) print_message("           %zu allocations\n", n - 1);
    }
    kfk_mem_set_ops(NULL);
}

static void any_allocation_of_a_producer_may_fail_and_everything_works_afterwards(void **state)
{
    (void)state;
    each_allocation_fails(__func__, KFK_CODEC_NONE, false);
}

static void the_same_for_one_that_compresses(void **state)
{
    (void)state;
    each_allocation_fails(__func__, KFK_CODEC_GZIP, false);
}

static void the_same_where_single_records_are_refused_and_the_topic_is_created_anew(void **state)
{
    (void)state;
    each_allocation_fails(__func__, KFK_CODEC_NONE, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_of_a_producer_may_fail_and_everything_works_afterwards),
        cmocka_unit_test(the_same_for_one_that_compresses),
        cmocka_unit_test(the_same_where_single_records_are_refused_and_the_topic_is_created_anew),
    };
    return RUNNER_MAIN(tests);
}
