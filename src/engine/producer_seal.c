/* What computes, and so is done by helper threads: compressing, splitting batches, message sets for old brokers.
 *
 * A job holds a reference to the producer and a use of the batch it works on. While it has one of the machine's batches
 * the partition is `busy` and sends nothing, which keeps the order; should the batch end meanwhile, its deadline was
 * met, what the job has made goes unused. Where no helper thread can be had the job runs at once, on the thread that
 * holds the baton: slow is better than stuck. */
#include "base/mem.h"
#include "base/time.h"
#include "engine/producer_impl.h"
#include <stdlib.h>

enum { MOST_PARTS = 1000 }; /* of one batch */

typedef enum work_kind { SEAL_OPEN, SEAL_LIST, SPLIT, MAKE_SET } work_kind;

typedef struct work {
    kfk_job job;
    kfk_task inline_done;
    work_kind kind;
    kfk_producer *producer;
    kfk_producer_partition *partition;
    kfk_accum_call call;
    kfk_produce_batch *batch; /* a use */
    kfk_sequence_split how;
    int8_t magic;
    kfk_produce_batch **parts;     /* part_count, some of them NULL */
    kfk_sequence_batch **in_parts; /* room for theirs */
    size_t part_count;
    int code;
    kfk_error err;
} work;

void kfk_producer_seal_plain(kfk_accum_call *call)
{
    for (kfk_produce_batch *b = call->seals; b; b = b->seal_next) {
        b->producer.codec = b->codec;
        b->codec = KFK_CODEC_NONE;
    }
    if (call->seals) kfk_accum_seal(call);
}

/* ---- on a helper thread ------------------------------------------------------------------------------------------ */

static bool make_room(work *w, size_t count)
{
    w->parts = kfk_mem_zalloc(count * (sizeof *w->parts + sizeof *w->in_parts));
    if (!w->parts) {
        w->code = kfk_error_set(&w->err, KAFKA_ENOMEM, "no memory to split a batch");
        return false;
    }
    w->in_parts = (kfk_sequence_batch **)(void *)(w->parts + count);
    w->part_count = count;
    return true;
}

static void drop_parts(work *w)
{
    for (size_t i = 0; i < w->part_count; i++) kfk_produce_batch_free(w->parts[i]);
    kfk_mem_free(w->parts);
    w->parts = NULL;
    w->part_count = 0;
}

/* Is there a record among those that were to be parted from the others? */
static bool has_named(const work *w)
{
    for (size_t i = 1; i < w->part_count; i += 2) {
        if (w->parts[i]) return true;
    }
    return false;
}

static void seal_parts(work *w)
{
    for (size_t i = 0; i < w->part_count && w->code == 0; i++) {
        kfk_produce_batch *part = w->parts[i];
        if (!part) continue;
        w->code = kfk_seal(part, &w->call.room, &w->err);
        part->state = KFK_PRODUCE_SEALED;
    }
    if (w->code != 0) drop_parts(w);
}

static void split(work *w)
{
    const kfk_producer_batch *b = &w->batch->producer; /* nothing of it is in flight, so no answer changes it */
    bool halves = w->how != KFK_SEQUENCE_SPLIT_BAD;
    if (!make_room(w, halves ? 2 : MOST_PARTS)) return;
    if (!halves)
        w->code = kfk_produce_batch_pick(w->batch, b->bad, b->bad_count, w->parts, w->part_count, &w->err);
    else
        w->code = kfk_produce_batch_halve(w->batch, w->parts, &w->err);
    seal_parts(w);
}

static void make_set(work *w)
{
    w->code = kfk_seal_set(w->batch, w->magic, &w->err);
    if (w->code != KAFKA_EVERSION) return;
    if (w->batch->codec == KFK_CODEC_ZSTD || !make_room(w, MOST_PARTS)) return;
    if (kfk_produce_batch_part_headers(w->batch, w->parts, w->part_count, NULL) != 0) return;
    w->code = 0;
    seal_parts(w);
    if (w->code == 0) w->code = KAFKA_EVERSION;
}

