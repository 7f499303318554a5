/* The open batch of a partition: what appending does, what it says has to be done, and in which order things come
 * out. */
#include "support/memcheck.h"

#include "engine/appended.h"
#include <inttypes.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The thread sanitizer makes system calls of its own. */
#ifdef __SANITIZE_THREAD__
enum { SYSTEM_CALLS_ARE_OURS = 0 };
#else
enum { SYSTEM_CALLS_ARE_OURS = 1 };
#endif

enum { KIB = 1024, MIB = 1024 * KIB, BATCH = 64 * KIB, SKIPPED = 77 };

static const appended_shape small = {.most = 100};

static kfk_accum_config config;
static kfk_accum accum;
static kfk_accum_call call;
static appended_log out;
static uint32_t sent;

static void begin_with(size_t buffer_bytes, size_t batch_bytes, int32_t batch_size, uint32_t side_size)
{
    config = (kfk_accum_config){.batch_bytes = batch_bytes, .batch_size = batch_size, .side_size = side_size};
    assert_int_equal(kfk_slots_new(buffer_bytes, sizeof(kfk_produce_batch), &config.slots), 0);
    kfk_accum_init(&accum, &config, KFK_SLOTS_KNOWN);
    call = (kfk_accum_call){.now_ms = 5};
    out = (appended_log){.shape = &small, .step = {1}, .batch_bytes = batch_bytes};
    sent = 0;
}

static void begin(void)
{
    begin_with(8 * MIB, BATCH, 10, 8);
}

static void end(void)
{
    assert_null(call.seals);
    kfk_accum_fini(&accum);
    assert_int_equal(kfk_slots_used(config.slots), 0);
    kfk_slots_drop(config.slots);
    kfk_compress_trim();
    if (out.bad > 0) fail_msg("%zu differences, the first: %s", out.bad, out.why);
}

static int append_as(int32_t codec)
{
    appended a;
    appended_make(&a, 0, sent, out.shape);
    int rc = kfk_accum_append(&accum, &call, &a.m, a.timestamp, codec, a.side);
    if (rc == 0) sent++;
    return rc;
}

static int append(void)
{
    return append_as(KFK_CODEC_NONE);
}

/* Was the producer to be told? Tells it. */
static bool kicked(void)
{
    kfk_accum_view view;
    bool yes = call.kicks != NULL;
    if (yes) {
        assert_ptr_equal(call.kicks, &accum);
        assert_null(accum.next_kick);
        kfk_accum_look(&accum, &view);
    }
    call.kicks = NULL;
    return yes;
}

static kfk_accum_view look(void)
{
    kfk_accum_view view;
    kfk_accum_peek(&accum, &view);
    return view;
}

/* Everything is sealed and read; `messages` have come out since the beginning. */
static void expect_out(int64_t messages)
{
    kfk_accum_swap_out(&accum, &call);
    kfk_accum_seal(&call);
    call.kicks = NULL;
    appended_drain(&out, &accum);
    assert_int_equal(out.messages, messages);
}

static int some_codec(void)
{
    int codecs[5];
    return codecs[appended_codecs(codecs) - 1];
}

/* ---- kicks ------------------------------------------------------------------------------------------------------- */

static void the_first_message_is_told_and_the_next_ones_are_not(void **state)
{
    (void)state;
    begin();
    assert_int_equal(append(), 0);
    assert_true(kicked());
    for (int i = 0; i < 5; i++) assert_int_equal(append(), 0);
    assert_false(kicked());
    expect_out(6);
    end();
}

static void until_the_producer_looks_no_other_call_tells_it_again(void **state)
{
    (void)state;
    begin();
    assert_int_equal(append(), 0);
    kfk_accum_call mine = call;
    call.kicks = NULL;
    for (int i = 0; i < 20; i++) assert_int_equal(append(), 0);
    assert_false(kicked());
    assert_ptr_equal(mine.kicks, &accum);
    assert_int_equal(look().open_count, 21);
    expect_out(21);
    end();
}

