/* produce.c: kc produce: messages from standard input or files into a topic.
 *
 * The loop reads, splits and hands messages to the writer, and flushes whenever the input has nothing at the moment. So
 * a line typed at a terminal is sent at once, and a fast pipe fills whole batches. */
#include "input.h"
#include "output.h"
#include "progress.h"
#include "say.h"
#include "stop.h"
#include "writer.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    kc_common common;
    kc_writer_config writer;
    kc_text delimiter, key_delimiter;
    kc_strings headers;
    bool empty_is_null;
    int64_t count; /* 0 = no limit */
} settings;

static const char about[] = "Writes messages to a topic: each line of standard input, or of the files, is one.\n"
                            "Anything but the delimiter may be in them. Messages with a key go to the partition\n"
                            "that Java's producer would choose; those without one go to all partitions in turn,\n"
                            "many at a time. What comes in slowly, as from a keyboard, is sent at once.";

static const char notes[] = "escapes in DELIM: \\n \\r \\t \\0 \\\\ \\xHH\n"
                            "\n"
                            "partitioners: sticky (keys as murmur2, others by 16 KiB), round_robin, least_bytes;\n"
                            "by key as librdkafka: murmur2, murmur2_random, consistent, consistent_random; by key\n"
                            "as Sarama: hash, reference_hash\n"
                            "\n"
                            "A message is tried for --timeout seconds. With idempotence, which is on with --acks\n"
                            "all, it is in the log once however often it had to be sent, and order is kept. When\n"
                            "one fails for itself, being too large, the others are written all the same; when it\n"
                            "fails for a reason that will meet the next one, too, kc stops. It says what failed\n"
                            "first and why, and how many were acknowledged, failed, or are possibly written (no\n"
                            "answer came). One above 1 MiB goes alone and may be refused.\n"
                            "\n"
                            "exit codes: 0 all acknowledged, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C\n"
                            "(it says what was acknowledged; a second Ctrl-C kills)\n"
                            "\n"
                            "examples:\n"
                            "  echo hello | kc produce -b localhost:9092 -t greetings\n"
                            "  kc produce -t users -k : -z zstd users.txt        # lines \"key:value\"\n"
                            "  find . -print0 | kc produce -t files -D '\\0'\n"
                            "  kc produce -t images -D '' photo.jpg              # the whole file is one message\n"
                            "  kc produce -t log --report app.log | grep -v OK   # what was not written\n";

static bool only_headers_named(const kc_strings *list, const char **bad)
{
    for (size_t i = 0; i < list->count; i++) {
        *bad = list->items[i];
        if (**bad == '\0' || **bad == '=') return false;
    }
    return true;
}

/* "name=value", "name=" for an empty value, "name" for a null one. */
static kafka_header *make_headers(const kc_strings *list)
{
    kafka_header *headers = kc_zalloc(list->count, sizeof *headers);
    for (size_t i = 0; i < list->count; i++) {
        char *name = kc_copy_text(list->items[i]), *equals = strchr(name, '=');
        headers[i].key = name;
        if (equals == NULL) continue;
        *equals = '\0';
        headers[i].value = kafka_str(equals + 1);
    }
    return headers;
}

static void free_headers(kafka_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) free((char *)headers[i].key);
    free(headers);
}

static void split(const settings *o, const kc_text *line, kafka_message *m)
{
    const char *value = line->data;
    size_t len = line->len;
    m->key = (kafka_bytes){NULL, 0};
    const char *key_end =
        o->key_delimiter.len > 0 ? memmem(value, len, o->key_delimiter.data, o->key_delimiter.len) : NULL;
    if (key_end != NULL) {
        size_t key_len = (size_t)(key_end - value), skip = key_len + o->key_delimiter.len;
        if (key_len > 0 || !o->empty_is_null) m->key = (kafka_bytes){value, key_len};
        value += skip;
        len -= skip;
    }
    m->value = (kafka_bytes){len > 0 || !o->empty_is_null ? value : NULL, len};
}

/* Reads and writes until the input ends, the count is reached, something fails, or a signal comes. */
static int pump(const settings *o, kc_input *in, kc_writer *writer, kafka_message *m)
{
    bool go_on = true;
    int64_t taken = 0;
    while (go_on && kc_stop_signal() == 0 && (o->count == 0 || taken < o->count)) {
        kc_text line;
        switch (kc_input_next(in, &line)) {
        case KC_INPUT_MESSAGE:
            split(o, &line, m);
            taken++;
            go_on = kc_writer_put(writer, m);
            break;
        case KC_INPUT_IDLE:
            go_on = kc_writer_flush(writer);
            if (go_on) kc_input_wait(in);
            break;
        case KC_INPUT_END: return KC_OK;
        case KC_INPUT_FAILED: return KC_FAILED;
        }
    }
    return KC_OK;
}

