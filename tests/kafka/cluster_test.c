/* The engine's view of a real cluster of three nodes: it learns all brokers and a coordinator, follows a leader that is
 * killed, without being told, and a topic that is created anew. Started by cluster_test.sh. */
#include "kafka/peers.h"

#include "base/time.h"
#include "engine/coordinator.h"
#include "engine/leader.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { NODES = 3, LONG_MS = 60000 };

typedef struct view {
    kfk_loop *loop;
    kfk_cluster *cluster;
    kfk_hostport bootstrap[NODES];
    kfk_topic_watch watch;
    const char *topic;
    /* What the watch saw last. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int32_t leader, epoch, count;
    unsigned changes;
} view;

/* ---- under the baton --------------------------------------------------------------------------------------------- */

typedef struct doing {
    kfk_op op;
    void (*what)(view *);
    view *view;
} doing;

static void doing_run(kfk_task *t)
{
    doing *d = KFK_CONTAINER(t, doing, op.task);
    d->what(d->view);
    kfk_op_finish_loop(d->view->loop, &d->op);
}

static void doing_destroy(kfk_op *op)
{
    free(KFK_CONTAINER(op, doing, op));
}

static void do_it(view *v, void (*what)(view *))
{
    doing *d = calloc(1, sizeof *d);
    assert_non_null(d);
    kfk_op_init(&d->op, doing_run, doing_destroy);
    d->what = what;
    d->view = v;
    kfk_loop_submit(v->loop, &d->op.task);
    assert_int_equal(kfk_op_wait(v->loop, &d->op, KFK_TIME_NEVER), 0);
    kfk_op_drop(&d->op);
}

static void note(kfk_topic_watch *w, kfk_topic *t, unsigned changes)
{
    view *v = KFK_CONTAINER(w, view, watch);
    const kfk_partition *p;
    pthread_mutex_lock(&v->lock);
    v->changes |= changes;
    v->count = t->count;
    if (kfk_topic_partition(t, 0, &p) == 0) {
        v->leader = p->leader;
        v->epoch = p->leader_epoch;
    }
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

static void begin(view *v)
{
    kfk_cluster_config cfg = {
        .connect = {.loop = v->loop, .client_id = "cluster_test", .fallback_delay_ms = 300, .dual_stack = true},
        .bootstrap = v->bootstrap,
        .bootstrap_count = NODES,
        .max_age_ms = 1000,
    };
    v->watch.changed = note;
    v->leader = v->epoch = -1;
    if (kfk_cluster_new_loop(&cfg, &v->cluster) != 0) abort();
    if (kfk_cluster_watch_loop(v->cluster, kafka_str(v->topic), &v->watch) != 0) abort();
}

static void unwatch(view *v)
{
    kfk_cluster_unwatch_loop(v->cluster, &v->watch);
}

static size_t brokers;

static void count_brokers(view *v)
{
    brokers = kfk_brokers_count(kfk_cluster_brokers_loop(v->cluster));
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Until somebody else leads, in a newer epoch. */
static bool another_leads(const view *v, int32_t leader, int32_t epoch)
{
    return v->leader >= 0 && v->leader != leader && v->epoch > epoch;
}

static bool created_anew(const view *v, int32_t count, int32_t unused)
{
    (void)unused;
    return (v->changes & KFK_TOPIC_NEW_ID) && v->count == count && v->leader >= 0;
}

static bool await(view *v, bool (*holds)(const view *, int32_t, int32_t), int32_t a, int32_t b)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LONG_MS / 1000;
    int err = 0;
    pthread_mutex_lock(&v->lock);
    while (!holds(v, a, b) && err == 0) err = pthread_cond_timedwait(&v->changed, &v->lock, &until);
    bool held = holds(v, a, b);
    pthread_mutex_unlock(&v->lock);
    return held;
}

/* ---- the test ---------------------------------------------------------------------------------------------------- */

static void parse_brokers(view *v)
{
    const char *p = peers_brokers();
    for (int i = 0; i < NODES; i++) {
        size_t len = strcspn(p, ",");
        assert_int_equal(kfk_hostport_parse(p, len, &v->bootstrap[i], NULL), 0);
        p += len + (p[len] != '\0');
    }
}

static void create(const char *topic, int partitions)
{
    kafka_conn *conn = NULL;
    kafka_topic_config cfg = {.topic = topic, .num_partitions = partitions, .replication_factor = NODES};
    assert_ok(kafka_dial(NULL, NULL, peers_brokers(), &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    assert_ok(kafka_conn_create_topics(conn, &cfg, 1, NULL));
    kafka_conn_free(conn);
}

static void delete (const char *topic)
{
    kafka_conn *conn = NULL;
    const char *topics[] = {topic};
    assert_ok(kafka_dial(NULL, NULL, peers_brokers(), &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    assert_ok(kafka_conn_delete_topics(conn, topics, 1, NULL));
    kafka_conn_free(conn);
}

static void node(const char *command, int32_t id)
{
    char number[16];
    snprintf(number, sizeof number, "%d", (int)id);
    text out = peers_run("bash", peers_env("KAFKA_TEST_SH"), command, number);
    text_free(&out);
}

static void a_real_cluster_is_followed_through_what_happens_to_it(void **state)
{
    (void)state;
    view v = {.topic = peers_name("followed"), .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    parse_brokers(&v);
    create(v.topic, 2);
    assert_int_equal(kfk_loop_new("test", &v.loop, NULL), 0);
    do_it(&v, begin);
    assert_true(await(&v, another_leads, -1, -1));
    do_it(&v, count_brokers);
    assert_int_equal(brokers, NODES);

    int32_t dead = v.leader, epoch = v.epoch;
    int64_t before = kfk_time_now_ms();
    node("kill", dead);
    assert_true(await(&v, another_leads, dead, epoch));
    print_message("           node %d was killed: %d leads after %lld ms\n", (int)dead, (int)v.leader,
                  (long long)(kfk_time_now_ms() - before));
    node("restart", dead);

    v.changes = 0;
    delete (v.topic);
    create(v.topic, 3);
    assert_true(await(&v, created_anew, 3, 0));
    do_it(&v, unwatch);
    kfk_cluster_free(v.cluster);
    kfk_loop_unuse(v.loop);
    kfk_loop_drop(v.loop);
    delete (v.topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {MEMCHECK_TEST(a_real_cluster_is_followed_through_what_happens_to_it)};
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
