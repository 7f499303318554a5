/* balancer.c: the object, its states, and the calls that are the same for all kinds.
 *
 * A balancer is shared by threads and by writers of several topics, and asked once a message. So everything on that way
 * is an atomic operation or two: whose turn it is, the run of a sticky partition, a random number. Only least bytes and
 * functions of the application need a lock, one of a topic and one of the balancer.
 *
 * States are made when a topic is seen first and stay as long as the balancer: nobody who has found one needs a
 * reference. That is bounded, since topics beyond MOST_TOPICS share a state. kafka_balancer_balance has to look the
 * state up; mostly it is the one of the call before, which `recent` remembers.
 *
 * In a forked child a lock may be held for ever, and a function of the application may have been interrupted anywhere:
 * there nothing is asked, and freeing leaves everything where it is. */
#include "api/balancer_impl.h"
#include "api/fail.h"
#include "base/fork.h"
#include "base/mem.h"
#include <string.h>

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum { MOST_TOPICS = 65536 };

/* ---- states ------------------------------------------------------------------------------------------------------ */

static void topic_init(kfk_balancer_topic *t, kafka_balancer *b)
{
    t->balancer = b;
    atomic_init(&t->turns, 0);
    atomic_init(&t->run, UINT64_MAX << 32); /* no partition, and nothing left for it */
    kfk_lock_init(&t->lock);
}

static void topic_fini(kfk_balancer_topic *t)
{
    if (t->balancer->kind->topic_fini != NULL) t->balancer->kind->topic_fini(t);
    kfk_lock_fini(&t->lock);
}

static bool has_name(const kfk_map_node *n, const void *name, size_t len)
{
    const kfk_balancer_topic *t = KFK_CONTAINER(n, kfk_balancer_topic, node);
    return t->name_len == len && memcmp(t->name, name, len) == 0;
}

static kfk_balancer_topic *add_topic(kafka_balancer *b, uint64_t hash, const char *name, size_t len)
{
    if (b->topics.count >= MOST_TOPICS) return &b->common;
    kfk_balancer_topic *t = kfk_mem_zalloc(sizeof *t + len + 1);
    if (t == NULL) return NULL;
    t->name = (char *)(t + 1);
    t->name_len = len;
    memcpy(t->name, name, len);
    topic_init(t, b);
    if (kfk_map_add(&b->topics, &t->node, hash) == 0) return t;
    topic_fini(t);
    kfk_mem_free(t);
    return NULL;
}

