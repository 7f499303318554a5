/* peers.c: topics, sample messages, and running other people's clients. A program's input and output go through memory
 * files: there is nothing to feed or drain while it runs, so nothing can dead-lock, and `timeout` bounds it. */
#include "kafka/peers.h"

#include <inttypes.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* ---- the broker -------------------------------------------------------------------------------------------------- */

const char *peers_env(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL || *value == '\0')
        fail_msg(
            "%s is not set: no broker was started for this test. Run it as: tests/kafka/kafka.sh with ctest -L kafka",
            name);
    return value;
}

const char *peers_brokers(void)
{
    return peers_env("KAFKA_BROKERS");
}

void peers_assert_ok(int err, const char *what, const char *file, int line)
{
    if (err == 0) return;
    print_error("%s\nis %s: %s\n", what, kafka_err_name(err), kafka_last_error());
    _fail(file, line);
}

/* ---- names and topics -------------------------------------------------------------------------------------------- */

/* Kept to the end: names are handed out for good, and the topics among them are deleted then. */
enum { MAX_NAMES = 100 };
static char names[MAX_NAMES][300];
static bool is_topic[MAX_NAMES];
static size_t name_count;

const char *peers_name(const char *stem)
{
    static char run[40];
    if (run[0] == '\0') {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        snprintf(run, sizeof run, "%lld%03ld-%d", (long long)now.tv_sec, now.tv_nsec / 1000000, (int)getpid());
    }
    assert_true(name_count < MAX_NAMES);
    snprintf(names[name_count], sizeof names[0], "test-%.100s-%s", stem, run);
    return names[name_count++];
}

/* Brokers hear of a new topic one after the other, and a leader may be known before it knows itself. */
static void await_leader(const char *topic, int32_t partition)
{
    int64_t first, deadline = kafka_deadline_in(PATIENCE_MS);
    kafka_conn *conn = peers_dial(topic, partition);
    int err;
    while ((err = kafka_conn_read_first_offset(conn, &first)) != 0 && kafka_err_is_temporary(err) &&
           kafka_now_ms() < deadline)
        ;
    assert_ok(err);
    kafka_conn_free(conn);
}

const char *peers_topic(const char *stem, int partitions, const char *const *entries)
{
    const char *topic = peers_name(stem);
    kafka_config_entry list[8];
    size_t n = 0;
    for (; entries != NULL && entries[2 * n] != NULL; n++) {
        assert_true(n < 8);
        list[n] = (kafka_config_entry){entries[2 * n], entries[2 * n + 1]};
    }
    kafka_topic_config cfg = {
        .topic = topic, .num_partitions = partitions, .replication_factor = 1, .entries = list, .entry_count = n};
    kafka_conn *conn = NULL;
    assert_ok(kafka_dial(NULL, NULL, peers_brokers(), &conn));
    int64_t deadline = kafka_deadline_in(PATIENCE_MS);
    kafka_conn_set_deadline(conn, deadline);
    int err; /* an old broker answers before its controller knows of it */
    while ((err = kafka_conn_create_topics(conn, &cfg, 1, NULL)) == KAFKA_ERR_INVALID_REPLICATION_FACTOR &&
           kafka_now_ms() < deadline)
        poll(NULL, 0, 50);
    assert_ok(err);
    kafka_conn_free(conn);
    is_topic[name_count - 1] = true;
    for (int i = 0; i < partitions; i++) await_leader(topic, i);
    return topic;
}

int peers_setup(void **state)
{
    (void)state;
    peers_brokers();
    peers_env("KAFKA_TEST_SH");
    return 0;
}

int peers_teardown(void **state)
{
    (void)state;
    kafka_conn *conn = NULL;
    const char *topics[MAX_NAMES];
    size_t n = 0;
    for (size_t i = 0; i < name_count; i++)
        if (is_topic[i]) topics[n++] = names[i];
    if (n == 0 || kafka_dial(NULL, KAFKA_WITHIN(PATIENCE_MS), peers_brokers(), &conn) != 0) return 0;
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    (void)!kafka_conn_delete_topics(conn, topics, n, NULL);
    kafka_conn_free(conn);
    return 0;
}