static void a_batch_with_as_many_messages_as_make_it_ready_is_told_again(void **state)
{
    (void)state;
    begin();
    assert_int_equal(append(), 0);
    assert_true(kicked());
    for (int i = 1; i < 9; i++) assert_int_equal(append(), 0);
    assert_false(kicked());
    assert_int_equal(append(), 0);
    assert_true(kicked());
    for (int i = 0; i < 30; i++) assert_int_equal(append(), 0); /* it grows on while nobody takes it */
    assert_false(kicked());
    assert_int_equal(look().open_count, 40);
    expect_out(40);
    end();
}

static void a_batch_that_somebody_waits_for_is_told_once(void **state)
{
    (void)state;
    begin();
    assert_int_equal(append(), 0);
    assert_true(kicked());
    assert_false(look().open_awaited);
    call.waits = true;
    assert_int_equal(append(), 0);
    assert_true(kicked());
    assert_true(look().open_awaited);
    assert_int_equal(append(), 0);
    assert_false(kicked());
    call.waits = false;
    expect_out(3);
    assert_int_equal(append(), 0);
    assert_false(look().open_awaited); /* the next batch is another one */
    expect_out(4);
    end();
}

static void a_batch_that_was_sealed_is_told(void **state)
{
    (void)state;
    begin();
    assert_int_equal(append(), 0);
    assert_true(kicked());
    assert_true(kfk_accum_swap_out(&accum, &call));
    assert_false(kicked());
    assert_int_equal(look().head_state, KFK_PRODUCE_SEALING);
    kfk_accum_seal(&call);
    assert_true(kicked());
    assert_int_equal(look().head_state, KFK_PRODUCE_SEALED);
    expect_out(1);
    end();
}

static void who_looks_sees_what_is_there(void **state)
{
    (void)state;
    begin();
    kfk_accum_view v = look();
    assert_int_equal(v.open_count, 0);
    assert_int_equal(v.queued, 0);
    assert_null(v.head);
    assert_int_equal(append(), 0);
    assert_true(kfk_accum_swap_out(&accum, &call));
    assert_false(kfk_accum_swap_out(&accum, &call));
    call.now_ms = 77;
    assert_int_equal(append_as(some_codec()), 0);
    call.now_ms = 99;
    assert_int_equal(append_as(some_codec()), 0);
    v = look();
    assert_int_equal(v.open_count, 2);
    assert_int_equal(v.open_since_ms, 77);
    assert_int_equal(v.open_codec, some_codec());
    assert_int_equal(v.open_bytes, kfk_produce_batch_plain_bytes(accum.open));
    assert_int_equal(v.queued, 1);
    assert_int_equal(v.head->accepted_ms, 5);
    assert_int_equal(v.queued_bytes, kfk_produce_batch_plain_bytes(v.head));
    expect_out(3);
    assert_int_equal(look().queued_bytes, 0);
    end();
}

/* ---- swapping out ------------------------------------------------------------------------------------------------ */

static void a_full_batch_is_left_to_whoever_filled_it(void **state)
{
    (void)state;
    begin();
    while (call.seals == NULL) assert_int_equal(append(), 0);
    kfk_produce_batch *full = call.seals;
    assert_null(full->seal_next);
    assert_int_equal(full->state, KFK_PRODUCE_SEALING);
    assert_int_equal(kfk_produce_batch_count(full), sent - 1);
    assert_in_range(kfk_produce_batch_plain_bytes(full), BATCH - 200, BATCH);
    assert_int_equal(look().open_count, 1);
    kfk_accum_seal(&call);
    assert_true(kicked());
    expect_out(sent);
    assert_int_equal(out.batches, 2);
    end();
}

