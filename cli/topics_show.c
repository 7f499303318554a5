/* topics_show.c: kc topics list and describe.
 *
 * Both are one Metadata request and a walk over its partitions, which come sorted by topic. Text is for people:
 * headings appear on a terminal only, so that `kc topics list | wc -l` counts topics. --json is for programs. */
#include "base64.h"
#include "connect.h"
#include "json.h"
#include "output.h"
#include "say.h"
#include "stop.h"
#include "table.h"
#include "topics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The partitions of one topic: a run within the list. */
typedef struct group {
    const kafka_partition *items;
    size_t count;
} group;

static group next_group(const kafka_partitions *all, size_t at)
{
    group g = {all->items + at, 0};
    while (at + g.count < all->count && strcmp(g.items[g.count].topic, g.items[0].topic) == 0) g.count++;
    return g;
}

static size_t replication(const group *g)
{
    size_t most = 0;
    for (size_t i = 0; i < g->count; i++) {
        if (g->items[i].replica_count > most) most = g->items[i].replica_count;
    }
    return most;
}

/* As Kafka's own tools print it; "" where the broker has none. */
static void id_text(const kafka_partition *p, kc_buf *out)
{
    static const uint8_t none[sizeof p->topic_id];
    if (memcmp(p->topic_id, none, sizeof none) != 0) kc_base64(p->topic_id, sizeof p->topic_id, true, out);
    kc_buf_add(out, "", 1);
}

static void set_id(json_t *object, const kafka_partition *p)
{
    kc_buf id = {0};
    id_text(p, &id);
    kc_json_set(object, "id", *id.data != '\0' ? kc_json_text(id.data) : json_null());
    free(id.data);
}

static void print_json(json_t *object)
{
    kc_buf line = {0};
    kc_json_line(object, &line);
    fwrite(line.data, 1, line.len, stdout);
    free(line.data);
}

