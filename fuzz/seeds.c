/* fuzz_seeds: writes the corpora that fuzzing starts from.
 *
 *   fuzz_seeds GOLDEN CORPUS           writes CORPUS/<target>.txt from what lies in GOLDEN (tests/golden)
 *   fuzz_seeds --check GOLDEN CORPUS   compares instead: 1 when a file is not what would be written, but for
 *                                      connection.txt, which depends on what the client asks
 *
 * Messages are the golden ones, written by Java, and for versions that Java no longer has random ones of the tests'
 * generator, from fixed seeds. Record data and compressed streams are golden too, so that the files do not depend on
 * the versions of libraries; large ones are left out. The rest is made by hand below. */
#include "conversation.h"
#include "corpus.h"
#include "fuzz.h"
#include "seeds_cluster.h"
#include "support/batches.h"
#include "wire/frame.h"
#include "wire/message.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ENTRY = 4096, WHOLE = 0xff /* codec.c: the largest limit */ };

static const char *golden_dir;

static void die(const char *what)
{
    perror(what);
    exit(2);
}

/* Calls each(fields, count, arg) for the lines of a golden file that are no comments, split at blanks. */
static void each_line(const char *name, void (*each)(char **, int, void *), void *arg)
{
    char path[1024], *line = NULL, *fields[4], *save;
    size_t cap = 0;
    snprintf(path, sizeof path, "%s/%s", golden_dir, name);
    FILE *f = fopen(path, "r");
    if (f == NULL) die(path);
    while (getline(&line, &cap, f) >= 0) {
        int n = 0;
        if (line[0] == '#') continue;
        for (char *p = strtok_r(line, " \n", &save); p != NULL && n < 4; p = strtok_r(NULL, " \n", &save))
            fields[n++] = p;
        each(fields, n, arg);
    }
    free(line);
    fclose(f);
}

