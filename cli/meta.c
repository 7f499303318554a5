/* meta.c: kc meta: the cluster as one broker describes it.
 *
 * The broker that answers tells its own view: metadata reaches brokers one after the other. With -b naming a single one
 * that is a way to compare them. Everything comes over one connection. */
#include "connect.h"
#include "describe.h"
#include "output.h"
#include "stop.h"
#include "table.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    kc_common common;
    kc_strings topics; /* none: all */
    bool internal, json;
} settings;

/* What was found. */
typedef struct cluster {
    kafka_brokers *brokers;
    kafka_broker *controller;   /* NULL = none is known at the moment */
    kafka_partitions **answers; /* of all topics, or of each that was asked for */
    size_t answer_count;
    int code; /* the worst that was said about a topic */
} cluster;

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static int ask_brokers(const settings *o, kafka_conn *conn, cluster *c)
{
    int err = kafka_conn_brokers(conn, &c->brokers);
    if (err == 0) err = kafka_conn_controller(conn, &c->controller);
    if (err == KAFKA_ERR_BROKER_NOT_AVAILABLE) {
        kc_connect_rearm(&o->common, conn, 0);
        err = 0; /* between two controllers there is none, and the rest is as interesting */
    }
    return err;
}

/* One topic per request, so that one that does not exist says nothing about the others. */
static void ask_topics(const settings *o, kafka_conn *conn, cluster *c)
{
    c->answers = kc_zalloc(o->topics.count, sizeof(kafka_partitions *));
    c->answer_count = o->topics.count;
    for (size_t i = 0; i < o->topics.count; i++) {
        const char *name = o->topics.items[i];
        int err = kc_connect_look_up(&o->common, conn, name, &c->answers[i]);
        if (err == 0) continue;
        int code = kc_connect_explain(
            &o->common, (kc_failure){.err = err, .why = kc_connect_why(err), .topic = name, .reached = true},
            "describe topic %s", name);
        if (code > c->code) c->code = code;
    }
}

static int ask_all_topics(kafka_conn *conn, cluster *c)
{
    c->answers = kc_zalloc(1, sizeof(kafka_partitions *));
    c->answer_count = 1;
    return kafka_conn_read_partitions(conn, NULL, 0, &c->answers[0]);
}