static void batches_are_filled_to_the_last_byte(void **state)
{
    (void)state;
    appended a;
    begin_with(8 * MIB, BATCH, 10, 0);
    appended_make(&a, 0, 0, &small);
    a.m.headers = NULL;
    a.m.header_count = 0;
    /* Records of 16 bytes: length, attributes, two deltas, key length, key of 8, value length, value of 1, headers. */
    a.m.value = (kafka_bytes){"v", 1};
    size_t fits = 0, bytes = 0;
    kfk_record_writer w;
    uint8_t memory[BATCH];
    kfk_record_writer_init(&w, memory, BATCH - KFK_RECORD_HEADER);
    while (kfk_record_append(&w, a.timestamp, a.m.key, a.m.value, NULL, 0) == 0) fits++;
    bytes = w.bytes;
    for (size_t i = 0; i <= fits; i++) assert_int_equal(kfk_accum_append(&accum, &call, &a.m, a.timestamp, 0, NULL), 0);
    assert_int_equal(kfk_produce_batch_count(call.seals), fits);
    assert_int_equal(call.seals->writer.bytes, bytes);
    kfk_accum_seal(&call);
    call.kicks = NULL;
    end();
}

static void a_message_with_another_codec_begins_another_batch(void **state)
{
    (void)state;
    int codecs[5], count = appended_codecs(codecs);
    begin();
    for (int i = 0; i < 2 * count; i++) assert_int_equal(append_as(codecs[i / 2]), 0);
    assert_int_equal(look().queued, count - 1);
    expect_out(2 * (int64_t)count);
    assert_int_equal(out.batches, count);
    end();
}

static void a_level_is_for_the_codec_of_the_writer_alone(void **state)
{
    (void)state;
    begin();
    config.codec = KFK_CODEC_GZIP;
    config.level = 9;
    assert_int_equal(append_as(KFK_CODEC_GZIP), 0);
    assert_int_equal(accum.open->level, 9);
    assert_int_equal(append_as(KFK_CODEC_ZSTD), 0);
    assert_int_equal(accum.open->level, 0);
    call.seals = NULL; /* nobody seals them */
    end();
}

static void who_appends_next_seals_what_room_was_found_for(void **state)
{
    (void)state;
    if (some_codec() == KFK_CODEC_NONE) skip();
    begin();
    assert_int_equal(append_as(some_codec()), 0);
    kfk_accum_ask(&accum);
    kfk_accum_ask(&accum);
    assert_null(call.seals);
    assert_int_equal(append_as(some_codec()), 0);
    assert_non_null(call.seals);
    assert_int_equal(look().open_count, 0);
    kfk_accum_seal(&call);
    assert_int_equal(append_as(some_codec()), 0);
    assert_null(call.seals); /* asked once */
    kfk_accum_ask(&accum);
    assert_true(kfk_accum_swap_out(&accum, &call)); /* somebody else was faster */
    assert_int_equal(append_as(some_codec()), 0);
    assert_int_equal(look().open_count, 1);
    expect_out(4);
    end();
}

static void without_a_codec_nobody_has_to_be_asked(void **state)
{
    (void)state;
    begin();
    assert_int_equal(append(), 0);
    kfk_accum_ask(&accum);
    assert_int_equal(append(), 0);
    assert_null(call.seals);
    expect_out(2);
    end();
}

static void a_batch_that_is_being_sealed_holds_up_those_behind_it(void **state)
{
    (void)state;
    begin();
    kfk_accum_call slow = {.now_ms = 5};
    assert_int_equal(append(), 0);
    assert_true(kfk_accum_swap_out(&accum, &slow));
    assert_int_equal(append(), 0);
    assert_true(kfk_accum_swap_out(&accum, &call));
    kfk_accum_seal(&call);
    assert_null(kfk_accum_pop(&accum));
    assert_int_equal(look().head_state, KFK_PRODUCE_SEALING);
    kfk_accum_seal(&slow);
    expect_out(2);
    assert_int_equal(out.batches, 2);
    end();
}