kafka_conn *peers_dial(const char *topic, int32_t partition)
{
    kafka_conn *conn = NULL;
    assert_ok(kafka_dial_leader(NULL, NULL, peers_brokers(), topic, partition, &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    return conn;
}

void peers_write(const char *topic, int32_t partition, const kafka_message *list, size_t count,
                 kafka_compression compression)
{
    kafka_conn *conn = peers_dial(topic, partition);
    assert_ok(kafka_conn_write_messages(conn, list, count, compression, NULL));
    kafka_conn_free(conn);
}

const struct codec codecs[CODECS] = {{KAFKA_COMPRESSION_NONE, "none"},
                                     {KAFKA_COMPRESSION_GZIP, "gzip"},
                                     {KAFKA_COMPRESSION_SNAPPY, "snappy"},
                                     {KAFKA_COMPRESSION_LZ4, "lz4"},
                                     {KAFKA_COMPRESSION_ZSTD, "zstd"}};

/* ---- messages ---------------------------------------------------------------------------------------------------- */

unsigned char *peers_noise(size_t size, unsigned seed)
{
    unsigned char *data = malloc(size);
    assert_non_null(data);
    uint64_t x = seed + UINT64_C(88172645463325252);
    for (size_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = (unsigned char)(x >> 32);
    }
    return data;
}

/* KAFKA_LIT where C wants constants. */
#define LIT(s)          \
    {                   \
        s, sizeof s - 1 \
    }

samples peers_samples(void)
{
    enum { TEXT = 12, ALL = 15 };
    static unsigned char bytes[256], noise[20000];
    static char prose[100000];
    static kafka_message items[ALL];
    static const kafka_header one[] = {{"name", LIT("value")}};
    static const kafka_header more[] = {{"a", LIT("1")}, {"b", LIT("2")}, {"a", LIT("3, a again")}};
    static const kafka_header absent[] = {{"null", {NULL, 0}}, {"empty", LIT("")}, {"", LIT("its name is empty")}};
    static const kafka_header foreign[] = {{"имя", LIT("å")}};
    static const kafka_header binary[] = {{"bytes", {bytes, sizeof bytes}}, {"\x01", {bytes, 1}}};
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof prose; i++) prose[i] = "the quick brown fox jumps over the lazy dog; "[i % 45];
    unsigned char *random = peers_noise(sizeof noise, 1);
    memcpy(noise, random, sizeof noise);
    free(random);
    const kafka_message list[ALL] = {
        {.key = KAFKA_LIT("key"), .value = KAFKA_LIT("value")},
        {.value = KAFKA_LIT("its key is null")},
        {.key = KAFKA_LIT(""), .value = KAFKA_LIT("its key is empty")},
        {.key = KAFKA_LIT("its value is null")},
        {.key = KAFKA_LIT("its value is empty"), .value = KAFKA_LIT("")},
        {.key = {NULL, 0}},
        {.key = KAFKA_LIT(""), .value = KAFKA_LIT("")},
        {.key = KAFKA_LIT("k"), .value = KAFKA_LIT("one header"), .headers = one, .header_count = 1},
        {.key = KAFKA_LIT("k"), .value = KAFKA_LIT("three headers"), .headers = more, .header_count = 3},
        {.key = KAFKA_LIT("k"), .value = KAFKA_LIT("odd headers"), .headers = absent, .header_count = 3},
        {.key = KAFKA_LIT("ключ"), .value = KAFKA_LIT("値"), .headers = foreign, .header_count = 1},
        {.value = {prose, sizeof prose}},
        {.key = {bytes, sizeof bytes}, .value = {bytes, sizeof bytes}, .headers = binary, .header_count = 2},
        {.key = KAFKA_LIT("\n"), .value = KAFKA_LIT("\0\n\r\n\0")},
        {.key = KAFKA_LIT("noise"), .value = {noise, sizeof noise}},
    };
    memcpy(items, list, sizeof items);
    for (int i = 0; i < ALL; i++) /* up and down, the first one not the earliest */
        items[i].time_ms = INT64_C(1600000000000) + (i + 4) * 7919 % 13 * 1000 + i;
    return (samples){items, ALL, TEXT};
}

series peers_series(size_t count)
{
    enum { KEY = 32, VALUE = 160 };
    series s = {calloc(count, sizeof *s.items), count, malloc(count * (KEY + VALUE))};
    assert_true(s.items != NULL && s.bytes != NULL);
    for (size_t i = 0; i < count; i++) {
        char *key = s.bytes + i * (KEY + VALUE), *value = key + KEY;
        snprintf(key, KEY, "key %zu", i);
        snprintf(value, VALUE, "%zu%*zu", i, (int)(i % 100), i);
        s.items[i] =
            (kafka_message){.key = kafka_str(key), .value = kafka_str(value), .time_ms = 1600000000000 + (int64_t)i};
    }
    return s;
}

void series_free(series *s)
{
    free(s->items);
    free(s->bytes);
    *s = (series){0};
}

static void assert_same_bytes(const char *what, kafka_bytes got, kafka_bytes want)
{
    if ((got.data == NULL) != (want.data == NULL)) fail_msg("%s is %s", what, got.data == NULL ? "null" : "not null");
    if (got.len != want.len) fail_msg("%s has %zu bytes and should have %zu", what, got.len, want.len);
    if (want.len != 0) assert_memory_equal(got.data, want.data, want.len);
}

void assert_same_message(const kafka_message *got, const kafka_message *want)
{
    assert_same_bytes("the key", got->key, want->key);
    assert_same_bytes("the value", got->value, want->value);
    assert_int_equal(got->header_count, want->header_count);
    for (size_t i = 0; i < want->header_count; i++) {
        assert_string_equal(got->headers[i].key, want->headers[i].key);
        assert_same_bytes(want->headers[i].key, got->headers[i].value, want->headers[i].value);
    }
    if (want->time_ms != 0) assert_int_equal(got->time_ms, want->time_ms);
}

messages peers_read_all(kafka_conn *conn, const kafka_fetch *bounds)
{
    kafka_fetch fetch = bounds == NULL ? (kafka_fetch){0} : *bounds;
    messages all = {0};
    size_t room = 0;
    int64_t end;
    fetch.max_wait_ms = 100; /* bears on a fetch at the end only */
    assert_ok(kafka_conn_read_last_offset(conn, &end));
    for (;;) {
        int64_t before = kafka_conn_offset(conn, NULL);
        kafka_batch *batch = NULL;
        kafka_message m;
        size_t count = all.count;
        int err;
        assert_ok(kafka_conn_read_batch(conn, &fetch, &batch));
        while ((err = kafka_batch_read_message(batch, &m)) == 0) {
            if (all.count == room) {
                room = room == 0 ? 64 : 2 * room;
                all.items = realloc(all.items, room * sizeof *all.items);
                assert_non_null(all.items);
            }
            assert_ok(kafka_message_dup(&m, &all.items[all.count]));
            all.count++;
        }
        if (err != KAFKA_EOF) assert_ok(err);
        assert_ok(kafka_batch_close(batch));
        int64_t after = kafka_conn_offset(conn, NULL);
        if (after >= end) return all;
        if (after == before && all.count == count) { /* open transactions hold up read_committed, and nothing else */
            if (!fetch.read_committed)
                fail_msg("nothing came from offset %" PRId64 " on, but the partition ends at %" PRId64, after, end);
            return all;
        }
    }
}

void messages_free(messages *list)
{
    for (size_t i = 0; i < list->count; i++) kafka_message_free(list->items[i]);
    free(list->items);
    *list = (messages){0};
}

void peers_await_end(kafka_conn *conn, int64_t end)
{
    int64_t last = 0, deadline = kafka_deadline_in(PATIENCE_MS);
    do {
        assert_ok(kafka_conn_read_last_offset(conn, &last));
    } while (last < end && kafka_now_ms() < deadline);
    assert_int_equal(last, end);
}

/* ---- text -------------------------------------------------------------------------------------------------------- */

void text_add(text *t, const void *data, size_t len)
{
    if (t->len + len + 1 > t->cap) {
        t->cap = 2 * (t->len + len + 1);
        t->data = realloc(t->data, t->cap);
        assert_non_null(t->data);
    }
    if (len != 0) memcpy(t->data + t->len, data, len);
    t->len += len;
    t->data[t->len] = '\0';
}

void text_addf(text *t, const char *format, ...)
{
    char line[1000];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert_true(len >= 0 && (size_t)len < sizeof line);
    text_add(t, line, (size_t)len);
}

void text_free(text *t)
{
    free(t->data);
    *t = (text){0};
}

static void show(const char *label, const text *t, size_t at)
{
    size_t from = at > 60 ? at - 60 : 0, to = t->len - at > 60 ? at + 60 : t->len;
    print_error("%s %zu bytes, around byte %zu: ", label, t->len, at);
    for (size_t i = from; i < to; i++) {
        unsigned char c = (unsigned char)t->data[i];
        print_error(c < ' ' || c > '~' ? "\\x%02x" : "%c", c);
    }
    print_error("\n");
}

void assert_same_text(const text *got, const text *want)
{
    size_t at = 0;
    while (at < got->len && at < want->len && got->data[at] == want->data[at]) at++;
    if (at == got->len && at == want->len) return;
    show("got ", got, at);
    show("want", want, at);
    fail_msg("the two differ");
}

void assert_text_has(const char *t, const char *part)
{
    if (t == NULL || strstr(t, part) == NULL) fail_msg("'%s' is not in: %s", part, t == NULL ? "(nothing)" : t);
}

/* ---- programs ---------------------------------------------------------------------------------------------------- */

static int memory_file(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static text slurp(int fd)
{
    struct stat st;
    text t = {0};
    assert_int_equal(fstat(fd, &st), 0);
    text_add(&t, "", 0);
    while (t.len < (size_t)st.st_size) {
        char buf[65536];
        ssize_t n = pread(fd, buf, sizeof buf, (off_t)t.len);
        assert_true(n > 0);
        text_add(&t, buf, (size_t)n);
    }
    close(fd);
    return t;
}

text peers_run_with(const text *input, const char *const *argv)
{
    const char *command[64] = {"timeout", "-k", "5", "60"};
    size_t n = 4;
    for (; *argv != NULL; argv++) {
        assert_true(n < 63);
        command[n++] = *argv;
    }
    int in = memory_file("stdin"), out = memory_file("stdout"), err = memory_file("stderr"), status;
    if (input != NULL && input->len != 0) {
        for (size_t done = 0; done < input->len;) {
            ssize_t k = pwrite(in, input->data + done, input->len - done, (off_t)done);
            assert_true(k > 0);
            done += (size_t)k;
        }
    }
    posix_spawn_file_actions_t files;
    pid_t pid;
    assert_int_equal(posix_spawn_file_actions_init(&files), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO), 0);
    assert_int_equal(posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO), 0);
    /* posix_spawn changes none of the strings, whatever its type says */
    int rc = posix_spawnp(&pid, command[0], &files, NULL, (char *const *)(uintptr_t)command, environ);
    if (rc != 0) fail_msg("cannot run %s: %s", command[4], strerror(rc));
    posix_spawn_file_actions_destroy(&files);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(in);
    text output = slurp(out), errors = slurp(err);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        print_error("%s", command[4]);
        for (size_t i = 5; i < n; i++) print_error(" %s", command[i]);
        print_error("\nends with %s %d, and says:\n%.3000s\n", WIFEXITED(status) ? "exit code" : "signal",
                    WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), errors.data);
        fail_msg("%s failed%s", command[4],
                 WIFEXITED(status) && WEXITSTATUS(status) == 127 ? ": not installed? (apt-get install kcat)" : "");
    }
    text_free(&errors);
    return output;
}

