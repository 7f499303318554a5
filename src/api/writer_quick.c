/* The call of kafka_writer_write_messages that nearly every call is: asynchronous, to the writer's own topic, whose
 * partitions are known; messages that nothing is wrong with, and room for them.
 *
 * It does what writer_write.c does for such messages, in the same order, and leaves out what only others need: places
 * of several topics, results to be summed up, waiting. What it meets that it cannot deal with it leaves to that file,
 * the message and all behind it; a partition that was chosen for the message already goes along, since a balancer must
 * not be asked twice. Where asking once too often would show in any other way, in a function of the application,
 * nothing is quick.
 *
 * 100 bytes, one message a call: 1040 instructions for each by writer_write.c alone, with this 415, whole client. */
#include "api/message.h"
#include "api/writer.h"
#include "base/thread.h"
#include "base/time.h"
#include <string.h>

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { NS_PER_MS = 1000000 };

bool kfk_writer_can_be_quick(const kafka_writer *w)
{
    return w->config->async && w->topic && !kfk_balancer_is_foreign(w->balancer);
}

/* Something about the message is not as usual: may it be accepted all the same? */
static __attribute__((noinline)) bool bears_closer_look(const kafka_writer *w, const kafka_message *m)
{
    kfk_error err;
    if (m->compression != KAFKA_COMPRESSION_DEFAULT || m->time_ms < -1) return false;
    if (m->topic && strcmp(m->topic, w->config->topic) != 0) return false;
    return kfk_message_check(m, "", &err) == 0;
}

static inline bool is_fine(const kafka_writer *w, const kafka_message *m)
{
    bool usual = ((uintptr_t)m->topic | m->header_count | (uint64_t)m->reserved2) == 0 &&
                 ((uint32_t)m->reserved | (uint32_t)m->compression) == 0 && m->time_ms >= -1 &&
                 (m->key.len == 0 || m->key.data) && (m->value.data || m->value.len == 0);
    return LIKELY(usual) || bears_closer_look(w, m);
}

/* What one call needs for each message. */
typedef struct quick {
    const kfk_producer_map *map;
    kfk_producer_partition *only; /* where all of them go; NULL = the balancer is asked */
    int64_t wall_ms;
    kfk_producer_call call;
} quick;

/* NULL: the balancer refuses, and will again. */
static __attribute__((noinline)) kfk_producer_partition *ask(const kafka_writer *w, const kfk_producer_map *map,
                                                             const kafka_message *m)
{
    kfk_error err; /* not zeroed: it is long */
    kfk_balancer_offer offer = kfk_writer_offer(map);
    err.code = 0;
    int32_t number = kfk_balancer_pick(w->balance, m, &offer, &err);
    return LIKELY(err.code == 0) ? map->partitions[number] : NULL;
}

static inline kfk_producer_partition *choose(const kafka_writer *w, const quick *x, const kafka_message *m)
{
    if (x->only) return x->only;
    if (w->java && m->key.data) /* that is what it would answer */
        return x->map->partitions[kfk_balancer_java_index(m->key, (uint32_t)x->map->count)];
    return ask(w, x->map, m);
}

/* How many messages were accepted. `*at`: the partition of the one behind them, if it was chosen. */
static inline size_t append_all(kafka_writer *w, quick *x, const kafka_message *msgs, size_t count,
                                kfk_producer_partition **at)
{
    size_t i = 0;
    for (; i < count; i++) {
        const kafka_message *m = &msgs[i];
        if (UNLIKELY(!is_fine(w, m))) break;
        kfk_producer_partition *pt = choose(w, x, m);
        if (UNLIKELY(!pt)) break;
        int64_t time_ms = m->time_ms > 0 ? m->time_ms : x->wall_ms;
        if (LIKELY(kfk_producer_call_append(&x->call, pt, m, time_ms, w->codec, NULL) == 0)) continue;
        *at = pt;
        break;
    }
    return i;
}

static inline void begin(quick *x, kafka_writer *w, const kfk_producer_map *map, int64_t now_ms)
{
    x->map = map;
    x->only = w->sure_of_one ? map->only : NULL;
    x->wall_ms = kfk_writer_wall_ms(w, now_ms);
    kfk_producer_call_begin(&x->call, w->producer, now_ms, false);
}

/* Is there nothing about the whole call for which it might be refused? */
static inline bool is_usual(const kafka_writer *w, const kafka_ctx *ctx, const kafka_message *msgs)
{
    if (!w || !msgs || kfk_fork_is_parents(w->born)) return false;
    if (ctx && (ctx->cancel || ctx->reserved[0] || ctx->reserved[1])) return false;
    return atomic_load_explicit(&w->quick, memory_order_relaxed) && kfk_thread_self()->callback_depth == 0;
}

static __attribute__((noinline)) void count_time(kafka_writer *w, int64_t begun_ns)
{
    kfk_writer_counts_short_time(w, kfk_time_now_ns() - begun_ns);
}

int kafka_writer_write_messages(kafka_writer *w, const kafka_ctx *ctx, const kafka_message *msgs, size_t count,
                                int *results)
{
    quick x;
    size_t done = 0;
    int64_t begun_ns = 0;
    kfk_producer_partition *at = NULL;
    kfk_producer_map *map;
    if (UNLIKELY(count == 0 || !is_usual(w, ctx, msgs))) goto rest;
    begun_ns = kfk_time_now_ns();
    if (UNLIKELY(!(map = kfk_producer_maps_pin(w->maps)))) goto rest;
    begin(&x, w, map, begun_ns / NS_PER_MS);
    done = append_all(w, &x, msgs, count, &at);
    atomic_fetch_add_explicit(&w->counts.accepted, (int64_t)done, memory_order_relaxed);
    kfk_producer_map_drop(map);
    kfk_producer_call_end(&x.call);
    if (UNLIKELY(done < count)) goto rest;
    if (UNLIKELY(results != NULL)) memset(results, 0, count * sizeof *results);
    if (UNLIKELY(kfk_writer_counts_short_call(w))) count_time(w, begun_ns);
    return 0;
rest:;
    const kfk_writer_begun begun = {.at_ns = begun_ns, .done = done, .at = at};
    return kfk_writer_write_rest(w, ctx, msgs, count, results, &begun);
}
