/* See the header. */
#include "desk.h"
#include "api/writer.h"
#include "engine/producer_impl.h"
#include "wire/compress.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLOSE_MS = 300000, SEALED_MS = 2, OUTCOME_SLACK_MS = 250, LONGEST_MS = 3600000, TICK_MS = 10, MOST_AGAIN = 512 };

/* What has to be written again. */
typedef struct slip {
    journal *journal;
    uint16_t writer;
    uint32_t sequence;
} slip;

/* What a clerk writes to one partition of one topic. */
typedef struct row {
    uint32_t next;
    int acked, under_way;
} row;

typedef struct clerk {
    desk *desk;
    int number;
    row rows[2][JOURNAL_PARTITIONS]; /* by topic and partition */
    bool over;
} clerk;

struct desk {
    sim *sim;
    world *world;
    desk_config cfg;
    kafka_writer *writer;
    clerk clerks[DESK_CLERKS];
    int left, under_way, failures, without_key;
    int32_t old_partitions; /* before there were more */
    bool grew;
    bool over, nothing_under_way;
    bool closed, quiet; /* a close has begun; it has returned: no callback any more */
    int64_t timeout_ms; /* of delivery */
    slip again[MOST_AGAIN];
    size_t again_count;
};

/* ---- what a clerk writes ----------------------------------------------------------------------------------------- */

/* One message of a call, with the memory it needs. */
typedef struct sheet {
    journal *journal;
    uint16_t writer;
    uint32_t sequence;
    uint8_t value[JOURNAL_VALUE_MOST];
    uint8_t key[8];
    kafka_header header;
} sheet;

static journal *journal_of(const desk *d, int topic)
{
    return topic == 0 ? world_journal(d->world) : d->cfg.other;
}

static kafka_compression some_codec(const desk *d)
{
    static const kafka_compression all[] = {KAFKA_COMPRESSION_NONE, KAFKA_COMPRESSION_GZIP, KAFKA_COMPRESSION_SNAPPY,
                                            KAFKA_COMPRESSION_LZ4,  KAFKA_COMPRESSION_ZSTD, KAFKA_COMPRESSION_DEFAULT};
    if (!d->cfg.mixed || sim_below(d->sim, 3) != 0) return KAFKA_COMPRESSION_DEFAULT;
    kafka_compression c = all[sim_below(d->sim, sizeof all / sizeof *all)];
    return c > 0 && !kfk_compress_find(c) ? KAFKA_COMPRESSION_DEFAULT : c;
}

static void fill(desk *d, sheet *x, kafka_message *m)
{
    sim *s = d->sim;
    int32_t partition = x->journal->partition_of[x->writer];
    size_t len = JOURNAL_VALUE + sim_below(s, JOURNAL_VALUE_MOST - JOURNAL_VALUE);
    journal_fill(x->journal, x->writer, partition, x->sequence, x->value, len);
    *m = (kafka_message){.value = KAFKA_BYTES(x->value, len),
                         .partition = partition,
                         .compression = some_codec(d),
                         .userdata = journal_ticket(x->writer, x->sequence)};
    if (d->cfg.other) m->topic = x->journal->topic;
    if (sim_below(s, 3) == 0) m->key = KAFKA_BYTES(x->key, sim_below(s, sizeof x->key));
    if (!m->key.data) d->without_key++;
    if (sim_below(s, 8) == 0) {
        x->header = (kafka_header){"h", KAFKA_LIT("v")};
        m->headers = &x->header;
        m->header_count = 1;
    }
}

