/* describe.c: leaders, epochs, replicas. */
#include "describe.h"
#include "base64.h"
#include "connect.h"
#include "table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

kc_topic kc_topic_next(const kafka_partitions *all, size_t at)
{
    kc_topic t = {all->items + at, 0};
    while (at + t.count < all->count && strcmp(t.items[t.count].topic, t.items[0].topic) == 0) t.count++;
    return t;
}

size_t kc_topic_replicas(const kc_topic *t)
{
    size_t most = 0;
    for (size_t i = 0; i < t->count; i++) {
        if (t->items[i].replica_count > most) most = t->items[i].replica_count;
    }
    return most;
}

/* "" where the broker has none. */
static void id_text(const kafka_partition *p, kc_buf *out)
{
    static const uint8_t none[sizeof p->topic_id];
    if (memcmp(p->topic_id, none, sizeof none) != 0) kc_base64(p->topic_id, sizeof p->topic_id, true, out);
    kc_buf_add(out, "", 1);
}

void kc_topic_set_id(json_t *object, const kc_topic *t)
{
    kc_buf id = {0};
    id_text(&t->items[0], &id);
    kc_json_set(object, "id", *id.data != '\0' ? kc_json_text(id.data) : json_null());
    free(id.data);
}

/* ---- for programs ------------------------------------------------------------------------------------------------ */

static json_t *broker_ids(const kafka_broker *brokers, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(list, json_integer(brokers[i].id));
    return list;
}

static json_t *describe_partition(const kafka_partition *p)
{
    json_t *object = json_object();
    char address[300];
    bool led = kc_connect_has_leader(p);
    snprintf(address, sizeof address, "%s:%d", led ? p->leader.host : "", (int)p->leader.port);
    kc_json_set(object, "partition", json_integer(p->id));
    kc_json_set(object, "leader", led ? json_integer(p->leader.id) : json_null());
    kc_json_set(object, "leader_address", led ? kc_json_text(address) : json_null());
    kc_json_set(object, "leader_epoch", p->leader_epoch >= 0 ? json_integer(p->leader_epoch) : json_null());
    kc_json_set(object, "replicas", broker_ids(p->replicas, p->replica_count));
    kc_json_set(object, "in_sync", broker_ids(p->isr, p->isr_count));
    kc_json_set(object, "offline", broker_ids(p->offline, p->offline_count));
    kc_json_set(object, "error", p->error != 0 ? kc_json_text(kafka_err_name(p->error)) : json_null());
    return object;
}

json_t *kc_topic_json(const kc_topic *t)
{
    json_t *object = json_object(), *partitions = json_array();
    for (size_t i = 0; i < t->count; i++) json_array_append_new(partitions, describe_partition(&t->items[i]));
    kc_json_set(object, "topic", kc_json_text(t->items[0].topic));
    kc_topic_set_id(object, t);
    kc_json_set(object, "internal", json_boolean(t->items[0].internal != 0));
    kc_json_set(object, "partitions", partitions);
    return object;
}

/* ---- for people -------------------------------------------------------------------------------------------------- */

static void add_ids(kc_table *t, const kafka_broker *brokers, size_t count)
{
    kc_buf text = {0};
    for (size_t i = 0; i < count; i++) {
        if (i > 0) kc_buf_add(&text, ",", 1);
        kc_buf_add_int(&text, brokers[i].id);
    }
    kc_buf_add(&text, "", 1);
    kc_table_add(t, "%s", count > 0 ? text.data : "-");
    free(text.data);
}

static void add_partition(kc_table *t, const kafka_partition *p)
{
    kc_table_add(t, "%d", (int)p->id);
    bool led = kc_connect_has_leader(p);
    if (led)
        kc_table_add(t, "%d (%s:%d)", (int)p->leader.id, p->leader.host, (int)p->leader.port);
    else
        kc_table_add(t, "none");
    if (p->leader_epoch >= 0)
        kc_table_add(t, "%d", (int)p->leader_epoch);
    else
        kc_table_add(t, "-");
    add_ids(t, p->replicas, p->replica_count);
    add_ids(t, p->isr, p->isr_count);
    add_ids(t, p->offline, p->offline_count);
    kc_table_add(t, "%s", p->error != 0 ? kafka_err_title(p->error) : "-");
}

void kc_topic_print(const kc_topic *topic)
{
    static const char *const names[] = {"PARTITION", "LEADER", "EPOCH", "REPLICAS", "IN SYNC", "OFFLINE", "ERROR"};
    const kafka_partition *first = &topic->items[0];
    kc_buf id = {0};
    id_text(first, &id);
    printf("%s: %zu partition%s, %zu replica%s%s%s%s\n", first->topic, topic->count, topic->count == 1 ? "" : "s",
           kc_topic_replicas(topic), kc_topic_replicas(topic) == 1 ? "" : "s", first->internal != 0 ? ", internal" : "",
           *id.data != '\0' ? ", id " : "", id.data);
    free(id.data);
    kc_table t = {.columns = sizeof names / sizeof names[0]};
    for (size_t i = 0; i < t.columns; i++) kc_table_add(&t, "%s", names[i]);
    for (size_t i = 0; i < topic->count; i++) add_partition(&t, &topic->items[i]);
    kc_table_print(&t, 2);
}
