/* balancer_spread.c: balancers that spread what has no key, each by a measure of its own: messages, bytes, or batches.
 *
 * Round robin and sticky are one atomic word a topic. A word that counts positions in a list does not have to know when
 * the list changes: the next message goes to another partition then, which is what it would have done soon anyway.
 *
 * Least bytes has to know: a partition that came late would get everything until it has caught up. So it remembers
 * which partitions its counts are of. They are in a heap, so that the choice costs log(n) and not n; comparing the list
 * with the one of the call before is a memcmp. */
#include "api/balancer_impl.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

/* ---- round robin ------------------------------------------------------------------------------------------------- */

static int pick_round_robin(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer,
                            int32_t *partition, kfk_error *err)
{
    (void)m;
    (void)err;
    *partition = kfk_balancer_turn(t, offer->led, offer->led_count);
    return 0;
}

kafka_balancer *kafka_balancer_round_robin(void)
{
    static const kfk_balancer_kind kind = {.pick = pick_round_robin};
    return kfk_balancer_new(&kind, "kafka_balancer_round_robin");
}

/* ---- sticky ------------------------------------------------------------------------------------------------------ */

enum {
    RUN_BYTES = 16 << 10, /* Java's default batch.size, which is where its producer changes partitions */
    RECORD_BYTES = 16     /* what a message counts beside its value: nothing at all must not stick for ever */
};

static uint32_t size_in_run(const kafka_message *m)
{
    size_t size = m->value.len;
    for (size_t i = 0; i < m->header_count && size < RUN_BYTES; i++) size += RECORD_BYTES + m->headers[i].value.len;
    return size < RUN_BYTES ? (uint32_t)size + RECORD_BYTES : RUN_BYTES;
}

/* Any but the one before: what it still has to send goes out meanwhile. */
static uint32_t other_index(kafka_balancer *b, uint32_t before, size_t count)
{
    if (count == 1) return 0;
    if (before >= count) return kfk_balancer_below(b, count);
    uint32_t i = kfk_balancer_below(b, count - 1);
    return i < before ? i : i + 1;
}

/* The message that ends a run still belongs to it, as the batch that is full in Java. */
static int32_t stick(kfk_balancer_topic *t, const kafka_message *m, const int32_t *list, size_t count)
{
    uint32_t size = size_in_run(m), index, left;
    uint64_t run = atomic_load_explicit(&t->run, memory_order_relaxed), next;
    do {
        index = (uint32_t)(run >> 32);
        left = (uint32_t)run;
        if (left == 0 || index >= count) {
            index = other_index(t->balancer, index, count);
            left = RUN_BYTES;
        }
        next = (uint64_t)index << 32 | (left > size ? left - size : 0);
    } while (!atomic_compare_exchange_weak_explicit(&t->run, &run, next, memory_order_relaxed, memory_order_relaxed));
    return list[index];
}

static int pick_sticky(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer,
                       int32_t *partition, kfk_error *err)
{
    (void)err;
    *partition = m->key.data != NULL ? kfk_balancer_murmur2(m, offer) : stick(t, m, offer->led, offer->led_count);
    return 0;
}

kafka_balancer *kafka_balancer_sticky(void)
{
    static const kfk_balancer_kind kind = {.pick = pick_sticky, .java = true};
    return kfk_balancer_new(&kind, "kafka_balancer_sticky");
}

/* ---- least bytes ------------------------------------------------------------------------------------------------- */

static bool goes_first(const kfk_balancer_tally *a, const kfk_balancer_tally *b)
{
    return a->bytes != b->bytes ? a->bytes < b->bytes : a->partition < b->partition;
}

/* Lets the top, which has grown, sink to where it belongs. */
static void sink(kfk_balancer_tally *heap, size_t count)
{
    kfk_balancer_tally top = heap[0];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < count) {
        if (child + 1 < count && goes_first(&heap[child + 1], &heap[child])) child++;
        if (!goes_first(&heap[child], &top)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = top;
}

static int by_number(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Begins again at 0 when the set is another one. Ascending and all at 0 is a heap already. */
static int use_partitions(kfk_balancer_topic *t, const int32_t *list, size_t count)
{
    if (count == t->offered_count && memcmp(list, t->offered, count * sizeof *list) == 0) return 0;
    int32_t *sorted = kfk_mem_array(count, sizeof *sorted);
    if (sorted == NULL) return KAFKA_ENOMEM;
    memcpy(sorted, list, count * sizeof *list);
    qsort(sorted, count, sizeof *sorted, by_number);
    if (count == t->offered_count && memcmp(sorted, t->offered, count * sizeof *list) == 0) {
        kfk_mem_free(sorted); /* only their order is another one */
        return 0;
    }
    kfk_balancer_tally *heap = kfk_mem_array(count, sizeof *heap);
    if (heap == NULL) {
        kfk_mem_free(sorted);
        return KAFKA_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) heap[i].partition = sorted[i];
    kfk_mem_free(t->heap);
    kfk_mem_free(t->offered);
    t->heap = heap;
    t->offered = sorted;
    t->offered_count = count;
    return 0;
}

static int pick_least_bytes(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer,
                            int32_t *partition, kfk_error *err)
{
    kfk_lock_take(&t->lock);
    int code = use_partitions(t, offer->led, offer->led_count);
    if (code == 0) {
        *partition = t->heap[0].partition;
        t->heap[0].bytes += m->key.len + m->value.len;
        sink(t->heap, t->offered_count);
    }
    kfk_lock_give(&t->lock);
    if (code != 0)
        kfk_error_set(err, code, "no memory to count bytes of %zu partitions of topic %s", offer->led_count, t->name);
    return code;
}

static void forget_tally(kfk_balancer_topic *t)
{
    kfk_mem_free(t->heap);
    kfk_mem_free(t->offered);
}

kafka_balancer *kafka_balancer_least_bytes(void)
{
    static const kfk_balancer_kind kind = {.pick = pick_least_bytes, .topic_fini = forget_tally};
    return kfk_balancer_new(&kind, "kafka_balancer_least_bytes");
}
