/* public_test.c: the functions of kafka/testing.h: what they take, from where they may be called, on whose loop. */
#include "testing/client.h"
#include "wire/prim.h"
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- configurations ---------------------------------------------------------------------------------------------- */

static void a_configuration_may_be_missing_shorter_or_longer(void **state)
{
    (void)state;
    kafka_cluster *c = NULL;
    works(kafka_cluster_new(NULL, &c));
    assert_null(strchr(kafka_cluster_bootstrap(c), ','));
    assert_int_equal(strncmp(kafka_cluster_bootstrap(c), "127.0.0.1:", 10), 0);
    kafka_cluster_free(c);
    kafka_cluster_config cfg = {.brokers = 2, .partitions = 7, .no_auto_create = 1};
    works(kafka_cluster_new_sized(&cfg, offsetof(kafka_cluster_config, partitions), &c)); /* an older program's */
    assert_non_null(strchr(kafka_cluster_bootstrap(c), ','));
    works(kafka_cluster_create_topic(c, "t", 0));
    assert_int_equal(end_of(c, "t", 0), 0);
    fails(kafka_cluster_log_size(c, "t", 1, NULL, NULL), KAFKA_EINVAL, "partitions 0 to 0");
    kafka_cluster_free(c);
    struct {
        kafka_cluster_config known;
        int64_t more;
    } longer = {.known = cfg};
    works(kafka_cluster_new_sized(&longer.known, sizeof longer, &c)); /* a newer one's, which wants nothing new */
    works(kafka_cluster_create_topic(c, "t", 0));
    assert_int_equal(end_of(c, "t", 6), 0);
    kafka_cluster_free(c);
    longer.more = 1;
    fails(kafka_cluster_new_sized(&longer.known, sizeof longer, &c), KAFKA_EINVAL, "does not know");
}

static void configurations_that_cannot_be_are_refused(void **state)
{
    (void)state;
    kafka_cluster *c = NULL;
#define REFUSED(part, ...) fails(kafka_cluster_new(&(kafka_cluster_config){__VA_ARGS__}, &c), KAFKA_EINVAL, part)
    REFUSED("brokers is -1", .brokers = -1);
    REFUSED("brokers is 101", .brokers = 101);
    REFUSED("base_port", .base_port = -1);
    REFUSED("base_port 65535 leaves no ports for 2", .base_port = 65535, .brokers = 2);
    REFUSED("base_port", .base_port = INT32_MAX);
    REFUSED("partitions is -1", .partitions = -1);
    REFUSED("partitions", .partitions = INT32_MAX);
    REFUSED("\"localhost\" is no numeric address", .host = "localhost");
    REFUSED("no numeric address", .host = "");
    fails(kafka_cluster_new(NULL, NULL), KAFKA_EINVAL, "out is NULL");
    assert_null(c);
}

static void brokers_take_ports_one_behind_the_other_or_say_which_is_taken(void **state)
{
    (void)state;
    kafka_cluster *c = NULL, *other = NULL;
    int32_t port = 0;
    char expected[64], taken[64];
    for (int32_t at = 23500; port == 0 && at < 23560; at += 4) { /* somebody else may be there */
        if (kafka_cluster_new(&(kafka_cluster_config){.brokers = 3, .base_port = at}, &c) == 0) port = at;
    }
    assert_true(port > 0);
    snprintf(expected, sizeof expected, "127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d", port, port + 1, port + 2);
    assert_string_equal(kafka_cluster_bootstrap(c), expected);
    snprintf(taken, sizeof taken, "broker 2: listening at 127.0.0.1:%d: bind", port);
    fails(kafka_cluster_new(&(kafka_cluster_config){.brokers = 2, .base_port = port - 1}, &other), KAFKA_EIO, taken);
    kafka_cluster_free(c);
    works(kafka_cluster_new(&(kafka_cluster_config){.base_port = port}, &c)); /* free again at once */
    kafka_cluster_free(c);
}

