/* See the header. */
#include "chaos/crew.h"
#include "base/rand.h"
#include "chaos/report.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_CALL = 400, VALUE_MOST = 300, SLACK_MS = 10000, CLOSE_MS = 400000, BURST_EACH = 40, SMALL_CALL = 8 };

static _Noreturn void give_up(const crew *c, const char *what)
{
    report_event("%s: %s: %s", c->cfg->name, what, kafka_last_error());
    exit(3);
}

/* ---- the journal's host ------------------------------------------------------------------------------------------ */

static int64_t now_us(void *arg)
{
    (void)arg;
    return report_now_us();
}

static void anomaly(void *arg, int32_t partition, int64_t offset, const char *text)
{
    const crew *c = arg;
    enum { AROUND = 4 };
    char place[512];
    report_anomaly("%s (topic %s, partition %d): %s", c->cfg->name, c->topic, (int)partition, text);
    if (partition < 0 || offset < 0) return;
    for (int64_t at = offset > AROUND ? offset - AROUND : 0; at <= offset + AROUND && at < c->journal.size.offsets;
         at++) {
        journal_tell_place(&c->journal, partition, at, place, sizeof place);
        report_detail("        %s", place);
    }
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static int64_t allowed_us(const crew *c)
{
    return (c->cfg->call_ms + c->cfg->writer.delivery_timeout_ms + SLACK_MS) * INT64_C(1000);
}

static void note_failure(crew *c, const kafka_message *m, const journal_entry *e, int err, const char *why)
{
    double took = (double)(report_now_us() - e->owed_us) / 1e6;
    uint64_t id = (uint64_t)(uintptr_t)m->userdata - 1;
    report_detail("%s: record %" PRIu64 " of writer %" PRIu64 " failed after %.2f s, written %d: %d %s", c->cfg->name,
                  id & UINT32_MAX, id >> 32, took, (int)m->written, err, why);
    if (!why[0]) report_anomaly("%s: a message failed with %d and without a word", c->cfg->name, err);
    if (!c->cfg->may_fail)
        report_anomaly("false-failure: %s: partition %d: a message failed after %.1f s although there was time: %d %s",
                       c->cfg->name, (int)m->partition, took, err, why);
}

static void note_ack(crew *c, const kafka_message *m, const journal_entry *e)
{
    crew_counts *n = &c->counts;
    int64_t now = report_now_us();
    if (now - n->last_ack_us > n->longest_silence_us) n->longest_silence_us = now - n->last_ack_us;
    n->last_ack_us = now;
    n->acked++;
    if (e->owed_us > n->latest_us) n->latest_us = e->owed_us;
    if (m->partition >= 0 && m->partition < CREW_PARTITIONS && e->owed_us > n->latest_in_us[m->partition])
        n->latest_in_us[m->partition] = e->owed_us;
}

/* Of an outcome that was due. The sizes of records follow from their numbers. */
static size_t size_of(uint32_t sequence)
{
    return JOURNAL_VALUE + sequence * 37 % (VALUE_MOST - JOURNAL_VALUE);
}

static void take(crew *c, const kafka_message *m, int err, const char *why)
{
    uint64_t id = (uint64_t)(uintptr_t)m->userdata - 1;
    kafka_written outcome = err == 0 ? KAFKA_WRITTEN_YES : m->written;
    journal_delivered(&c->journal, m->userdata, m->partition, m->offset, outcome);
    if (!m->userdata || id >> 32 >= c->journal.size.writers || (uint32_t)id >= CREW_RECORDS) return;
    const journal_entry *e = &c->journal.records[id >> 32][(uint32_t)id];
    int64_t took = report_now_us() - e->owed_us;
    if (took > c->counts.latest_outcome_us + SLACK_MS * 100)
        report_detail("%s: partition %d: an outcome took %.1f s", c->cfg->name, (int)m->partition, (double)took / 1e6);
    if (took > c->counts.latest_outcome_us) c->counts.latest_outcome_us = took;
    if (took > allowed_us(c))
        report_anomaly("late-outcome: %s: partition %d: an outcome comes after %.1f s", c->cfg->name, (int)m->partition,
                       (double)took / 1e6);
    c->counts.pending_bytes -= (int64_t)size_of((uint32_t)id);
    if (err == 0) {
        if (m->written != KAFKA_WRITTEN_YES)
            report_anomaly("%s: a message is acknowledged and called %d", c->cfg->name, (int)m->written);
        note_ack(c, m, e);
        return;
    }
    if (m->written == KAFKA_WRITTEN_YES) report_anomaly("%s: a message failed and is called written", c->cfg->name);
    c->counts.maybe += outcome == KAFKA_WRITTEN_MAYBE;
    c->counts.no += outcome == KAFKA_WRITTEN_NO;
    note_failure(c, m, e, err, why);
}

static void delivered(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    crew *c = userdata;
    char why[512];
    snprintf(why, sizeof why, "%s", err != 0 ? kafka_last_error() : "");
    pthread_mutex_lock(&c->lock);
    if (c->closed) report_anomaly("callback-extra: %s: the writer was closed before", c->cfg->name);
    for (size_t i = 0; i < count; i++) take(c, &msgs[i], err, why);
    pthread_mutex_unlock(&c->lock);
}

/* ---- a call ------------------------------------------------------------------------------------------------------ */

/* The messages of a call, with the memory they need. */
typedef struct sheet {
    kafka_message messages[MOST_CALL];
    int results[MOST_CALL];
    uint16_t writers[MOST_CALL];
    uint32_t sequences[MOST_CALL];
    uint8_t values[MOST_CALL][VALUE_MOST];
} sheet;

typedef struct worker {
    crew *crew;
    int number;
    kfk_rand rand;
    uint32_t next[CREW_PARTITIONS];
    kafka_compression codec; /* of most messages of a call: where it changes, a batch ends */
    sheet sheet;
} worker;

static uint32_t below(worker *w, uint32_t n)
{
    return (uint32_t)kfk_rand_below(&w->rand, n);
}

static kafka_compression some_codec(worker *w)
{
    static const kafka_compression all[] = {KAFKA_COMPRESSION_NONE, KAFKA_COMPRESSION_LZ4, KAFKA_COMPRESSION_ZSTD,
                                            KAFKA_COMPRESSION_DEFAULT};
    return w->crew->cfg->mixed ? all[below(w, sizeof all / sizeof *all)] : KAFKA_COMPRESSION_DEFAULT;
}

/* With the lock. */
static void fill(worker *w, int i)
{
    crew *c = w->crew;
    sheet *s = &w->sheet;
    int32_t p = (int32_t)below(w, CREW_PARTITIONS);
    uint16_t writer = (uint16_t)(w->number * CREW_PARTITIONS + p);
    uint32_t sequence = w->next[p]++;
    size_t len = size_of(sequence);
    s->writers[i] = writer;
    s->sequences[i] = sequence;
    journal_fill(&c->journal, writer, p, sequence, s->values[i], len);
    journal_owed(&c->journal, writer, sequence, 1);
    s->messages[i] = (kafka_message){.value = KAFKA_BYTES(s->values[i], len),
                                     .partition = c->cfg->keyed ? 0 : p,
                                     .compression = below(w, 64) ? w->codec : some_codec(w),
                                     .userdata = journal_ticket(writer, sequence)};
    if (c->cfg->keyed) s->messages[i].key = kafka_str(c->keys[p]);
    c->counts.pending_bytes += (int64_t)len;
}

static const char *is_wrong(const crew *c, const journal_entry *e, int result)
{
    uint32_t told = (uint32_t)e->yes + e->maybe + e->no;
    if (c->cfg->writer.async || result == KAFKA_EPENDING) return NULL;
    if (told < e->owed) return "a call returned before the callback";
    if (result == 0 && e->yes == 0) return "a call returned 0 for a message that failed";
    if (result != 0 && e->yes > 0) return "a call failed for a message that is written";
    return NULL;
}

/* With the lock. */
static void look_at(crew *c, sheet *s, int i)
{
    const journal_entry *e = &c->journal.records[s->writers[i]][s->sequences[i]];
    int result = s->results[i];
    if (result == KAFKA_EAGAIN) {
        c->counts.refused++;
        c->counts.pending_bytes -= (int64_t)size_of(s->sequences[i]);
        journal_refused(&c->journal, s->writers[i], s->sequences[i], 1);
        return;
    }
    c->counts.accepted++;
    c->counts.pending_results += result == KAFKA_EPENDING;
    if (c->cfg->writer.async && result != 0)
        report_anomaly("nonsense: %s: a message was refused with %d", c->cfg->name, result);
    const char *wrong = is_wrong(c, e, result);
    if (wrong)
        report_anomaly("%s: record %u of writer %u: %s (result %d)", c->cfg->name, (unsigned)s->sequences[i],
                       (unsigned)s->writers[i], wrong, result);
}

/* Compressed messages take less room, so of them nothing is known. What this call has brought may not be accepted
 * yet. */
static void check_budget(crew *c)
{
    crew_counts *n = &c->counts;
    if (n->pending_bytes > n->most_pending_bytes) n->most_pending_bytes = n->pending_bytes;
    if (c->cfg->mixed || c->cfg->writer.compression != KAFKA_COMPRESSION_NONE) return;
    int64_t most = c->cfg->writer.buffer_bytes + (int64_t)(c->cfg->threads - 1) * MOST_CALL * VALUE_MOST;
    if (n->pending_bytes > most)
        report_anomaly("over-budget: %s: %" PRId64 " bytes of messages are without outcome, %" PRId64 " are allowed",
                       c->cfg->name, n->pending_bytes, c->cfg->writer.buffer_bytes);
}

static void write_some(worker *w, int count, int64_t within_ms)
{
    crew *c = w->crew;
    sheet *s = &w->sheet;
    pthread_mutex_lock(&c->lock);
    w->codec = below(w, 16) ? w->codec : some_codec(w);
    for (int i = 0; i < count; i++) fill(w, i);
    pthread_mutex_unlock(&c->lock);
    memset(s->results, 0, sizeof s->results);
    int err = kafka_writer_write_messages(c->writer, KAFKA_WITHIN(within_ms), s->messages, (size_t)count, s->results);
    pthread_mutex_lock(&c->lock);
    if (err == KAFKA_ECLOSED || err == KAFKA_EINVAL || err == KAFKA_ENOMEM)
        report_anomaly("nonsense: %s: a call failed with %d %s", c->cfg->name, err, kafka_last_error());
    for (int i = 0; i < count; i++) look_at(c, s, i);
    check_budget(c);
    pthread_mutex_unlock(&c->lock);
}

static bool is_full(const worker *w)
{
    for (int p = 0; p < CREW_PARTITIONS; p++) {
        if (w->next[p] + MOST_CALL > CREW_RECORDS) return true;
    }
    return false;
}

static void *work(void *arg)
{
    const struct crew_thread *t = arg;
    crew *c = t->crew;
    worker *w = calloc(1, sizeof *w);
    if (!w) give_up(c, "no memory");
    w->crew = c;
    w->number = t->number;
    kfk_rand_seed(&w->rand, c->seed + (uint64_t)t->number);
    while (!atomic_load(&c->stop) && !is_full(w)) {
        bool burst = below(w, BURST_EACH) == 0;
        int count = 1 + (int)below(w, burst ? (uint32_t)c->cfg->most : SMALL_CALL);
        int64_t within = below(w, 4) ? c->cfg->call_ms : (int64_t)below(w, (uint32_t)c->cfg->call_ms);
        if (c->cfg->writer.async && below(w, 8) == 0) within = 0;
        write_some(w, count, within);
        if (!burst) usleep((useconds_t)below(w, (uint32_t)c->cfg->pause_ms * 1000));
    }
    free(w);
    return NULL;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* For each partition a key that leads there. */
static void find_keys(crew *c)
{
    int32_t partitions[CREW_PARTITIONS];
    int missing = CREW_PARTITIONS;
    for (int p = 0; p < CREW_PARTITIONS; p++) partitions[p] = p;
    for (int i = 0; missing > 0; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %d", i);
        kafka_message m = {.key = kafka_str(key)};
        int32_t p = kafka_balancer_balance(c->balancer, &m, partitions, CREW_PARTITIONS);
        if (p < 0) give_up(c, "no balance");
        if (c->keys[p][0]) continue;
        memcpy(c->keys[p], key, sizeof key);
        missing--;
    }
}

void crew_start(crew *c, const crew_config *cfg, uint32_t run, const char *topic, uint64_t seed, kafka_logger logger)
{
    const journal_host host = {.arg = c, .now_us = now_us, .fail = anomaly};
    const journal_size size = {.writers = CREW_THREADS * CREW_PARTITIONS,
                               .records = CREW_RECORDS,
                               .partitions = CREW_PARTITIONS,
                               .offsets = CREW_OFFSETS};
    *c = (crew){.cfg = cfg, .seed = seed, .lock = PTHREAD_MUTEX_INITIALIZER};
    snprintf(c->topic, sizeof c->topic, "%s", topic);
    if (!journal_init(&c->journal, &host, &size, run, topic)) give_up(c, "no memory");
    bool idempotent = !cfg->writer.no_idempotence && cfg->writer.required_acks != KAFKA_ACKS_ONE;
    c->journal.keeps_order = idempotent;
    c->journal.may_double = !idempotent;
    c->journal.may_lose = cfg->writer.required_acks == KAFKA_ACKS_ONE;
    c->balancer = cfg->keyed ? kafka_balancer_murmur2(true) : kafka_balancer_manual();
    if (!c->balancer) give_up(c, "no balancer");
    if (cfg->keyed) find_keys(c);
    kafka_dialer dialer = {.client_id = cfg->name};
    kafka_writer_config writer = cfg->writer;
    writer.brokers = getenv("KAFKA_BROKERS");
    writer.topic = c->topic;
    writer.dialer = &dialer;
    writer.logger = &logger;
    writer.balancer = c->balancer;
    writer.on_delivery = delivered;
    writer.on_delivery_userdata = c;
    if (kafka_writer_new(&writer, &c->writer) != 0) give_up(c, "no writer");
    c->counts.last_ack_us = report_now_us();
    for (int i = 0; i < cfg->threads; i++) {
        c->args[i].crew = c;
        c->args[i].number = i;
        if (pthread_create(&c->threads[i], NULL, work, &c->args[i]) != 0) give_up(c, "no thread");
    }
}

void crew_stop(crew *c)
{
    atomic_store(&c->stop, true);
    for (int i = 0; i < c->cfg->threads; i++) pthread_join(c->threads[i], NULL);
    int64_t begin = report_now_us();
    kafka_writer_stats stats;
    int err = kafka_writer_flush(c->writer, KAFKA_WITHIN(CLOSE_MS));
    if (err != 0) report_anomaly("%s: flush: %d %s", c->cfg->name, err, kafka_last_error());
    kafka_writer_stats_snapshot(c->writer, &stats);
    c->retries = stats.retries;
    err = kafka_writer_close(c->writer, KAFKA_WITHIN(CLOSE_MS));
    if (err != 0) report_anomaly("%s: close: %d %s", c->cfg->name, err, kafka_last_error());
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    if (c->counts.pending_bytes != 0)
        report_anomaly("%s: %" PRId64 " bytes without outcome after the close", c->cfg->name, c->counts.pending_bytes);
    pthread_mutex_unlock(&c->lock);
    kafka_writer_free(c->writer);
    kafka_balancer_free(c->balancer);
    c->writer = NULL;
    report_detail("%s: closed after %.1f s", c->cfg->name, (double)(report_now_us() - begin) / 1e6);
}

void crew_free(crew *c)
{
    journal_done(&c->journal);
    pthread_mutex_destroy(&c->lock);
}

crew_counts crew_look(crew *c)
{
    pthread_mutex_lock(&c->lock);
    crew_counts n = c->counts;
    pthread_mutex_unlock(&c->lock);
    return n;
}

bool crew_has_gone_on(crew *c, int64_t since_us)
{
    crew_counts n = crew_look(c);
    for (int p = 0; p < CREW_PARTITIONS; p++) {
        if (n.latest_in_us[p] <= since_us) return false;
    }
    return true;
}

int64_t crew_silence_us(crew *c)
{
    pthread_mutex_lock(&c->lock);
    int64_t now = report_now_us(), longest = c->counts.longest_silence_us;
    if (now - c->counts.last_ack_us > longest) longest = now - c->counts.last_ack_us;
    c->counts.longest_silence_us = 0;
    pthread_mutex_unlock(&c->lock);
    return longest;
}
