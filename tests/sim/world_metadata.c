/* The library's own view of the cluster (engine/cluster.h), watched: what it believes of a partition never goes back to
 * an older leader epoch while the topic is the same, and when all is well it is what is true. */
#include "engine/cluster.h"
#include "engine/coordinator.h"
#include "sim/world_impl.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_AGE_MS = 1500, RIGHT_WITHIN_MS = 5000, TICK_MS = 50 };

struct world_watch {
    world *world;
    kfk_cluster *cluster;
    kfk_topic_watch topic;
    kfk_uuid id;
    bool begun;
    int32_t epochs[JOURNAL_PARTITIONS], leaders[JOURNAL_PARTITIONS];
    int32_t count;
};

static void changed(kfk_topic_watch *t, kfk_topic *topic, unsigned changes)
{
    struct world_watch *x = KFK_CONTAINER(t, struct world_watch, topic);
    sim *s = x->world->sim;
    (void)changes;
    if (!x->begun || memcmp(&x->id, &topic->id, sizeof x->id) != 0) {
        for (int i = 0; i < JOURNAL_PARTITIONS; i++) x->epochs[i] = x->leaders[i] = -1;
        x->count = 0;
    }
    x->begun = true;
    x->id = topic->id;
    if (topic->count < x->count)
        sim_fail(s, "stale-metadata: %d partitions became %d", (int)x->count, (int)topic->count);
    x->count = topic->count;
    for (int32_t i = 0; i < topic->count && i < JOURNAL_PARTITIONS; i++) {
        const kfk_partition *p = &topic->partitions[i];
        if (p->leader >= 0 && p->leader_epoch < x->epochs[i])
            sim_fail(s, "stale-metadata: partition %d went from leader epoch %d back to %d", (int)i, (int)x->epochs[i],
                     (int)p->leader_epoch);
        if (p->leader >= 0) x->epochs[i] = p->leader_epoch;
        x->leaders[i] = p->leader;
    }
}

static void begin(void *arg)
{
    struct world_watch *x = arg;
    kfk_hostport boot[WORLD_BROKERS];
    size_t count = 0;
    for (int i = 1; i <= x->world->cfg.brokers; i++) {
        const char *text = x->world->addresses[i];
        if (kfk_hostport_parse(text, strlen(text), &boot[count], NULL) == 0) count++;
    }
    kfk_cluster_config cfg = {.connect = {.loop = sim_loop(x->world->sim), .client_id = "watch"},
                              .bootstrap = boot,
                              .bootstrap_count = count,
                              .max_age_ms = MAX_AGE_MS};
    sim_check_equal(x->world->sim, kfk_cluster_new_loop(&cfg, &x->cluster), 0);
    x->topic = (kfk_topic_watch){.changed = changed};
    sim_check_equal(x->world->sim, kfk_cluster_watch_loop(x->cluster, kafka_str(WORLD_TOPIC), &x->topic), 0);
}

void world_watch_begin(world *w)
{
    struct world_watch *x = calloc(1, sizeof *x);
    if (!x) abort();
    sim_own(w->sim, free, x);
    x->world = w;
    w->watch = x;
    sim_under_baton(w->sim, begin, x);
}

static void refresh(void *arg)
{
    struct world_watch *x = arg;
    kfk_cluster_refresh_loop(x->cluster);
}

void world_refresh_metadata(world *w)
{
    sim_under_baton(w->sim, refresh, w->watch);
}

static void end(void *arg)
{
    struct world_watch *x = arg;
    kfk_cluster_unwatch_loop(x->cluster, &x->topic);
    kfk_cluster_free(x->cluster);
}

static bool is_right(world *w)
{
    struct world_watch *x = w->watch;
    if (x->count != w->cfg.partitions) return false;
    for (int32_t i = 0; i < w->cfg.partitions; i++) {
        if (x->leaders[i] != world_leader(w, i)) return false;
    }
    return true;
}

void world_watch_end(world *w)
{
    int64_t until = sim_now_ms(w->sim) + RIGHT_WITHIN_MS;
    while (!is_right(w) && !sim_failed(w->sim)) {
        if (sim_now_ms(w->sim) >= until)
            sim_fail(w->sim, "stale-metadata: the library does not know who leads, %d ms after all is well",
                     RIGHT_WITHIN_MS);
        sim_sleep_ms(w->sim, TICK_MS);
    }
    sim_under_baton(w->sim, end, w->watch);
    w->watch = NULL;
}

/* ---- coordinators ------------------------------------------------------------------------------------------------ */

typedef struct search {
    world *world;
    kfk_coordinator_wait wait;
    const char *group;
    int64_t deadline_ms;
    bool done;
    int code;
    kfk_error error;
} search;

static void search_done(kfk_coordinator_wait *wait, const kfk_error *err)
{
    search *x = KFK_CONTAINER(wait, search, wait);
    x->code = err ? err->code : 0;
    x->done = true;
}

static void search_begin(void *arg)
{
    search *x = arg;
    x->wait = (kfk_coordinator_wait){.done = search_done};
    kfk_cluster_coordinator_gone_loop(x->world->watch->cluster, KFK_COORDINATOR_GROUP, kafka_str(x->group), x->wait.id);
    kfk_cluster_coordinator_loop(x->world->watch->cluster, KFK_COORDINATOR_GROUP, kafka_str(x->group), x->deadline_ms,
                                 NULL, &x->wait);
}

int world_find_coordinator(world *w, const char *group, int64_t ms, int32_t *id)
{
    search x = {.world = w, .group = group, .deadline_ms = sim_now_ms(w->sim) + ms};
    sim_under_baton(w->sim, search_begin, &x);
    sim_wait_for(w->sim, &x.done);
    sim_check(w->sim, sim_now_ms(w->sim) <= x.deadline_ms);
    *id = x.wait.id;
    return x.code;
}
