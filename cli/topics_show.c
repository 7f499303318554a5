/* topics_show.c: kc topics list and describe.
 *
 * Both are one Metadata request and a walk over its partitions, which come sorted by topic. Text is for people:
 * headings appear on a terminal only, so that `kc topics list | wc -l` counts topics. --json is for programs. */
#include "connect.h"
#include "describe.h"
#include "output.h"
#include "say.h"
#include "stop.h"
#include "table.h"
#include "topics.h"

/* ---- list -------------------------------------------------------------------------------------------------------- */

static void list_json(const kc_topic *g)
{
    json_t *object = json_object();
    kc_json_set(object, "topic", kc_json_text(g->items[0].topic));
    kc_json_set(object, "partitions", json_integer((json_int_t)g->count));
    kc_json_set(object, "replication_factor", json_integer((json_int_t)kc_topic_replicas(g)));
    kc_json_set(object, "internal", json_boolean(g->items[0].internal != 0));
    kc_topic_set_id(object, g);
    kc_json_print(object);
}

static void list_all(const kafka_partitions *all, bool internal, bool json)
{
    kc_table t = {.columns = 3};
    if (!json && kc_output_on_terminal()) {
        kc_table_add(&t, "TOPIC");
        kc_table_add(&t, "PARTITIONS");
        kc_table_add(&t, "REPLICAS");
    }
    for (size_t at = 0; at < all->count;) {
        kc_topic g = kc_topic_next(all, at);
        at += g.count;
        if (g.items[0].internal != 0 && !internal) continue;
        if (json) {
            list_json(&g);
            continue;
        }
        kc_table_add(&t, "%s", g.items[0].topic);
        kc_table_add(&t, "%zu", g.count);
        kc_table_add(&t, "%zu", kc_topic_replicas(&g));
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

static void describe_all(const kafka_partitions *all, bool internal, bool json)
{
    for (size_t at = 0; at < all->count;) {
        kc_topic g = kc_topic_next(all, at);
        at += g.count;
        if (g.items[0].internal != 0 && !internal) continue;
        if (json)
            kc_json_print(kc_topic_json(&g));
        else
            kc_topic_print(&g);
    }
}

/* One topic per request, so that one that does not exist says nothing about the others. */
static int describe_topics(const kc_common *common, kafka_conn *conn, char *const *topics, size_t count, bool json)
{
    int code = KC_OK;
    for (size_t i = 0; i < count; i++) {
        kafka_partitions *found = NULL;
        const char *name = topics[i];
        int err = kc_connect_look_up(common, conn, name, &found);
        if (err != 0)
            code = kc_connect_explain(common, (kc_failure){.err = err, .why = kc_connect_why(err), .topic = name},
                                      "describe topic %s", name);
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
