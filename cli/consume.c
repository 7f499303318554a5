/* consume.c: kc consume: messages of a topic onto standard output.
 *
 * The main thread starts a reader per partition and then only waits: for the readers, for a signal, for the reader of
 * our output to go away (also while the topic is silent), and to draw the progress line. */
#include "connect.h"
#include "output.h"
#include "progress.h"
#include "reader.h"
#include "say.h"
#include "stop.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MOST_PARTITIONS = 256, DRAW_MS = 200, GRACE_MS = 2000 };

typedef struct settings {
    kc_common common;
    const char *topic, *format;
    kc_partitions partitions;
    kc_position from;
    kc_text delimiter, key_delimiter;
    bool stop_at_end, headers, show_null, json;
    int64_t count; /* 0 = no limit */
} settings;

static const char about[] = "Prints the messages of a topic: each value and a newline, until it is stopped.\n"
                            "Reads all partitions at once; order holds within each partition.";

static const char notes[] = "escapes in DELIM and FORMAT: \\n \\r \\t \\0 \\\\ \\xHH\n"
                            "\n"
                            "FORMAT is printed per message; nothing is added to it:\n"
                            "  %t topic     %p partition   %o offset    %T timestamp in Unix ms (-1: none)\n"
                            "  %k key       %s value       %h headers, as name=value,name=value\n"
                            "  %K length of the key, %S of the value (-1: null), %R the same as 4 bytes, big endian\n"
                            "  %% a percent sign\n"
                            "\n"
                            "--json prints an object per line: topic, partition, offset, timestamp (Unix ms),\n"
                            "timestamp_type (create, append), headers (a list of name and value), key, value.\n"
                            "A key or value that is not UTF-8 is in base64, and key_encoding or value_encoding\n"
                            "(in a header: encoding) is \"base64\".\n"
                            "\n"
                            "exit codes: 0 done, also when the reader of the output went away (| head);\n"
                            "1 failed, 2 wrong usage, 130 stopped by Ctrl-C (a second one kills)\n"
                            "\n"
                            "examples:\n"
                            "  kc consume -b localhost:9092 -t greetings            # all there is, and what comes\n"
                            "  kc consume -t greetings -e                           # all there is\n"
                            "  kc consume -t orders -p 0 -o -10 -e                  # the last ten of a partition\n"
                            "  kc consume -t orders -o @2024-05-01T00:00Z -e --json | jq .value\n"
                            "  kc consume -t orders -f '%p/%o at %T: %k = %s\\n'\n";

/* ---- which partitions -------------------------------------------------------------------------------------------- */