const char *peers_file(const char *name)
{
    static char path[4096];
    const char *sh = peers_env("KAFKA_TEST_SH"), *slash = strrchr(sh, '/');
    assert_non_null(slash);
    snprintf(path, sizeof path, "%.*s/%s", (int)(slash - sh), sh, name);
    return path;
}

text peers_java_with(const text *input, const char *class_name, const char *const *args)
{
    const char *argv[60] = {"bash", peers_env("KAFKA_TEST_SH"), "run", class_name};
    size_t n = 4;
    for (; *args != NULL; args++) {
        assert_true(n < 59);
        argv[n++] = *args;
    }
    return peers_run_with(input, argv);
}

text kcat_consume(const char *topic, int32_t partition, const char *from, const char *isolation, const char *format)
{
    char number[12], level[60];
    snprintf(number, sizeof number, "%d", partition);
    snprintf(level, sizeof level, "isolation.level=%s", isolation);
    return peers_run("kcat", "-C", "-b", peers_brokers(), "-t", topic, "-p", number, "-o", from, "-e", "-q", "-X",
                     level, "-X", "check.crcs=true", "-X", "fetch.message.max.bytes=20000000", "-X",
                     "fetch.wait.max.ms=10", format == NULL ? "-J" : "-f", format);
}

text kcat_read(const char *topic, int32_t partition, const char *from, const char *isolation)
{
    return kcat_consume(topic, partition, from, isolation, "%p %o %T %K %S %k|%s|%h\n");
}

