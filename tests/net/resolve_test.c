#include "net_test.h"

#include "net/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- a resolver that does what a test wants (the program is linked with --wrap=getaddrinfo) ---------------------- */

enum { BLOCKING_THREADS = 16 };

static latch hang, hung;
static atomic_int begun; /* names that the resolver began to look up */

int __real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list);

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    if (hints->ai_flags & AI_NUMERICHOST) return __real_getaddrinfo(node, service, hints, list); /* asks nobody */
    atomic_fetch_add(&begun, 1);
    if (strcmp(node, "hangs.test") == 0) {
        latch_post(&hung);
        latch_wait(&hang);
        return EAI_AGAIN;
    }
    if (strcmp(node, "fails.test") == 0) {
        errno = EMFILE;
        return EAI_SYSTEM;
    }
    if (strcmp(node, "none.test") == 0) {
        *list = NULL;
        return 0;
    }
    if (strcmp(node, "many.test") != 0) return __real_getaddrinfo(node, service, hints, list);
    int err = __real_getaddrinfo("127.0.0.1", service, hints, list);
    struct addrinfo *last = *list, *more;
    for (int i = 0; err == 0 && i < 2 * KFK_LOOKUP_MAX; i++) {
        while (last->ai_next) last = last->ai_next;
        err = __real_getaddrinfo("127.0.0.2", service, hints, &more);
        if (err == 0) last->ai_next = more;
    }
    return err;
}

/* ---- look-ups ---------------------------------------------------------------------------------------------------- */

typedef struct question {
    const char *host;
    uint16_t port;
    bool port_is_default;
    kafka_resolver resolver;
    kfk_lookup *lookup;
    int started;
    bool abandon_at_once;
    /* what came */
    kfk_address found[KFK_LOOKUP_MAX];
    size_t count;
    kfk_error error;
    pthread_t thread;
    bool held;
    atomic_int answered;
    kfk_loop *loop;
} question;

static void answered(kfk_lookup *lookup)
{
    question *q = lookup->owner;
    q->lookup = NULL; /* gone after this */
    memcpy(q->found, lookup->found, sizeof q->found);
    q->count = lookup->count;
    q->error = lookup->error;
    q->thread = pthread_self();
    q->held = kfk_loop_held(q->loop);
    atomic_fetch_add(&q->answered, 1);
}

static void ask(kfk_loop *l, void *arg)
{
    question *q = arg;
    q->loop = l;
    q->lookup = kfk_lookup_new(q->host, q->port, answered, q);
    if (q->lookup) q->lookup->resolver = q->resolver;
    if (q->lookup) q->lookup->port_is_default = q->port_is_default;
    q->started = q->lookup ? kfk_loop_lookup(l, q->lookup) : KAFKA_ENOMEM;
    if (q->started != 0) {
        if (q->lookup) kfk_lookup_free(q->lookup);
        q->lookup = NULL;
    } else if (q->abandon_at_once) {
        kfk_lookup_abandon(q->lookup);
    }
}

static void note_thread(kfk_loop *l, void *arg)
{
    (void)l;
    *(pthread_t *)arg = pthread_self();
}

static void localhost_is_found_with_the_port_that_was_asked_for(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question q;
    q = (question){.host = "localhost", .port = 9093};
    pthread_t loop_thread;

    run_turning(l, note_thread, &loop_thread);
    run_held(l, ask, &q);
    assert_int_equal(q.started, 0);
    assert_true(eventually_equal(&q.answered, 1));
    assert_int_equal(q.error.code, 0);
    assert_true(q.count >= 1);
    for (size_t i = 0; i < q.count; i++) {
        assert_int_equal(port_of(&q.found[i]), 9093);
        if (q.found[i].addr.ss_family == AF_INET6) continue;
        struct sockaddr_in v4;
        memcpy(&v4, &q.found[i].addr, sizeof v4);
        assert_int_equal(ntohl(v4.sin_addr.s_addr) >> 24, 127);
    }
    assert_true(q.held);
    assert_true(pthread_equal(q.thread, loop_thread)); /* not by the helper thread that had the answer */
    loop_end(l);
}

static void a_name_that_does_not_exist_is_an_error_with_the_resolvers_words(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question q;
    q = (question){.host = "no-such-broker.invalid", .port = 9092};

    run_held(l, ask, &q);
    assert_int_equal(q.started, 0);
    assert_true(eventually_equal(&q.answered, 1));
    assert_int_equal(q.error.code, KAFKA_ERESOLVE); /* not known, or, without a network, not to be asked */
    assert_true(strlen(q.error.text) > 5);
    assert_int_equal(q.count, 0);
    loop_end(l);
}