static void what_comes_from_elsewhere_comes_last_and_may_be_sealed_later(void **state)
{
    (void)state;
    kfk_list parts;
    begin();
    kfk_list_init(&parts);
    assert_int_equal(append(), 0);
    assert_true(kfk_accum_swap_out(&accum, &call));
    for (uint32_t i = 1; i < 3; i++) {
        appended a;
        kfk_produce_batch *b = kfk_produce_batch_new(config.slots, &accum, KFK_SLOTS_FORCED, KFK_CODEC_NONE, 0, 8);
        appended_make(&a, 0, i, &small);
        assert_int_equal(kfk_produce_batch_append(b, BATCH, a.timestamp, &a.m, a.side), 0);
        kfk_produce_batch_close(b);
        kfk_list_push_back(&parts, &b->node);
        kfk_accum_seal_later(&call, b);
    }
    kfk_accum_push_back(&accum, &parts);
    assert_true(kfk_list_empty(&parts));
    assert_int_equal(look().queued, 3);
    assert_int_equal(look().head_state, KFK_PRODUCE_SEALING);
    expect_out(3);
    assert_int_equal(look().queued_bytes, 0);
    end();
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static int append_value(size_t len, const kafka_header *headers, size_t header_count)
{
    uint64_t side[8] = {0};
    kafka_message m = {.value = {appended_pool(), len}, .headers = headers, .header_count = header_count};
    return kfk_accum_append(&accum, &call, &m, APPENDED_NOW, KFK_CODEC_NONE, side);
}

static void a_message_that_fits_into_no_batch_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const kafka_header nameless = {NULL, {"", 0}};
    begin();
    assert_int_equal(append_value(BATCH, NULL, 0), KAFKA_ETOOBIG);
    assert_int_equal(look().open_count, 0);
    assert_int_equal(append(), 0);
    assert_int_equal(append_value(BATCH - KFK_RECORD_HEADER - 5, NULL, 0), KAFKA_ETOOBIG);
    assert_int_equal(append_value(10, &nameless, 1), KAFKA_EINVAL);
    assert_null(call.seals);
    assert_int_equal(append(), 0);
    expect_out(2);
    assert_int_equal(out.batches, 1);
    end();
}

static void a_message_that_fits_exactly_is_a_batch_of_its_own(void **state)
{
    (void)state;
    begin();
    size_t most = BATCH - KFK_RECORD_HEADER - 11; /* lengths of 3 bytes each, five small fields */
    assert_int_equal(append_value(most + 1, NULL, 0), KAFKA_ETOOBIG);
    assert_int_equal(append_value(most, NULL, 0), 0);
    assert_int_equal(look().open_bytes, BATCH);
    assert_int_equal(append_value(0, NULL, 0), 0);
    assert_non_null(call.seals);
    assert_int_equal(kfk_produce_batch_count(call.seals), 1);
    call.seals = NULL;
    end();
}

static void without_room_nothing_is_accepted_and_what_was_stays(void **state)
{
    (void)state;
    begin_with(22 * KIB, BATCH, 10, 8);
    int rc;
    while ((rc = append()) == 0) continue;
    assert_int_equal(rc, KAFKA_EAGAIN);
    assert_int_equal(append(), KAFKA_EAGAIN);
    assert_int_equal(append_as(KFK_CODEC_GZIP), KAFKA_EAGAIN);
    assert_null(call.seals);
    assert_int_equal(look().open_count, sent);
    assert_in_range(kfk_slots_used(config.slots), 20 * KIB, 22 * KIB);
    expect_out(sent);
    assert_int_equal(append(), 0); /* there is room again */
    expect_out(sent);
    end();
}

static void a_message_larger_than_the_whole_budget_is_refused_for_good(void **state)
{
    (void)state;
    begin_with(16 * KIB, BATCH, 10, 8);
    assert_int_equal(append_value(20 * KIB, NULL, 0), KAFKA_ETOOBIG);
    end();
}