void kcat_produce(const char *topic, int32_t partition, const text *input, const char *const *options)
{
    char number[12];
    snprintf(number, sizeof number, "%d", partition);
    const char *argv[60] = {
        "kcat", "-P", "-b", peers_brokers(), "-t", topic, "-p", number, "-X", "message.max.bytes=20000000"};
    size_t n = 10;
    for (; *options != NULL; options++) {
        assert_true(n < 59);
        argv[n++] = *options;
    }
    text out = peers_run_with(input, argv);
    text_free(&out);
}

static long long length_of(kafka_bytes b)
{
    return b.data == NULL ? -1 : (long long)b.len;
}

void kcat_expect(text *t, int32_t partition, int64_t offset, const kafka_message *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const kafka_message *m = &list[i];
        text_addf(t, "%d %lld %lld %lld %lld ", partition, (long long)offset + (long long)i, (long long)m->time_ms,
                  length_of(m->key), length_of(m->value));
        text_add(t, m->key.data, m->key.len);
        text_add(t, "|", 1);
        text_add(t, m->value.data, m->value.len);
        text_add(t, "|", 1);
        for (size_t k = 0; k < m->header_count; k++) {
            text_addf(t, "%s%s=", k == 0 ? "" : ",", m->headers[k].key);
            if (m->headers[k].value.data == NULL)
                text_add(t, "NULL", 4);
            else /* kcat ends it at a NUL */
                text_add(t, m->headers[k].value.data, strnlen(m->headers[k].value.data, m->headers[k].value.len));
        }
        text_add(t, "\n", 1);
    }
}