/* The next record of a clerk, or one that failed before. */
static void next_sheet(clerk *c, sheet *x)
{
    desk *d = c->desk;
    memset(x->key, 'k', sizeof x->key);
    if (d->again_count > 0 && sim_below(d->sim, 2)) {
        slip *again = &d->again[--d->again_count];
        x->journal = again->journal;
        x->writer = again->writer;
        x->sequence = again->sequence;
        return;
    }
    int topic = d->cfg.other ? (int)sim_below(d->sim, 2) : 0;
    int32_t p = (int32_t)sim_below(d->sim, (uint64_t)d->cfg.partitions);
    x->journal = journal_of(d, topic);
    x->writer = (uint16_t)((d->cfg.first_clerk + c->number) * d->cfg.stride + p);
    x->sequence = c->rows[topic][p].next++;
    x->journal->partition_of[x->writer] = p;
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static clerk *clerk_of(desk *d, uint16_t writer)
{
    int number = writer / d->cfg.stride - d->cfg.first_clerk;
    return &d->clerks[number >= 0 && number < DESK_CLERKS ? number : 0];
}

static row *row_of(desk *d, const journal *j, uint16_t writer)
{
    return &clerk_of(d, writer)->rows[j == d->cfg.other][j->partition_of[writer]];
}

static journal *journal_by_name(desk *d, const char *topic)
{
    return d->cfg.other && strcmp(topic, d->cfg.other->topic) == 0 ? d->cfg.other : world_journal(d->world);
}

static void note_failure(desk *d, int code, const char *why, journal *j, uint16_t writer, uint32_t sequence)
{
    d->failures++;
    sim_sometimes(d->sim, DESK_FAILED);
    if (code == KAFKA_ETIMEDOUT) sim_sometimes(d->sim, DESK_EXPIRED);
    if (code == KAFKA_ECANCELED && d->closed)
        sim_sometimes(d->sim, DESK_CANCELED);
    else
        world_failed(d->world, code, why);
    if (!why[0]) sim_fail(d->sim, "a message failed with %d and without a word", code);
    if (d->cfg.resends && d->again_count < MOST_AGAIN)
        d->again[d->again_count++] = (slip){.journal = j, .writer = writer, .sequence = sequence};
}

static void check_time(desk *d, const journal_entry *e)
{
    if (d->cfg.late || d->timeout_ms < 0 || d->timeout_ms > LONGEST_MS) return;
    int64_t due_us = e->owed_us + 1000 * (d->cfg.call_ms + d->timeout_ms + OUTCOME_SLACK_MS);
    if (sim_now_us(d->sim) > due_us)
        sim_fail(d->sim, "an outcome comes %lld us after it was due", (long long)(sim_now_us(d->sim) - due_us));
}

static void settle(desk *d, journal *j, uint16_t writer, uint32_t sequence, int code, const char *why)
{
    check_time(d, &j->records[writer][sequence]);
    if (code == 0)
        row_of(d, j, writer)->acked++;
    else
        note_failure(d, code, why, j, writer, sequence);
}

/* On the loop's turn. */
static void delivered(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    desk *d = userdata;
    char why[512];
    bool promised = d->cfg.writer.required_acks != KAFKA_ACKS_NONE;
    snprintf(why, sizeof why, "%s", err != 0 ? kafka_last_error() : "");
    if (d->quiet) sim_fail(d->sim, "callback-extra: the writer was closed before");
    for (size_t i = 0; i < count; i++) {
        const kafka_message *m = &msgs[i];
        uint64_t id = (uint64_t)(uintptr_t)m->userdata - 1;
        journal *j = journal_by_name(d, m->topic);
        kafka_written outcome = err == 0 ? (promised ? KAFKA_WRITTEN_YES : KAFKA_WRITTEN_MAYBE) : m->written;
        if (err == 0 && promised && m->written != KAFKA_WRITTEN_YES)
            sim_fail(d->sim, "a message is acknowledged and called %d", (int)m->written);
        if (err == 0 && promised && m->offset < 0) sim_sometimes(d->sim, DESK_PROVED);
        if (err == 0 && d->grew && m->partition >= d->old_partitions) sim_sometimes(d->sim, DESK_GREW);
        journal_delivered(j, m->userdata, m->partition, m->offset, outcome);
        if (!m->userdata || id >> 32 >= JOURNAL_WRITERS) return;
        settle(d, j, (uint16_t)(id >> 32), (uint32_t)id, err, why);
        row_of(d, j, (uint16_t)(id >> 32))->under_way--;
    }
    d->under_way -= (int)count;
    d->nothing_under_way = d->under_way == 0;
}

/* ---- a call ------------------------------------------------------------------------------------------------------ */

static bool is_refusal(const desk *d, const sheet *x, int result)
{
    const journal_entry *e = &x->journal->records[x->writer][x->sequence];
    if (d->cfg.writer.async || result == KAFKA_EAGAIN || result == KAFKA_ECLOSED) return true;
    if (result != KAFKA_ENOMEM && result != KAFKA_ETOOBIG && result != KAFKA_ECODEC && result != KAFKA_EINVAL)
        return false;
    return d->cfg.mute || (uint32_t)e->yes + e->maybe + e->no < e->owed; /* it would have been called back about */
}

static void refused(clerk *c, sheet *x, int code)
{
    desk *d = c->desk;
    row_of(d, x->journal, x->writer)->under_way--;
    d->under_way--;
    d->nothing_under_way = d->under_way == 0;
    journal_refused(x->journal, x->writer, x->sequence, 1);
    if (code == KAFKA_EAGAIN)
        sim_sometimes(d->sim, DESK_NO_ROOM);
    else if (code != KAFKA_ECLOSED || !d->cfg.may_close) {
        sim_sometimes(d->sim, DESK_REFUSED);
        world_failed(d->world, code, "refused");
    }
}

/* What results alone tell. */
static void tell(clerk *c, sheet *x, int code, kafka_written of_failures, const char *why)
{
    desk *d = c->desk;
    kafka_written outcome = code == 0 ? KAFKA_WRITTEN_YES : code == KAFKA_EPENDING ? KAFKA_WRITTEN_MAYBE : of_failures;
    row_of(d, x->journal, x->writer)->under_way--;
    d->under_way--;
    d->nothing_under_way = d->under_way == 0;
    journal_delivered(x->journal, journal_ticket(x->writer, x->sequence), x->journal->partition_of[x->writer], -1,
                      outcome);
    if (code == KAFKA_EPENDING) return;
    settle(d, x->journal, x->writer, x->sequence, code, why);
}

/* A synchronous call has called back about what it tells. */
static void compare(const desk *d, const sheet *x, int result)
{
    const journal_entry *e = &x->journal->records[x->writer][x->sequence];
    uint32_t told = (uint32_t)e->yes + e->maybe + e->no;
    bool promised = d->cfg.writer.required_acks != KAFKA_ACKS_NONE;
    if (result == KAFKA_EPENDING || e->owed > 1) return; /* by now another clerk may write it again */
    if (told < e->owed) sim_fail(d->sim, "a call returned %d for a message before its callback", result);
    if (result == 0 && promised && e->yes == 0) sim_fail(d->sim, "a call returned 0 for a message that failed");
    if (result != 0 && e->yes > 0) sim_fail(d->sim, "a call returned %d for a message that is written", result);
}

static void look_at_results(clerk *c, sheet *sheets, const int *results, int count)
{
    desk *d = c->desk;
    kafka_written of_failures = kafka_last_written();
    char why[512];
    snprintf(why, sizeof why, "%s", kafka_last_error());
    for (int i = 0; i < count; i++) {
        if (results[i] == KAFKA_EPENDING) sim_sometimes(d->sim, DESK_PENDING);
        if (results[i] != 0 && results[i] != KAFKA_EPENDING && is_refusal(d, &sheets[i], results[i]))
            refused(c, &sheets[i], results[i]);
        else if (d->cfg.mute)
            tell(c, &sheets[i], results[i], of_failures, why);
        else if (!d->cfg.writer.async)
            compare(d, &sheets[i], results[i]);
    }
}

static int64_t patience(const desk *d)
{
    if (d->cfg.patient || sim_below(d->sim, 2)) return d->cfg.call_ms;
    return (int64_t)sim_below(d->sim, (uint64_t)d->cfg.call_ms);
}

static void write_sheets(sim *s, clerk *c, sheet *sheets, int count)
{
    desk *d = c->desk;
    kafka_message messages[DESK_MOST_BATCH];
    int results[DESK_MOST_BATCH] = {0};
    for (int i = 0; i < count; i++) {
        sheet *x = &sheets[i];
        fill(d, x, &messages[i]);
        row_of(d, x->journal, x->writer)->under_way++;
        journal_owed(x->journal, x->writer, x->sequence, 1); /* before: outcomes may come inside of the call */
    }
    d->under_way += count;
    d->nothing_under_way = false;
    int64_t ms = patience(d), begun = sim_now_ms(s);
    (void)!kafka_writer_write_messages(d->writer, KAFKA_WITHIN(ms), messages, (size_t)count, results);
    if (!d->cfg.late) sim_check(s, sim_now_ms(s) <= begun + ms);
    for (int i = 0; i < count; i++) memset(sheets[i].value, 0xee, sizeof sheets[i].value); /* they were copied */
    look_at_results(c, sheets, results, count);
}

static void write_some(sim *s, clerk *c)
{
    sheet sheets[DESK_MOST_BATCH];
    int count = 1 + (int)sim_below(s, (uint64_t)c->desk->cfg.most_batch);
    for (int i = 0; i < count; i++) next_sheet(c, &sheets[i]);
    write_sheets(s, c, sheets, count);
}

static void work(sim *s, void *arg)
{
    clerk *c = arg;
    desk *d = c->desk;
    for (int i = 0; i < d->cfg.calls && !sim_failed(s) && !d->closed; i++) {
        write_some(s, c);
        sim_meet_us(s, d->cfg.pause_us * (sim_below(s, 4) == 0 ? 2 : 1));
    }
    c->over = true;
    d->over = --d->left == 0;
}

/* ---- what is to be seen of the producer -------------------------------------------------------------------------- */

static void look_at_partition(desk *d, const kfk_producer_partition *pt)
{
    const kfk_sequence *q = &pt->sequence;
    int in_flight = 0;
    if (!q->queue.next) return;
    if (q->epoch > 0) sim_sometimes(d->sim, DESK_BUMPED);
    if (q->proof != 0) sim_sometimes(d->sim, DESK_PROOF);
    if (q->producer_id >= 0 && q->producer_id != d->writer->producer->ids.id) sim_sometimes(d->sim, DESK_NEW_ID);
    if (q->next_sequence < 1000 && q->told == 0) { /* see desk_set_sequences */
        for (const kfk_list *n = q->queue.next; n != &q->queue; n = n->next) {
            const kfk_sequence_batch *b = KFK_CONTAINER(n, kfk_sequence_batch, node);
            if (b->sequenced && b->base_sequence > INT32_MAX - 1000) sim_sometimes(d->sim, DESK_WRAPPED);
        }
    }
    for (const kfk_list *n = q->queue.next; n != &q->queue; n = n->next) {
        const kfk_sequence_batch *b = KFK_CONTAINER(n, kfk_sequence_batch, node);
        if (b->in_flight > 0) in_flight++;
        if (b->in_flight > 1) sim_sometimes(d->sim, DESK_TWO_COPIES);
        if (b->unknown && b->in_flight > 0) sim_sometimes(d->sim, DESK_RETRIED);
        if (b->split == KFK_SEQUENCE_SPLIT_SMALLER) sim_sometimes(d->sim, DESK_SPLIT);
    }
    if (in_flight > 1) sim_sometimes(d->sim, DESK_PIPELINED);
}

static void look_at_producer(desk *d)
{
    const kfk_list *all = &d->writer->producer->topics.order;
    for (const kfk_list *n = all->next; n != all; n = n->next) { /* no lock: it would let others in */
        const kfk_producer_topic *t = KFK_CONTAINER(KFK_CONTAINER(n, kfk_map_node, order), kfk_producer_topic, by_name);
        for (int32_t i = 0; i < t->count; i++) look_at_partition(d, t->partitions[i]);
    }
}

/* The number behind a word of an answer, or -1. */
static int64_t number_behind(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    return at ? strtoll(at + strlen(word), NULL, 10) : -1;
}

static void look_at_answer(desk *d, const char *text)
{
    for (const char *at = text; (at = strstr(at, "index=")) != NULL; at += 6) {
        int64_t code = number_behind(at, "error_code=");
        int64_t time = number_behind(at, "log_append_time_ms="); /* a broker says it of what it had before */
        if (code == KAFKA_ERR_CORRUPT_MESSAGE) sim_fail(d->sim, "corrupt: a broker was sent a damaged batch");
        if (code == KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER) sim_sometimes(d->sim, DESK_OUT_OF_LINE);
        if (code == KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE) sim_sometimes(d->sim, DESK_SPLIT);
        if (code == KAFKA_ERR_NOT_LEADER_OR_FOLLOWER && strstr(at, "leader_id=")) sim_sometimes(d->sim, DESK_HINT);
        if (code == 0 && time >= 0) sim_sometimes(d->sim, DESK_DUPLICATE);
    }
}

static void heard(void *arg, const kafka_cluster_event *e)
{
    desk *d = arg;
    if (!d->writer) return;
    if (e->api == KAFKA_REQUEST_INIT_PRODUCER_ID && e->is_answer && number_behind(e->text, "error_code=") != 0)
        sim_sometimes(d->sim, DESK_NO_ID);
    if (e->api != KAFKA_REQUEST_PRODUCE) return;
    look_at_producer(d);
    if (e->is_answer) look_at_answer(d, e->text);
}

/* ---- birth ------------------------------------------------------------------------------------------------------- */

static void set_defaults(desk_config *c)
{
    if (c->clerks == 0) c->clerks = 3;
    if (c->calls == 0) c->calls = 30;
    if (c->most_batch == 0) c->most_batch = 4;
    if (c->pause_us == 0) c->pause_us = 4000;
    if (c->call_ms == 0) c->call_ms = 1000;
    if (c->partitions == 0) c->partitions = 2;
    if (c->stride == 0) c->stride = c->partitions;
}

static bool open_writer(desk *d)
{
    kafka_dialer dialer = world_dialer(d->world, 2000);
    kafka_balancer *manual = kafka_balancer_manual();
    kafka_writer_config cfg = d->cfg.writer;
    cfg.brokers = world_bootstrap(d->world);
    cfg.topic = d->cfg.other ? NULL : WORLD_TOPIC;
    cfg.dialer = &dialer;
    cfg.balancer = manual;
    if (!d->cfg.mute) {
        cfg.on_delivery = delivered;
        cfg.on_delivery_userdata = d;
    }
    int code = kafka_writer_new(&cfg, &d->writer);
    kafka_balancer_free(manual);
    if (code != 0) sim_fail(d->sim, "no writer: %s", kafka_last_error());
    if (code == 0) d->timeout_ms = kafka_writer_get_config(d->writer)->delivery_timeout_ms;
    return code == 0;
}

desk *desk_open(world *w, const desk_config *cfg)
{
    journal *j = world_journal(w);
    desk *d = calloc(1, sizeof *d);
    if (!d) abort();
    d->sim = sim_journal_run(j);
    d->world = w;
    d->cfg = *cfg;
    d->nothing_under_way = true;
    sim_own(d->sim, free, d);
    set_defaults(&d->cfg);
    bool idempotent =
        !cfg->writer.no_idempotence && cfg->writer.required_acks <= 0 && cfg->writer.required_acks != KAFKA_ACKS_NONE;
    for (int i = 0; i < (cfg->other ? 2 : 1); i++) {
        journal *of = journal_of(d, i);
        if (cfg->first_clerk == 0) of->keeps_order = true;
        of->keeps_order = of->keeps_order && idempotent && !cfg->resends;
        of->any_order = of->any_order || cfg->resends;
        of->may_double = of->may_double || !idempotent;
    }
    if (!open_writer(d)) return NULL;
    world_hear(w, heard, d);
    if (cfg->calls != DESK_LATER) desk_begin(d, d->cfg.calls);
    return d;
}

void desk_begin(desk *d, int calls)
{
    d->cfg.calls = calls;
    d->left = d->cfg.clerks;
    for (int i = 0; i < d->cfg.clerks; i++) {
        d->clerks[i].desk = d;
        d->clerks[i].number = i;
        sim_spawn(d->sim, "clerk", work, &d->clerks[i]);
    }
}

void desk_warm_up(desk *d)
{
    for (int32_t p = 0; p < d->cfg.partitions && !sim_failed(d->sim); p++) {
        clerk *c = &d->clerks[0];
        c->desk = d;
        sheet x = {.journal = world_journal(d->world),
                   .writer = (uint16_t)(d->cfg.first_clerk * d->cfg.stride + p),
                   .sequence = c->rows[0][p].next++};
        x.journal->partition_of[x.writer] = p;
        write_sheets(d->sim, c, &x, 1);
    }
    desk_wait_for_outcomes(d);
}

typedef struct new_sequences {
    desk *desk;
    int32_t sequence;
    int16_t epoch;
} new_sequences;

static void set_sequences(void *arg)
{
    new_sequences *x = arg;
    for (kfk_producer_topic *t = NULL; (t = kfk_producer_topic_next(x->desk->writer->producer, t)) != NULL;) {
        for (int32_t i = 0; i < t->count; i++) {
            t->partitions[i]->sequence.next_sequence = x->sequence;
            t->partitions[i]->sequence.epoch = x->epoch;
            t->partitions[i]->sequence.trusted = 0; /* brokers do not know it under these */
        }
    }
}

void desk_set_sequences(desk *d, int32_t sequence, int16_t epoch)
{
    new_sequences x = {d, sequence, epoch};
    for (int32_t p = 0; p < d->cfg.partitions; p++)
        sim_check_equal(d->sim, kafka_cluster_expire_producers(world_cluster(d->world), WORLD_TOPIC, p, -1), 0);
    sim_under_baton(d->sim, set_sequences, &x);
    world_forget_sequences(d->world);
}

/* ---- asking, waiting --------------------------------------------------------------------------------------------- */

void desk_use_partitions(desk *d, int32_t partitions)
{
    d->grew = true;
    d->old_partitions = d->cfg.partitions;
    d->cfg.partitions = partitions;
}

kafka_writer *desk_writer(const desk *d)
{
    return d->writer;
}

kfk_producer *desk_producer(const desk *d)
{
    return d->writer->producer;
}

int desk_under_way(const desk *d)
{
    return d->under_way;
}

int desk_failures(const desk *d)
{
    return d->failures;
}

int desk_without_key(const desk *d)
{
    return d->without_key;
}

void desk_wait_for_outcomes(desk *d)
{
    sim_wait_for(d->sim, &d->nothing_under_way);
}

void desk_expect_no_failure(const desk *d)
{
    if (d) sim_check_equal(d->sim, d->failures, 0);
}

typedef struct progress {
    int acked[DESK_CLERKS][2][JOURNAL_PARTITIONS];
} progress;

/* Something of each clerk was acknowledged since, in each partition, or there is nothing left to be. */
static bool all_got_on(const desk *d, const progress *before, int *clerk_no, int *partition)
{
    for (int i = 0; i < d->cfg.clerks; i++) {
        for (int k = 0; k < (d->cfg.other ? 2 : 1) * d->cfg.partitions; k++) {
            const clerk *c = &d->clerks[i];
            const row *r = &c->rows[k / d->cfg.partitions][k % d->cfg.partitions];
            if (r->acked > before->acked[i][k / d->cfg.partitions][k % d->cfg.partitions]) continue;
            if (c->over && r->under_way == 0) continue;
            *clerk_no = i;
            *partition = k % d->cfg.partitions;
            return false;
        }
    }
    return true;
}

void desk_expect_progress(desk *d, int64_t ms)
{
    progress before;
    int64_t until = sim_now_ms(d->sim) + ms;
    int stuck = 0, partition = 0;
    for (int i = 0; i < DESK_CLERKS * 2 * JOURNAL_PARTITIONS; i++) {
        int c = i / (2 * JOURNAL_PARTITIONS), t = i / JOURNAL_PARTITIONS % 2, p = i % JOURNAL_PARTITIONS;
        before.acked[c][t][p] = d->clerks[c].rows[t][p].acked;
    }
    while (!sim_failed(d->sim) && !all_got_on(d, &before, &stuck, &partition)) {
        if (sim_now_ms(d->sim) >= until)
            sim_fail(d->sim, "clerk %d gets nothing done in partition %d within %lld ms", stuck, partition,
                     (long long)ms);
        sim_sleep_ms(d->sim, TICK_MS);
    }
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

void desk_wait(desk *d)
{
    sim_wait_for(d->sim, &d->over);
}

static void leave(desk *d)
{
    kafka_writer *w = d->writer;
    d->writer = NULL;
    kafka_writer_free(w);
    sim_check_equal(d->sim, d->under_way, 0);
}

void desk_close(desk *d)
{
    if (!d) return;
    desk_wait(d);
    sim_check_equal(d->sim, kafka_writer_close(d->writer, KAFKA_WITHIN(CLOSE_MS)), 0);
    sim_check_equal(d->sim, d->under_way, 0);
    d->quiet = true;
    leave(d);
}

void desk_close_early(desk *d, int64_t ms)
{
    sim *s = d->sim;
    int64_t begun = sim_now_ms(s);
    d->closed = true;
    if (ms < 0) {
        desk_wait(d); /* free is the last call */
        leave(d);
        return;
    }
    int code = kafka_writer_close(d->writer, KAFKA_WITHIN(ms));
    if (code != 0) sim_check_equal(s, code, KAFKA_ETIMEDOUT);
    if (!d->cfg.late)
        sim_check(s, sim_now_ms(s) <= begun + ms + SEALED_MS); /* what a thread just compresses ends first */
    d->quiet = true;
    desk_wait(d);
    sim_check_equal(s, kafka_writer_close(d->writer, KAFKA_WITHIN(0)), 0);
    leave(d);
}