/* Checks the partitions asked for, or takes all. */
static bool choose(const settings *o, const kafka_partitions *found, kc_partitions *chosen)
{
    const kc_partitions *wanted = &o->partitions;
    for (size_t i = 0; i < wanted->count; i++) {
        if (kc_connect_has_partition(found, wanted->ids[i])) continue;
        kc_say_error("topic %s has no partition %d: it has %zu, from 0", o->topic, (int)wanted->ids[i], found->count);
        return false;
    }
    size_t count = wanted->count > 0 ? wanted->count : found->count;
    if (count > MOST_PARTITIONS) {
        kc_say_error("%zu partitions of topic %s are too many: kc consume reads up to %d at once", count, o->topic,
                     MOST_PARTITIONS);
        kc_say_try("choose some: -p 0-%d", MOST_PARTITIONS - 1);
        return false;
    }
    chosen->ids = kc_zalloc(count, sizeof *chosen->ids);
    chosen->count = count;
    for (size_t i = 0; i < count; i++) chosen->ids[i] = wanted->count > 0 ? wanted->ids[i] : found->items[i].id;
    return true;
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

static int wait_ms(int64_t leave)
{
    if (leave != 0) {
        int64_t left = leave - kafka_now_ms();
        return left > 0 ? (int)left : 0;
    }
    return kc_progress_wanted() ? DRAW_MS : -1;
}

/* Waits for all readers. False when they did not end in time after a signal: one may be stuck in a write that nobody
 * takes away. */
static bool wait_for_readers(kc_reading *s)
{
    struct pollfd p[] = {
        {.fd = s->done_fd, .events = POLLIN}, {.fd = kc_stop_fd(), .events = POLLIN}, {.fd = STDOUT_FILENO}};
    int64_t leave = 0;
    while (atomic_load(&s->running) > 0) {
        if (leave != 0 && kafka_now_ms() >= leave) return false;
        int n = poll(p, sizeof p / sizeof p[0], wait_ms(leave));
        if (n > 0 && p[0].revents != 0) {
            uint64_t ended;
            if (read(s->done_fd, &ended, sizeof ended) < 0) continue;
        }
        if (n > 0 && p[2].revents != 0) { /* POLLERR: the pipe has no reader any more */
            kc_output_mark_closed();
            kc_stop_all();
            p[2].fd = -1;
        }
        if (n > 0 && p[1].revents != 0) p[1].fd = -1; /* it stays readable */
        if (kc_stop_signal() != 0 && leave == 0) leave = kafka_now_ms() + GRACE_MS;
        kc_progress_update(atomic_load(&s->messages), atomic_load(&s->bytes));
    }
    return true;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static int finish(kc_reading *s, bool ended)
{
    uint64_t messages = atomic_load(&s->messages), bytes = atomic_load(&s->bytes);
    char count[32], size[32];
    kc_progress_end(messages, bytes);
    kc_say_detail("%s message%s read, %s", kc_count_text(messages, count), messages == 1 ? "" : "s",
                  kc_bytes_text(bytes, size));
    int code = atomic_load(&s->code);
    if (kc_stop_signal() != 0)
        code = KC_SIGNALLED + kc_stop_signal();
    else if (kc_output_closed())
        code = KC_OK;
    if (!ended) _exit(code);
    return kc_output_finish(code);
}

static int read_all(const settings *o, kc_reading *s, const kc_partitions *chosen)
{
    kc_reader **readers = kc_zalloc(chosen->count, sizeof(kc_reader *));
    s->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->done_fd < 0) {
        kc_say_error("cannot make an eventfd: %s", strerror(errno));
        free(readers);
        return KC_FAILED;
    }
    kc_progress_begin("read", !o->common.quiet && isatty(STDOUT_FILENO) == 0);
    sigset_t all, before; /* signals are the main thread's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (size_t i = 0; i < chosen->count; i++) {
        if ((readers[i] = kc_reader_start(s, chosen->ids[i])) != NULL) continue;
        atomic_store(&s->code, KC_FAILED);
        kc_stop_all();
        break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    bool ended = wait_for_readers(s);
    if (!ended) return finish(s, false);
    for (size_t i = 0; i < chosen->count; i++) {
        if (readers[i] != NULL) kc_reader_join(readers[i]);
    }
    free(readers);
    close(s->done_fd);
    return finish(s, true);
}

static int run(const settings *o, const kc_format *format)
{
    if (!kc_stop_init()) return KC_FAILED;
    kafka_partitions *found = NULL;
    int err = kc_connect_partitions(&o->common, o->topic, false, &found);
    if (err != 0)
        return kc_connect_explain(&o->common, (kc_failure){.err = err, .why = kc_connect_why(err), .topic = o->topic},
                                  "read topic %s", o->topic);
    kc_partitions chosen = {0};
    int code = KC_FAILED;
    if (choose(o, found, &chosen)) {
        kc_reading s = {.common = &o->common,
                        .topic = o->topic,
                        .from = o->from,
                        .format = *format,
                        .stop_at_end = o->stop_at_end,
                        .limited = o->count > 0,
                        .left = o->count,
                        .fetch_bytes = chosen.count <= 16 ? 4 << 20 : 1 << 20};
        code = read_all(o, &s, &chosen);
    }
    free(chosen.ids);
    kafka_partitions_free(found);
    return code;
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

static int make_format(const kc_manual *manual, settings *o, kc_format *format)
{
    kc_why why;
    bool lines = o->delimiter.data != NULL || o->key_delimiter.data != NULL || o->headers;
    if (o->json && (o->format != NULL || lines))
        return kc_options_refuse(manual, "--json prints everything: -f, -k, -D and -H say nothing then");
    if (o->format != NULL && lines)
        return kc_options_refuse(manual,
                                 "-f says what is printed: put %%k, %%h and \\n into it instead of -k, -H and -D");
    if (o->delimiter.data == NULL) kc_take_bytes(&o->delimiter, "\\n", &why);
    if (o->json) {
        kc_format_json(format);
    } else if (o->format != NULL) {
        if (!kc_format_parse(format, o->format, &why))
            return kc_options_refuse(manual, "-f '%s' %s", o->format, why.text);
    } else {
        kc_format_line(format, o->headers, &o->key_delimiter, &o->delimiter);
    }
    if (o->show_null) format->null = "NULL";
    return -1;
}

int kc_consume(int argc, char **argv)
{
    settings o = {.common = KC_COMMON_DEFAULTS};
    const kc_option options[] = {
        {'t', 0, "topic", "TOPIC", kc_take_text, &o.topic, "what to read"},
        {'p', 0, "partition", "N[,N-M...]", kc_take_partitions, &o.partitions,
         "read these partitions only; may be repeated"},
        {'o', 0, "offset", "WHERE", kc_take_position, &o.from,
         "where to begin: beginning (default), end, N, -N (N\n"
         "before the end), @UNIX-MS, @2024-05-01T12:30:00Z (ISO\n"
         "8601; local time without a zone), '1h30m ago'"},
        {'e', 0, "exit", NULL, kc_take_flag, &o.stop_at_end, "stop at the end that each partition has now"},
        {'c', 0, "count", "N", kc_take_count, &o.count, "stop after N messages of all partitions together"},
        {'k', 'K', "key-delimiter", "DELIM", kc_take_bytes, &o.key_delimiter,
         "print the key and this in front of the value"},
        {'D', 0, "delimiter", "DELIM", kc_take_bytes, &o.delimiter, "print this behind the value (default: \\n)"},
        {'H', 0, "headers", NULL, kc_take_flag, &o.headers, "print the headers and a tab in front"},
        {'Z', 0, "null", NULL, kc_take_flag, &o.show_null, "print NULL for null instead of nothing"},
        {'f', 0, "format", "FORMAT", kc_take_text, &o.format, "print this for each message, see below"},
        {'J', 0, "json", NULL, kc_take_flag, &o.json, "print a JSON object per line, see below"},
        {0}};
    const kc_manual manual = {.command = "kc consume",
                              .synopsis = "-t TOPIC [OPTION...]",
                              .about = about,
                              .notes = notes,
                              .options = options,
                              .common = &o.common,
                              .operand_advice = "the topic goes behind -t"};
    size_t operands;
    kc_format format = {0};
    int code = kc_options_parse(&manual, argc, argv, &operands);
    if (code < 0 && o.topic == NULL) code = kc_options_refuse(&manual, "no topic given: -t TOPIC");
    if (code < 0) code = make_format(&manual, &o, &format);
    if (code < 0) code = kc_options_finish(&manual);
    if (code < 0) code = run(&o, &format);
    kc_format_free(&format);
    free(o.delimiter.data);
    free(o.key_delimiter.data);
    free(o.partitions.ids);
    return code;
}