static bool readable(char *const *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(files[i], "-") == 0 || access(files[i], R_OK) == 0) continue;
        kc_say_error("cannot read %s: %s", files[i], strerror(errno));
        return false;
    }
    return true;
}

static int run(const settings *o, char *const *files, size_t file_count)
{
    if (!readable(files, file_count) || !kc_stop_init()) return KC_FAILED;
    kc_writer *writer = NULL;
    int code = kc_writer_open(&o->writer, &writer);
    if (code != KC_OK) return code;
    bool typed = file_count == 0 && isatty(STDIN_FILENO) == 1;
    if (typed && !o->common.quiet && kc_say_on_terminal()) kc_say("each line is a message; Ctrl-D ends");
    kc_progress_begin("written", !typed && !o->common.quiet);
    kafka_header *headers = make_headers(&o->headers);
    kafka_message m = {.headers = headers, .header_count = o->headers.count};
    kc_input *in = kc_input_new(files, file_count, &o->delimiter);
    code = kc_writer_finish(writer, pump(o, in, writer, &m));
    kc_input_free(in);
    free_headers(headers, o->headers.count);
    kc_writer_free(writer);
    return kc_output_finish(code);
}

int kc_produce(int argc, char **argv)
{
    settings o = {.common = KC_COMMON_DEFAULTS, .writer = {.partition = -1, .codec = KAFKA_COMPRESSION_NONE}};
    const kc_option options[] = {
        {'t', 0, "topic", "TOPIC", kc_take_text, &o.writer.topic, "where to write"},
        {'p', 0, "partition", "N", kc_take_partition, &o.writer.partition, "write to this partition only"},
        {'k', 'K', "key-delimiter", "DELIM", kc_take_bytes, &o.key_delimiter,
         "what separates key and value in a line; a line without\nit has no key"},
        {'D', 0, "delimiter", "DELIM", kc_take_bytes, &o.delimiter,
         "what ends a message (default: \\n); empty: each file is\none message"},
        {'H', 0, "header", "NAME=VALUE", kc_take_string, &o.headers,
         "add a header to every message; may be repeated. NAME\nalone: a null value"},
        {'Z', 0, "null", NULL, kc_take_flag, &o.empty_is_null, "empty values and keys become null"},
        {'z', 0, "compression", "CODEC", kc_take_codec, &o.writer.codec,
         "none, gzip, snappy, lz4 or zstd (default: none)"},
        {'c', 0, "count", "N", kc_take_count, &o.count, "stop after N messages"},
        {0, 0, "acks", "ACKS", kc_take_acks, &o.writer.acks,
         "who must have a message before it counts as written:\nall (replicas in sync, the default), one (the "
         "leader),\nnone (nobody says)"},
        {0, 0, "partitioner", "PARTITIONER", kc_take_partitioner, &o.writer.partitioner,
         "how partitions are chosen (default: sticky, as Java's\nproducer does); see below"},
        {0, 0, "no-idempotence", NULL, kc_take_flag, &o.writer.no_idempotence,
         "do without: what has to be sent again may be there twice"},
        {0, 0, "report", NULL, kc_take_flag, &o.writer.report,
         "print a line about each message when its outcome is\nknown: number, partition, offset, whether it is in "
         "the\nlog (yes, no, maybe), OK or the error; - is unknown"},
        {0}};
    const kc_manual manual = {.command = "kc produce",
                              .synopsis = "-t TOPIC [OPTION...] [FILE...]",
                              .about = about,
                              .notes = notes,
                              .options = options,
                              .common = &o.common,
                              .most_operands = SIZE_MAX};
    size_t files;
    const char *bad;
    int code = kc_options_parse(&manual, argc, argv, &files);
    if (code < 0 && o.writer.topic == NULL) code = kc_options_refuse(&manual, "no topic given: -t TOPIC");
    if (code < 0 && o.key_delimiter.data != NULL && o.key_delimiter.len == 0)
        code = kc_options_refuse(&manual, "-k is empty");
    if (code < 0 && o.writer.partition >= 0 && o.writer.partitioner != NULL)
        code = kc_options_refuse(&manual, "-p is one partition, --partitioner chooses among all");
    if (code < 0 && !only_headers_named(&o.headers, &bad))
        code = kc_options_refuse(&manual, "-H '%s' has no name", bad);
    if (code < 0) code = kc_options_finish(&manual);
    if (code < 0) {
        kc_why why;
        if (o.delimiter.data == NULL) kc_take_bytes(&o.delimiter, "\\n", &why);
        o.writer.common = &o.common;
        code = run(&o, argv + 1, files);
    }
    free(o.delimiter.data);
    free(o.key_delimiter.data);
    free(o.headers.items);
    return code;
}
