/* Counting. What happens once per batch or per connection is counted under a lock; what happens once per call of the
 * application in two atomic numbers.
 *
 * Reading the clock costs more than the rest of a small asynchronous call. Of those one in sixty-four is timed, and the
 * others are taken to have lasted as long; calls that waited are timed all. */
#include "api/writer.h"
#include <string.h>

void kfk_writer_counts_init(kfk_writer_counts *c)
{
    kfk_lock_init(&c->lock);
    c->write_ns = -1;
    atomic_init(&c->short_calls, 0);
    atomic_init(&c->accepted, 0);
    atomic_init(&c->ended, 0);
}

void kfk_writer_counts_fini(kfk_writer_counts *c)
{
    kfk_lock_fini(&c->lock);
}

void kfk_writer_counts_event(void *writer, int what, int64_t value)
{
    kfk_writer_counts *c = &((kafka_writer *)writer)->counts;
    kfk_lock_take(&c->lock);
    switch (what) {
    case KFK_COUNT_DIAL_NS:
        c->dials++;
        kfk_histogram_add(&c->dial_time, value);
        break;
    case KFK_COUNT_WAIT_NS: kfk_histogram_add(&c->wait_time, value); break;
    case KFK_COUNT_SENT:
        c->writes++;
        kfk_histogram_add(&c->batch_size, value);
        break;
    case KFK_COUNT_SENT_BYTES: kfk_histogram_add(&c->batch_bytes, value); break;
    case KFK_COUNT_RETRY: c->retries += value; break;
    case KFK_COUNT_REBALANCE: c->rebalances += value; break;
    case KFK_COUNT_REFUSED: c->errors++; break;
    default: break;
    }
    kfk_lock_give(&c->lock);
}

void kfk_writer_counts_outcome(kafka_writer *w, const kfk_produce_batch *b, bool fine)
{
    kfk_writer_counts *c = &w->counts;
    int32_t count = kfk_produce_batch_count(b);
    atomic_fetch_add(&c->ended, count);
    if (!fine) return;
    kfk_lock_take(&c->lock);
    c->messages += count;
    c->bytes += (int64_t)b->payload;
    kfk_lock_give(&c->lock);
}

void kfk_writer_counts_refused(kafka_writer *w, int64_t messages)
{
    kfk_lock_take(&w->counts.lock);
    w->counts.errors += messages;
    kfk_lock_give(&w->counts.lock);
}

/* The lock is held: short calls that were not counted yet took as long as the last one that was timed. */
static void count_short_calls(kfk_writer_counts *c)
{
    int64_t calls = atomic_load_explicit(&c->short_calls, memory_order_relaxed);
    if (c->write_ns < 0) return; /* the first is still under way */
    kfk_histogram_add_times(&c->write_time, c->write_ns, calls - c->short_counted);
    c->short_counted = calls;
}

void kfk_writer_counts_short_time(kafka_writer *w, int64_t ns)
{
    kfk_lock_take(&w->counts.lock);
    w->counts.write_ns = ns;
    count_short_calls(&w->counts);
    kfk_lock_give(&w->counts.lock);
}

void kfk_writer_counts_long_call(kafka_writer *w, int64_t ns)
{
    kfk_lock_take(&w->counts.lock);
    kfk_histogram_add(&w->counts.write_time, ns);
    kfk_lock_give(&w->counts.lock);
}

/* ---- the snapshot ------------------------------------------------------------------------------------------------ */

/* The lock is held. */
static void take_since_last(kfk_writer_counts *c, kafka_writer_stats *out)
{
    out->dials = c->dials;
    out->writes = c->writes;
    out->messages = c->messages;
    out->bytes = c->bytes;
    out->rebalances = c->rebalances;
    out->errors = c->errors;
    out->retries = c->retries;
    c->dials = c->writes = c->messages = c->bytes = c->rebalances = c->errors = c->retries = 0;
    count_short_calls(c);
    kfk_histogram_take(&c->dial_time, &out->dial_time);
    kfk_histogram_take(&c->write_time, &out->write_time);
    kfk_histogram_take(&c->wait_time, &out->wait_time);
    kfk_histogram_take(&c->batch_size, &out->batch_size);
    kfk_histogram_take(&c->batch_bytes, &out->batch_bytes);
}

static void fill_in_state(const kafka_writer *w, kafka_writer_stats *out)
{
    const kafka_writer_config *c = w->config;
    out->max_attempts = c->max_attempts;
    out->max_batch_size = c->batch_size;
    out->batch_timeout_ms = c->batch_timeout_ms;
    out->read_timeout_ms = c->read_timeout_ms;
    out->write_timeout_ms = c->write_timeout_ms;
    out->rebalance_interval_ms = c->rebalance_interval_ms;
    int64_t ended = atomic_load(&w->counts.ended), accepted = atomic_load(&w->counts.accepted);
    out->queue_length = accepted > ended ? accepted - ended : 0; /* a call counts what it accepted after doing so */
    out->queue_capacity = c->queue_capacity;
    out->required_acks = c->required_acks;
    out->async = c->async;
    out->client_id = c->dialer->client_id;
    out->topic = c->topic;
}

void kafka_writer_stats_snapshot_sized(kafka_writer *w, kafka_writer_stats *out, size_t size)
{
    kafka_writer_stats all = {0};
    if (!w || !out || kfk_fork_is_parents(w->born)) return;
    kfk_lock_take(&w->counts.lock);
    take_since_last(&w->counts, &all);
    kfk_lock_give(&w->counts.lock);
    fill_in_state(w, &all);
    memcpy(out, &all, size < sizeof all ? size : sizeof all);
    if (size > sizeof all) memset((char *)out + sizeof all, 0, size - sizeof all);
}