static void free_cluster(cluster *c)
{
    for (size_t i = 0; i < c->answer_count; i++) kafka_partitions_free(c->answers[i]);
    free(c->answers);
    kafka_broker_free(c->controller);
    kafka_brokers_free(c->brokers);
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

/* Calls `show` for each topic that is to be shown. */
static void for_topics(const settings *o, const cluster *c, void (*show)(const kc_topic *, void *), void *with)
{
    for (size_t i = 0; i < c->answer_count; i++) {
        const kafka_partitions *all = c->answers[i];
        for (size_t at = 0; all != NULL && at < all->count;) {
            kc_topic t = kc_topic_next(all, at);
            at += t.count;
            if (t.items[0].internal == 0 || o->internal || o->topics.count > 0) show(&t, with);
        }
    }
}

static void add_topic(const kc_topic *t, void *list)
{
    json_array_append_new(list, kc_topic_json(t));
}

static void print_json(const settings *o, const cluster *c)
{
    json_t *object = json_object(), *brokers = json_array(), *topics = json_array();
    for (size_t i = 0; i < c->brokers->count; i++) {
        const kafka_broker *b = &c->brokers->items[i];
        json_t *broker = json_object();
        kc_json_set(broker, "id", json_integer(b->id));
        kc_json_set(broker, "host", kc_json_text(b->host));
        kc_json_set(broker, "port", json_integer(b->port));
        kc_json_set(broker, "rack", b->rack != NULL ? kc_json_text(b->rack) : json_null());
        json_array_append_new(brokers, broker);
    }
    for_topics(o, c, add_topic, topics);
    kc_json_set(object, "brokers", brokers);
    kc_json_set(object, "controller", c->controller != NULL ? json_integer(c->controller->id) : json_null());
    kc_json_set(object, "topics", topics);
    kc_json_print(object);
}

static void print_topic(const kc_topic *t, void *with)
{
    (void)with;
    printf("\n");
    kc_topic_print(t);
}

static void print_text(const settings *o, const cluster *c)
{
    static const char *const names[] = {"BROKER", "HOST", "PORT", "RACK", "ROLE"};
    kc_table t = {.columns = sizeof names / sizeof names[0]};
    printf("%zu broker%s\n", c->brokers->count, c->brokers->count == 1 ? "" : "s");
    for (size_t i = 0; i < t.columns; i++) kc_table_add(&t, "%s", names[i]);
    for (size_t i = 0; i < c->brokers->count; i++) {
        const kafka_broker *b = &c->brokers->items[i];
        kc_table_add(&t, "%d", (int)b->id);
        kc_table_add(&t, "%s", b->host);
        kc_table_add(&t, "%d", (int)b->port);
        kc_table_add(&t, "%s", b->rack != NULL ? b->rack : "-");
        kc_table_add(&t, "%s", c->controller != NULL && c->controller->id == b->id ? "controller" : "-");
    }
    kc_table_print(&t, 2);
    for_topics(o, c, print_topic, NULL);
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static int run(const settings *o)
{
    if (!kc_stop_init()) return KC_FAILED;
    kafka_conn *conn = NULL;
    cluster c = {.code = KC_OK};
    int err = kc_connect_any(&o->common, &conn);
    bool reached = err == 0;
    if (err == 0) err = ask_brokers(o, conn, &c);
    if (err == 0 && o->topics.count == 0) err = ask_all_topics(conn, &c);
    if (err == 0 && o->topics.count > 0) ask_topics(o, conn, &c);
    if (err != 0)
        c.code = kc_connect_explain(&o->common, (kc_failure){.err = err, .reached = reached}, "ask for the cluster");
    else if (kc_stop_signal() != 0)
        c.code = KC_SIGNALLED + kc_stop_signal();
    else if (o->json)
        print_json(o, &c);
    else
        print_text(o, &c);
    free_cluster(&c);
    kafka_conn_free(conn);
    return kc_output_finish(c.code);
}

int kc_meta(int argc, char **argv)
{
    settings o = {.common = KC_COMMON_DEFAULTS};
    const kc_option options[] = {
        {'t', 0, "topic", "TOPIC", kc_take_string, &o.topics,
         "show this topic only; may be repeated, and be an argument"},
        {'i', 0, "internal", NULL, kc_take_flag, &o.internal, "without TOPIC: with Kafka's own topics"},
        {'o', 0, "output", "FORMAT", kc_take_output, &o.json, "text (default) or json, see below"},
        {'J', 0, "json", NULL, kc_take_flag, &o.json, "the same as -o json"},
        {0}};
    const kc_manual manual = {
        .command = "kc meta",
        .synopsis = "[OPTION...] [TOPIC...]",
        .about = "Shows the cluster as the broker that answers knows it: the brokers and the controller,\n"
                 "and of each topic the partitions with leader, epoch, replicas, and what is wrong.",
        .notes = "-o json prints one object: brokers (a list of id, host, port, rack), controller (an id,\n"
                 "or null), topics (a list, each as kc topics describe --json prints it).\n"
                 "\n"
                 "examples:\n"
                 "  kc meta -b localhost:9092\n"
                 "  kc meta orders\n"
                 "  kc meta -o json | jq -r '.brokers[] | \"\\(.host):\\(.port)\"'\n",
        .options = options,
        .common = &o.common,
        .most_operands = SIZE_MAX};
    size_t operands;
    int code = kc_options_parse(&manual, argc, argv, &operands);
    kc_why why;
    for (size_t i = 1; code < 0 && i <= operands; i++) kc_take_string(&o.topics, argv[i], &why);
    if (code < 0) code = kc_options_finish(&manual);
    if (code < 0) code = run(&o);
    free(o.topics.items);
    return code;
}
