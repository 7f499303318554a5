/* writer_wait_test.c: writes that wait: for outcomes, for room; and what ends the wait. */
#include "api/writers.h"

/* ---- for outcomes ------------------------------------------------------------------------------------------------ */

static void at_its_deadline_a_synchronous_write_says_what_is_pending(void **state)
{
    (void)state;
    kafka_cluster *c = writers_two_brokers(1);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_message m[3] = {{.value = KAFKA_LIT("a")}, {.topic = "wrong"}, {.value = KAFKA_LIT("b")}};
    int results[3];
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, 1, NULL));
    writers_hold(c, 1);
    int64_t before = kafka_now_ms();
    assert_fails(kafka_writer_write_messages(w, KAFKA_WITHIN(200), m, 3, results), KAFKA_ETIMEDOUT,
                 "2 of 3 messages had no outcome yet");
    assert_true(kafka_now_ms() - before >= 200);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    assert_int_equal(results[0], KAFKA_EPENDING);
    assert_int_equal(results[1], KAFKA_EINVAL);
    assert_int_equal(results[2], KAFKA_EPENDING);
    writers_hold(c, 0);
    assert_works(kafka_writer_flush(w, PATIENTLY)); /* they are delivered all the same */
    assert_int_equal(writers_end(c, "t", 0), 3);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

/* The call gives up, with ever more time until that was enough to meet what it is told of. */
static void give_up(kafka_writer *w, const char *part)
{
    kafka_message m = {.value = KAFKA_LIT("v")};
    for (int64_t ms = 300;; ms *= 4) {
        assert_fails(kafka_writer_write_messages(w, KAFKA_WITHIN(ms), &m, 1, NULL), KAFKA_ETIMEDOUT, NULL);
        if (strstr(kafka_last_error(), part)) return;
        if (ms > WRITERS_PATIENCE_MS) fail_msg("\"%s\" is not in: %s", part, kafka_last_error());
    }
}

