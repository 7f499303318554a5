/* The default loop and loops of the application's own.
 *
 * The default loop lives from its first user to its last. Users are counted here under a lock, so that a new first user
 * cannot get hold of a loop that is ending; it starts another one. A forked child begins without one. */
#include "api/loop.h"
#include "api/fail.h"
#include "base/fork.h"
#include "base/thread.h"
#include "base/time.h"
#include "net/loop_manual.h"
#include <stdatomic.h>

static struct {
    pthread_mutex_t lock;
    kfk_loop *loop;
    size_t users;
    _Atomic(kfk_loop *) replacement;
} standard = {.lock = PTHREAD_MUTEX_INITIALIZER};

void kfk_api_set_default_loop(kfk_loop *l)
{
    atomic_store(&standard.replacement, l);
}

/* In a forked child. Its users there give it up one by one, but nobody could say which of them is the last. */
static void forget_default(void)
{
    if (standard.loop) kfk_loop_abandon_now(standard.loop);
    standard.loop = NULL;
    standard.users = 0;
    standard.lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static int acquire_default(kfk_loop **out, kfk_error *err)
{
    int code = kfk_fork_watch(forget_default);
    if (code != 0) return kfk_error_set(err, code, "no memory for a loop");
    pthread_mutex_lock(&standard.lock);
    if (!standard.loop) code = kfk_loop_new("kafka-io", &standard.loop, err);
    if (code == 0) {
        standard.users++;
        *out = standard.loop;
    }
    pthread_mutex_unlock(&standard.lock);
    return code;
}

/* True when the loop is the default one and goes on: then there is nothing else to give up. */
static bool release_default(kfk_loop *l)
{
    bool goes_on = false;
    pthread_mutex_lock(&standard.lock);
    if (l == standard.loop) {
        goes_on = --standard.users > 0;
        if (!goes_on) standard.loop = NULL;
    }
    pthread_mutex_unlock(&standard.lock);
    return goes_on;
}

static const char parents[] = "the loop is the parent process's; a forked child can free it, and has to make one of "
                              "its own or use the default one";

int kfk_loop_check(const kafka_loop *l, const char *call)
{
    if (!l || !kfk_loop_is_parents(l)) return 0;
    return kfk_failf(NULL, KAFKA_EFORKED, "%s: %s", call, parents);
}

int kfk_loop_acquire(kafka_loop *wanted, kfk_loop **out, kfk_error *err)
{
    if (!wanted) wanted = atomic_load(&standard.replacement);
    if (!wanted) {
        int shield = kfk_thread_shield(); /* a thread must not die with the lock */
        int code = acquire_default(out, err);
        kfk_thread_unshield(shield);
        return code;
    }
    if (kfk_loop_is_parents(wanted)) return kfk_error_set(err, KAFKA_EFORKED, "%s", parents);
    kfk_loop_use(wanted);
    *out = kfk_loop_hold(wanted);
    return 0;
}

void kfk_loop_release(kfk_loop *l)
{
    if (release_default(l)) return;
    kfk_loop_unuse(l);
    kfk_loop_drop(l);
}

int kafka_loop_new(const kafka_loop_config *cfg, kafka_loop **out)
{
    if (!out) return kfk_failf(NULL, KAFKA_EINVAL, "kafka_loop_new: out is NULL");
    if (cfg && (cfg->reserved || cfg->reserved2[0] || cfg->reserved2[1] || cfg->reserved2[2]))
        return kfk_failf(NULL, KAFKA_EINVAL, "kafka_loop_new: a reserved field of kafka_loop_config is not 0");
    if (cfg && cfg->manual != 0 && cfg->manual != 1)
        return kfk_failf(NULL, KAFKA_EINVAL, "kafka_loop_new: kafka_loop_config.manual is %d, neither 0 nor 1",
                         (int)cfg->manual);
    kfk_error err = {0};
    kfk_loop *l;
    int shield = kfk_thread_shield();
    int code = cfg && cfg->manual ? kfk_loop_new_manual(&l, &err) : kfk_loop_new("kafka-io", &l, &err);
    kfk_thread_unshield(shield);
    if (code != 0) return kfk_fail(NULL, &err);
    *out = l;
    return 0;
}

static int check_manual(kafka_loop *l, const char *call)
{
    if (!l) return kfk_failf(NULL, KAFKA_EINVAL, "%s: the loop is NULL", call);
    int err = kfk_loop_check(l, call);
    if (err != 0 || kfk_loop_is_manual(l)) return err;
    return kfk_failf(NULL, KAFKA_ENOTSUP,
                     "%s: the loop has a thread of its own; kafka_loop_config.manual makes one that has none", call);
}

int kafka_loop_fd(kafka_loop *l)
{
    int err = check_manual(l, "kafka_loop_fd");
    return err != 0 ? err : kfk_loop_manual_fd(l);
}

int64_t kafka_loop_timeout_ms(kafka_loop *l)
{
    if (!l || kfk_loop_is_parents(l) || !kfk_loop_is_manual(l)) return -1;
    int64_t ms = kfk_loop_manual_timeout_ms(l);
    return ms == KFK_TIME_NEVER ? -1 : ms;
}

int kafka_loop_run(kafka_loop *l)
{
    int err = check_manual(l, "kafka_loop_run");
    if (err != 0) return err;
    if (kfk_thread_self()->callback_depth > 0)
        return kfk_failf(NULL, KAFKA_EAGAIN, "kafka_loop_run: a callback of the library must not turn a loop");
    err = kfk_loop_manual_run(l);
    if (err == KAFKA_EAGAIN) return kfk_failf(NULL, err, "kafka_loop_run: another thread turns the loop");
    return err == 0 ? 0 : kfk_loop_check(l, "kafka_loop_run");
}

void kafka_loop_free(kafka_loop *l)
{
    if (!l) return;
    if (kfk_loop_is_parents(l)) {
        kfk_loop_abandon(l);
        return;
    }
    kfk_loop_unuse(l);
    kfk_loop_drop(l);
}