static void once_closed_nothing_is_accepted_and_what_was_comes_out(void **state)
{
    (void)state;
    begin();
    assert_int_equal(append(), 0);
    assert_true(kicked());
    kfk_accum_close(&accum, KAFKA_ECLOSED, &call);
    assert_non_null(call.seals);
    assert_int_equal(append(), KAFKA_ECLOSED);
    assert_false(kicked());
    kfk_accum_close(&accum, KAFKA_ECANCELED, &call);
    assert_int_equal(append(), KAFKA_ECANCELED);
    expect_out(1);
    end();
}

static void what_waits_for_its_topic_is_charged_to_its_quarter(void **state)
{
    (void)state;
    begin_with(64 * KIB, BATCH, 10, 8);
    kfk_accum lobby;
    appended a;
    int rc, count = 0;
    kfk_accum_init(&lobby, &config, KFK_SLOTS_UNKNOWN);
    for (;; count++) {
        appended_make(&a, 0, (uint32_t)count, &small);
        if ((rc = kfk_accum_append(&lobby, &call, &a.m, a.timestamp, KFK_CODEC_NONE, a.side)) != 0) break;
    }
    assert_int_equal(rc, KAFKA_EAGAIN);
    assert_in_range(count, 50, 400);
    assert_in_range(kfk_slots_used_unknown(config.slots), 5 * KIB, 16 * KIB);
    call.kicks = NULL;
    assert_int_equal(append(), 0);
    kfk_accum_fini(&lobby);
    assert_int_equal(kfk_slots_used_unknown(config.slots), 0);
    expect_out(1);
    end();
}

static void a_batch_that_cannot_be_sealed_comes_out_as_failed_in_its_place(void **state)
{
    (void)state;
    begin();
    assert_int_equal(append_as(6), 0); /* there is no such codec */
    assert_int_equal(append(), 0);
    kfk_accum_swap_out(&accum, &call);
    kfk_accum_seal(&call);
    assert_true(kicked());
    kfk_produce_batch *b = kfk_accum_pop(&accum);
    assert_int_equal(b->state, KFK_PRODUCE_FAILED);
    assert_int_equal(b->seal_code, KAFKA_ECODEC);
    assert_non_null(strstr(b->seal_error->text, "codec 6"));
    kfk_produce_batch_free(b);
    b = kfk_accum_pop(&accum);
    assert_int_equal(b->state, KFK_PRODUCE_SEALED);
    kfk_produce_batch_free(b);
    end();
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void ten_thousand_partitions_with_a_message_each_stay_small(void **state)
{
    (void)state;
    enum { PARTITIONS = 10000 };
    begin_with(32 * MIB, MIB, 100, 16);
    size_t before = memcheck_bytes();
    kfk_accum *all = calloc(PARTITIONS, sizeof *all);
    appended a;
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        kfk_accum_init(&all[i], &config, KFK_SLOTS_KNOWN);
        appended_make(&a, 0, i, &small);
        assert_int_equal(kfk_accum_append(&all[i], &call, &a.m, a.timestamp, KFK_CODEC_NONE, a.side), 0);
    }
    size_t held = memcheck_bytes() - before + PARTITIONS * sizeof *all;
    assert_in_range(held, 10 * MIB, 64 * MIB);
    assert_in_range(held, 10 * MIB, 20 * MIB); /* 1 KiB of records, and less than that around them */
    for (uint32_t i = 0; i < PARTITIONS; i++) kfk_accum_fini(&all[i]);
    free(all);
    call.kicks = NULL;
    end();
}

static void appending_to_a_batch_allocates_nothing_once_the_memory_was_used(void **state)
{
    (void)state;
    begin_with(8 * MIB, MIB, 100, 16);
    size_t calls = 0;
    for (int round = 0; round < 3; round++) {
        if (round == 1) calls = memcheck_calls();
        while (call.seals == NULL) assert_int_equal(append(), 0);
        expect_out(sent);
        while (accum.open != NULL) expect_out(sent);
    }
    assert_int_equal(memcheck_calls() - calls, 0);
    end();
}

