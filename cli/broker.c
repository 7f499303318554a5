/* broker.c: kc broker: the in-memory cluster of libkafka-testing as a command. */
#include "control.h"
#include "options.h"
#include "output.h"
#include "say.h"
#include "stop.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *host, *control;
    kc_strings topics;
    int64_t brokers, partitions, base_port, memory_mib;
    bool no_auto_create, verbose;
} settings;

static bool take_port(void *into, const char *text, kc_why *why)
{
    if (kc_read_int(text, 1, 65535, into)) return true;
    snprintf(why->text, sizeof why->text, "is no port from 1 to 65535");
    return false;
}

static bool take_partitions(void *into, const char *text, kc_why *why)
{
    if (kc_read_int(text, 1, 100000, into)) return true;
    snprintf(why->text, sizeof why->text, "is no number from 1 to 100000");
    return false;
}

static bool take_memory(void *into, const char *text, kc_why *why)
{
    if (kc_read_int(text, 1, 1 << 20, into)) return true;
    snprintf(why->text, sizeof why->text, "is no number of MiB from 1 to 1048576");
    return false;
}

static bool take_brokers(void *into, const char *text, kc_why *why)
{
    if (kc_read_int(text, 1, 100, into)) return true;
    snprintf(why->text, sizeof why->text, "is no number from 1 to 100");
    return false;
}

static void show(void *userdata, kafka_log_level level, const char *line)
{
    (void)userdata;
    if (level <= KAFKA_LOG_WARN)
        kc_say("%s", line);
    else
        fprintf(stderr, "%s\n", line);
}

/* "name:partitions" or "name". */
static int create_topic(kafka_cluster *c, const char *text)
{
    int64_t partitions = 0;
    const char *colon = strrchr(text, ':');
    if (colon && !kc_read_int(colon + 1, 1, 100000, &partitions)) {
        kc_say_error("--topic %s: '%s' is no number of partitions", text, colon + 1);
        return KC_USAGE;
    }
    char *name = kc_copy_text(text);
    if (colon) name[colon - text] = '\0';
    int err = kafka_cluster_create_topic(c, name, (int32_t)partitions);
    if (err != 0) kc_say_error("--topic %s: %s", text, kafka_last_error());
    free(name);
    return err == 0 ? KC_OK : KC_USAGE;
}

static int run(const settings *o)
{
    kafka_cluster *c = NULL;
    const kafka_logger logger = {.log = show, .max_level = o->verbose ? KAFKA_LOG_DEBUG : KAFKA_LOG_WARN};
    if (!kc_stop_init()) return KC_FAILED;
    int code = KC_OK, err = kafka_cluster_new(&(kafka_cluster_config){.host = o->host,
                                                                      .logger = &logger,
                                                                      .brokers = (int32_t)o->brokers,
                                                                      .base_port = (int32_t)o->base_port,
                                                                      .partitions = (int32_t)o->partitions,
                                                                      .no_auto_create = o->no_auto_create},
                                              &c);
    if (err != 0) {
        kc_say_error("cannot start: %s", kafka_last_error());
        if (err == KAFKA_EIO) kc_say_try("is something else listening there? without --base-port free ports are taken");
        return err == KAFKA_EINVAL ? KC_USAGE : KC_FAILED;
    }
    if (o->memory_mib > 0 && kafka_cluster_set_memory_limit(c, o->memory_mib << 20) != 0) {
        kc_say_error("--memory: %s", kafka_last_error());
        code = KC_FAILED;
    }
    for (size_t i = 0; i < o->topics.count && code == KC_OK; i++) code = create_topic(c, o->topics.items[i]);
    if (code == KC_OK) code = kc_control_serve(c, o->control);
    kafka_cluster_free(c);
    return code;
}

int kc_broker(int argc, char **argv)
{
    settings o = {.brokers = 1};
    const kc_option options[] = {
        {'n', 0, "brokers", "N", take_brokers, &o.brokers, "how many brokers, default 1"},
        {'t', 0, "topic", "NAME[:PARTITIONS]", kc_take_string, &o.topics, "make this topic; may be repeated"},
        {'p', 0, "partitions", "N", take_partitions, &o.partitions, "of topics made without a number, default 1"},
        {0, 0, "host", "ADDRESS", kc_take_text, &o.host, "the numeric address to listen at, default 127.0.0.1"},
        {0, 0, "base-port", "PORT", take_port, &o.base_port,
         "the first broker's port, the next one's is one higher;\nwithout it, free ports are taken"},
        {0, 0, "no-auto-create", NULL, kc_take_flag, &o.no_auto_create,
         "a topic does not come into being by being asked for"},
        {0, 0, "memory", "MIB", take_memory, &o.memory_mib,
         "how much all messages may take, default 256; beyond it\nthe oldest go"},
        {0, 0, "control", "PATH", kc_take_text, &o.control,
         "listen for commands at this unix socket, a line each;\nwith a COMMAND, send it there"},
        {'v', 0, "verbose", NULL, kc_take_flag, &o.verbose, "show every request and answer on standard error"},
        {0}};
    const kc_manual manual = {
        .command = "kc broker",
        .synopsis = "[OPTION...] [COMMAND...]",
        .about = "Runs a Kafka cluster in memory until it is stopped with Ctrl-C. Any client can talk to\n"
                 "it; nothing is stored, and there are no groups and no transactions yet. It is made for\n"
                 "trying things out and for tests, not for production.\n"
                 "\n"
                 "Its address is the first line of standard output.\n"
                 "\n"
                 "With --control and a command it does not run a cluster, but tells the one that listens\n"
                 "there to stop a broker, to answer with errors, and more: help lists what it can be told.",
        .notes = "examples:\n"
                 "  kc broker --base-port 9092 --topic greetings:3 -v\n"
                 "  kc broker -n 3 --control /tmp/kafka.sock\n"
                 "  kc broker --control /tmp/kafka.sock stop 1\n"
                 "  kc broker --control /tmp/kafka.sock fault error api=produce error=6\n",
        .options = options,
        .most_operands = 16};
    size_t operands;
    int code = kc_options_parse(&manual, argc, argv, &operands);
    if (code < 0 && operands > 0 && !o.control) {
        kc_say_error("'%s' is surplus: a command goes to a broker that runs, with --control PATH", argv[1]);
        code = KC_USAGE;
    } else if (code < 0) {
        code = operands > 0 ? kc_control_tell(o.control, argv + 1, operands) : run(&o);
    }
    free(o.topics.items);
    return code;
}