/* ---- segments ---------------------------------------------------------------------------------------------------- */

/* The number behind a name in a line of the dump. */
static long long field(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    if (at == NULL) fail_msg("no '%s' in: %.300s", name, line);
    return strtoll(at + strlen(name), NULL, 10);
}

static void parse_dump(dump *d)
{
    size_t room = 0;
    for (const char *line = d->all.data; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        if (strncmp(line, "baseOffset: ", 12) == 0) {
            char *copy = strndup(line, end == NULL ? strlen(line) : (size_t)(end - line));
            assert_non_null(copy);
            if (d->count == room) {
                room = room == 0 ? 16 : 2 * room;
                d->batches = realloc(d->batches, room * sizeof *d->batches);
                assert_non_null(d->batches);
            }
            dumped_batch *b = &d->batches[d->count++];
            b->base_offset = field(copy, "baseOffset: ");
            b->last_offset = field(copy, " lastOffset: ");
            b->count = (int)field(copy, " count: ");
            b->base_sequence = (int)field(copy, " baseSequence: ");
            b->producer_id = field(copy, " producerId: ");
            b->producer_epoch = (int)field(copy, " producerEpoch: ");
            b->transactional = strstr(copy, " isTransactional: true") != NULL;
            b->control = strstr(copy, " isControl: true") != NULL;
            b->valid = strstr(copy, " isvalid: true") != NULL;
            b->log_append = strstr(copy, " LogAppendTime: ") != NULL;
            b->time = field(copy, b->log_append ? " LogAppendTime: " : " CreateTime: ");
            const char *codec = strstr(copy, " compresscodec: ");
            assert_non_null(codec);
            assert_int_equal(sscanf(codec, " compresscodec: %15s", b->codec), 1);
            assert_int_equal(field(copy, " magic: "), 2);
            free(copy);
        }
        line = end == NULL ? NULL : end + 1;
    }
}