/* In a child that is killed for any system call but read, write and exit (seccomp's strict mode). */
static _Noreturn void append_without_system_calls(void)
{
    enum { WRONG = 3 };
    int failed = 0;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(SKIPPED);
    for (int i = 0; i < 1000 && failed == 0; i++) failed = append();
    syscall(SYS_exit, failed == 0 ? 0 : WRONG);
    __builtin_unreachable();
}

static void appending_makes_no_system_call(void **state)
{
    (void)state;
    int status = 0;
    if (!SYSTEM_CALLS_ARE_OURS) skip();
    begin_with(8 * MIB, MIB, 100, 16);
    while (call.seals == NULL) assert_int_equal(append(), 0); /* memory was used */
    expect_out(sent);
    while (accum.open != NULL) expect_out(sent);
    pid_t child = fork();
    if (child == 0) append_without_system_calls();
    assert_int_equal(waitpid(child, &status, 0), child);
    end();
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) skip();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_full_batch_holds_hardly_more_than_its_records(void **state)
{
    (void)state;
    begin_with(8 * MIB, MIB, 100, 0);
    while (call.seals == NULL) assert_int_equal(append(), 0);
    assert_in_range(kfk_produce_batch_charged(call.seals), MIB, MIB + MIB / 8);
    assert_in_range(call.seals->earlier, 10000, 30000);
    expect_out(sent);
    end();
}

static void each_failing_allocation_refuses_a_message_and_loses_none(void **state)
{
    (void)state;
    int codecs[5], count = appended_codecs(codecs);
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        assert_int_equal(kfk_slots_new(8 * MIB, sizeof(kfk_produce_batch), &config.slots), 0);
        memcheck_fail_at(n);
        config = (kfk_accum_config){.slots = config.slots, .batch_bytes = 16 * KIB, .batch_size = 10, .side_size = 24};
        kfk_accum_init(&accum, &config, KFK_SLOTS_KNOWN);
        call = (kfk_accum_call){.now_ms = 5};
        out = (appended_log){.shape = &small, .step = {1}};
        sent = 0;
        int refused = 0;
        for (int i = 0; i < 600; i++) {
            int rc = append_as(codecs[i / 100 % count]);
            if (rc != 0) refused += rc == KAFKA_ENOMEM ? 1 : 1000;
        }
        assert_in_range(refused, 0, 1);
        kfk_accum_swap_out(&accum, &call);
        kfk_accum_seal(&call); /* the second try succeeds, as only one allocation fails */
        failed = memcheck_failed();
        memcheck_fail_at(0);
        appended_drain(&out, &accum);
        if (out.bad > 0) fail_msg("%s", out.why);
        assert_int_equal(out.messages, sent);
        kfk_accum_fini(&accum);
        assert_int_equal(kfk_slots_used(config.slots), 0);
        kfk_slots_drop(config.slots);
        kfk_compress_trim();
    }
}

/* ---- the property ------------------------------------------------------------------------------------------------ */

/* Whatever is appended, from several threads, in any slots, with any codec, is what a reader walks in order. */

enum { THREADS = 4, PARTITIONS = 3 };

typedef struct world {
    kfk_accum_config config;
    kfk_accum partitions[PARTITIONS];
    appended_log logs[PARTITIONS];
    pthread_mutex_t baton; /* who drains */
    int codecs[5], codec_count;
    int messages; /* of each thread */
    const appended_shape *shape;
    _Atomic int failures;
} world;

typedef struct writer {
    world *world;
    uint32_t id;
} writer;

/* What the producer does when it is told: looks, takes the open batch now and then, drains. */
static void take_kicks(world *w, kfk_accum_call *from, kfk_accum_call *mine, uint64_t chance)
{
    kfk_accum *next;
    kfk_accum_view view;
    for (kfk_accum *a = from->kicks; a != NULL; a = next) {
        next = a->next_kick; /* once it was looked at, another call may link it */
        kfk_accum_look(a, &view);
        if (view.queued == 0 && chance % 4 == 0) kfk_accum_swap_out(a, mine);
        if (view.open_codec != KFK_CODEC_NONE && chance % 8 == 1) kfk_accum_ask(a);
        appended_drain(&w->logs[a - w->partitions], a);
    }
    from->kicks = NULL;
}

