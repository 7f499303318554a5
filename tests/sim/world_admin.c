/* What befalls the topic of a world from the cluster's side, where clients cannot ask for it yet: done to the cluster
 * itself, on its loop. */
#include "base/crc32c.h"
#include "sim/world_impl.h"
#include "testing/call.h"
#include "wire/record.h"
#include <string.h>

enum { EMPTY_BATCH_TIME = 1000 };

static kft_partition *partition_of(const kft_call *x)
{
    return kft_topic_partition(kft_topic_find(&x->cluster->topics, kafka_str(WORLD_TOPIC)), x->partition);
}

int64_t world_log_start(const world *w, int32_t partition)
{
    const kft_partition *p = partition_of(&(kft_call){.cluster = w->cluster, .partition = partition});
    return p ? p->log.start : 0;
}

static int64_t run(world *w, int (*fn)(kft_call *, kfk_error *), int32_t partition, int64_t number)
{
    kfk_error err = {0};
    kft_call x = {.cluster = w->cluster, .run = fn, .partition = partition, .number = number};
    if (kft_call_run(&x, &err) != 0) sim_fail(w->sim, "%s", err.text);
    return x.out[0];
}

void world_recreate_topic(world *w, int32_t partitions)
{
    sim *s = w->sim;
    int64_t gone_ms = (int64_t)sim_plan_below(s, 300);
    if (!sim_fault(s, "the topic is deleted and made again with %d partitions", (int)partitions)) return;
    sim_check_equal(s, kafka_cluster_delete_topic(w->cluster, WORLD_TOPIC), 0);
    sim_sleep_ms(s, gone_ms);
    journal_forget(&w->journal);
    sim_check_equal(s, kafka_cluster_create_topic(w->cluster, WORLD_TOPIC, partitions), 0);
    w->cfg.partitions = partitions;
}

/* ---- listening --------------------------------------------------------------------------------------------------- */

static void swap(int32_t *a, int32_t *b)
{
    int32_t x = *a;
    *a = *b;
    *b = x;
}

/* Exchanges what is true and what the broker that is behind knows. */
static void exchange_views(world *w)
{
    w->stale.shown = !w->stale.shown;
    for (int32_t i = 0; i < w->cfg.partitions; i++) {
        kft_partition *p = partition_of(&(kft_call){.cluster = w->cluster, .partition = i});
        if (!p) continue;
        swap(&p->leader, &w->stale.leaders[i]);
        swap(&p->leader_epoch, &w->stale.epochs[i]);
    }
}

/* The request is handled between the two events, in one go. */
static void heard(void *userdata, const kafka_cluster_event *e)
{
    world *w = userdata;
    if (sim_is_verbose(w->sim))
        sim_trace(w->sim, "broker %d %s #%d.%d: %.300s", (int)e->broker, e->is_answer ? "answers" : "is asked",
                  (int)e->connection, (int)e->correlation_id, e->text);
    if (w->hears) w->hears(w->hears_arg, e);
    if (e->api == KAFKA_REQUEST_METADATA && e->broker == w->stale.broker && w->stale.shown == (e->is_answer != 0))
        exchange_views(w);
}

void world_listen(world *w)
{
    w->cluster->listener = (kafka_cluster_listener){heard, w};
}

void world_hear(world *w, void (*heard_by)(void *arg, const kafka_cluster_event *), void *arg)
{
    w->hears = heard_by;
    w->hears_arg = arg;
    if (heard_by) world_listen(w);
}

static int remember_run(kft_call *x, kfk_error *err)
{
    (void)err;
    world *w = (world *)(uintptr_t)x->in;
    w->stale.broker = x->broker;
    for (int32_t i = 0; i < w->cfg.partitions; i++) {
        const kft_partition *p = partition_of(&(kft_call){.cluster = w->cluster, .partition = i});
        w->stale.leaders[i] = p->leader;
        w->stale.epochs[i] = p->leader_epoch;
    }
    world_listen(w);
    return 0;
}

void world_show_stale_metadata(world *w, int broker)
{
    kfk_error err = {0};
    kft_call x = {.cluster = w->cluster, .run = remember_run, .broker = broker, .in = w};
    if (sim_fault(w->sim, "what broker %d knows of leaders is not brought up to date", broker) &&
        kft_call_run(&x, &err) != 0)
        sim_fail(w->sim, "%s", err.text);
}