static bool headings(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

/* ---- list -------------------------------------------------------------------------------------------------------- */

static void list_json(const group *g)
{
    json_t *object = json_object();
    kc_json_set(object, "topic", kc_json_text(g->items[0].topic));
    kc_json_set(object, "partitions", json_integer((json_int_t)g->count));
    kc_json_set(object, "replication_factor", json_integer((json_int_t)replication(g)));
    kc_json_set(object, "internal", json_boolean(g->items[0].internal != 0));
    set_id(object, &g->items[0]);
    print_json(object);
}

static void list_all(const kafka_partitions *all, bool internal, bool json)
{
    kc_table t = {.columns = 3};
    if (!json && headings()) {
        kc_table_add(&t, "TOPIC");
        kc_table_add(&t, "PARTITIONS");
        kc_table_add(&t, "REPLICAS");
    }
    for (size_t at = 0; at < all->count;) {
        group g = next_group(all, at);
        at += g.count;
        if (g.items[0].internal != 0 && !internal) continue;
        if (json) {
            list_json(&g);
            continue;
        }
        kc_table_add(&t, "%s", g.items[0].topic);
        kc_table_add(&t, "%zu", g.count);
        kc_table_add(&t, "%zu", replication(&g));
    }
    kc_table_print(&t, 0);
}

int kc_topics_list(int argc, char **argv)
{
    kc_common common = KC_COMMON_DEFAULTS;
    bool internal = false, json = false;
    const kc_option options[] = {{'i', 0, "internal", NULL, kc_take_flag, &internal, "with Kafka's own topics"},
                                 {'J', 0, "json", NULL, kc_take_flag, &json,
                                  "a JSON object per topic: topic, partitions,\nreplication_factor, internal, id"},
                                 {0}};
    const kc_manual manual = {.command = "kc topics list",
                              .synopsis = "[OPTION...]",
                              .about = "Lists the topics: name, number of partitions, number of replicas of each.",
                              .notes = "example:\n  kc topics list -b localhost:9092\n",
                              .options = options,
                              .common = &common,
                              .operand_advice = "kc topics describe TOPIC shows one topic"};
    size_t operands;
    int code = kc_options_parse(&manual, argc, argv, &operands);
    if (code < 0) code = kc_options_finish(&manual);
    if (code >= 0) return code;
    if (!kc_stop_init()) return KC_FAILED;
    kafka_conn *conn = NULL;
    kafka_partitions *all = NULL;
    int err = kc_connect_any(&common, &conn);
    if (err == 0) err = kafka_conn_read_partitions(conn, NULL, 0, &all);
    if (err != 0)
        code = kc_connect_explain(&common, (kc_failure){.err = err}, "list the topics");
    else
        list_all(all, internal, json);
    kafka_partitions_free(all);
    kafka_conn_free(conn);
    return kc_output_finish(code < 0 ? KC_OK : code);
}

/* ---- describe ---------------------------------------------------------------------------------------------------- */

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

static void describe_json(const group *g)
{
    json_t *object = json_object(), *partitions = json_array();
    for (size_t i = 0; i < g->count; i++) json_array_append_new(partitions, describe_partition(&g->items[i]));
    kc_json_set(object, "topic", kc_json_text(g->items[0].topic));
    set_id(object, &g->items[0]);
    kc_json_set(object, "internal", json_boolean(g->items[0].internal != 0));
    kc_json_set(object, "partitions", partitions);
    print_json(object);
}

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

static void describe_text(const group *g)
{
    static const char *const names[] = {"PARTITION", "LEADER", "EPOCH", "REPLICAS", "IN SYNC", "OFFLINE", "ERROR"};
    const kafka_partition *first = &g->items[0];
    kc_buf id = {0};
    id_text(first, &id);
    printf("%s: %zu partition%s, %zu replica%s%s%s%s\n", first->topic, g->count, g->count == 1 ? "" : "s",
           replication(g), replication(g) == 1 ? "" : "s", first->internal != 0 ? ", internal" : "",
           *id.data != '\0' ? ", id " : "", id.data);
    free(id.data);
    kc_table t = {.columns = sizeof names / sizeof names[0]};
    for (size_t i = 0; i < t.columns; i++) kc_table_add(&t, "%s", names[i]);
    for (size_t i = 0; i < g->count; i++) add_partition(&t, &g->items[i]);
    kc_table_print(&t, 2);
}

static void describe_all(const kafka_partitions *all, bool internal, bool json)
{
    for (size_t at = 0; at < all->count;) {
        group g = next_group(all, at);
        at += g.count;
        if (g.items[0].internal != 0 && !internal) continue;
        if (json)
            describe_json(&g);
        else
            describe_text(&g);
    }
}

/* One topic per request, so that one that does not exist says nothing about the others. */
static int describe_topics(const kc_common *common, kafka_conn *conn, char *const *topics, size_t count, bool json)
{
    int code = KC_OK;
    for (size_t i = 0; i < count; i++) {
        kafka_partitions *found = NULL;
        const char *name = topics[i];
        kc_connect_rearm(common, conn, 0);
        int err = kafka_conn_read_partitions(conn, &name, 1, &found);
        if (err != 0)
            code = kc_connect_explain(common, (kc_failure){.err = err, .topic = name}, "describe topic %s", name);
        else
            describe_all(found, true, json);
        kafka_partitions_free(found);
    }
    return code;
}

int kc_topics_describe(int argc, char **argv)
{
    kc_common common = KC_COMMON_DEFAULTS;
    bool internal = false, json = false;
    const kc_option options[] = {
        {'i', 0, "internal", NULL, kc_take_flag, &internal, "without TOPIC: with Kafka's own topics"},
        {'J', 0, "json", NULL, kc_take_flag, &json, "a JSON object per topic, with a list of its partitions"},
        {0}};
    const kc_manual manual = {
        .command = "kc topics describe",
        .synopsis = "[OPTION...] [TOPIC...]",
        .about = "Shows each partition of the topics, or of all: its leader and the leader's epoch, the\n"
                 "brokers that hold replicas, those in sync, those offline, and what is wrong with it.",
        .notes = "example:\n  kc topics describe -b localhost:9092 orders\n",
        .options = options,
        .common = &common,
        .most_operands = SIZE_MAX};
    size_t topics;
    int code = kc_options_parse(&manual, argc, argv, &topics);
    if (code < 0) code = kc_options_finish(&manual);
    if (code >= 0) return code;
    if (!kc_stop_init()) return KC_FAILED;
    kafka_conn *conn = NULL;
    kafka_partitions *all = NULL;
    int err = kc_connect_any(&common, &conn);
    if (err == 0 && topics == 0) err = kafka_conn_read_partitions(conn, NULL, 0, &all);
    if (err != 0)
        code = kc_connect_explain(&common, (kc_failure){.err = err}, "describe topics");
    else if (topics > 0)
        code = describe_topics(&common, conn, argv + 1, topics, json);
    else
        describe_all(all, internal, json);
    kafka_partitions_free(all);
    kafka_conn_free(conn);
    return kc_output_finish(code < 0 ? KC_OK : code);
}