static void drain(world *w, kfk_accum_call *c, uint64_t chance)
{
    kfk_accum_call mine = {.now_ms = 1}, none = {.now_ms = 1};
    pthread_mutex_lock(&w->baton);
    take_kicks(w, c, &mine, chance);
    kfk_accum_seal(&mine);
    take_kicks(w, &mine, &none, 2);
    pthread_mutex_unlock(&w->baton);
}

static void *write_some(void *arg)
{
    writer *me = arg;
    world *w = me->world;
    kfk_accum_call c = {.now_ms = 1};
    uint32_t numbers[PARTITIONS] = {0};
    int codec = 0;
    appended a;
    for (int i = 0; i < w->messages; i++) {
        uint64_t chance = appended_mix((uint64_t)i << 8 | me->id);
        unsigned at = (unsigned)(chance >> 20) % PARTITIONS;
        if (chance % 50 == 0) codec = (int)((chance >> 30) % (unsigned)w->codec_count);
        c.waits = chance % 9 == 0;
        appended_make(&a, me->id, numbers[at], w->shape);
        int rc = kfk_accum_append(&w->partitions[at], &c, &a.m, a.timestamp, w->codecs[codec], a.side);
        if (rc == 0) numbers[at]++;
        if (rc == KAFKA_EAGAIN) i--;
        if (rc != 0 && rc != KAFKA_EAGAIN) atomic_fetch_add(&w->failures, 1);
        if (c.seals != NULL) kfk_accum_seal(&c);
        if (c.kicks != NULL && (rc != 0 || chance % 3 == 0)) drain(w, &c, chance >> 24);
        if (rc == KAFKA_EAGAIN) {
            for (unsigned j = 0; j < PARTITIONS; j++) kfk_accum_swap_out(&w->partitions[j], &c);
            kfk_accum_seal(&c);
            drain(w, &c, 2);
            sched_yield();
        }
    }
    kfk_accum_seal(&c);
    drain(w, &c, 2);
    return NULL;
}

static void run(world *w, size_t buffer_bytes, size_t batch_bytes, uint32_t side_size)
{
    pthread_t threads[THREADS];
    writer writers[THREADS];
    int64_t messages = 0, batches = 0;
    w->config = (kfk_accum_config){.batch_bytes = batch_bytes, .batch_size = 50, .side_size = side_size};
    w->codec_count = appended_codecs(w->codecs);
    atomic_store(&w->failures, 0);
    assert_int_equal(pthread_mutex_init(&w->baton, NULL), 0);
    assert_int_equal(kfk_slots_new(buffer_bytes, sizeof(kfk_produce_batch), &w->config.slots), 0);
    for (int i = 0; i < PARTITIONS; i++) {
        kfk_accum_init(&w->partitions[i], &w->config, KFK_SLOTS_KNOWN);
        w->logs[i] = (appended_log){.shape = w->shape, .step = {1, 1, 1, 1}, .batch_bytes = batch_bytes};
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        writers[i] = (writer){.world = w, .id = i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, &writers[i]), 0);
    }
    for (uint32_t i = 0; i < THREADS; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < PARTITIONS; i++) {
        kfk_accum_call c = {.now_ms = 1};
        kfk_accum_close(&w->partitions[i], KAFKA_ECLOSED, &c);
        kfk_accum_seal(&c);
        appended_drain(&w->logs[i], &w->partitions[i]);
        if (w->logs[i].bad > 0) fail_msg("partition %d, %zu differences: %s", i, w->logs[i].bad, w->logs[i].why);
        messages += w->logs[i].messages;
        batches += w->logs[i].batches;
        kfk_accum_fini(&w->partitions[i]);
    }
    assert_int_equal(w->failures, 0);
    assert_int_equal(messages, THREADS * w->messages);
    assert_in_range(batches, PARTITIONS, messages);
    assert_int_equal(kfk_slots_used(w->config.slots), 0);
    kfk_slots_drop(w->config.slots);
    pthread_mutex_destroy(&w->baton);
    kfk_compress_trim();
}

