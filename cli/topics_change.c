/* topics_change.c: kc topics create and delete.
 *
 * Both go to the cluster's controller. A created topic is usable only when the brokers have heard of it and its
 * partitions have leaders, which takes a moment; create waits for that, so that what follows in a script finds the
 * topic. */
#include "connect.h"
#include "output.h"
#include "say.h"
#include "stop.h"
#include "topics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- create ------------------------------------------------------------------------------------------------------ */

typedef struct creation {
    kc_common common;
    int32_t partitions, replicas; /* 0 = the broker's default */
    kc_strings configs;
    bool if_not_exists;
} creation;

/* "name=value" into entries; *bad is the first that is not. */
static kafka_config_entry *make_entries(const kc_strings *configs, const char **bad)
{
    kafka_config_entry *entries = kc_zalloc(configs->count, sizeof *entries);
    *bad = NULL;
    for (size_t i = 0; i < configs->count; i++) {
        char *name = kc_copy_text(configs->items[i]), *equals = strchr(name, '=');
        entries[i].name = name;
        if (equals == NULL || equals == name) {
            *bad = configs->items[i];
            continue;
        }
        *equals = '\0';
        entries[i].value = equals + 1;
    }
    return entries;
}

static void free_entries(kafka_config_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) free((char *)entries[i].name);
    free(entries);
}

/* True once all partitions have leaders. */
static bool settled(const kafka_partitions *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (!kc_connect_has_leader(&p->items[i])) return false;
    }
    return true;
}

/* Waits until the topic can be used, and says what was made. */
static void welcome(const creation *c, const char *topic)
{
    int64_t give_up = kafka_deadline_in(c->common.timeout_ms);
    for (int retry = 0;; retry++) {
        kafka_partitions *found = NULL;
        int err = kc_connect_partitions(&c->common, topic, false, &found);
        bool ready = err == 0 && settled(found);
        if (ready && !c->common.quiet) {
            printf("created topic %s: %zu partition%s, %zu replica%s\n", topic, found->count,
                   found->count == 1 ? "" : "s", found->items[0].replica_count,
                   found->items[0].replica_count == 1 ? "" : "s");
        }
        kafka_partitions_free(found);
        if (ready) return;
        if (kafka_now_ms() >= give_up || !kc_stop_pause(kc_connect_backoff_ms(retry))) break;
    }
    kc_say("topic %s was created, but not all its partitions have a leader yet", topic);
}

/* Is there such a topic? The library takes "exists already" for a success, and a person wants to know the difference.
 * A plain question for its name could create it, other than as is wanted. */
static bool is_there(const kc_common *common, kafka_conn *conn, const char *topic)
{
    kafka_partitions *found = NULL;
    int err = kc_connect_look_up(common, conn, topic, &found);
    kafka_partitions_free(found);
    return err == 0;
}

static int create_one(const creation *c, kafka_conn *conn, const char *topic, const kafka_config_entry *entries)
{
    const kafka_topic_config cfg = {.topic = topic,
                                    .num_partitions = c->partitions,
                                    .replication_factor = c->replicas,
                                    .entries = entries,
                                    .entry_count = c->configs.count};
    if (is_there(&c->common, conn, topic)) {
        if (c->if_not_exists) return KC_OK;
        return kc_connect_explain(&c->common,
                                  (kc_failure){.err = KAFKA_ERR_TOPIC_ALREADY_EXISTS,
                                               .why = "there is a topic of that name already",
                                               .topic = topic},
                                  "create topic %s", topic);
    }
    kc_connect_rearm(&c->common, conn, 0);
    int err = kafka_conn_create_topics(conn, &cfg, 1, NULL);
    if (err != 0)
        return kc_connect_explain(&c->common, (kc_failure){.err = err, .topic = topic}, "create topic %s", topic);
    welcome(c, topic);
    return KC_OK;
}

static int create_all(const creation *c, char *const *topics, size_t count, const kafka_config_entry *entries)
{
    if (!kc_stop_init()) return KC_FAILED;
    kafka_conn *conn = NULL;
    int code = KC_OK, err = kc_connect_controller(&c->common, &conn);
    if (err != 0) code = kc_connect_explain(&c->common, (kc_failure){.err = err}, "create topic %s", topics[0]);
    for (size_t i = 0; i < count && err == 0; i++) {
        int one = create_one(c, conn, topics[i], entries);
        if (one != KC_OK) code = one;
    }
    kafka_conn_free(conn);
    return kc_output_finish(code);
}