static void it_listens_at_other_addresses(void **state)
{
    (void)state;
    kafka_cluster *c = NULL;
    works(kafka_cluster_new(&(kafka_cluster_config){.host = "127.0.0.2"}, &c));
    assert_int_equal(strncmp(kafka_cluster_bootstrap(c), "127.0.0.2:", 10), 0);
    kafka_conn_free(dial(c));
    kafka_cluster_free(c);
    if (kafka_cluster_new(&(kafka_cluster_config){.host = "::1", .brokers = 2}, &c) != 0) {
        assert_int_equal(kafka_cluster_new(&(kafka_cluster_config){.host = "::1"}, &c), KAFKA_EIO);
        return; /* this machine has no IPv6 */
    }
    assert_int_equal(strncmp(kafka_cluster_bootstrap(c), "[::1]:", 6), 0);
    works(kafka_cluster_create_topic(c, "t", 2));
    kafka_conn_free(dial_leader(c, "t", 1)); /* as advertised */
    kafka_cluster_free(c);
}

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static void a_null_or_unknown_argument_is_refused_with_its_name(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(2, 2);
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_DROP, -1);
    int32_t broker;
    int64_t start, end;
    fails(kafka_cluster_create_topic(NULL, "t", 1), KAFKA_EINVAL, "kafka_cluster_create_topic: the cluster is NULL");
    fails(kafka_cluster_delete_topic(NULL, "t"), KAFKA_EINVAL, "kafka_cluster_delete_topic: the cluster");
    fails(kafka_cluster_leader(NULL, "t", 0, &broker), KAFKA_EINVAL, "kafka_cluster_leader: the cluster");
    fails(kafka_cluster_move_leader(NULL, "t", 0, 1), KAFKA_EINVAL, "kafka_cluster_move_leader: the cluster");
    fails(kafka_cluster_stop_broker(NULL, 1), KAFKA_EINVAL, "kafka_cluster_stop_broker: the cluster");
    fails(kafka_cluster_start_broker(NULL, 1), KAFKA_EINVAL, "kafka_cluster_start_broker: the cluster");
    fails(kafka_cluster_log_size(NULL, "t", 0, &start, &end), KAFKA_EINVAL, "kafka_cluster_log_size: the cluster");
    fails(kafka_cluster_expire_producers(NULL, "t", 0, -1), KAFKA_EINVAL, "kafka_cluster_expire_producers: the");
    fails(kafka_cluster_hold_replication(NULL, "t", 0, 1), KAFKA_EINVAL, "kafka_cluster_hold_replication: the");
    fails(kafka_cluster_set_disk_delay(NULL, 1, 1), KAFKA_EINVAL, "kafka_cluster_set_disk_delay: the cluster");
    fails(kafka_cluster_set_memory_limit(NULL, 1), KAFKA_EINVAL, "kafka_cluster_set_memory_limit: the cluster");
    fails(kafka_cluster_add_fault(NULL, &f), KAFKA_EINVAL, "kafka_cluster_add_fault: the cluster");
    fails(kafka_cluster_set_listener(NULL, NULL), KAFKA_EINVAL, "kafka_cluster_set_listener: the cluster");
    assert_int_equal(kafka_cluster_faults_met(NULL), -1);
    assert_int_equal(kafka_cluster_requests(NULL, -1), -1);
    assert_string_equal(kafka_cluster_bootstrap(NULL), "");
    kafka_cluster_clear_faults(NULL);
    kafka_cluster_free(NULL);

    fails(kafka_cluster_create_topic(c, NULL, 1), KAFKA_EINVAL, "the topic is NULL");
    fails(kafka_cluster_create_topic(c, "a b", 1), KAFKA_ERR_INVALID_TOPIC, "other characters");
    fails(kafka_cluster_create_topic(c, "t", 1), KAFKA_ERR_TOPIC_ALREADY_EXISTS, "exists");
    fails(kafka_cluster_create_topic(c, "u", -1), KAFKA_ERR_INVALID_PARTITIONS, "one partition");
    fails(kafka_cluster_delete_topic(c, NULL), KAFKA_EINVAL, "the topic is NULL");
    fails(kafka_cluster_delete_topic(c, "u"), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "no topic u");
    fails(kafka_cluster_leader(c, "t", 2, &broker), KAFKA_EINVAL, "partitions 0 to 1, not 2");
    fails(kafka_cluster_leader(c, "t", -1, &broker), KAFKA_EINVAL, "not -1");
    fails(kafka_cluster_move_leader(c, "t", 0, 3), KAFKA_EINVAL, "the brokers are 1 to 2, not 3");
    fails(kafka_cluster_move_leader(c, "t", 0, 0), KAFKA_EINVAL, "not 0");
    fails(kafka_cluster_stop_broker(c, 3), KAFKA_EINVAL, "not 3");
    fails(kafka_cluster_start_broker(c, -1), KAFKA_EINVAL, "not -1");
    fails(kafka_cluster_log_size(c, "u", 0, &start, &end), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "no topic u");
    fails(kafka_cluster_expire_producers(c, "t", 5, -1), KAFKA_EINVAL, "not 5");
    fails(kafka_cluster_hold_replication(c, NULL, 0, 1), KAFKA_EINVAL, "the topic is NULL");
    fails(kafka_cluster_set_disk_delay(c, 1, -1), KAFKA_EINVAL, "delay_ms is negative");
    fails(kafka_cluster_set_disk_delay(c, 9, 1), KAFKA_EINVAL, "not 9");
    fails(kafka_cluster_set_memory_limit(c, 0), KAFKA_EINVAL, "bytes is 0");
    assert_int_equal(kafka_cluster_requests(c, 1000), -1);
    assert_non_null(strstr(kafka_last_error(), "1000 is no API key"));
    works(kafka_cluster_leader(c, "t", 0, NULL));
    works(kafka_cluster_log_size(c, "t", 0, NULL, NULL));
    works(kafka_cluster_stop_broker(c, 2));
    fails(kafka_cluster_move_leader(c, "t", 0, 2), KAFKA_EINVAL, "broker 2 is stopped");
    kafka_cluster_free(c);
}

