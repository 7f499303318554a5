/* balancer_func.c: where the choice is somebody else's: a function of the application, or the message itself.
 *
 * A function of the application runs alone: applications keep state in them, and kafka-go promises the same. That needs
 * a lock around foreign code, which might call back: the balancer remembers which thread is outside, and answers that
 * one instead of waiting for it. */
#include "api/balancer_impl.h"
#include "api/fail.h"

static int go_outside(kafka_balancer *b, kfk_thread *saved, kfk_error *err)
{
    kfk_thread *self = kfk_thread_self();
    if (atomic_load_explicit(&b->is_outside, memory_order_relaxed) == self)
        return kfk_error_set(err, KAFKA_EAGAIN, "the balancer is asked by its own function");
    pthread_mutex_lock(&b->outside);
    atomic_store_explicit(&b->is_outside, self, memory_order_relaxed);
    kfk_thread_callback_begin(saved, NULL);
    return 0;
}

static void come_back(kafka_balancer *b, const kfk_thread *saved)
{
    kfk_thread_callback_end(saved);
    atomic_store_explicit(&b->is_outside, NULL, memory_order_relaxed);
    pthread_mutex_unlock(&b->outside);
}

int kfk_balancer_foreign_hash(kafka_balancer *b, kafka_bytes key, uint32_t *hash, kfk_error *err)
{
    kfk_thread saved;
    int code = go_outside(b, &saved, err);
    if (code != 0) return code;
    *hash = b->hash(key.data, key.len);
    come_back(b, &saved);
    return 0;
}

static int pick_func(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer, int32_t *partition,
                     kfk_error *err)
{
    kafka_balancer *b = t->balancer;
    kafka_message named;
    kfk_thread saved;
    int code = go_outside(b, &saved, err);
    if (code != 0) return code;
    if (m->topic == NULL && t->name_len > 0) { /* it is that of the writer */
        named = *m;
        named.topic = t->name;
        m = &named;
    }
    *partition = b->balance(b->userdata, m, offer->all, offer->all_count);
    come_back(b, &saved);
    return 0;
}

kafka_balancer *kafka_balancer_func(kafka_balance_fn balance, void *userdata, void (*destroy)(void *))
{
    static const kfk_balancer_kind kind = {.pick = pick_func, .stateless = true, .foreign = true};
    static const char call[] = "kafka_balancer_func";
    if (balance == NULL) {
        kfk_failf(NULL, KAFKA_EINVAL, "%s: the function is NULL", call);
        return NULL;
    }
    kafka_balancer *b = kfk_balancer_new(&kind, call);
    if (b == NULL) return NULL;
    b->balance = balance;
    b->userdata = userdata;
    b->destroy = destroy;
    return b;
}

static int pick_manual(kfk_balancer_topic *t, const kafka_message *m, const kfk_balancer_offer *offer,
                       int32_t *partition, kfk_error *err)
{
    (void)t;
    (void)offer;
    (void)err;
    *partition = m->partition;
    return 0;
}

kafka_balancer *kafka_balancer_manual(void)
{
    static const kfk_balancer_kind kind = {.pick = pick_manual, .stateless = true, .foreign = true};
    return kfk_balancer_new(&kind, "kafka_balancer_manual");
}
