/* Every allocation of a session fails once: dial, write, read, offsets, close, adopt; and of a cluster's work. The
 * simulated world is spared.
 *
 * A call that is hit says so, or manages without; nothing leaks, hangs or crashes, and what is done afterwards
 * succeeds. One seed for each allocation, so that different schedules are met. */
#include "base/mem.h"
#include "sim/clusters.h"
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static struct {
    sim *sim;
    size_t countdown; /* the allocation that fails; 0 = none any more */
    bool lasting;     /* all fail */
    int refused;      /* while they do */
    long blocks;
    bool failed;
} oom;

static void *oom_alloc(size_t size)
{
    bool refuse = oom.lasting && sim_in_library(oom.sim);
    if (refuse && ++oom.refused <= 1000) return NULL; /* it ends, if nothing else does */
    if (oom.countdown > 0 && sim_in_library(oom.sim) && --oom.countdown == 0) {
        oom.failed = true;
        sim_trace(oom.sim, "no memory for %zu bytes", size);
        return NULL;
    }
    void *p = malloc(size ? size : 1);
    if (!p) abort();
    oom.blocks++;
    return memset(p, 0xa5, size);
}

static void oom_free(void *p)
{
    oom.blocks--;
    free(p);
}

static void *oom_realloc(void *p, size_t size)
{
    void *moved = oom_alloc(size);
    if (!moved || !p) return moved;
    size_t old = malloc_usable_size(p);
    memcpy(moved, p, old < size ? old : size);
    oom_free(p);
    return moved;
}

static const kfk_mem_ops oom_ops = {.alloc = oom_alloc, .realloc = oom_realloc, .free = oom_free};

/* The code of a call, which must be one of those that are expected: success, or the lack of memory. */
static bool went_well(sim *s, int code, const char *call)
{
    if (code != 0 && code != KAFKA_ENOMEM) sim_fail(s, "%s: %d, %s", call, code, kafka_last_error());
    if (code != 0) sim_check(s, oom.failed);
    return code == 0;
}

static bool use_connection(sim *s, kafka_conn *c)
{
    int64_t first, last;
    char buf[16];
    size_t len;
    kafka_message *m = NULL;
    kafka_batch *b = NULL;
    kafka_header header = {"h", KAFKA_LIT("v")};
    kafka_message out = {.value = KAFKA_LIT("value"), .headers = &header, .header_count = 1};
    if (!went_well(s, kafka_conn_write_messages(c, &out, 1, KAFKA_COMPRESSION_NONE, NULL), "write")) return false;
    if (!went_well(s, kafka_conn_read_offsets(c, &first, &last), "offsets")) return false;
    if (!went_well(s, kafka_conn_seek(c, 0, KAFKA_SEEK_START, NULL), "seek")) return false;
    if (!went_well(s, kafka_conn_read(c, buf, sizeof buf, &len), "read")) return false;
    if (!went_well(s, kafka_conn_seek(c, 0, KAFKA_SEEK_START, NULL), "seek")) return false;
    if (!went_well(s, kafka_conn_read_message(c, 0, &m), "read message")) return false;
    kafka_message_free(m);
    if (!went_well(s, kafka_conn_seek(c, 0, KAFKA_SEEK_START, NULL), "seek")) return false;
    if (!went_well(s, kafka_conn_read_batch(c, NULL, &b), "read batch")) return false;
    kafka_message view;
    bool ok = went_well(s, kafka_batch_read_message(b, &view), "read from batch");
    return went_well(s, kafka_batch_close(b), "close batch") && ok;
}

/* The host is known by another name to the system. */
static int lookup(void *userdata, const char *host, kafka_addrs *out)
{
    (void)userdata;
    int code = kafka_addrs_add(out, "10.0.0.7"); /* where nobody is */
    return code != 0 ? code : kafka_addrs_add(out, strcmp(host, "kafka") == 0 ? "system" : host);
}

/* An application's socket goes to the connection exactly when there is one. */
static bool adopt(sim *s)
{
    int fd = sim_net_socket(s, BROKER);
    kafka_conn *c = NULL;
    bool ok = went_well(s, kafka_conn_from_fd(fd, &(kafka_conn_config){.topic = "t"}, &c), "from_fd");
    sim_check_equal(s, ok, c != NULL);
    sim_check_equal(s, sim_net_owns_socket(s, fd), ok);
    if (ok) ok = went_well(s, kafka_conn_write(c, "v", 1), "write");
    kafka_conn_free(c);
    return ok;
}

static bool one_session(sim *s)
{
    static const kafka_resolver resolver = {.lookup = lookup};
    kafka_dialer d = client_dialer(2000);
    d.resolver = &resolver;
    kafka_conn *c = NULL;
    kafka_cancel *token = NULL;
    bool ok = went_well(s, kafka_cancel_new(&token), "token");
    kafka_ctx ctx = {.cancel = token};
    if (ok) ok = went_well(s, kafka_dial_leader(&d, &ctx, "kafka", "t", 0, &c), "dial");
    if (ok) kafka_conn_set_cancel(c, token);
    if (ok) ok = use_connection(s, c);
    kafka_conn_free(c);
    kafka_cancel_free(token);
    return ok && adopt(s);
}