/* ---- what is bounded --------------------------------------------------------------------------------------------- */

static void memory_is_bounded_and_a_message_beyond_it_is_an_error_to_its_writer(void **state)
{
    (void)state;
    enum { LIMIT = 200000 };
    static char large[100000];
    kafka_cluster *c = cluster_with(1, 2);
    kafka_conn *conns[2] = {dial_leader(c, "t", 0), dial_leader(c, "t", 1)};
    kafka_message *m = NULL;
    int64_t start = 0, end = 0;
    works(kafka_cluster_set_memory_limit(c, LIMIT));
    works(kafka_conn_write(conns[1], "the oldest", 10));
    for (int i = 0; i < 50; i++) works(kafka_conn_write(conns[0], large, 20000));
    works(kafka_cluster_log_size(c, "t", 0, &start, &end));
    assert_int_equal(end, 50);
    assert_in_range(start, 40, 45);
    works(kafka_cluster_log_size(c, "t", 1, &start, &end)); /* oldest of the cluster, whichever partition */
    assert_true(start == 1 && end == 1);
    works(kafka_conn_seek(conns[0], 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    assert_int_equal(kafka_conn_read_message(conns[0], 0, &m), KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    works(kafka_conn_seek(conns[0], 0, KAFKA_SEEK_START, NULL));
    works(kafka_conn_read_message(conns[0], 0, &m));
    assert_int_equal(m->value.len, 20000);
    kafka_message_free(m);
    works(kafka_cluster_set_memory_limit(c, 50000));
    fails(kafka_conn_write(conns[0], large, sizeof large), KAFKA_ERR_KAFKA_STORAGE_ERROR, "memory of the cluster");
    works(kafka_cluster_log_size(c, "t", 0, &start, &end));
    assert_true(start < end && end == 50);
    works(kafka_conn_write(conns[0], large, 20000));
    kafka_conn_free(conns[0]);
    kafka_conn_free(conns[1]);
    kafka_cluster_free(c);
}

/* ---- producers --------------------------------------------------------------------------------------------------- */

static int16_t produce_as(int fd, int64_t producer_id, int32_t sequence, const batch_bytes *batch, int64_t *base,
                          int64_t *time)
{
    produce_one p;
    wire_answer a;
    kfk_prim_put_be64(batch->data + 43, (uint64_t)producer_id);
    kfk_prim_put_be16(batch->data + 51, 0);
    kfk_prim_put_be32(batch->data + 53, (uint32_t)sequence);
    batch_seal(&(batch_bytes){batch->data, batch->len, batch->len}, 0);
    wire_send(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 1, produce_of(&p, -1, 1000, batch));
    wire_expect(fd, KFK_API_PRODUCE, PRODUCE_VERSION, 1, &a);
    int16_t code = produced(&a)->error_code;
    if (base) *base = produced(&a)->base_offset;
    if (time) *time = produced(&a)->log_append_time_ms;
    wire_answer_free(&a);
    return code;
}

static void producers_are_remembered_restarted_and_expired(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    int fd = wire_dial(c, 1);
    batch_bytes batch = {0};
    int64_t base;
    BATCH(&batch, .count = 1, .producer_id = 7, .time_ms = (int64_t)time(NULL) * 1000);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(produce_as(fd, 7, i, &batch, &base, NULL), 0);
        assert_int_equal(base, i);
    }
    assert_int_equal(produce_as(fd, 7, 1, &batch, &base, NULL), 0); /* a duplicate */
    assert_int_equal(base, 1);
    assert_int_equal(produce_as(fd, 7, 9, &batch, NULL, NULL), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    works(kafka_cluster_stop_broker(c, 1));
    works(kafka_cluster_start_broker(c, 1));
    close(fd);
    fd = wire_dial(c, 1);
    assert_int_equal(produce_as(fd, 7, 2, &batch, &base, NULL), 0); /* the newest is still known */
    assert_int_equal(base, 2);
    assert_int_equal(produce_as(fd, 7, 1, &batch, NULL, NULL), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    works(kafka_cluster_expire_producers(c, "t", 0, 8));
    assert_int_equal(produce_as(fd, 7, 9, &batch, NULL, NULL), KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    works(kafka_cluster_expire_producers(c, "t", 0, 7));
    assert_int_equal(produce_as(fd, 7, 9, &batch, &base, NULL), 0);
    assert_int_equal(base, 3);
    batch_free(&batch);
    close(fd);
    kafka_cluster_free(c);
}

static void a_duplicate_has_the_time_of_its_first_arrival(void **state)
{
    (void)state;
    kafka_cluster *c = NULL;
    works(kafka_cluster_new(NULL, &c));
    kafka_conn *conn = dial(c);
    kafka_config_entry entry = {.name = "message.timestamp.type", .value = "LogAppendTime"};
    kafka_topic_config topic = {
        .topic = "t", .entries = &entry, .entry_count = 1, .num_partitions = 1, .replication_factor = 1};
    works(kafka_conn_create_topics(conn, &topic, 1, NULL));
    int fd = wire_dial(c, 1);
    batch_bytes batch = {0};
    int64_t first = 0, again = 0, now = (int64_t)time(NULL) * 1000;
    BATCH(&batch, .count = 1, .producer_id = 7, .time_ms = now - 3600000);
    assert_int_equal(produce_as(fd, 7, 0, &batch, NULL, &first), 0);
    assert_true(first >= now - 1000);
    assert_int_equal(produce_as(fd, 7, 0, &batch, NULL, &again), 0);
    assert_int_equal(again, first);
    batch_free(&batch);
    close(fd);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

/* ---- watching ---------------------------------------------------------------------------------------------------- */

typedef struct heard {
    pthread_mutex_t lock;
    int requests, answers;
    char request[256], answer[256], client[32];
    int32_t api, correlation_id, answered_id, broker, connection;
} heard;

static void note(void *userdata, const kafka_cluster_event *e)
{
    heard *h = userdata;
    pthread_mutex_lock(&h->lock);
    if (e->api == KAFKA_REQUEST_PRODUCE) {
        (*(e->is_answer ? &h->answers : &h->requests))++;
        snprintf(e->is_answer ? h->answer : h->request, sizeof h->answer, "%s", e->text);
        snprintf(h->client, sizeof h->client, "%.*s", (int)e->client_id.len, (const char *)e->client_id.data);
        h->api = e->api;
        *(e->is_answer ? &h->answered_id : &h->correlation_id) = e->correlation_id;
        h->broker = e->broker;
        h->connection = e->connection;
    }
    pthread_mutex_unlock(&h->lock);
}

static void a_listener_hears_requests_and_answers_as_text(void **state)
{
    (void)state;
    heard h = {.lock = PTHREAD_MUTEX_INITIALIZER};
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = NULL;
    kafka_dialer d = {.client_id = "me"};
    works(kafka_dial_leader(&d, KAFKA_WITHIN(PATIENCE_MS), kafka_cluster_bootstrap(c), "t", 0, &conn));
    works(kafka_cluster_set_listener(c, &(kafka_cluster_listener){note, &h}));
    works(write_value(conn, "a"));
    works(kafka_cluster_set_listener(c, NULL));
    works(write_value(conn, "b"));
    assert_int_equal(h.requests, 1);
    assert_int_equal(h.answers, 1);
    assert_non_null(strstr(h.request, "acks=-1"));
    assert_non_null(strstr(h.answer, "base_offset=0"));
    assert_string_equal(h.client, "me");
    assert_int_equal(h.correlation_id, h.answered_id);
    assert_int_equal(h.broker, 1);
    assert_true(h.connection >= 1);
    assert_int_equal(kafka_cluster_requests(c, KAFKA_REQUEST_PRODUCE), 2);
    assert_true(kafka_cluster_requests(c, -1) > 4);
    assert_int_equal(kafka_cluster_requests(c, KAFKA_REQUEST_END_TXN), 0);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void keep_briefly(kafka_cluster *c, void *arg)
{
    const char *why;
    kft_settings *s = &kft_topic_find(&c->topics, kafka_str(arg))->settings;
    kft_settings_set(s, KAFKA_LIT("retention.ms"), KAFKA_LIT("50"), &why);
    if (strcmp(arg, "compacted") == 0) kft_settings_set(s, KAFKA_LIT("cleanup.policy"), KAFKA_LIT("compact"), &why);
}

/* Whoever looks, with nobody writing any more. */
static void messages_go_when_they_are_too_old_but_for_those_of_compacted_topics(void **state)
{
    (void)state;
    char compacted[] = "compacted", t[] = "t";
    kafka_cluster *c = cluster_with(1, 1);
    works(kafka_cluster_create_topic(c, compacted, 1));
    kafka_conn *conn = dial_leader(c, t, 0), *other = dial_leader(c, compacted, 0);
    int64_t start = 0, end, until = kafka_deadline_in(PATIENCE_MS);
    int fd = wire_dial(c, 1);
    int16_t code = 0;
    kafka_message *m = NULL;
    works(write_value(conn, "a"));
    works(write_value(other, "b"));
    inside(c, keep_briefly, t);
    inside(c, keep_briefly, compacted);
    while (code == 0) {
        fetch_one f;
        wire_answer a;
        wire_send(fd, KFK_API_FETCH, FETCH_VERSION, 1, fetch_of(&f, 0, 0));
        wire_expect(fd, KFK_API_FETCH, FETCH_VERSION, 1, &a);
        code = fetched(&a)->error_code;
        wire_answer_free(&a);
        assert_true(kafka_now_ms() < until);
    }
    assert_int_equal(code, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    close(fd);
    works(kafka_cluster_log_size(c, t, 0, &start, &end));
    assert_true(start == 1 && end == 1);
    works(write_value(conn, "c"));
    while (start == 1) {
        works(kafka_cluster_log_size(c, t, 0, &start, &end));
        assert_true(kafka_now_ms() < until);
        sched_yield();
    }
    assert_true(start == 2 && end == 2);
    works(kafka_cluster_log_size(c, compacted, 0, &start, &end));
    assert_true(start == 0 && end == 1);
    works(kafka_conn_read_message(other, 0, &m));
    kafka_message_free(m);
    kafka_conn_free(conn);
    kafka_conn_free(other);
    kafka_cluster_free(c);
}

static void keep_little(kafka_cluster *c, void *arg)
{
    const char *why;
    kft_topic *t = kft_topic_find(&c->topics, KAFKA_LIT("t"));
    char bytes[24];
    snprintf(bytes, sizeof bytes, "%zu", (size_t)2 * kft_log_at(&t->partitions[0]->log, 0)->len);
    *(int16_t *)arg = kft_settings_set(&t->settings, KAFKA_LIT("retention.bytes"), kafka_str(bytes), &why);
}

static void the_oldest_messages_go_beyond_the_bytes_of_a_topic(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial_leader(c, "t", 0);
    int16_t code = -1;
    int64_t start, end;
    works(write_value(conn, "v"));
    inside(c, keep_little, &code); /* two messages */
    assert_int_equal(code, 0);
    for (int64_t i = 2; i <= 6; i++) {
        works(write_value(conn, "v"));
        works(kafka_cluster_log_size(c, "t", 0, &start, &end));
        assert_int_equal(end, i);
        assert_int_equal(start, i - 2);
    }
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

typedef struct long_answer {
    int heard;
    size_t len;
    char end[4];
} long_answer;

static void note_metadata(void *userdata, const kafka_cluster_event *e)
{
    long_answer *a = userdata;
    if (e->api != KAFKA_REQUEST_METADATA || !e->is_answer) return;
    a->heard++;
    a->len = strlen(e->text);
    memcpy(a->end, e->text + a->len - 3, 4);
}

static void a_text_that_gets_too_long_is_heard_cut_off(void **state)
{
    (void)state;
    long_answer a = {0};
    kafka_cluster *c = cluster_with(1, 1);
    kafka_conn *conn = dial(c);
    kafka_partitions *list = NULL;
    char name[16];
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof name, "wide-%d", i);
        works(kafka_cluster_create_topic(c, name, 64));
    }
    works(kafka_cluster_set_listener(c, &(kafka_cluster_listener){note_metadata, &a}));
    works(kafka_conn_read_partitions(conn, NULL, 0, &list));
    works(kafka_cluster_set_listener(c, NULL));
    assert_int_equal(a.heard, 1);
    assert_in_range(a.len, 60000, 65536);
    assert_string_equal(a.end, "...");
    kafka_partitions_free(list);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

typedef struct lines {
    pthread_mutex_t lock;
    int produce, others;
} lines;

static void count_lines(void *userdata, kafka_log_level level, const char *line)
{
    lines *l = userdata;
    pthread_mutex_lock(&l->lock);
    if (level == KAFKA_LOG_DEBUG && strstr(line, "acks=")) l->produce++;
    if (level < KAFKA_LOG_DEBUG) l->others++;
    pthread_mutex_unlock(&l->lock);
}

static void a_logger_gets_requests_at_debug_and_events_at_info(void **state)
{
    (void)state;
    for (kafka_log_level most = KAFKA_LOG_INFO; most <= KAFKA_LOG_DEBUG; most++) {
        lines l = {.lock = PTHREAD_MUTEX_INITIALIZER};
        kafka_logger logger = {.log = count_lines, .userdata = &l, .max_level = most};
        kafka_cluster *c = NULL;
        works(kafka_cluster_new(&(kafka_cluster_config){.brokers = 2, .logger = &logger}, &c));
        works(kafka_cluster_create_topic(c, "t", 1));
        kafka_conn *conn = dial_leader(c, "t", 0);
        works(write_value(conn, "a"));
        works(kafka_cluster_move_leader(c, "t", 0, 2));
        kafka_conn_free(conn);
        kafka_cluster_free(c);
        assert_int_equal(l.produce, most == KAFKA_LOG_DEBUG);
        assert_true(l.others >= 1);
    }
}

/* ---- callbacks, threads, loops ----------------------------------------------------------------------------------- */

typedef struct tried {
    kafka_cluster *cluster;
    int codes[3];
    int64_t requests;
    bool done;
} tried;

static void try_to_wait(void *userdata, const kafka_cluster_event *e)
{
    tried *t = userdata;
    kafka_cluster *other = NULL;
    (void)e;
    if (t->done) return;
    t->codes[0] = kafka_cluster_create_topic(t->cluster, "u", 1);
    t->codes[1] = kafka_cluster_new(NULL, &other);
    t->codes[2] = kafka_cluster_set_listener(t->cluster, NULL);
    t->requests = kafka_cluster_requests(t->cluster, -1);
    kafka_cluster_free(t->cluster); /* cannot, and says so in kafka_last_error alone */
    t->done = true;
}

static void in_a_callback_nothing_waits(void **state)
{
    (void)state;
    tried t = {.cluster = cluster_with(1, 1)};
    works(kafka_cluster_set_listener(t.cluster, &(kafka_cluster_listener){try_to_wait, &t}));
    kafka_conn *conn = dial(t.cluster);
    works(kafka_cluster_set_listener(t.cluster, NULL));
    for (int i = 0; i < 3; i++) assert_int_equal(t.codes[i], KAFKA_EAGAIN);
    assert_int_equal(t.requests, -1);
    kafka_conn_free(conn);
    works(kafka_cluster_create_topic(t.cluster, "u", 1));
    kafka_cluster_free(t.cluster);
}

typedef struct worker {
    kafka_cluster *cluster;
    int number, bad;
} worker;

static void *work(void *arg)
{
    worker *w = arg;
    char topic[16];
    snprintf(topic, sizeof topic, "own-%d", w->number);
    for (int i = 0; i < 30; i++) {
        kafka_conn *conn = NULL;
        kafka_fault f = kafka_fault_on(KAFKA_FAULT_DELAY, KAFKA_REQUEST_PRODUCE);
        int64_t end = -1;
        f.topic = topic;
        f.delay_ms = 1;
        w->bad += kafka_cluster_create_topic(w->cluster, topic, 2) != 0;
        w->bad += kafka_cluster_add_fault(w->cluster, &f) != 0;
        w->bad += kafka_dial_leader(NULL, KAFKA_WITHIN(PATIENCE_MS), kafka_cluster_bootstrap(w->cluster), topic, 1,
                                    &conn) != 0;
        w->bad += !conn || kafka_conn_write(conn, "v", 1) != 0;
        w->bad += kafka_cluster_log_size(w->cluster, topic, 1, NULL, &end) != 0 || end != 1;
        kafka_conn_free(conn);
        w->bad += kafka_cluster_move_leader(w->cluster, topic, 1, 1) != 0;
        w->bad += kafka_cluster_delete_topic(w->cluster, topic) != 0;
        w->bad += kafka_cluster_faults_met(w->cluster) < 1;
    }
    return NULL;
}

static void several_threads_use_it_at_once(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    kafka_cluster *c = cluster_with(2, 1);
    pthread_t threads[THREADS];
    worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.cluster = c, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].bad, 0);
    }
    assert_int_equal(kafka_cluster_faults_met(c), THREADS * 30);
    kafka_cluster_free(c);
}

/* Cluster and client on one loop. */
static void share(kafka_loop *loop)
{
    kafka_cluster *c = NULL;
    kafka_conn *conn = NULL;
    kafka_message *m = NULL;
    kafka_dialer d = {.loop = loop};
    works(kafka_cluster_new(&(kafka_cluster_config){.loop = loop, .brokers = 2}, &c));
    works(kafka_cluster_create_topic(c, "t", 1));
    works(kafka_dial_leader(&d, KAFKA_WITHIN(PATIENCE_MS), kafka_cluster_bootstrap(c), "t", 0, &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    works(write_value(conn, "a"));
    works(kafka_conn_read_message(conn, 0, &m));
    assert_int_equal(m->value.len, 1);
    kafka_message_free(m);
    works(kafka_cluster_stop_broker(c, 1));
    assert_int_not_equal(write_value(conn, "b"), 0);
    kafka_conn_free(conn);
    kafka_cluster_free(c);
}

static void it_runs_on_a_loop_of_the_applications(void **state)
{
    (void)state;
    kafka_loop *loop;
    kafka_cluster *c = NULL;
    works(kafka_loop_new(NULL, &loop));
    share(loop);
    share(loop);
    works(kafka_cluster_new(&(kafka_cluster_config){.loop = loop}, &c));
    kafka_loop_free(loop); /* goes on while the cluster uses it */
    kafka_conn_free(dial(c));
    kafka_cluster_free(c);
}

static void it_runs_on_a_manual_loop(void **state)
{
    (void)state;
    kafka_loop *loop;
    kafka_cluster *c = NULL;
    works(kafka_loop_new(&(kafka_loop_config){.manual = 1}, &loop));
    share(loop); /* the blocking calls turn it */
    works(kafka_cluster_new(&(kafka_cluster_config){.loop = loop}, &c));
    int fd = wire_dial(c, 1);
    wire_send_bytes(fd, "\0\0\0\x0b\0\x12\0\0\0\0\0\x09\xff\xff\0",
                    14); /* half an ApiVersions: needs turns to be read */
    assert_true(wire_is_quiet(fd));
    wire_send_bytes(fd, "\0", 1);
    for (int64_t until = kafka_deadline_in(PATIENCE_MS); wire_is_quiet(fd);) {
        works(kafka_loop_run(loop));
        if (kafka_now_ms() > until) fail_msg("no answer comes");
    }
    close(fd);
    kafka_cluster_free(c);
    kafka_loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_configuration_may_be_missing_shorter_or_longer),
        MEMCHECK_TEST(configurations_that_cannot_be_are_refused),
        MEMCHECK_TEST(brokers_take_ports_one_behind_the_other_or_say_which_is_taken),
        MEMCHECK_TEST(it_listens_at_other_addresses),
        MEMCHECK_TEST(a_null_or_unknown_argument_is_refused_with_its_name),
        MEMCHECK_TEST(memory_is_bounded_and_a_message_beyond_it_is_an_error_to_its_writer),
        MEMCHECK_TEST(producers_are_remembered_restarted_and_expired),
        MEMCHECK_TEST(a_duplicate_has_the_time_of_its_first_arrival),
        MEMCHECK_TEST(a_listener_hears_requests_and_answers_as_text),
        MEMCHECK_TEST(messages_go_when_they_are_too_old_but_for_those_of_compacted_topics),
        MEMCHECK_TEST(the_oldest_messages_go_beyond_the_bytes_of_a_topic),
        MEMCHECK_TEST(a_text_that_gets_too_long_is_heard_cut_off),
        MEMCHECK_TEST(a_logger_gets_requests_at_debug_and_events_at_info),
        MEMCHECK_TEST(in_a_callback_nothing_waits),
        MEMCHECK_TEST(several_threads_use_it_at_once),
        MEMCHECK_TEST(it_runs_on_a_loop_of_the_applications),
        MEMCHECK_TEST(it_runs_on_a_manual_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