static void run(kfk_job *job)
{
    work *w = KFK_CONTAINER(job, work, job);
    switch (w->kind) {
    case SEAL_OPEN:
        if (kfk_accum_swap_out(&w->partition->accum, &w->call)) kfk_accum_seal(&w->call);
        break;
    case SEAL_LIST: kfk_accum_seal(&w->call); break;
    case SPLIT: split(w); break;
    case MAKE_SET: make_set(w); break;
    }
}

/* ---- under the baton again --------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void fail_in_turn(const kfk_producer_partition *pt, kfk_produce_batch *b, int code)
{
    kfk_partition_keep_note(pt, b);
    b->sequence.ended = true;
    b->sequence.code = code;
    b->sequence.written = KAFKA_WRITTEN_NO;
    b->sequence.base_offset = b->sequence.append_time_ms = -1;
}

void kfk_producer_refuse_loop(kfk_producer_partition *pt, kfk_produce_batch *b, int code)
{
    kfk_partition_keep_note(pt, b);
    kfk_sequence_refuse(&pt->sequence, &b->sequence, code, kfk_loop_now_ms(kfk_partition_producer(pt)->loop));
}

/* Parts take the batch's place. Those that were parted from the others have failed with this code, if there is one. */
static void replace(work *w, int named_code)
{
    kfk_producer_partition *pt = w->partition;
    kfk_produce_batch *b = w->batch;
    size_t count = 0;
    for (size_t i = 0; i < w->part_count; i++) {
        kfk_produce_batch *part = w->parts[i];
        if (!part) continue;
        part->producer = (kfk_producer_batch){.partition = pt, .serial = b->producer.serial};
        kfk_ref_init(&part->producer.uses);
        kfk_list_push_back(&b->producer.outstanding, &part->producer.outstanding); /* in front of it */
        part->sequence.records = kfk_produce_batch_count(part);
        part->sequence.newest_ms = part->writer.max_timestamp;
        part->sequence.deadline_ms = b->sequence.deadline_ms;
        if (i % 2 == 1 && named_code != 0) fail_in_turn(pt, part, named_code);
        w->in_parts[count++] = &part->sequence;
        w->parts[i] = NULL;
    }
    kfk_sequence_replace(&pt->sequence, &b->sequence, w->in_parts, count);
    pt->pushed += (int32_t)count - 1;
    kfk_list_remove(&b->producer.outstanding);
    kfk_producer_batch_drop(b);
}

static void split_done(work *w)
{
    kfk_producer_partition *pt = w->partition;
    kfk_sequence_split how;
    if (kfk_sequence_split_due(&pt->sequence, &how) != &w->batch->sequence) return; /* its time is over */
    int code = w->how == KFK_SEQUENCE_SPLIT_BAD ? (int)w->batch->sequence.last_code : 0;
    if (w->code == 0 && (code == 0 || has_named(w))) {
        replace(w, code);
        return;
    }
    if (w->code != 0) kfk_partition_note(pt, "it could not be split: %s", w->err.text);
    kfk_producer_refuse_loop(pt, w->batch, w->code != 0 ? w->code : code);
}

static void set_done(work *w)
{
    kfk_producer_partition *pt = w->partition;
    if (w->code == 0 || w->batch->sequence.ended) return;
    kfk_partition_note(pt, "%s",
                       w->code == KAFKA_EVERSION ? "headers need a broker of Kafka 0.11 or later" : w->err.text);
    if (w->code == KAFKA_EVERSION && has_named(w) && !w->batch->sequence.unknown)
        replace(w, KAFKA_EVERSION);
    else
        kfk_producer_refuse_loop(pt, w->batch, w->code);
}

