/* See the header. The witness is a thread with a connection to an honest broker of its own: asked, it writes a message
 * and reads it back. */
#include "hostile/hostile.h"
#include "base/time.h"
#include <time.h>

enum { MIB = 1024 * 1024, PATIENCE_MS = 20000 };

/* ---- the witness ------------------------------------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    tcp_peer *broker;
    int asked, done;
    bool stop;
    char failure[512];
} witness = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* One message there and back; why not, or NULL. */
static const char *write_and_read(kafka_conn *c, int number)
{
    kafka_message *m = NULL;
    char value[16];
    int len = snprintf(value, sizeof value, "w%d", number);
    kafka_conn_set_deadline(c, kafka_deadline_in(PATIENCE_MS));
    if (kafka_conn_write(c, value, (size_t)len) != 0 || kafka_conn_read_message(c, 0, &m) != 0)
        return kafka_last_error();
    bool same = m->offset == number && m->value.len == (size_t)len && memcmp(m->value.data, value, m->value.len) == 0;
    kafka_message_free(m);
    return same ? NULL : "another message came";
}

static void *bear_witness(void *arg)
{
    kafka_conn *c = NULL;
    const char *why = NULL;
    (void)arg;
    if (kafka_dial_leader(NULL, NULL, tcp_peer_address(witness.broker), "t", 0, &c) != 0) why = kafka_last_error();
    pthread_mutex_lock(&witness.lock);
    while (!witness.stop) {
        if (witness.asked == witness.done) {
            pthread_cond_wait(&witness.changed, &witness.lock);
            continue;
        }
        pthread_mutex_unlock(&witness.lock);
        if (!why) why = write_and_read(c, witness.done);
        pthread_mutex_lock(&witness.lock);
        if (why && !witness.failure[0]) snprintf(witness.failure, sizeof witness.failure, "%s", why);
        witness.done++;
        pthread_cond_broadcast(&witness.changed);
    }
    pthread_mutex_unlock(&witness.lock);
    kafka_conn_free(c);
    return NULL;
}

void hostile_witness_begin(void)
{
    pthread_mutex_lock(&witness.lock);
    witness.asked++;
    pthread_cond_broadcast(&witness.changed);
    pthread_mutex_unlock(&witness.lock);
}

static void wait_for_witness(void)
{
    char failure[sizeof witness.failure];
    int64_t until_ms = kfk_time_now_ms() + 2 * PATIENCE_MS;
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000)};
    pthread_mutex_lock(&witness.lock);
    while (witness.done < witness.asked && kfk_time_now_ms() < until_ms)
        pthread_cond_timedwait(&witness.changed, &witness.lock, &until);
    if (witness.done < witness.asked) snprintf(witness.failure, sizeof witness.failure, "it takes for ever");
    memcpy(failure, witness.failure, sizeof failure);
    pthread_mutex_unlock(&witness.lock);
    if (failure[0]) fail_msg("the honest broker could not be used: %s", failure);
}

void hostile_witness_end(void)
{
    wait_for_witness();
    hostile_witness_begin();
    wait_for_witness();
}

int hostile_setup(void **state)
{
    pthread_condattr_t attr;
    memcheck_setup(state);
    memcheck_set_plain(true);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&witness.changed, &attr);
    pthread_condattr_destroy(&attr);
    witness.stop = false;
    witness.asked = witness.done = 0;
    witness.failure[0] = '\0';
    witness.broker = tcp_peer_new(NULL, 0);
    witness.thread = calls_start(bear_witness, NULL);
    hostile_witness_begin(); /* so that what it takes for itself is there before anything is measured */
    wait_for_witness();
    return 0;
}

int hostile_teardown(void **state)
{
    pthread_mutex_lock(&witness.lock);
    witness.stop = true;
    pthread_cond_broadcast(&witness.changed);
    pthread_mutex_unlock(&witness.lock);
    pthread_join(witness.thread, NULL);
    tcp_peer_free(witness.broker);
    pthread_cond_destroy(&witness.changed);
    return calls_teardown(state);
}

/* ---- the calls --------------------------------------------------------------------------------------------------- */

static const struct {
    int16_t api;
    const char *name;
} apis[] = {[HOSTILE_DIAL] = {KFK_API_API_VERSIONS, "ApiVersions"},
            [HOSTILE_METADATA] = {KFK_API_METADATA, "Metadata"},
            [HOSTILE_OFFSETS] = {KFK_API_LIST_OFFSETS, "ListOffsets"},
            [HOSTILE_WRITE] = {KFK_API_PRODUCE, "Produce"},
            [HOSTILE_READ] = {KFK_API_FETCH, "Fetch"}};