static void an_abandoned_look_up_is_not_answered_and_frees_itself(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question q[40];
    for (int i = 0; i < 40; i++) {
        q[i] = (question){.host = i % 2 ? "localhost" : "no-such-broker.invalid", .abandon_at_once = true};
        run_held(l, ask, &q[i]);
        assert_int_equal(q[i].started, 0);
    }
    loop_end(l); /* does not wait for the resolver; the tear-down sees that all is freed in the end */
    for (int i = 0; i < 40; i++) assert_int_equal(atomic_load(&q[i].answered), 0);
}

static void abandon(kfk_loop *l, void *arg)
{
    question *q = arg;
    (void)l;
    if (q->lookup) kfk_lookup_abandon(q->lookup);
    q->lookup = NULL;
}

static void a_look_up_may_be_abandoned_at_any_time(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question q[200];
    for (int i = 0; i < 200; i++) {
        q[i] = (question){.host = "localhost"};
        run_held(l, ask, &q[i]);
        if (i >= 3) run_held(l, abandon, &q[i - i % 4]);
    }
    for (int i = 0; i < 200; i++) run_held(l, abandon, &q[i]);
    loop_end(l);
    for (int i = 0; i < 200; i++) assert_true(atomic_load(&q[i].answered) <= 1);
}

static void many_names_are_looked_up_side_by_side(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question q[50];
    for (int i = 0; i < 50; i++) {
        q[i] = (question){.host = "localhost", .port = (uint16_t)(1000 + i)};
        run_held(l, ask, &q[i]);
    }
    for (int i = 0; i < 50; i++) {
        assert_true(eventually_equal(&q[i].answered, 1));
        assert_int_equal(q[i].error.code, 0);
        assert_int_equal(port_of(&q[i].found[0]), 1000 + i);
    }
    loop_end(l);
}

static void what_the_resolver_says_is_what_is_told(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question q[3];
    static const char *const hosts[] = {"fails.test", "none.test", "many.test"};
    for (int i = 0; i < 3; i++) {
        q[i] = (question){.host = hosts[i], .port = 9092};
        run_held(l, ask, &q[i]);
        assert_true(eventually_equal(&q[i].answered, 1));
    }
    assert_int_equal(q[0].error.code, KAFKA_ERESOLVE);
    assert_string_equal(q[0].error.text, "Too many open files");
    assert_int_equal(q[1].error.code, KAFKA_ERESOLVE);
    assert_string_equal(q[1].error.text, "the name has no address");
    assert_int_equal(q[2].error.code, 0);
    assert_int_equal(q[2].count, KFK_LOOKUP_MAX);
    loop_end(l);
}

static void what_was_abandoned_in_the_queue_is_not_begun(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question hanging[BLOCKING_THREADS], waiting, abandoned;
    latch_init(&hang);
    latch_init(&hung);
    for (int i = 0; i < BLOCKING_THREADS; i++) {
        hanging[i] = (question){.host = "hangs.test"};
        run_held(l, ask, &hanging[i]);
    }
    for (int i = 0; i < BLOCKING_THREADS; i++) assert_true(latch_wait(&hung));
    int before = atomic_load(&begun);
    abandoned = (question){.host = "hangs.test", .abandon_at_once = true};
    waiting = (question){.host = "localhost"};
    run_held(l, ask, &abandoned);
    run_held(l, ask, &waiting);
    latch_post(&hang); /* one thread comes free, and passes the abandoned one by */
    assert_true(eventually_equal(&waiting.answered, 1));
    assert_int_equal(waiting.error.code, 0);
    assert_int_equal(atomic_load(&begun), before + 1);
    for (int i = 0; i < BLOCKING_THREADS; i++) latch_post(&hang);
    for (int i = 0; i < BLOCKING_THREADS; i++) assert_true(eventually_equal(&hanging[i].answered, 1));
    assert_int_equal(hanging[0].error.code, KAFKA_ERESOLVE);
    assert_int_equal(atomic_load(&abandoned.answered), 0);
    loop_end(l);
}

/* Callers that give up and come again, for as long as resolvers hang. */
static void look_ups_that_are_given_up_do_not_pile_up_behind_resolvers_that_hang(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question hanging[BLOCKING_THREADS], q;
    latch_init(&hang);
    latch_init(&hung);
    for (int i = 0; i < BLOCKING_THREADS; i++) {
        hanging[i] = (question){.host = "hangs.test"};
        run_held(l, ask, &hanging[i]);
    }
    for (int i = 0; i < BLOCKING_THREADS; i++) assert_true(latch_wait(&hung));
    size_t before = memcheck_blocks();
    for (int i = 0; i < 1000; i++) {
        q = (question){.host = "localhost", .abandon_at_once = true};
        run_held(l, ask, &q);
        assert_int_equal(q.started, 0);
        assert_int_equal(memcheck_blocks(), before);
    }
    for (int i = 0; i < BLOCKING_THREADS; i++) latch_post(&hang);
    for (int i = 0; i < BLOCKING_THREADS; i++) assert_true(eventually_equal(&hanging[i].answered, 1));
    loop_end(l);
}