void peers_dump(const char *topic, int32_t count, dump *dumps)
{
    text files = {0};
    for (int32_t i = 0; i < count; i++) {
        char number[12];
        snprintf(number, sizeof number, "%d", i);
        text dir = peers_run("bash", peers_env("KAFKA_TEST_SH"), "log-dir", topic, number);
        while (dir.len != 0 && dir.data[dir.len - 1] == '\n') dir.data[--dir.len] = '\0';
        text_addf(&files, "%s%s/00000000000000000000.log", i == 0 ? "" : ",", dir.data);
        text_free(&dir);
    }
    text all = peers_java("org.apache.kafka.tools.DumpLogSegments", "--print-data-log", "--files", files.data);
    for (size_t i = 0; i < all.len; i++)
        if (all.data[i] == '\0') /* from a binary value */
            all.data[i] = '?';
    const char *at = strstr(all.data, "Dumping /");
    for (int32_t i = 0; i < count; i++) {
        assert_non_null(at);
        const char *next = strstr(at + 1, "Dumping /");
        dumps[i] = (dump){0};
        text_add(&dumps[i].all, at, next == NULL ? strlen(at) : (size_t)(next - at));
        parse_dump(&dumps[i]);
        at = next;
    }
    text_free(&all);
    text_free(&files);
}

void dump_free(dump *d)
{
    text_free(&d->all);
    free(d->batches);
    *d = (dump){0};
}

/* ---- the Java producer ------------------------------------------------------------------------------------------- */

static void add_word(text *script, const void *data, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    if (data == NULL) {
        text_add(script, " -", 2);
        return;
    }
    char *word = malloc(2 * len + 2);
    assert_non_null(word);
    word[0] = ' ';
    word[1] = 'x';
    text_add(script, word, 2);
    for (size_t i = 0; i < len; i++) {
        word[2 * i] = digits[bytes[i] >> 4];
        word[2 * i + 1] = digits[bytes[i] & 15];
    }
    text_add(script, word, 2 * len);
    free(word);
}

void script_send(text *script, const char *producer, const char *topic, int32_t partition, const kafka_message *m)
{
    text_addf(script, "send %s %s %d %lld", producer, topic, partition, (long long)m->time_ms);
    add_word(script, m->key.data, m->key.len);
    add_word(script, m->value.data, m->value.len);
    for (size_t i = 0; i < m->header_count; i++) {
        add_word(script, m->headers[i].key, strlen(m->headers[i].key));
        add_word(script, m->headers[i].value.data, m->headers[i].value.len);
    }
    text_add(script, "\n", 1);
}

void script_run(const text *script)
{
    text out = peers_java_with(script, peers_file("Produce.java"), (const char *const[]){peers_brokers(), NULL});
    text_free(&out);
}