static void what_several_threads_append_is_what_a_reader_walks_in_order(void **state)
{
    (void)state;
    static const appended_shape mixed = {.most = 300, .large = 40, .large_bytes = 5000, .headers = true};
    world w = {.messages = 4000, .shape = &mixed};
    run(&w, 4 * MIB, 100 * KIB, 24);
    run(&w, 4 * MIB, 20 * KIB, 0);
}

static void the_same_with_messages_larger_than_any_slot(void **state)
{
    (void)state;
    static const appended_shape large = {.most = 2000, .large = 20, .large_bytes = 300000, .headers = true};
    world w = {.messages = 300, .shape = &large};
    run(&w, 16 * MIB, MIB, 16);
}

static void the_same_when_there_is_hardly_room(void **state)
{
    (void)state;
    static const appended_shape tiny = {.most = 40};
    world w = {.messages = 4000, .shape = &tiny};
    run(&w, 24 * KIB, 8 * KIB, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_first_message_is_told_and_the_next_ones_are_not),
        MEMCHECK_TEST(until_the_producer_looks_no_other_call_tells_it_again),
        MEMCHECK_TEST(a_batch_with_as_many_messages_as_make_it_ready_is_told_again),
        MEMCHECK_TEST(a_batch_that_somebody_waits_for_is_told_once),
        MEMCHECK_TEST(a_batch_that_was_sealed_is_told),
        MEMCHECK_TEST(who_looks_sees_what_is_there),
        MEMCHECK_TEST(a_full_batch_is_left_to_whoever_filled_it),
        MEMCHECK_TEST(batches_are_filled_to_the_last_byte),
        MEMCHECK_TEST(a_message_with_another_codec_begins_another_batch),
        MEMCHECK_TEST(a_level_is_for_the_codec_of_the_writer_alone),
        MEMCHECK_TEST(who_appends_next_seals_what_room_was_found_for),
        MEMCHECK_TEST(without_a_codec_nobody_has_to_be_asked),
        MEMCHECK_TEST(a_batch_that_is_being_sealed_holds_up_those_behind_it),
        MEMCHECK_TEST(what_comes_from_elsewhere_comes_last_and_may_be_sealed_later),
        MEMCHECK_TEST(a_message_that_fits_into_no_batch_is_refused_and_changes_nothing),
        MEMCHECK_TEST(a_message_that_fits_exactly_is_a_batch_of_its_own),
        MEMCHECK_TEST(without_room_nothing_is_accepted_and_what_was_stays),
        MEMCHECK_TEST(a_message_larger_than_the_whole_budget_is_refused_for_good),
        MEMCHECK_TEST(once_closed_nothing_is_accepted_and_what_was_comes_out),
        MEMCHECK_TEST(what_waits_for_its_topic_is_charged_to_its_quarter),
        MEMCHECK_TEST(a_batch_that_cannot_be_sealed_comes_out_as_failed_in_its_place),
        MEMCHECK_TEST(ten_thousand_partitions_with_a_message_each_stay_small),
        MEMCHECK_TEST(appending_to_a_batch_allocates_nothing_once_the_memory_was_used),
        MEMCHECK_TEST(appending_makes_no_system_call),
        MEMCHECK_TEST(a_full_batch_holds_hardly_more_than_its_records),
        MEMCHECK_TEST(each_failing_allocation_refuses_a_message_and_loses_none),
        MEMCHECK_TEST(what_several_threads_append_is_what_a_reader_walks_in_order),
        MEMCHECK_TEST(the_same_with_messages_larger_than_any_slot),
        MEMCHECK_TEST(the_same_when_there_is_hardly_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