int kc_topics_create(int argc, char **argv)
{
    creation c = {.common = KC_COMMON_DEFAULTS};
    const kc_option options[] = {
        {'p', 0, "partitions", "N", kc_take_small_count, &c.partitions,
         "how many partitions (default: the broker's\nnum.partitions)"},
        {'r', 0, "replication-factor", "N", kc_take_small_count, &c.replicas,
         "how many brokers hold each partition (default: the\nbroker's default.replication.factor)"},
        {'X', 0, "config", "NAME=VALUE", kc_take_string, &c.configs,
         "a setting of the topic, such as retention.ms=60000; may\nbe repeated"},
        {0, 0, "if-not-exists", NULL, kc_take_flag, &c.if_not_exists, "a topic that exists already is no error"},
        {0}};
    const kc_manual manual = {
        .command = "kc topics create",
        .synopsis = "[OPTION...] TOPIC...",
        .about = "Creates topics, and waits until their partitions have leaders.",
        .notes = "example:\n"
                 "  kc topics create -b localhost:9092 -p 12 -r 3 --config cleanup.policy=compact users\n",
        .options = options,
        .common = &c.common,
        .most_operands = SIZE_MAX};
    size_t topics;
    const char *bad = NULL;
    int code = kc_options_parse(&manual, argc, argv, &topics);
    kafka_config_entry *entries = make_entries(&c.configs, &bad);
    if (code < 0 && topics == 0) code = kc_options_refuse(&manual, "no topic given");
    if (code < 0 && bad != NULL) code = kc_options_refuse(&manual, "--config '%s' is not NAME=VALUE", bad);
    if (code < 0) code = kc_options_finish(&manual);
    if (code < 0) code = create_all(&c, argv + 1, topics, entries);
    free_entries(entries, c.configs.count);
    free(c.configs.items);
    return code;
}

/* ---- delete ------------------------------------------------------------------------------------------------------ */

static int delete_all(const kc_common *common, char *const *topics, size_t count, bool if_exists)
{
    if (!kc_stop_init()) return KC_FAILED;
    kafka_conn *conn = NULL;
    int code = KC_OK, err = kc_connect_controller(common, &conn);
    if (err != 0) code = kc_connect_explain(common, (kc_failure){.err = err}, "delete topic %s", topics[0]);
    for (size_t i = 0; i < count && err == 0; i++) {
        const char *topic = topics[i];
        kc_connect_rearm(common, conn, 0);
        int failed = kafka_conn_delete_topics(conn, &topic, 1, NULL);
        if (failed == 0 && !common->quiet) printf("deleted topic %s\n", topic);
        if (failed == 0 || (if_exists && failed == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION)) continue;
        /* "create it" is not what somebody wants to hear who deletes: no topic for the advice */
        code = kc_connect_explain(common, (kc_failure){.err = failed}, "delete topic %s", topic);
    }
    kafka_conn_free(conn);
    return kc_output_finish(code);
}

int kc_topics_delete(int argc, char **argv)
{
    kc_common common = KC_COMMON_DEFAULTS;
    bool if_exists = false;
    const kc_option options[] = {
        {0, 0, "if-exists", NULL, kc_take_flag, &if_exists, "a topic that does not exist is no error"}, {0}};
    const kc_manual manual = {.command = "kc topics delete",
                              .synopsis = "[OPTION...] TOPIC...",
                              .about = "Deletes topics with all their messages, without asking. There is no way back.",
                              .notes = "example:\n  kc topics delete -b localhost:9092 greetings\n",
                              .options = options,
                              .common = &common,
                              .most_operands = SIZE_MAX};
    size_t topics;
    int code = kc_options_parse(&manual, argc, argv, &topics);
    if (code < 0 && topics == 0) code = kc_options_refuse(&manual, "no topic given");
    if (code < 0) code = kc_options_finish(&manual);
    if (code < 0) code = delete_all(&common, argv + 1, topics, if_exists);
    return code;
}
