/* offsets.c: kc offsets: what partitions hold, in offsets.
 *
 * Offsets are the leader's business, and a connection belongs to one partition, so each partition takes a dial of its
 * own. A few threads share the work: a topic of a thousand partitions waits for round trips otherwise. Nothing is
 * printed before all is known, in the order of the partitions, so the output is the same however the threads ran. */
#include "connect.h"
#include "json.h"
#include "output.h"
#include "say.h"
#include "stop.h"
#include "table.h"
#include "when.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 16, STACK = 512 << 10, NOT_GIVEN = -1 };

typedef struct settings {
    kc_common common;
    kc_strings topics;
    kc_partitions partitions; /* none: all */
    int64_t at_ms;            /* NOT_GIVEN, or Unix ms */
    bool json;
} settings;

/* A partition: what is asked, and what came of it. */
typedef struct entry {
    const char *topic;
    int32_t partition;
    int err, tries; /* a code of the library, and how often it was tried */
    char *why;      /* when err != 0 */
    int64_t first, last, at;
} entry;

typedef struct work {
    const settings *settings;
    entry *entries;
    size_t count;
    atomic_size_t next;
    bool unreachable; /* the cluster did not answer: it would not for the next topic either */
} work;

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static int ask_once(const settings *o, entry *e)
{
    kafka_conn *conn = NULL;
    int err = kc_connect_leader(&o->common, e->topic, e->partition, &conn);
    if (err == 0) err = kafka_conn_read_offsets(conn, &e->first, &e->last);
    if (err == 0 && o->at_ms != NOT_GIVEN) err = kafka_conn_read_offset(conn, o->at_ms, &e->at);
    if (err != 0) {
        free(e->why);
        e->why = kc_copy_text(kafka_last_error());
    }
    kafka_conn_free(conn);
    return err;
}

/* A leader may move between the moment it is named and the moment it is asked. */
static void ask(const settings *o, entry *e)
{
    int64_t give_up = kafka_deadline_in(o->common.timeout_ms);
    for (int retry = 0;; retry++) {
        e->err = ask_once(o, e);
        e->tries = retry + 1;
        if (e->err == 0 || !kc_connect_may_retry(e->err, false) || kafka_now_ms() >= give_up) return;
        if (!kc_stop_pause(kc_connect_backoff_ms(retry))) return;
    }
}

static void *ask_some(void *arg)
{
    work *w = arg;
    for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->count && kc_stop_signal() == 0;)
        ask(w->settings, &w->entries[i]);
    return NULL;
}

/* The calling thread does its share, so that it also works where no thread can be had. */
static void ask_all(work *w)
{
    pthread_t threads[WORKERS];
    size_t started = 0;
    pthread_attr_t attr;
    sigset_t all, before; /* signals are the main thread's */
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < WORKERS && started + 1 < w->count && pthread_create(&threads[started], &attr, ask_some, w) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    ask_some(w);
    for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
}

/* ---- which partitions -------------------------------------------------------------------------------------------- */

static bool wanted(const settings *o, int32_t id)
{
    bool all = o->partitions.count == 0, found = false;
    for (size_t i = 0; i < o->partitions.count && !found; i++) found = o->partitions.ids[i] == id;
    return all || found;
}

/* Adds the partitions of a topic. KC_OK, or the exit code of what was said. */
static int add_topic(const settings *o, const char *topic, work *w)
{
    kafka_partitions *found = NULL;
    int code = KC_OK, err = kc_connect_partitions(&o->common, topic, false, &found);
    if (err != 0) {
        w->unreachable = err < 0;
        return kc_connect_explain(&o->common, (kc_failure){.err = err, .why = kc_connect_why(err), .topic = topic},
                                  "read the offsets of topic %s", topic);
    }
    for (size_t i = 0; i < o->partitions.count; i++) {
        if (kc_connect_has_partition(found, o->partitions.ids[i])) continue;
        kc_say_error("topic %s has no partition %d: it has %zu, from 0", topic, (int)o->partitions.ids[i],
                     found->count);
        code = KC_FAILED;
    }
    w->entries = kc_resize(w->entries, w->count + found->count, sizeof *w->entries);
    for (size_t i = 0; i < found->count; i++) {
        if (wanted(o, found->items[i].id))
            w->entries[w->count++] = (entry){.topic = topic, .partition = found->items[i].id, .at = -1};
    }
    kafka_partitions_free(found);
    return code;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static json_t *number(bool known, int64_t n)
{
    return known ? json_integer(n) : json_null();
}

static void print_json(const settings *o, const work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        const entry *e = &w->entries[i];
        bool ok = e->err == 0;
        json_t *object = json_object();
        kc_json_set(object, "topic", kc_json_text(e->topic));
        kc_json_set(object, "partition", json_integer(e->partition));
        kc_json_set(object, "first", number(ok, e->first));
        kc_json_set(object, "last", number(ok, e->last));
        kc_json_set(object, "count", number(ok, e->last - e->first));
        if (o->at_ms != NOT_GIVEN) kc_json_set(object, "at", number(ok && e->at >= 0, e->at));
        kc_json_set(object, "error", ok ? json_null() : kc_json_text(kafka_err_name(e->err)));
        kc_json_print(object);
    }
}