kfk_balancer_topic *kfk_balancer_topic_of(kafka_balancer *b, const char *topic, size_t len)
{
    if (len == 0) return &b->common;
    kfk_balancer_topic *t = atomic_load_explicit(&b->recent, memory_order_acquire);
    if (t != NULL && t->name_len == len && memcmp(t->name, topic, len) == 0) return t;
    kfk_lock_take(&b->topics_lock);
    uint64_t hash = kfk_map_hash(&b->topics, topic, len);
    kfk_map_node *found = kfk_map_find(&b->topics, hash, has_name, topic, len);
    t = found != NULL ? KFK_CONTAINER(found, kfk_balancer_topic, node) : add_topic(b, hash, topic, len);
    kfk_lock_give(&b->topics_lock);
    if (t != NULL && t != &b->common) atomic_store_explicit(&b->recent, t, memory_order_release);
    return t;
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

kafka_balancer *kfk_balancer_new(const kfk_balancer_kind *kind, const char *call)
{
    kafka_balancer *b = kfk_fork_watch(NULL) == 0 ? kfk_mem_zalloc(sizeof *b) : NULL;
    if (b == NULL) {
        kfk_failf(NULL, KAFKA_ENOMEM, "%s: out of memory", call);
        return NULL;
    }
    b->kind = kind;
    kfk_ref_init(&b->ref);
    b->born = kfk_fork_generation();
    kfk_balancer_seed(b, kfk_rand_system_seed());
    pthread_mutex_init(&b->outside, NULL); /* a plain one: it cannot fail */
    kfk_lock_init(&b->topics_lock);
    kfk_map_init(&b->topics, kfk_rand_shared_next(&b->random));
    b->common.name = (char *)(uintptr_t) "";
    topic_init(&b->common, b);
    return b;
}

void kfk_balancer_seed(kafka_balancer *b, uint64_t seed)
{
    atomic_store(&b->random.next, seed);
}

kafka_balancer *kfk_balancer_hold(kafka_balancer *b)
{
    if (b != NULL) kfk_ref_hold(&b->ref);
    return b;
}

static void destroy(kafka_balancer *b)
{
    kfk_thread saved;
    if (b->destroy == NULL) return;
    kfk_thread_callback_begin(&saved, NULL);
    b->destroy(b->userdata);
    kfk_thread_callback_end(&saved);
}

void kafka_balancer_free(kafka_balancer *b)
{
    if (b == NULL || kfk_fork_is_parents(b->born) || !kfk_ref_drop(&b->ref)) return;
    destroy(b);
    KFK_LIST_EACH (n, &b->topics.order) {
        kfk_balancer_topic *t = KFK_CONTAINER(n, kfk_balancer_topic, node.order);
        topic_fini(t);
        kfk_mem_free(t);
    }
    topic_fini(&b->common);
    kfk_map_fini(&b->topics);
    kfk_lock_fini(&b->topics_lock);
    pthread_mutex_destroy(&b->outside);
    kfk_mem_free(b);
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

/* Is a partition in an ascending list? */
static bool is_in(const int32_t *list, size_t count, int32_t partition)
{
    size_t low = 0, high = count;
    if (partition < 0) return false;
    if ((size_t)partition < count && list[partition] == partition) return true; /* 0, 1, 2 ... as topics have them */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list[middle] < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && list[low] == partition;
}

/* The rest of kfk_balancer_pick where the choice is somebody else's. */
static int32_t check(const kfk_balancer_topic *t, const kfk_balancer_offer *offer, int32_t partition, kfk_error *err)
{
    if (is_in(offer->all, offer->all_count, partition)) return partition;
    return kfk_error_set(
        err, KAFKA_EINVAL, "partition %d was chosen, which topic %s does not have: it has %zu, from %d to %d",
        (int)partition, t->name, offer->all_count, (int)offer->all[0], (int)offer->all[offer->all_count - 1]);
}

bool kfk_balancer_is_foreign(const kafka_balancer *b)
{
    return b->balance != NULL || b->hash != NULL;
}

bool kfk_balancer_hashes_as_java(const kafka_balancer *b)
{
    return b->kind->java;
}

bool kfk_balancer_is_sure_of_one(const kafka_balancer *b)
{
    return !b->kind->foreign;
}

/* Nobody leads a partition, or the question must not be asked. */
static __attribute__((noinline)) int32_t pick_otherwise(kfk_balancer_topic *t, const kafka_message *m,
                                                        const kfk_balancer_offer *offer, kfk_error *err)
{
    if (kfk_fork_is_parents(t->balancer->born))
        return kfk_error_set(err, KAFKA_EFORKED, "the balancer belongs to the parent process");
    if (offer->all_count == 0)
        return kfk_error_set(err, KAFKA_EINVAL, "topic %s has no partitions to choose from", t->name);
    kfk_balancer_offer dark = {offer->all, offer->all, offer->all_count, offer->all_count};
    return kfk_balancer_pick(t, m, &dark, err);
}

int32_t kfk_balancer_pick(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer,
                          kfk_error *err)
{
    const kafka_balancer *b = t->balancer;
    const kfk_balancer_kind *kind = b->kind;
    int32_t partition = -1;
    if (UNLIKELY(kfk_fork_is_parents(b->born) || offer->led_count == 0)) return pick_otherwise(t, m, offer, err);
    int code = kind->pick(t, m, offer, &partition, err);
    if (UNLIKELY(code != 0)) return code;
    return UNLIKELY(kind->foreign) ? check(t, offer, partition, err) : partition;
}

int32_t kafka_balancer_balance(kafka_balancer *b, const kafka_message *m, const int32_t *partitions, size_t count)
{
    static const char call[] = "kafka_balancer_balance";
    int32_t partition = -1;
    kfk_error err;
    if (b == NULL || m == NULL)
        return kfk_failf(NULL, KAFKA_EINVAL, "%s: %s is NULL", call, b == NULL ? "the balancer" : "the message");
    if (partitions == NULL || count == 0) return kfk_failf(NULL, KAFKA_EINVAL, "%s: there are no partitions", call);
    if (count > INT32_MAX) return kfk_failf(NULL, KAFKA_EINVAL, "%s: %zu partitions are too many", call, count);
    if (kfk_fork_is_parents(b->born))
        return kfk_failf(NULL, KAFKA_EFORKED, "%s: the balancer belongs to the parent process", call);
    bool any = m->topic == NULL || b->kind->stateless;
    kfk_balancer_topic *t = any ? &b->common : kfk_balancer_topic_of(b, m->topic, strlen(m->topic));
    if (t == NULL) return kfk_failf(NULL, KAFKA_ENOMEM, "%s: no memory for topic %s", call, m->topic);
    const kfk_balancer_offer offer = {.all = partitions, .led = partitions, .all_count = count, .led_count = count};
    int code = b->kind->pick(t, m, &offer, &partition, &err);
    return code == 0 ? partition : kfk_fail(NULL, &err);
}