/* ---- the application's resolver ---------------------------------------------------------------------------------- */

static latch custom_hang, custom_hung;
static pthread_t custom_thread;

static int custom(void *userdata, const char *host, kafka_addrs *out)
{
    kfk_error err;
    (void)host;
    custom_thread = pthread_self();
    if (strcmp(userdata, "hangs") == 0) {
        latch_post(&custom_hung);
        latch_wait(&custom_hang);
    }
    return kfk_addrs_add(out, "10.0.0.1:7", &err) | kfk_addrs_add(out, "many.test", &err) |
           kfk_addrs_add(out, "unix:/run/kafka.sock", &err);
}

static void names_that_the_application_finds_are_resolved_where_it_ran(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question q;
    char text[KFK_ADDRESS_TEXT];
    q = (question){.host = "kafka", .port = 9092, .resolver = {.lookup = custom, .userdata = "answers"}};
    run_held(l, ask, &q);
    assert_int_equal(q.started, 0);
    assert_true(eventually_equal(&q.answered, 1));
    assert_int_equal(q.error.code, 0);
    assert_int_equal(q.count, KFK_LOOKUP_MAX); /* all that fits of many.test, and nothing behind it */
    kfk_address_format(&q.found[0], text, sizeof text);
    assert_string_equal(text, "10.0.0.1:9092");
    kfk_address_format(&q.found[KFK_LOOKUP_MAX - 1], text, sizeof text);
    assert_string_equal(text, "127.0.0.2:9092");
    assert_false(pthread_equal(custom_thread, pthread_self()));
    assert_false(pthread_equal(custom_thread, q.thread));
    q = (question){
        .host = "kafka", .port = 9092, .port_is_default = true, .resolver = {.lookup = custom, .userdata = "answers"}};
    run_held(l, ask, &q);
    assert_true(eventually_equal(&q.answered, 1));
    kfk_address_format(&q.found[0], text, sizeof text);
    assert_string_equal(text, "10.0.0.1:7");
    loop_end(l);
}

static void a_loop_ends_while_the_applications_resolver_hangs(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question q;
    latch_init(&custom_hang);
    latch_init(&custom_hung);
    q = (question){.host = "kafka", .resolver = {.lookup = custom, .userdata = "hangs"}};
    run_held(l, ask, &q);
    assert_true(latch_wait(&custom_hung));
    run_held(l, abandon, &q);
    loop_end(l); /* waits for the loop's thread, not for the resolver's */
    latch_post(&custom_hang);
    assert_int_equal(atomic_load(&q.answered), 0); /* and the tear-down sees that nothing is left */
}

static void without_memory_nothing_is_started(void **state)
{
    (void)state;
    kfk_loop *l = loop_start();
    static question q;
    MEMCHECK_EACH_FAILURE(n)
    {
        q = (question){.host = "localhost"};
        run_held(l, ask, &q);
        assert_int_equal(q.started, memcheck_failed() ? KAFKA_ENOMEM : 0);
        if (q.started == 0) assert_true(eventually_equal(&q.answered, 1));
    }
    MEMCHECK_EACH_FAILURE(n)
    {
        q = (question){.host = "kafka", .resolver = {.lookup = custom, .userdata = "answers"}};
        run_held(l, ask, &q);
        assert_int_equal(q.started, memcheck_failed() ? KAFKA_ENOMEM : 0);
        if (q.started == 0) assert_true(eventually_equal(&q.answered, 1));
    }
    loop_end(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NET_TEST(localhost_is_found_with_the_port_that_was_asked_for),
        NET_TEST(a_name_that_does_not_exist_is_an_error_with_the_resolvers_words),
        NET_TEST(an_abandoned_look_up_is_not_answered_and_frees_itself),
        NET_TEST(a_look_up_may_be_abandoned_at_any_time),
        NET_TEST(many_names_are_looked_up_side_by_side),
        NET_TEST(what_the_resolver_says_is_what_is_told),
        NET_TEST(what_was_abandoned_in_the_queue_is_not_begun),
        NET_TEST(look_ups_that_are_given_up_do_not_pile_up_behind_resolvers_that_hang),
        NET_TEST(names_that_the_application_finds_are_resolved_where_it_ran),
        NET_TEST(a_loop_ends_while_the_applications_resolver_hangs),
        NET_TEST(without_memory_nothing_is_started),
    };
    setenv("RES_OPTIONS", "timeout:1 attempts:1", 1); /* where nobody answers for names that do not exist */
    return cmocka_run_group_tests_name("net/resolve", tests, NULL, NULL);
}