static void session_without_memory(sim *s, void *arg)
{
    (void)arg;
    oom.sim = s;
    sim_name_add(s, "system", "10.0.0.1");
    peer_alone(s, BROKER);
    one_session(s);
    oom.countdown = 0;
    sim_check(s, one_session(s));
}

/* ---- the cluster ------------------------------------------------------------------------------------------------- */

typedef struct seeker {
    kfk_coordinator_wait wait;
    user *user;
    bool done;
    int code;
} seeker;

static void sought(kfk_coordinator_wait *w, const kfk_error *err)
{
    seeker *x = KFK_CONTAINER(w, seeker, wait);
    x->code = err ? err->code : 0;
    x->done = true;
}

static void seek(void *arg)
{
    seeker *x = arg;
    x->wait.done = sought;
    kfk_cluster_coordinator_loop(x->user->cluster, KFK_COORDINATOR_GROUP, kafka_str("g"),
                                 sim_now_ms(x->user->sim) + 20000, NULL, &x->wait);
}

static void start_cluster(void *arg)
{
    user *u = arg;
    u->code = kfk_cluster_new_loop(&u->cfg, &u->cluster);
}

static void watch_topic(void *arg)
{
    user *u = arg;
    u->code = kfk_cluster_watch_loop(u->cluster, kafka_str("t"), &u->watch);
}

static void lack_or_success(sim *s, int code, const char *why)
{
    if (code != 0 && code != KAFKA_ENOMEM) sim_fail(s, "%d: %s", code, why);
    if (code != 0) sim_check(s, oom.failed);
}

static void use_cluster(user *u)
{
    sim *s = u->sim;
    asker a;
    seeker x = {.user = u};
    sim_under_baton(s, watch_topic, u);
    lack_or_success(s, u->code, "watch");
    lack_or_success(s, user_ask(u, "t", &a), a.why);
    sim_under_baton(s, seek, &x);
    sim_wait_for(s, &x.done);
    lack_or_success(s, x.code, "coordinator"); /* it may come after a failure, and does not have to fail */
    peer_cluster_move(u->peers, "t", 0, 2);
    peer_stop(u->broker[1]);
    lack_or_success(s, user_ask(u, "t", &a), a.why);
    user_unwatch(u);
}

static void cluster_without_memory(sim *s, void *arg)
{
    user u;
    asker a;
    (void)arg;
    oom.sim = s;
    user_init(&u, s, BROKER "," BROKER2);
    peer_cluster_set_coordinator(u.peers, 3);
    sim_under_baton(s, start_cluster, &u);
    lack_or_success(s, u.code, "new");
    if (u.code != 0) return;
    use_cluster(&u);
    oom.countdown = 0;
    sim_sleep_ms(s, 2000);
    sim_check_equal(s, user_ask(&u, "t", &a), 0);
    sim_check_text(s, user_leader(&u, 0), "2/1");
    user_end(&u);
}

/* The only address hangs, and further attempts beside it lack the memory. */
SCENARIO(a_cluster_waits_for_memory_without_turning_in_circles)
{
    user u;
    asker a;
    oom.sim = s;
    oom.refused = 0;
    user_init(&u, s, BROKER);
    peer_route(u.broker[1])->reach = SIM_BLACKHOLE;
    user_start(&u);
    asker_start(&a, &u, "t");
    sim_sleep_ms(s, 500);
    oom.lasting = true;
    sim_sleep_ms(s, 4000);
    oom.lasting = false;
    sim_check(s, oom.refused > 0 && oom.refused < 20);
    sim_check(s, !a.done);
    peer_route(u.broker[1])->reach = SIM_ANSWERS;
    sim_sleep_ms(s, 1100);
    sim_check(s, a.done);
    sim_check_equal(s, a.code, 0);
    user_end(&u);
}

static void a_lasting_lack_of_memory_is_waited_for(void **state)
{
    kfk_mem_set_ops(&oom_ops);
    a_cluster_waits_for_memory_without_turning_in_circles(state);
    kfk_mem_set_ops(NULL);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

static void each_allocation_fails(const char *name, void (*run)(sim *, void *))
{
    kfk_mem_set_ops(&oom_ops);
    for (size_t n = 1; n == 1 || oom.failed; n++) {
        const scenario sc = {.name = name, .run = run};
        oom.blocks = 0;
        oom.failed = false;
        oom.countdown = n;
        bool ok = runner_seed(&sc, n, NULL);
        oom.countdown = 0;
        if (!ok || oom.blocks != 0) {
            kfk_mem_set_ops(NULL);
            fail_msg("allocation %zu: %s, %ld blocks left", n, ok ? "ok" : "failed", oom.blocks);
        }
        if (!oom.failed) print_message("           %zu allocations\n", n - 1);
    }
    kfk_mem_set_ops(NULL);
}

static void any_allocation_may_fail_and_everything_works_afterwards(void **state)
{
    (void)state;
    each_allocation_fails(__func__, session_without_memory);
}

static void any_allocation_of_a_cluster_may_fail_and_everything_works_afterwards(void **state)
{
    (void)state;
    each_allocation_fails(__func__, cluster_without_memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_allocation_may_fail_and_everything_works_afterwards),
        cmocka_unit_test(a_lasting_lack_of_memory_is_waited_for),
        cmocka_unit_test(any_allocation_of_a_cluster_may_fail_and_everything_works_afterwards),
    };
    return RUNNER_MAIN(tests);
}