/* Calls that give up early are usual, and so is that they are all that anybody looks at. */
static void who_gives_up_is_told_what_the_messages_wait_for(void **state)
{
    (void)state;
    kafka_cluster *c = writers_two_brokers(1);
    kafka_message m = {.value = KAFKA_LIT("v")};
    kafka_writer *w = WRITER(c, .topic = "missing", .max_attempts = 1000);
    give_up(w, kafka_strerror(KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION));
    assert_non_null(strstr(kafka_last_error(), "the writer's oldest: topic missing: "));
    assert_fails(kafka_writer_flush(w, KAFKA_WITHIN(50)), KAFKA_ETIMEDOUT, "the oldest: topic missing: ");
    (void)kafka_writer_close(w, KAFKA_WITHIN(1)); /* free would wait for the outcome */
    kafka_writer_free(w);
    w = writers_new(&(kafka_writer_config){.brokers = "127.0.0.1:1", .topic = "t", .max_attempts = 1000});
    give_up(w, "refused");
    assert_non_null(strstr(kafka_last_error(), "topic t: "));
    assert_non_null(strstr(kafka_last_error(), "127.0.0.1:1"));
    (void)kafka_writer_close(w, KAFKA_WITHIN(1));
    kafka_writer_free(w);
    w = WRITER(c, .topic = "t");
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    writers_hold(c, 1);
    give_up(w, "topic t partition 0: it was sent and has no answer yet");
    writers_hold(c, 0);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

typedef struct fire_later {
    kafka_cluster *cluster;
    kafka_cancel *token;
    int64_t produces;
} fire_later;

/* Once so many Produce requests have come. */
static void *fire(void *arg)
{
    fire_later *f = arg;
    while (kafka_cluster_requests(f->cluster, KAFKA_REQUEST_PRODUCE) < f->produces) poll(NULL, 0, 1);
    kafka_cancel_fire(f->token);
    return NULL;
}

static void a_token_ends_the_wait_and_nothing_else(void **state)
{
    (void)state;
    kafka_cluster *c = writers_two_brokers(1);
    told t = {0};
    kafka_writer *w = WRITER(c, .topic = "t", .on_delivery = tell, .on_delivery_userdata = &t);
    kafka_message m = {.value = KAFKA_LIT("v")};
    fire_later f = {.cluster = c, .produces = 1};
    int result;
    assert_works(kafka_cancel_new(&f.token));
    writers_hold(c, 1);
    pthread_t thread = calls_start(fire, &f);
    kafka_ctx ctx = {.cancel = f.token};
    assert_fails(kafka_writer_write_messages(w, &ctx, &m, 1, &result), KAFKA_ECANCELED, "1 of 1 messages");
    assert_int_equal(result, KAFKA_EPENDING);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_MAYBE);
    pthread_join(thread, NULL);
    writers_hold(c, 0);
    told_await(&t, 1); /* its callback still comes */
    assert_int_equal(t.items[0].err, 0);
    assert_int_equal(writers_end(c, "t", 0), 1);
    kafka_cancel_free(f.token);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_token_that_had_fired_before_accepts_nothing(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    for (int async = 0; async < 2; async++) {
        told t = {0};
        kafka_writer *w = WRITER(c, .topic = "t", .async = async, .on_delivery = tell, .on_delivery_userdata = &t);
        kafka_message m = {.value = KAFKA_LIT("v")};
        kafka_ctx ctx = {0};
        int result = 0;
        assert_works(kafka_cancel_new(&ctx.cancel));
        kafka_cancel_fire(ctx.cancel);
        assert_fails(kafka_writer_write_messages(w, &ctx, &m, 1, &result), KAFKA_ECANCELED, "no message was accepted");
        assert_int_equal(result, KAFKA_ECANCELED);
        assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
        assert_works(kafka_writer_close(w, PATIENTLY));
        assert_int_equal(t.count, 0);
        kafka_cancel_free(ctx.cancel);
        kafka_writer_free(w);
    }
    assert_int_equal(writers_end(c, "t", 0), 0);
    kafka_cluster_free(c);
}

static void a_deadline_that_had_passed_before_accepts_what_finds_room(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t");
    kafka_message m = {.value = KAFKA_LIT("v")};
    int result;
    assert_fails(kafka_writer_write_messages(w, KAFKA_WITHIN(0), &m, 1, &result), KAFKA_ETIMEDOUT, "no outcome yet");
    assert_int_equal(result, KAFKA_EPENDING);
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(writers_end(c, "t", 0), 1);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

/* False: the time was over before the message was sent. */
static bool a_sent_message_times_out(int64_t timeout_ms)
{
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = WRITER(c, .topic = "t", .delivery_timeout_ms = timeout_ms);
    kafka_message m = {.value = KAFKA_LIT("v")};
    int result;
    writers_silence(c);
    int64_t before = kafka_now_ms();
    assert_fails(kafka_writer_write_messages(w, PATIENTLY, &m, 1, &result), KAFKA_ETIMEDOUT, "topic t");
    assert_int_equal(result, KAFKA_ETIMEDOUT);
    bool was_sent = kafka_last_written() == KAFKA_WRITTEN_MAYBE;
    assert_took(before, timeout_ms);
    kafka_writer_free(w);
    kafka_cluster_free(c);
    return was_sent;
}

static void the_delivery_timeout_is_an_outcome(void **state)
{
    (void)state;
    int64_t timeout_ms = 400;
    while (!a_sent_message_times_out(timeout_ms)) assert_true((timeout_ms *= 4) < WRITERS_PATIENCE_MS);
}

static void brokers_that_cannot_be_reached_are_named(void **state)
{
    (void)state;
    char address[32];
    int port, refusing = calls_refuse(&port);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    kafka_writer *w = writers_new(&(kafka_writer_config){.brokers = address, .topic = "t", .max_attempts = 2});
    kafka_message m = {.value = KAFKA_LIT("v")};
    int result;
    int err = kafka_writer_write_messages(w, PATIENTLY, &m, 1, &result);
    assert_int_equal(err, result);
    assert_int_not_equal(err, 0);
    assert_int_not_equal(err, KAFKA_ETIMEDOUT);
    if (!strstr(kafka_last_error(), address)) fail_msg("%s is not in: %s", address, kafka_last_error());
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    kafka_writer_free(w);
    close(refusing);
}

/* ---- for room ---------------------------------------------------------------------------------------------------- */

enum { LARGE = 60000, SMALL_BUFFER = 300000 };
static char large[LARGE];

/* A writer whose buffer is full: nothing that it sends is answered. Returns how many it took. */
static int fill(kafka_writer *w)
{
    kafka_message m = {.value = {large, LARGE}};
    for (int taken = 0;; taken++) {
        int err = kafka_writer_write_messages(w, KAFKA_WITHIN(0), &m, 1, NULL);
        if (err == KAFKA_EAGAIN) return taken;
        assert_works(err);
        assert_true(taken < 100);
    }
}

static kafka_writer *slow_writer(kafka_cluster *c, told *t)
{
    kafka_writer *w = WRITER(c, .topic = "t", .async = 1, .buffer_bytes = SMALL_BUFFER, .batch_bytes = 70000,
                             .on_delivery = t ? tell : NULL, .on_delivery_userdata = t);
    kafka_message m = {.value = KAFKA_LIT("first")};
    assert_works(kafka_writer_write_messages(w, PATIENTLY, &m, 1, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY)); /* now its partitions are known */
    return w;
}

static void without_room_a_write_waits_until_its_deadline(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    told t = {0};
    kafka_writer *w = slow_writer(c, &t);
    writers_silence(c);
    int taken = fill(w);
    assert_true(taken >= 2 && taken <= SMALL_BUFFER / LARGE);
    kafka_message m[2] = {{.value = {large, LARGE}}, {.value = {large, LARGE}}};
    int results[2] = {0};
    int64_t before = kafka_now_ms();
    assert_fails(kafka_writer_write_messages(w, KAFKA_WITHIN(300), m, 2, results), KAFKA_EAGAIN, "buffer_bytes");
    assert_true(kafka_now_ms() - before >= 300);
    assert_int_equal(results[0], KAFKA_EAGAIN);
    assert_int_equal(results[1], KAFKA_EAGAIN);
    assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_fails(kafka_writer_close(w, KAFKA_WITHIN(0)), KAFKA_ETIMEDOUT, NULL);
    assert_int_equal(t.count, 1 + taken); /* refusals have no callback */
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_write_goes_on_when_there_is_room_again(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = slow_writer(c, NULL);
    writers_delay(c, 100, 3);
    enum { COUNT = 20 };
    kafka_message m[COUNT];
    for (int i = 0; i < COUNT; i++) m[i] = (kafka_message){.value = {large, LARGE}};
    assert_works(kafka_writer_write_messages(w, PATIENTLY, m, COUNT, NULL));
    assert_works(kafka_writer_flush(w, PATIENTLY));
    assert_int_equal(writers_end(c, "t", 0), COUNT + 1);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void a_token_ends_the_wait_for_room_with_a_refusal(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = slow_writer(c, NULL);
    writers_silence(c);
    fill(w);
    fire_later f = {.cluster = c, .produces = 2};
    assert_works(kafka_cancel_new(&f.token));
    pthread_t thread = calls_start(fire, &f);
    kafka_message m = {.value = {large, LARGE}};
    kafka_ctx ctx = {.cancel = f.token};
    int result, err = kafka_writer_write_messages(w, &ctx, &m, 1, &result);
    assert_true(err == KAFKA_EAGAIN || err == KAFKA_ECANCELED); /* when it had fired before */
    assert_int_equal(result, err);
    pthread_join(thread, NULL);
    kafka_cancel_free(f.token);
    assert_fails(kafka_writer_close(w, KAFKA_WITHIN(0)), KAFKA_ETIMEDOUT, NULL);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

typedef struct closing {
    kafka_writer *writer;
    atomic_int started;
    int err, result;
} closing;

static void *write_one_more(void *arg)
{
    closing *x = arg;
    kafka_message m = {.value = {large, LARGE}};
    atomic_store(&x->started, 1);
    x->err = kafka_writer_write_messages(x->writer, PATIENTLY, &m, 1, &x->result);
    return NULL;
}

static void close_wakes_those_who_wait_for_room(void **state)
{
    (void)state;
    kafka_cluster *c = writers_cluster(1);
    kafka_writer *w = slow_writer(c, NULL);
    writers_silence(c);
    fill(w);
    closing x = {.writer = w};
    int64_t before = kafka_now_ms();
    pthread_t thread = calls_start(write_one_more, &x);
    while (!atomic_load(&x.started)) sched_yield();
    assert_fails(kafka_writer_close(w, KAFKA_WITHIN(100)), KAFKA_ETIMEDOUT, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(x.err, KAFKA_ECLOSED);
    assert_int_equal(x.result, KAFKA_ECLOSED);
    assert_true(kafka_now_ms() - before < WRITERS_PATIENCE_MS);
    kafka_writer_free(w);
    kafka_cluster_free(c);
}

static void messages_for_a_topic_that_is_not_known_yet_take_a_quarter_at_most(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_METADATA, .times = TCP_ALWAYS, .then = TCP_SILENCE, .no_answer = true});
    kafka_writer *w = writers_new(&(kafka_writer_config){.brokers = tcp_peer_address(p),
                                                         .topic = "t",
                                                         .async = 1,
                                                         .no_idempotence = 1,
                                                         .buffer_bytes = 4 * SMALL_BUFFER});
    int taken = fill(w);
    assert_true(taken >= 2 && taken <= SMALL_BUFFER / LARGE);
    assert_fails(kafka_writer_close(w, KAFKA_WITHIN(0)), KAFKA_ETIMEDOUT, NULL);
    kafka_writer_free(w);
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(at_its_deadline_a_synchronous_write_says_what_is_pending),
        API_TEST(who_gives_up_is_told_what_the_messages_wait_for),
        API_TEST(a_token_ends_the_wait_and_nothing_else),
        API_TEST(a_token_that_had_fired_before_accepts_nothing),
        API_TEST(a_deadline_that_had_passed_before_accepts_what_finds_room),
        API_TEST(the_delivery_timeout_is_an_outcome),
        API_TEST(brokers_that_cannot_be_reached_are_named),
        API_TEST(without_room_a_write_waits_until_its_deadline),
        API_TEST(a_write_goes_on_when_there_is_room_again),
        API_TEST(a_token_ends_the_wait_for_room_with_a_refusal),
        API_TEST(close_wakes_those_who_wait_for_room),
        API_TEST(messages_for_a_topic_that_is_not_known_yet_take_a_quarter_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