/* `head` bytes, then `data`; too large a one is left out. */
static void add(corpus *c, const char *name, const void *head, size_t head_len, const void *data, size_t len)
{
    uint8_t bytes[MOST_ENTRY];
    if (head_len + len > sizeof bytes) return;
    memcpy(bytes, head, head_len);
    if (len > 0) memcpy(bytes + head_len, data, len);
    corpus_add(c, name, bytes, head_len + len);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

enum { MOST_VERSIONS = 32 };

typedef struct messages {
    corpus *c;
    bool requests;
    bool have[KFK_API_COUNT][MOST_VERSIONS];
} messages;

/* An entry for the body of a message: API, version, options, the header as far as the target wants it. */
static void add_message(messages *m, size_t row, int version, const void *body, size_t len)
{
    const kfk_api *api = kfk_api_row(row);
    uint8_t head[16] = {(uint8_t)row, (uint8_t)(version - api->min_version), 0, 0, 0, 0, 7};
    size_t head_len = 7;
    char name[64];
    if (m->requests) {
        head[head_len + 1] = 2;
        memcpy(head + head_len + 2, "kc", 2);
        head_len += 4;
        if (kfk_api_request_header(api, (int16_t)version) > 1) head[head_len++] = 0;
    } else if (kfk_api_response_header(api, (int16_t)version) > 0) {
        head[head_len++] = 0;
    }
    snprintf(name, sizeof name, "%s-%d", api->name, version);
    add(m->c, name, head, head_len, body, len);
    if (version == api->max_version && !m->have[row][version]) {
        snprintf(name, sizeof name, "%s-%d-tight", api->name, version);
        head[2] = 1; /* a budget that is soon used up */
        add(m->c, name, head, head_len, body, len);
        snprintf(name, sizeof name, "%s-%d-no-memory", api->name, version);
        head[2] = (uint8_t)((1 + row % 3) << 1);
        add(m->c, name, head, head_len, body, len);
    }
    m->have[row][version] = true;
}

static void golden_message(char **fields, int count, void *arg)
{
    messages *m = arg;
    size_t len, row = 0;
    if (count != 4 || strcmp(fields[0], "=") == 0) return;
    if (strcmp(fields[1], m->requests ? "request" : "response") != 0) return;
    while (kfk_api_row(row) != NULL && strcmp(kfk_api_row(row)->name, fields[0]) != 0) row++;
    const kfk_api *api = kfk_api_row(row);
    int version = atoi(fields[2]);
    if (api == NULL || version < api->min_version || version > api->max_version) return;
    uint8_t *body = corpus_hex(fields[3], &len);
    if (body == NULL) die(fields[0]);
    add_message(m, row, version, body, len);
    free(body);
}

static void random_message(messages *m, size_t row, int version)
{
    const kfk_schema *s = m->requests ? kfk_api_row(row)->request : kfk_api_row(row)->response;
    kfk_rand r;
    kfk_arena arena;
    size_t len;
    void *msg = malloc(s->size);
    if (msg == NULL) die("fuzz_seeds");
    kfk_rand_seed(&r, row * MOST_VERSIONS + (size_t)version);
    kfk_arena_init(&arena, SIZE_MAX);
    message_random(&r, &arena, s, (int16_t)version, msg);
    uint8_t *body = message_encode(s, (int16_t)version, msg, &len);
    add_message(m, row, version, body, len);
    free(body);
    kfk_arena_fini(&arena);
    free(msg);
}

static void make_messages(corpus *c, bool requests)
{
    static messages m;
    memset(&m, 0, sizeof m);
    m.c = c;
    m.requests = requests;
    each_line("messages.txt", golden_message, &m);
    each_line("versions.txt", golden_message, &m);
    for (size_t row = 0; kfk_api_row(row) != NULL; row++) {
        const kfk_api *api = kfk_api_row(row);
        for (int version = api->min_version; version <= api->max_version; version++)
            if (!m.have[row][version]) random_message(&m, row, version);
    }
}

static void make_requests(corpus *c)
{
    static const uint8_t unknown[] = {128, 0, 0, 3, 0xe7, 0, 0, 0, 0, 0, 7, 0, 2, 'k', 'c', 1, 2, 3};
    make_messages(c, true);
    corpus_add(c, "unknown-api", unknown, sizeof unknown);
    corpus_add(c, "no-frame", unknown, 4);
}

static void make_clusters(corpus *c)
{
    corpus requests = {0};
    make_messages(&requests, true);
    seeds_cluster(c, &requests);
    corpus_free(&requests);
}

static void make_responses(corpus *c)
{
    make_messages(c, false);
}

/* ---- record data ------------------------------------------------------------------------------------------------- */

static const uint8_t record_head[] = {1, 0, 0x10, 0}; /* right CRCs, from the first offset, max_bytes 4096 */

static void golden_batch(char **fields, int count, void *arg)
{
    size_t len;
    if (count != 3 || (strcmp(fields[0], "batch") != 0 && strcmp(fields[0], "set") != 0)) return;
    uint8_t *batch = corpus_hex(fields[2], &len);
    if (batch == NULL) die(fields[1]);
    add(arg, fields[1], record_head, sizeof record_head, batch, len);
    free(batch);
}

/* Offsets 0-1 aborted of 7, 2 committed of 8, 3 plain, 4 marker of 7, 5 committed of 7, then markers. */
static void add_transactions(corpus *c)
{
    static const uint8_t head[] = {1 | 2 | 2 << 2, 0, 0x10, 0, 7, 0, 7, 8};
    batch_bytes log = {0};
    uint16_t transactional = KFK_BATCH_TRANSACTIONAL;
    BATCH(&log, .base = 0, .count = 2, .producer_id = 7, .attributes = transactional);
    BATCH(&log, .base = 2, .count = 1, .producer_id = 8, .attributes = transactional);
    BATCH(&log, .base = 3, .count = 1, .producer_id = 7);
    batch_append_marker(&log, 4, 7, KFK_CONTROL_ABORT);
    BATCH(&log, .base = 5, .count = 1, .producer_id = 7, .attributes = transactional);
    batch_append_marker(&log, 6, 8, KFK_CONTROL_COMMIT);
    batch_append_marker(&log, 7, 7, KFK_CONTROL_COMMIT);
    add(c, "transactions", head, sizeof head, log.data, log.len);
    batch_free(&log);
}

static void make_records(corpus *c)
{
    static const uint8_t from_middle[] = {1, 3, 0x10, 0}, no_memory[] = {1 | 5 << 4, 0, 0x10, 0};
    batch_bytes log = {0};
    each_line("batches.txt", golden_batch, c);
    each_line("message_sets.txt", golden_batch, c);
    add_transactions(c);
    BATCH(&log, .base = 0, .count = 3, .headers = 2);
    BATCH(&log, .base = 3, .count = 4, .step = 3, .tail = 5);
    add(c, "compacted", record_head, sizeof record_head, log.data, log.len);
    add(c, "compacted-from-the-middle", from_middle, sizeof from_middle, log.data, log.len);
    add(c, "no-memory", no_memory, sizeof no_memory, log.data, log.len);
    add(c, "cut", record_head, sizeof record_head, log.data, log.len - 5);
    batch_free(&log);
    BATCH(&log, .base = INT64_MAX - 10, .count = 3);
    add(c, "at-the-end-of-offsets", record_head, sizeof record_head, log.data, log.len);
    batch_free(&log);
    add(c, "nothing", record_head, sizeof record_head, NULL, 0);
}

/* Magic, codec, limit, which allocation fails, then messages: time, sizes of key and value, their bytes. */
static void make_message_sets(corpus *c)
{
    static const uint8_t some[] = {5, 2, 3, 'k', 'v', 'a', 'l', 9, 0xff, 4, 't', 'e', 'x', 't', 1, 0, 0xff, 2, 0, 0};
    for (uint8_t magic = 0; magic < 2; magic++) {
        for (uint8_t codec = 0; codec < 5; codec++) {
            const uint8_t head[] = {magic, codec, WHOLE, 0}, tight[] = {magic, codec, 60, 0};
            char name[32];
            snprintf(name, sizeof name, "v%d-codec-%d", magic, codec);
            add(c, name, head, sizeof head, some, sizeof some);
            snprintf(name, sizeof name, "v%d-codec-%d-tight", magic, codec);
            add(c, name, tight, sizeof tight, some, sizeof some);
        }
    }
}

/* ---- compressed streams ------------------------------------------------------------------------------------------ */

typedef struct streams {
    corpus *c;
    const char *codec;
} streams;

/* "large/gzip-9" is of gzip. */
static bool is_of(const char *name, const char *codec)
{
    const char *slash = strchr(name, '/');
    size_t len = strlen(codec);
    return slash != NULL && strncmp(slash + 1, codec, len) == 0 && (slash[1 + len] == '\0' || slash[1 + len] == '-');
}

static void golden_body(char **fields, int count, void *arg)
{
    static const uint8_t head[] = {0, WHOLE};
    streams *s = arg;
    size_t len;
    if (count != 3 || strcmp(fields[0], "batch") != 0 || !is_of(fields[1], s->codec)) return;
    uint8_t *batch = corpus_hex(fields[2], &len);
    if (batch == NULL) die(fields[1]);
    add(s->c, fields[1], head, sizeof head, batch + KFK_RECORD_HEADER, len - KFK_RECORD_HEADER);
    free(batch);
}

static void golden_stream(char **fields, int count, void *arg)
{
    static const uint8_t head[] = {0, WHOLE}, tight[] = {0, 2};
    streams *s = arg;
    size_t len;
    if (count < 4 || strcmp(fields[0], "stream") != 0) return;
    if (strncmp(fields[1], s->codec, strlen(s->codec)) != 0) return; /* "zstd-refused" is of zstd, too */
    uint8_t *bytes = corpus_hex(fields[3], &len);
    if (bytes == NULL) die(fields[2]);
    add(s->c, fields[2], head, sizeof head, bytes, len);
    add(s->c, fields[2], tight, sizeof tight, bytes, len);
    free(bytes);
}

static void make_streams(corpus *c, const char *codec)
{
    static const uint8_t head[] = {1, WHOLE}, tight[] = {1, 2}, no_memory[] = {1 | 2 << 1, WHOLE};
    char text[400];
    streams s = {c, codec};
    each_line("batches.txt", golden_body, &s);
    each_line("streams.txt", golden_stream, &s);
    for (size_t i = 0; i < sizeof text; i++) text[i] = "what is written is read back; "[(i + i / 100) % 30];
    add(c, "write", head, sizeof head, text, sizeof text);
    add(c, "write-too-much", tight, sizeof tight, text, sizeof text);
    add(c, "write-without-memory", no_memory, sizeof no_memory, text, sizeof text);
    add(c, "write-nothing", head, sizeof head, NULL, 0);
}

static void make_gzip(corpus *c)
{
    make_streams(c, "gzip");
}

static void make_snappy(corpus *c)
{
    static const uint8_t bare[] = {0, WHOLE, 10, 0x04, 'a', 'b', 0x1e, 2, 0}; /* "ab", then 8 bytes from 2 back */
    static const uint8_t huge[] = {0, WHOLE, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 'a'};
    make_streams(c, "snappy");
    corpus_add(c, "bare-block", bare, sizeof bare);
    corpus_add(c, "bare-block-of-4-gib", huge, sizeof huge);
}

static void make_lz4(corpus *c)
{
    make_streams(c, "lz4");
}

static void make_zstd(corpus *c)
{
    /* no declared size, window 1 KiB, one repeated block of 128 KiB */
    static const uint8_t bomb[] = {0, WHOLE, 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38, 0x03, 0x00, 0x10, 'a'};
    make_streams(c, "zstd");
    corpus_add(c, "repeated-block", bomb, sizeof bomb);
    uint8_t tight[sizeof bomb];
    memcpy(tight, bomb, sizeof bomb);
    tight[1] = 1;
    corpus_add(c, "repeated-block-too-large", tight, sizeof tight);
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static void make_addresses(corpus *c)
{
    static const char *const texts[] = {"localhost:9092",
                                        "broker-1.example.com",
                                        "192.0.2.1:1",
                                        "[2001:db8::1]:65535",
                                        "[::1]",
                                        "::1",
                                        "fe80::1%eth0",
                                        "[fe80::1%eth0]:9092",
                                        " h:1 ",
                                        "http://h:1",
                                        "h:",
                                        ":1",
                                        "[::1",
                                        "h:0",
                                        "h:65536",
                                        "unix:/tmp/x",
                                        "unix:@name",
                                        "unix:",
                                        "a_b.c-d:99",
                                        "1:2:3",
                                        "0x7f.1:80",
                                        ""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char name[16];
        snprintf(name, sizeof name, "text-%zu", i);
        corpus_add(c, name, texts[i], strlen(texts[i]));
    }
}

/* ---- conversations ----------------------------------------------------------------------------------------------- */

typedef struct recording {
    uint8_t bytes[MOST_ENTRY];
    size_t len;
    bool full;
} recording;

/* The right answers as steps that send these bytes. */
static void record_answer(void *arg, const uint8_t *body, size_t len)
{
    recording *r = arg;
    r->full = r->full || r->len + 3 + len > sizeof r->bytes;
    if (r->full) return;
    r->bytes[r->len] = 2;
    r->bytes[r->len + 1] = (uint8_t)(len >> 8);
    r->bytes[r->len + 2] = (uint8_t)len;
    memcpy(r->bytes + r->len + 3, body, len);
    r->len += 3 + len;
}

/* A conversation with these options in which nobody misbehaves, and the same with all answers spelt out. */
static void add_conversation(corpus *c, const char *name, uint8_t options, uint16_t left_out)
{
    const uint8_t head[CONVERSATION_HEAD] = {0, 1, options, 0, (uint8_t)(left_out >> 8), (uint8_t)left_out};
    recording r = {.len = 0};
    char spelt[64];
    snprintf(spelt, sizeof spelt, "%s-spelt-out", name);
    conversation_run(head, sizeof head, record_answer, &r);
    corpus_add(c, name, head, sizeof head);
    add(c, spelt, head, sizeof head, r.bytes, r.len);
}

/* Behaves for `before` requests, then takes this step. */
static void add_step(corpus *c, const char *name, uint8_t before, const uint8_t *step, size_t len)
{
    uint8_t bytes[128] = {0, 1};
    char numbered[64];
    size_t at = (size_t)CONVERSATION_HEAD + before;
    memcpy(bytes + at, step, len);
    snprintf(numbered, sizeof numbered, "%s-%d", name, before);
    corpus_add(c, numbered, bytes, at + len);
}

static void make_conversations(corpus *c)
{
    static const struct {
        const char *name;
        size_t len;
        uint8_t step[24];
    } steps[] = {
        {"other-length", 9, {1, 0, 0, 0, 0x82, 0x7f, 0xff, 0xff, 0xff}},
        {"other-id", 9, {1, 0, 0, 4, 2, 0, 0, 0, 99}},
        {"other-byte", 9, {1, 0, 0, 20, 0, 0xff, 0, 0, 0}},
        {"fewer-bytes", 9, {1, 0, 0, 12, 8, 0, 5, 0, 0}},
        {"more-bytes", 9, {1, 0, 0, 12, 6, 1, 2, 3, 4}},
        {"short-frame", 5, {2, 0, 2, 0, 35}},
        {"http", 11, {3, 0, 8, 'H', 'T', 'T', 'P', '/', '1', '.', '1'}},
        {"error-not-leader", 3, {4, 0, 6}},
        {"error-made-up", 3, {4, 0x7f, 0xff}},
        {"close", 1, {5}},
        {"reset", 1, {6}},
        {"silence", 1, {7}},
        {"late", 2, {8, 12}},
        {"cut", 2, {16, 9}},
        {"twice", 2, {32, 0}},
    };
    uint16_t nothing_but_dial = 0xffff, no_topics = 0xffff ^ 0x110, no_writes = 1 << 2 | 1 << 5;
    add_conversation(c, "dial", 0, nothing_but_dial);
    add_conversation(c, "dial-old", CONVERSATION_OLD, nothing_but_dial);
    add_conversation(c, "metadata", CONVERSATION_NO_LEADER, no_topics);
    add_conversation(c, "metadata-old", CONVERSATION_NO_LEADER | CONVERSATION_OLD, no_topics);
    add_conversation(c, "read", 0, no_writes);
    add_conversation(c, "read-committed", CONVERSATION_COMMITTED, no_writes);
    add_conversation(c, "everything", 0, 0);
    add_conversation(c, "everything-old", CONVERSATION_OLD, 0);
    add_conversation(c, "no-acks", CONVERSATION_NO_ACKS, 0xffff ^ 1 << 2);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (uint8_t before = 0; before < 20; before = (uint8_t)(before + (before < 4 ? 1 : 3)))
            add_step(c, steps[i].name, before, steps[i].step, steps[i].len);
    for (uint8_t n = 1; n < 120; n += 7) { /* the n-th allocation fails */
        const uint8_t head[CONVERSATION_HEAD] = {0, 1, 0, n};
        char name[32];
        snprintf(name, sizeof name, "no-memory-%d", n);
        corpus_add(c, name, head, sizeof head);
    }
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Writes the corpus as text, malloc'ed. */
static char *pack(const corpus *c, const char *target)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (f == NULL) die("fuzz_seeds");
    fprintf(f, "# Inputs of fuzz_%s, written by fuzz_seeds (fuzz/seeds.c)\n", target);
    for (size_t i = 0; i < c->count; i++) {
        if (c->entries[i].len == 0) continue; /* every fuzzer begins with that one */
        fprintf(f, "%s ", c->entries[i].name);
        for (size_t b = 0; b < c->entries[i].len; b++) fprintf(f, "%02x", c->entries[i].data[b]);
        fprintf(f, "\n");
    }
    if (fclose(f) != 0) die("fuzz_seeds");
    return text;
}

static bool is_current(const char *path, const char *text)
{
    FILE *f = fopen(path, "r");
    size_t len = strlen(text);
    char *there = malloc(len + 2);
    if (there == NULL) die(path);
    size_t got = f != NULL ? fread(there, 1, len + 1, f) : 0;
    bool same = f != NULL && got == len && memcmp(there, text, len) == 0;
    if (f != NULL) fclose(f);
    free(there);
    if (!same) fprintf(stderr, "%s is not what fuzz_seeds writes: run tools/fuzz.sh seeds\n", path);
    return same;
}

static bool write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0) die(path);
    return true;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *target;
        void (*make)(corpus *);
    } all[] = {{"response", make_responses},
               {"request", make_requests},
               {"record", make_records},
               {"message_set", make_message_sets},
               {"gzip", make_gzip},
               {"snappy", make_snappy},
               {"lz4", make_lz4},
               {"zstd", make_zstd},
               {"address", make_addresses},
               {"cluster", make_clusters},
               {"connection", make_conversations}};
    bool check = argc == 4 && strcmp(argv[1], "--check") == 0, ok = true;
    if (argc != 3 && !check) {
        fprintf(stderr, "usage: %s [--check] GOLDEN CORPUS\n", argv[0]);
        return 2;
    }
    golden_dir = argv[argc - 2];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        corpus c = {0};
        char path[1024];
        all[i].make(&c);
        char *text = pack(&c, all[i].target);
        snprintf(path, sizeof path, "%s/%s.txt", argv[argc - 1], all[i].target);
        bool varies = strcmp(all[i].target, "connection") == 0;
        if (!check || !varies) ok = (check ? is_current : write_file)(path, text) && ok;
        free(text);
        corpus_free(&c);
    }
    return ok ? 0 : 1;
}