static void add_number(kc_table *t, bool known, int64_t n)
{
    if (known)
        kc_table_add(t, "%lld", (long long)n);
    else
        kc_table_add(t, "-");
}

static void print_text(const settings *o, const work *w)
{
    static const char *const names[] = {"TOPIC", "PARTITION", "FIRST", "LAST", "COUNT", "AT"};
    kc_table t = {.columns = o->at_ms != NOT_GIVEN ? 6 : 5};
    for (size_t i = 0; i < t.columns && kc_output_on_terminal(); i++) kc_table_add(&t, "%s", names[i]);
    for (size_t i = 0; i < w->count; i++) {
        const entry *e = &w->entries[i];
        bool ok = e->err == 0;
        kc_table_add(&t, "%s", e->topic);
        kc_table_add(&t, "%d", (int)e->partition);
        add_number(&t, ok, e->first);
        add_number(&t, ok, e->last);
        add_number(&t, ok, e->last - e->first);
        if (o->at_ms != NOT_GIVEN) add_number(&t, ok && e->at >= 0, e->at);
    }
    kc_table_print(&t, 0);
}

/* Says why partitions could not be asked: the same sentence only once. */
static int explain(const settings *o, const work *w)
{
    int code = KC_OK, last = 0;
    for (size_t i = 0; i < w->count; i++) {
        const entry *e = &w->entries[i];
        if (e->err == 0) continue;
        int said = KC_FAILED;
        if (e->err != last)
            said = kc_connect_explain(
                &o->common,
                (kc_failure){.err = e->err, .why = e->why, .topic = e->topic, .reached = true, .tries = e->tries},
                "read the offsets of partition %d of topic %s", (int)e->partition, e->topic);
        last = e->err;
        if (said > code) code = said;
    }
    return code;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static int run(const settings *o)
{
    if (!kc_stop_init()) return KC_FAILED;
    work w = {.settings = o};
    int code = KC_OK;
    for (size_t i = 0; i < o->topics.count && !w.unreachable && kc_stop_signal() == 0; i++) {
        int said = add_topic(o, o->topics.items[i], &w);
        if (said > code) code = said;
    }
    ask_all(&w);
    if (kc_stop_signal() != 0) {
        code = KC_SIGNALLED + kc_stop_signal();
    } else {
        if (o->json)
            print_json(o, &w);
        else
            print_text(o, &w);
        int said = explain(o, &w);
        if (said > code) code = said;
    }
    for (size_t i = 0; i < w.count; i++) free(w.entries[i].why);
    free(w.entries);
    return kc_output_finish(code);
}

int kc_offsets(int argc, char **argv)
{
    settings o = {.common = KC_COMMON_DEFAULTS, .at_ms = NOT_GIVEN};
    const kc_option options[] = {
        {'t', 0, "topic", "TOPIC", kc_take_string, &o.topics,
         "ask about this topic; may be repeated, and be an argument"},
        {'p', 0, "partition", "N[,N-M...]", kc_take_partitions, &o.partitions,
         "these partitions only; may be repeated"},
        {'a', 0, "at", "TIME", kc_take_time, &o.at_ms,
         "also the offset of the first message of this time or\n"
         "later: 2024-05-01T12:30:00Z (RFC 3339; local time\n"
         "without a zone), Unix ms, '1h30m ago', now"},
        {'o', 0, "output", "FORMAT", kc_take_output, &o.json, "text (default) or json, see below"},
        {'J', 0, "json", NULL, kc_take_flag, &o.json, "the same as -o json"},
        {0}};
    const kc_manual manual = {
        .command = "kc offsets",
        .synopsis = "[OPTION...] TOPIC...",
        .about = "Shows what each partition of the topics holds: the offset of its first message, the\n"
                 "one that the next message will get, and how many offsets lie between. In a compacted\n"
                 "topic, or with transactions, there are fewer messages than that.",
        .notes = "Columns: topic, partition, first, last, count, and with --at the offset at that time. A\n"
                 "minus stands for what there is not, and for all of a partition that could not be asked;\n"
                 "standard error then says why, and the exit code is 1.\n"
                 "\n"
                 "-o json prints an object per partition: topic, partition, first, last, count, at (with\n"
                 "--at only; null = no such message), error (null, or the name of what is wrong).\n"
                 "\n"
                 "examples:\n"
                 "  kc offsets -b localhost:9092 orders\n"
                 "  kc offsets orders -p 0-3 --at '1h ago'\n"
                 "  kc offsets orders payments -o json | jq .count\n",
        .options = options,
        .common = &o.common,
        .most_operands = SIZE_MAX};
    size_t operands;
    int code = kc_options_parse(&manual, argc, argv, &operands);
    kc_why why;
    for (size_t i = 1; code < 0 && i <= operands; i++) kc_take_string(&o.topics, argv[i], &why);
    if (code < 0 && o.topics.count == 0) code = kc_options_refuse(&manual, "no topic given: kc offsets TOPIC");
    if (code < 0) code = kc_options_finish(&manual);
    if (code < 0) code = run(&o);
    free(o.topics.items);
    free(o.partitions.ids);
    return code;
}