const char *hostile_api_name(hostile_call call)
{
    return apis[call].name;
}

int hostile_do(hostile_call call, kafka_conn *c)
{
    kafka_partitions *list = NULL;
    kafka_message *m = NULL;
    int64_t first;
    int err = KAFKA_EINVAL;
    switch (call) {
    case HOSTILE_METADATA: err = kafka_conn_read_partitions(c, NULL, 0, &list); break;
    case HOSTILE_OFFSETS: err = kafka_conn_read_first_offset(c, &first); break;
    case HOSTILE_WRITE: err = kafka_conn_write(c, "x", 1); break;
    case HOSTILE_READ: err = kafka_conn_read_message(c, 0, &m); break;
    case HOSTILE_DIAL: break;
    }
    kafka_partitions_free(list);
    kafka_message_free(m);
    return err;
}

/* ---- one row ----------------------------------------------------------------------------------------------------- */

static void check_sentence(const hostile_case *k, const tcp_peer *p)
{
    const char *parts[] = {k->part ? k->part : "", tcp_peer_address(p), apis[k->call].name};
    for (size_t i = 0; i < 3; i++) {
        if (!strstr(kafka_last_error(), parts[i]))
            fail_msg("%s: \"%s\" is not in: %s", k->what, parts[i], kafka_last_error());
    }
    for (const char *s = kafka_last_error(); *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) fail_msg("%s: a control character in the sentence", k->what);
    }
}

static void check_code(const hostile_case *k, int got, int code, const char *when)
{
    if (got != code) fail_msg("%s: %d%s, not %d: %s", k->what, got, when, code, kafka_last_error());
}

/* The peer's side is closed, and the next call ends at once as the one before. */
static void check_closed(const hostile_case *k, tcp_peer *p, kafka_conn *c, int code)
{
    int64_t before = kafka_now_ms();
    if (!tcp_peer_is_left_alone(p)) fail_msg("%s: the connection is still open", k->what);
    if (!c) return;
    check_code(k, hostile_do(k->call, c), code, " on the closed connection");
    if (k->call == HOSTILE_WRITE) assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
    assert_took(before, 0);
}

static tcp_peer *make_peer(const hostile_case *k)
{
    static const tcp_rule none[1];
    batch_bytes log = {0};
    tcp_peer *p = tcp_peer_new(none, 0);
    BATCH(&log, .base = 0, .count = 3);
    calls_fill(p, &log, 3);
    const kfk_api *api = kfk_api_find(apis[k->call].api);
    if (k->version > 0) tcp_peer_set_versions(p, api->key, api->min_version, k->version);
    return p;
}

static void add_rule(const hostile_case *k, tcp_peer *p)
{
    tcp_rule rule = k->rule;
    if (rule.api == 0) rule.api = apis[k->call].api;
    tcp_peer_add_rules(p, &rule, 1);
}

static void run(const hostile_case *k)
{
    int code = k->code ? k->code : KAFKA_EPROTO;
    tcp_peer *p = make_peer(k);
    kafka_conn *c = NULL;
    if (k->call != HOSTILE_DIAL) c = calls_dial(p, 0);
    if (k->call == HOSTILE_READ) assert_works(kafka_conn_seek(c, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    add_rule(k, p);
    hostile_witness_begin();
    size_t before = memcheck_bytes(); /* of which the loop may just be giving something back */
    memcheck_peak_begin();
    int64_t asked = kafka_now_ms();
    int got = c ? hostile_do(k->call, c) : kafka_dial(NULL, NULL, tcp_peer_address(p), &c);
    size_t more = memcheck_peak() > before ? memcheck_peak() - before : 0;
    check_code(k, got, code, "");
    assert_took(asked, 0);
    check_sentence(k, p);
    if (more > MIB + k->memory) fail_msg("%s: took %zu bytes", k->what, more);
    if (k->stays_open)
        check_code(k, hostile_do(k->call, c), 0, " on a connection that should be usable");
    else
        check_closed(k, p, c, code);
    hostile_witness_end();
    int64_t closing = kafka_now_ms();
    kafka_conn_free(c);
    assert_took(closing, 0);
    tcp_peer_free(p);
}

void hostile_run(const hostile_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) run(&cases[i]);
}