static void finish(work *w)
{
    kfk_producer *p = w->producer;
    kfk_producer_partition *pt = w->partition;
    kfk_producer_deliver(p, &w->call);
    if (w->kind == SEAL_OPEN) pt->sealing = false;
    if (w->kind == SPLIT || w->kind == MAKE_SET) {
        pt->busy = false;
        if (w->kind == SPLIT) split_done(w);
        if (w->kind == MAKE_SET) set_done(w);
        drop_parts(w);
        kfk_producer_batch_drop(w->batch);
    }
    if (pt) {
        kfk_partition_look_loop(pt, false);
        kfk_partition_settle_loop(pt);
    }
    kfk_mem_free(w);
    kfk_producer_pump_loop(p);
    kfk_producer_drop(p);
}

static void done(kfk_job *job)
{
    finish(KFK_CONTAINER(job, work, job));
}

static void inline_done(kfk_task *t)
{
    finish(KFK_CONTAINER(t, work, inline_done));
}

static work *work_new(kfk_producer *p, kfk_producer_partition *pt, work_kind kind)
{
    work *w = kfk_mem_zalloc(sizeof *w);
    if (!w) return NULL;
    w->job = (kfk_job){.loop = p->loop, .kind = KFK_WORK_COMPUTING, .run = run, .done = done};
    w->inline_done.run = inline_done;
    w->kind = kind;
    w->producer = kfk_producer_hold(p);
    w->partition = pt;
    w->call.now_ms = kfk_loop_now_ms(p->loop);
    return w;
}

static void start(work *w)
{
    if (kfk_loop_work(w->producer->loop, &w->job) == 0) return;
    run(&w->job);
    kfk_loop_submit(w->producer->loop, &w->inline_done); /* not from inside of whoever started it */
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

void kfk_producer_seal_job_loop(kfk_producer_partition *pt)
{
    kfk_producer *p = kfk_partition_producer(pt);
    kfk_list_remove(&pt->asked_node);
    if (pt->sealing) return;
    work *w = work_new(p, pt, SEAL_OPEN);
    if (!w) {
        kfk_producer_retry_loop(p);
        return;
    }
    pt->sealing = true;
    start(w);
}

void kfk_producer_seal_list_job_loop(kfk_producer *p, kfk_accum_call *call)
{
    kfk_accum_call plain = {.now_ms = call->now_ms};
    work *w = NULL;
    for (kfk_produce_batch *b = call->seals, *next; b; b = next) {
        next = b->seal_next;
        if (b->codec != KFK_CODEC_NONE && !w) w = work_new(p, NULL, SEAL_LIST);
        kfk_accum_seal_later(b->codec != KFK_CODEC_NONE && w ? &w->call : &plain, b);
    }
    call->seals = NULL;
    if (plain.seals) kfk_accum_seal(&plain);
    kfk_producer_deliver(p, &plain);
    kfk_producer_deliver(p, call);
    if (w) start(w);
}

static void start_on(kfk_producer_partition *pt, kfk_produce_batch *b, work *w)
{
    if (!w) {
        kfk_producer_retry_loop(kfk_partition_producer(pt));
        return;
    }
    w->batch = b;
    kfk_ref_hold(&b->producer.uses);
    pt->busy = true;
    start(w);
}

void kfk_producer_set_job_loop(kfk_producer_partition *pt, kfk_produce_batch *b, int8_t magic)
{
    work *w = work_new(kfk_partition_producer(pt), pt, MAKE_SET);
    if (w) w->magic = magic;
    start_on(pt, b, w);
}

void kfk_producer_split_loop(kfk_producer_partition *pt, kfk_produce_batch *b, kfk_sequence_split how)
{
    work *w = work_new(kfk_partition_producer(pt), pt, SPLIT);
    kfk_producer_batch *of = &b->producer;
    if (of->bad_count > 1) qsort(of->bad, of->bad_count, sizeof *of->bad, by_number);
    if (w) w->how = how;
    start_on(pt, b, w);
}
