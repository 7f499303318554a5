/* peers.h: what the programs of this folder share. They run against a real Kafka, started by kafka.sh, and compare this
 * library with clients that nobody here wrote: the Java client and its tools (through `kafka.sh run`), and kcat.
 *
 * A program without a broker fails and says how to start one. Topics have names of their own in each run, and are
 * deleted at the end. Everything here fails the running test when it does not work. */
#ifndef KAFKA_TESTS_KAFKA_PEERS_H
#define KAFKA_TESTS_KAFKA_PEERS_H
#include "support/memcheck.h"

#include <kafka/kafka.h>
#include <stdio.h>

/* How long anything here may take before it counts as hung. */
enum { PATIENCE_MS = 30000 };

/* For cmocka_run_group_tests: finds the broker, deletes the topics. */
int peers_setup(void **state);
int peers_teardown(void **state);

/* An environment variable that `kafka.sh with` sets. */
const char *peers_env(const char *name);
const char *peers_brokers(void);

/* A name of its own, in this run and all others; it lives until the program ends. */
const char *peers_name(const char *stem);
/* Makes a topic and waits until each partition has a leader. `entries` are settings in the order name, value, NULL at
 * the end; NULL = none. */
const char *peers_topic(const char *stem, int partitions, const char *const *entries);

/* A connection to the leader of a partition, with both deadlines PATIENCE_MS from now. */
kafka_conn *peers_dial(const char *topic, int32_t partition);
/* Writes messages with one call, on a connection of its own. */
void peers_write(const char *topic, int32_t partition, const kafka_message *messages, size_t count,
                 kafka_compression compression);

/* Fails unless `err` is 0, and says what, and why. */
#define assert_ok(call) peers_assert_ok((call), #call, __FILE__, __LINE__)
void peers_assert_ok(int err, const char *what, const char *file, int line);

/* All codecs, and what peers call them. */
enum { CODECS = 5 };
struct codec {
    kafka_compression code;
    const char *name;
};
extern const struct codec codecs[CODECS];

/* ---- messages ---------------------------------------------------------------------------------------------------- */

/* Messages that differ in everything that a peer could get wrong: null against empty, headers, binary bytes, times. All
 * of them have a time. The first `text` of them are text only, without NULs and newlines. */
typedef struct samples {
    const kafka_message *items;
    size_t count, text;
} samples;
samples peers_samples(void);

/* Numbered messages of different sizes, one millisecond apart. */
typedef struct series {
    kafka_message *items;
    size_t count;
    char *bytes;
} series;
series peers_series(size_t count);
void series_free(series *);

/* `size` bytes that do not compress much, the same for the same seed; the caller frees them. */
unsigned char *peers_noise(size_t size, unsigned seed);

/* Fails unless `got` holds what `want` does: key, value, headers, and time_ms unless that is 0. */
void assert_same_message(const kafka_message *got, const kafka_message *want);

/* Everything from the connection's position up to what the broker says is the end, as copies. Both are bounded by
 * `fetch` (NULL: the defaults), of which max_wait_ms is ignored. */
typedef struct messages {
    kafka_message **items;
    size_t count;
} messages;
messages peers_read_all(kafka_conn *conn, const kafka_fetch *fetch);
void messages_free(messages *);

/* Waits until the partition ends there: a coordinator writes the markers of a transaction when it likes. */
void peers_await_end(kafka_conn *conn, int64_t end);

/* ---- programs ---------------------------------------------------------------------------------------------------- */

/* A string that grows. Zeroed it is empty; `data` has a NUL behind the end, unless it is NULL. */
typedef struct text {
    char *data;
    size_t len, cap;
} text;
void text_add(text *, const void *data, size_t len);
void text_addf(text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(text *);
/* Fails unless the two are equal, and shows the surroundings of the first difference. */
void assert_same_text(const text *got, const text *want);
/* Fails unless `part` is in `t`, and shows `t`. */
void assert_text_has(const char *t, const char *part);

/* Runs a program, found in the PATH, with these bytes on standard input, and returns its standard output. Fails unless
 * it exits with 0 within a minute, and shows its standard error then. */
text peers_run_with(const text *input, const char *const *argv);
#define peers_run(...) peers_run_with(NULL, (const char *const[]){__VA_ARGS__, NULL})
/* A Java class of Kafka's, or one of the .java files beside this one. */
text peers_java_with(const text *input, const char *class_name, const char *const *args);
#define peers_java(class_name, ...) peers_java_with(NULL, class_name, (const char *const[]){__VA_ARGS__, NULL})
/* The path of one of this folder's files; it lives until the program ends. */
const char *peers_file(const char *name);

/* What kcat prints of a partition, from `from` to the end, in this format; NULL: as JSON. */
text kcat_consume(const char *topic, int32_t partition, const char *from, const char *isolation, const char *format);
/* The same in a format of our own; and what that has to be for messages whose first has offset `offset`. */
text kcat_read(const char *topic, int32_t partition, const char *from, const char *isolation);
void kcat_expect(text *, int32_t partition, int64_t offset, const kafka_message *messages, size_t count);
/* Lets kcat write what is on its standard input. `options` are further ones, NULL at the end. */
void kcat_produce(const char *topic, int32_t partition, const text *input, const char *const *options);

/* ---- segments ---------------------------------------------------------------------------------------------------- */

/* The batches of a partition as DumpLogSegments tells them. */
typedef struct dumped_batch {
    long long base_offset, last_offset, time, producer_id;
    int count, producer_epoch, base_sequence;
    bool transactional, control, valid, log_append;
    char codec[16];
} dumped_batch;
typedef struct dump {
    text all; /* what the tool printed of this partition */
    struct dumped_batch *batches;
    size_t count;
} dump;
/* Dumps partitions 0 ... count-1 into dumps[], with one start of the tool. */
void peers_dump(const char *topic, int32_t count, dump *dumps);
void dump_free(dump *);

/* ---- the Java producer, by script (Produce.java) ----------------------------------------------------------------- */

/* Appends a send to a script. time_ms 0 = the producer's own. */
void script_send(text *script, const char *producer, const char *topic, int32_t partition, const kafka_message *m);
/* Runs the script. */
void script_run(const text *script);

#endif
