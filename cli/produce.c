/* produce.c: kc produce: messages from standard input or files into a topic.
 *
 * The loop reads, splits and hands messages to the sender; it sends what is pending whenever the input has nothing at
 * the moment. So a line typed at a terminal is sent at once, and a fast pipe fills whole batches without any timer. */
#include "connect.h"
#include "input.h"
#include "progress.h"
#include "say.h"
#include "sender.h"
#include "stop.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    kc_common common;
    kc_sender_config sender;
    kc_text delimiter, key_delimiter;
    kc_strings headers;
    bool empty_is_null;
    int64_t count; /* 0 = no limit */
} settings;

static const char about[] = "Writes messages to a topic: each line of standard input, or of the files, is one.\n"
                            "Anything but the delimiter may be in them. Messages with a key go to the partition\n"
                            "that Java's producer would choose; those without one go batch by batch to all\n"
                            "partitions in turn. What comes in slowly, as from a keyboard, is sent at once.";

static const char notes[] = "escapes in DELIM: \\n \\r \\t \\0 \\\\ \\xHH\n"
                            "\n"
                            "Batches hold up to 1 MiB; a larger message goes alone and may be refused. Each batch\n"
                            "is acknowledged by all replicas in sync before the next is sent. One that certainly\n"
                            "was not written is retried for --timeout seconds. When the connection is lost before\n"
                            "the answer came, a batch may or may not be in the log: kc stops and says how many\n"
                            "messages were acknowledged, and how many are possibly written.\n"
                            "\n"
                            "exit codes: 0 all acknowledged, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C\n"
                            "(it says what was acknowledged; a second Ctrl-C kills)\n"
                            "\n"
                            "examples:\n"
                            "  echo hello | kc produce -b localhost:9092 -t greetings\n"
                            "  kc produce -t users -k : -z zstd users.txt        # lines \"key:value\"\n"
                            "  find . -print0 | kc produce -t files -D '\\0'\n"
                            "  kc produce -t images -D '' photo.jpg              # the whole file is one message\n";

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

/* Reads and sends until the input ends, the count is reached, something fails, or a signal comes. */
static int pump(const settings *o, kc_input *in, kc_sender *sender, kafka_message *m)
{
    int code = KC_OK;
    uint64_t taken = 0;
    while (code == KC_OK && kc_stop_signal() == 0) {
        if (o->count > 0 && taken == (uint64_t)o->count) return kc_sender_flush(sender);
        kc_text line;
        switch (kc_input_next(in, &line)) {
        case KC_INPUT_MESSAGE:
            split(o, &line, m);
            m->userdata = (void *)(uintptr_t)++taken;
            code = kc_sender_put(sender, m);
            break;
        case KC_INPUT_IDLE:
            code = kc_sender_flush(sender);
            if (code == KC_OK) kc_input_wait(in);
            break;
        case KC_INPUT_END: return kc_sender_flush(sender);
        case KC_INPUT_FAILED: code = kc_sender_flush(sender); return code != KC_OK ? code : KC_FAILED;
        }
    }
    return code;
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
    kc_sender *sender = NULL;
    int code = kc_sender_open(&o->sender, &sender);
    if (code != KC_OK) return code;
    bool typed = file_count == 0 && isatty(STDIN_FILENO) == 1;
    if (typed && !o->common.quiet && kc_say_on_terminal()) kc_say("each line is a message; Ctrl-D ends");
    kc_progress_begin("written", !typed && !o->common.quiet);
    kafka_header *headers = make_headers(&o->headers);
    kafka_message m = {.headers = headers, .header_count = o->headers.count};
    kc_input *in = kc_input_new(files, file_count, &o->delimiter);
    code = pump(o, in, sender, &m);
    code = kc_sender_tell(sender, code);
    kc_input_free(in);
    free_headers(headers, o->headers.count);
    kc_sender_free(sender);
    return code;
}

int kc_produce(int argc, char **argv)
{
    settings o = {.common = KC_COMMON_DEFAULTS, .sender = {.partition = -1, .codec = KAFKA_COMPRESSION_NONE}};
    const kc_option options[] = {
        {'t', 0, "topic", "TOPIC", kc_take_text, &o.sender.topic, "where to write"},
        {'p', 0, "partition", "N", kc_take_partition, &o.sender.partition, "write to this partition only"},
        {'k', 'K', "key-delimiter", "DELIM", kc_take_bytes, &o.key_delimiter,
         "what separates key and value in a line; a line without\nit has no key"},
        {'D', 0, "delimiter", "DELIM", kc_take_bytes, &o.delimiter,
         "what ends a message (default: \\n); empty: each file is\none message"},
        {'H', 0, "header", "NAME=VALUE", kc_take_string, &o.headers,
         "add a header to every message; may be repeated. NAME\nalone: a null value"},
        {'Z', 0, "null", NULL, kc_take_flag, &o.empty_is_null, "empty values and keys become null"},
        {'z', 0, "compression", "CODEC", kc_take_codec, &o.sender.codec,
         "none, gzip, snappy, lz4 or zstd (default: none)"},
        {'c', 0, "count", "N", kc_take_count, &o.count, "stop after N messages"},
        {0, 0, "retry-unknown", NULL, kc_take_flag, &o.sender.retry_unknown,
         "send a batch again also when it may have been written:\nnothing is lost, messages may be there twice"},
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
    if (code < 0 && o.sender.topic == NULL) code = kc_options_refuse(&manual, "no topic given: -t TOPIC");
    if (code < 0 && o.key_delimiter.data != NULL && o.key_delimiter.len == 0)
        code = kc_options_refuse(&manual, "-k is empty");
    if (code < 0 && !only_headers_named(&o.headers, &bad))
        code = kc_options_refuse(&manual, "-H '%s' has no name", bad);
    if (code < 0) code = kc_options_finish(&manual);
    if (code < 0) {
        kc_why why;
        if (o.delimiter.data == NULL) kc_take_bytes(&o.delimiter, "\\n", &why);
        o.sender.common = &o.common;
        code = run(&o, argv + 1, files);
    }
    free(o.delimiter.data);
    free(o.key_delimiter.data);
    free(o.headers.items);
    return code;
}