void world_show_true_metadata(world *w)
{
    w->stale.broker = 0;
}

/* ---- more partitions --------------------------------------------------------------------------------------------- */

static int grow_run(kft_call *x, kfk_error *err)
{
    const char *why = "";
    kft_topic *t = kft_topic_find(&x->cluster->topics, kafka_str(WORLD_TOPIC));
    int16_t code = kft_topic_grow(x->cluster, t, (int32_t)x->number, NULL, &why);
    return code == 0 ? 0 : kfk_error_set(err, code, "%s", why);
}

bool world_grow_topic(world *w, int32_t partitions)
{
    if (!sim_fault(w->sim, "the topic grows to %d partitions", (int)partitions)) return false;
    run(w, grow_run, 0, partitions);
    w->cfg.partitions = partitions;
    while (w->cfg.writers > 0 && w->cfg.writers < partitions && w->cfg.writers < JOURNAL_WRITERS) {
        world_spawn_writer(w);
        world_spawn_reader(w);
    }
    return true;
}

typedef struct setting {
    const char *name, *value;
} setting;

static int set_run(kft_call *x, kfk_error *err)
{
    const setting *set = x->in;
    const char *why = "";
    kft_topic *t = kft_topic_find(&x->cluster->topics, kafka_str(WORLD_TOPIC));
    int16_t code = kft_settings_set(&t->settings, kafka_str(set->name), kafka_str(set->value), &why);
    return code == 0 ? 0 : kfk_error_set(err, code, "%s", why);
}

bool world_set_topic(world *w, const char *name, const char *value)
{
    kfk_error err = {0};
    setting set = {name, value};
    kft_call x = {.cluster = w->cluster, .run = set_run, .in = &set};
    if (!sim_fault(w->sim, "the topic has %s = %s", name, value)) return false;
    if (kft_call_run(&x, &err) != 0) sim_fail(w->sim, "%s", err.text);
    return true;
}

/* ---- retention, compaction --------------------------------------------------------------------------------------- */

static int delete_run(kft_call *x, kfk_error *err)
{
    (void)err;
    kft_partition *p = partition_of(x);
    kft_log_advance_start(&p->log, x->number < p->log.high_watermark ? x->number : p->log.high_watermark);
    kft_partition_changed(x->cluster, p);
    return 0;
}

void world_delete_records(world *w, int32_t partition, int64_t before)
{
    if (sim_fault(w->sim, "partition %d begins with offset %lld", (int)partition, (long long)before))
        run(w, delete_run, partition, before);
}

static int empty_run(kft_call *x, kfk_error *err)
{
    kft_partition *p = partition_of(x);
    kfk_block *b = kfk_block_new(KFK_RECORD_HEADER);
    kfk_batch_header h = {.last_offset_delta = (int32_t)x->number - 1,
                          .base_timestamp = EMPTY_BATCH_TIME,
                          .max_timestamp = EMPTY_BATCH_TIME,
                          .producer_id = -1,
                          .producer_epoch = -1,
                          .base_sequence = -1};
    if (!b) return kfk_error_set(err, KAFKA_ENOMEM, "no memory");
    kfk_record_header_build(b->data, &h, 0, kfk_crc32c(0, NULL, 0));
    int code = kfk_record_header_parse(b->data, KFK_RECORD_HEADER, &h, err);
    if (code == 0) code = kft_log_append(&p->log, b, b->data, &h, p->leader_epoch, -1, EMPTY_BATCH_TIME, &x->out[0]);
    kfk_block_drop(b);
    if (code != 0) return kfk_error_set(err, code, "the empty batch cannot be appended");
    kft_partition_replicate(x->cluster, p);
    return 0;
}

void world_append_empty_batch(world *w, int32_t partition, int32_t offsets)
{
    if (!sim_fault(w->sim, "compaction leaves an empty batch of %d offsets in partition %d", (int)offsets,
                   (int)partition))
        return;
    int64_t base = run(w, empty_run, partition, offsets);
    journal_hole(&w->journal, partition, base, base + offsets);
}
