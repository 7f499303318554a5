#include "support/memcheck.h"

#include "base/crc32c.h"
#include "base/mem.h"
#include "wire/compress.h"
#include "wire/helpers.h"
#include "wire/prim.h"
#include "wire/record.h"

enum { HEADER = KFK_RECORD_HEADER };
static const kafka_bytes null = {NULL, 0};

/* ---- batches of Java (tests/golden/batches.txt) ------------------------------------------------------------------ */

typedef struct golden_record {
    int64_t offset, timestamp;
    kafka_bytes key, value;
    size_t header_count;
    kafka_bytes headers[2 * 8]; /* keys and values */
    int control_type, coordinator_epoch;
} golden_record;

typedef struct golden_batch {
    char *name;
    uint8_t *bytes;
    size_t len;
    int64_t horizon;
    bool has_records; /* the file lists them */
    size_t record_count;
    golden_record records[32];
} golden_batch;

static golden_batch *golden;
static size_t golden_count;

static kafka_bytes unhex(const char *s, size_t len)
{
    uint8_t *out = malloc(len / 2 + 1);
    for (size_t i = 0; i < len / 2; i++) {
        unsigned byte;
        assert_int_equal(sscanf(s + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return (kafka_bytes){out, len / 2};
}

/* The next word of a line: - is null, ' begins bytes. */
static kafka_bytes next_bytes(char **save)
{
    char *word = strtok_r(NULL, " \n", save);
    assert_non_null(word);
    return *word == '-' ? null : unhex(word + 1, strlen(word + 1));
}

static int64_t next_number(char **save)
{
    char *word = strtok_r(NULL, " \n", save);
    assert_non_null(word);
    return strtoll(word, NULL, 10);
}

static void load_batch(char **save)
{
    golden = realloc(golden, (golden_count + 1) * sizeof *golden);
    golden_batch *b = &golden[golden_count++];
    *b = (golden_batch){.name = strdup(strtok_r(NULL, " ", save)), .horizon = -1};
    char *hex = strtok_r(NULL, " \n", save);
    kafka_bytes bytes = unhex(hex, strlen(hex));
    b->bytes = malloc(bytes.len);
    memcpy(b->bytes, bytes.data, b->len = bytes.len);
    free((void *)(uintptr_t)bytes.data);
}

static void load_record(golden_batch *b, char **save)
{
    golden_record *r = &b->records[b->record_count++];
    b->has_records = true;
    r->offset = next_number(save);
    r->timestamp = next_number(save);
    r->key = next_bytes(save);
    r->value = next_bytes(save);
    while (*save != NULL && **save != '\0' && **save != '\n') {
        r->headers[2 * r->header_count] = next_bytes(save);
        r->headers[2 * r->header_count++ + 1] = next_bytes(save);
    }
}

static int load_golden(void **state)
{
    (void)state;
    FILE *f = fopen(KAFKA_GOLDEN_DIR "/batches.txt", "r");
    char *line = NULL;
    size_t cap = 0;

    assert_non_null(f);
    while (getline(&line, &cap, f) > 0) {
        char *save = NULL, *kind = strtok_r(line, " ", &save);
        golden_batch *b = golden_count > 0 ? &golden[golden_count - 1] : NULL;
        if (strcmp(kind, "batch") == 0) load_batch(&save);
        if (strcmp(kind, "record") == 0) load_record(b, &save);
        if (strcmp(kind, "horizon") == 0) b->horizon = next_number(&save);
        if (strcmp(kind, "control") == 0) {
            b->records[b->record_count - 1].control_type = (int)next_number(&save);
            b->records[b->record_count - 1].coordinator_epoch = (int)next_number(&save);
        }
    }
    free(line);
    fclose(f);
    assert_true(golden_count > 30);
    return 0;
}

static void free_bytes(kafka_bytes b)
{
    free((void *)(uintptr_t)b.data);
}

static int free_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < golden_count; i++) {
        for (size_t j = 0; j < golden[i].record_count; j++) {
            golden_record *r = &golden[i].records[j];
            free_bytes(r->key);
            free_bytes(r->value);
            for (size_t k = 0; k < 2 * r->header_count; k++) free_bytes(r->headers[k]);
        }
        free(golden[i].name);
        free(golden[i].bytes);
    }
    free(golden);
    return 0;
}

static const golden_batch *golden_find(const char *name, size_t len)
{
    for (size_t i = 0; i < golden_count; i++)
        if (strlen(golden[i].name) == len && memcmp(golden[i].name, name, len) == 0) return &golden[i];
    fail_msg("no golden batch %s", name);
    return NULL;
}

static const golden_batch *golden_get(const char *name)
{
    return golden_find(name, strlen(name));
}

/* The header of a batch that is in order. */
static kfk_batch_header header_of(const golden_batch *b)
{
    kfk_batch_header h;
    kfk_error err = {0};
    int rc = kfk_record_header_parse(b->bytes, b->len, &h, &err);
    if (rc != 0) fail_msg("%s: %s", b->name, err.text);
    assert_int_equal(kfk_batch_size(&h), b->len);
    return h;
}

/* Whether this build can read the batch. */
static bool readable(const golden_batch *b)
{
    kfk_batch_header h = header_of(b);
    if (kfk_codec_find(kfk_batch_codec(&h)) != NULL) return true;
    print_message("%s: its codec is not built in\n", b->name);
    return false;
}

static void assert_bytes_equal(kafka_bytes a, kafka_bytes b)
{
    assert_int_equal(a.data == NULL, b.data == NULL);
    assert_int_equal(a.len, b.len);
    if (a.len > 0) assert_memory_equal(a.data, b.data, a.len);
}

static void assert_record_equal(const kfk_record *r, const golden_record *g)
{
    assert_int_equal(r->offset, g->offset);
    assert_int_equal(r->timestamp, g->timestamp);
    assert_bytes_equal(r->key, g->key);
    assert_bytes_equal(r->value, g->value);
    assert_int_equal(r->header_count, g->header_count);

    kafka_header headers[8];
    char keys[512];
    assert_in_range(kfk_record_header_keys_size(r), 0, sizeof keys);
    assert_int_equal(kfk_record_headers(r, headers, keys), 0);
    for (size_t i = 0; i < r->header_count; i++) {
        assert_bytes_equal((kafka_bytes){headers[i].key, strlen(headers[i].key)}, g->headers[2 * i]);
        assert_bytes_equal(headers[i].value, g->headers[2 * i + 1]);
    }
}

/* Opens a golden batch; `scratch` holds what was inflated. */
static kfk_record_iter open_batch(const golden_batch *b, kfk_buf *scratch)
{
    kfk_batch_header h = header_of(b);
    kfk_record_iter it;
    kfk_error err = {0};
    int rc = kfk_record_open(&h, b->bytes, scratch, &it, &err);
    if (rc != 0) fail_msg("%s: %s", b->name, err.text);
    return it;
}

static void the_batches_of_java_are_read_as_java_reads_them(void **state)
{
    (void)state;
    kfk_buf scratch;
    kfk_record r;

    kfk_buf_init(&scratch, SIZE_MAX);
    for (size_t i = 0; i < golden_count; i++) {
        const golden_batch *b = &golden[i];
        if (!readable(b)) continue;
        kfk_batch_header h = header_of(b);
        kfk_record_iter it = open_batch(b, &scratch);
        assert_int_equal(kfk_batch_delete_horizon(&h), b->horizon);
        if (b->has_records) assert_int_equal(h.record_count, b->record_count);
        int32_t n = 0;
        for (; kfk_record_iter_next(&it, &r); n++)
            if (b->has_records) assert_record_equal(&r, &b->records[n]);
        assert_int_equal(n, h.record_count);
        assert_int_equal(it.left, 0);
    }
    kfk_buf_fini(&scratch);
    kfk_compress_trim();
}

static void a_header_of_java_built_again_is_the_same_to_the_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < golden_count; i++) {
        const golden_batch *b = &golden[i];
        kfk_batch_header h = header_of(b);
        uint8_t out[HEADER];
        size_t body = b->len - HEADER;

        assert_int_equal(kfk_batch_body_size(&h), body);
        h.crc = 0;
        h.batch_length = 0;
        h.magic = 0;
        kfk_record_header_build(out, &h, body, kfk_crc32c(0, b->bytes + HEADER, body));
        assert_memory_equal(out, b->bytes, HEADER);
    }
}

/* Writes the records of `it` again, with the header's fields that a writer does not know. */
static size_t write_again(const kfk_batch_header *from, kfk_record_iter it, uint8_t *out, size_t cap)
{
    kfk_record_writer w;
    kfk_batch_header h;
    kfk_record r;
    kafka_header headers[8];
    char keys[512];

    kfk_record_writer_init(&w, out + HEADER, cap - HEADER);
    while (kfk_record_iter_next(&it, &r)) {
        assert_int_equal(kfk_record_headers(&r, headers, keys), 0);
        assert_int_equal(kfk_record_size(&w, r.timestamp, r.key, r.value, headers, r.header_count), r.size);
        assert_int_equal(kfk_record_append(&w, r.timestamp, r.key, r.value, headers, r.header_count), 0);
    }
    kfk_record_writer_header(&w, &h);
    h.base_offset = from->base_offset;
    h.leader_epoch = from->leader_epoch;
    h.attributes = from->attributes;
    h.producer_id = from->producer_id;
    h.producer_epoch = from->producer_epoch;
    h.base_sequence = from->base_sequence;
    kfk_record_header_build(out, &h, w.bytes, kfk_crc32c(0, out + HEADER, w.bytes));
    return HEADER + w.bytes;
}

static void a_batch_of_java_written_again_is_the_same_to_the_byte(void **state)
{
    (void)state;
    size_t compared = 0, cap = 1 << 20;
    uint8_t *out = malloc(cap);

    for (size_t i = 0; i < golden_count; i++) {
        const golden_batch *b = &golden[i];
        kfk_batch_header h = header_of(b);
        /* The cleaner leaves gaps, and with log-append time the producers' times are hidden. */
        if (kfk_batch_codec(&h) != 0 || kfk_batch_is_append_time(&h) || strncmp(b->name, "cleaned", 7) == 0) continue;
        assert_int_equal(write_again(&h, open_batch(b, NULL), out, cap), b->len);
        assert_memory_equal(out, b->bytes, b->len);
        compared++;
    }
    assert_in_range(compared, 11, 100);
    free(out);
}

static void a_compressed_batch_of_java_holds_the_bytes_of_its_twin(void **state)
{
    (void)state;
    kfk_buf body;
    kfk_error err;

    kfk_buf_init(&body, SIZE_MAX);
    for (size_t i = 0; i < golden_count; i++) {
        const golden_batch *b = &golden[i];
        const char *slash = strchr(b->name, '/');
        kfk_batch_header h = header_of(b);
        if (slash == NULL || b->has_records || h.record_count == 0 || !readable(b)) continue;
        const golden_batch *twin = golden_find(b->name, (size_t)(slash - b->name));
        kfk_buf_clear(&body);
        assert_int_not_equal(kfk_batch_codec(&h), 0);
        assert_int_equal(kfk_decompress(kfk_batch_codec(&h), b->bytes + HEADER, b->len - HEADER, &body, &err), 0);
        assert_int_equal(body.len, twin->len - HEADER);
        assert_memory_equal(body.data, twin->bytes + HEADER, body.len);
    }
    kfk_buf_fini(&body);
    kfk_compress_trim();
}

static void the_attributes_of_a_batch_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int codec;
        bool append_time, transactional, control;
    } rows[] = {
        {"plain", 0, false, false, false},           {"plain/gzip", 1, false, false, false},
        {"plain/snappy", 2, false, false, false},    {"plain/lz4", 3, false, false, false},
        {"plain/zstd", 4, false, false, false},      {"transactional", 0, false, true, false},
        {"append-time/zstd", 4, true, false, false}, {"commit", 0, false, true, true},
        {"leader-change", 0, false, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kfk_batch_header h = header_of(golden_get(rows[i].name));
        assert_int_equal(kfk_batch_codec(&h), rows[i].codec);
        assert_int_equal(kfk_batch_is_append_time(&h), rows[i].append_time);
        assert_int_equal(kfk_batch_is_transactional(&h), rows[i].transactional);
        assert_int_equal(kfk_batch_is_control(&h), rows[i].control);
    }
    kfk_batch_header h = header_of(golden_get("transactional"));
    assert_int_equal(h.base_offset, INT64_C(1) << 33);
    assert_int_equal(h.leader_epoch, 12);
    assert_int_equal(h.producer_id, 4711);
    assert_int_equal(h.producer_epoch, 7);
    assert_int_equal(h.base_sequence, 2147483646);
}

/* ---- what the cleaner and the broker do to batches --------------------------------------------------------------- */

static void with_log_append_time_every_record_has_the_time_of_the_batch(void **state)
{
    (void)state;
    const golden_batch *b = golden_get("append-time-by-broker");
    kfk_record_iter it = open_batch(b, NULL);
    kfk_record r;
    while (kfk_record_iter_next(&it, &r)) assert_int_equal(r.timestamp, INT64_C(1700000000777));
}

static void a_delete_horizon_in_place_of_the_base_time_changes_no_time(void **state)
{
    (void)state;
    const golden_batch *b = golden_get("cleaned-1");
    kfk_batch_header h = header_of(b);
    kfk_record_iter it = open_batch(b, NULL);
    kfk_record r;

    assert_int_equal(kfk_batch_delete_horizon(&h), h.base_timestamp);
    for (int64_t i = 0; kfk_record_iter_next(&it, &r); i++)
        assert_int_equal(r.timestamp, INT64_C(1700000000000) + i * 1000);
    h = header_of(golden_get("plain"));
    assert_int_equal(kfk_batch_delete_horizon(&h), -1);
}

static void behind_a_batch_comes_the_offset_that_its_header_says(void **state)
{
    (void)state;
    static const char *const names[] = {"cleaned-1", "cleaned-4", "cleaned-0", "cleaned-0/gzip"};
    kfk_buf scratch;

    kfk_buf_init(&scratch, SIZE_MAX);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const golden_batch *b = golden_get(names[i]);
        kfk_batch_header h = header_of(b);
        assert_int_equal(kfk_batch_next_offset(&h), 1020);
        kfk_record_iter it = open_batch(b, &scratch);
        kfk_record r;
        assert_int_equal(kfk_record_iter_next(&it, &r), h.record_count > 0);
    }
    kfk_buf_fini(&scratch);
}

static void an_empty_batch_is_not_inflated(void **state)
{
    (void)state;
    kfk_batch_header h = header_of(golden_get("cleaned-0")), parsed;
    uint8_t bytes[HEADER];
    kfk_record_iter it;
    kfk_record r;
    kfk_buf scratch;

    h.attributes = KFK_CODEC_GZIP;
    kfk_record_header_build(bytes, &h, 0, 0);
    kfk_buf_init(&scratch, SIZE_MAX);
    assert_int_equal(kfk_record_header_parse(bytes, sizeof bytes, &parsed, NULL), 0);
    assert_int_equal(kfk_record_open(&parsed, bytes, &scratch, &it, NULL), 0);
    assert_false(kfk_record_iter_next(&it, &r));
    assert_int_equal(memcheck_calls(), 0);
    kfk_buf_fini(&scratch);
}

/* ---- control records --------------------------------------------------------------------------------------------- */

static void control_records_of_java_are_read(void **state)
{
    (void)state;
    static const char *const names[] = {"commit", "abort", "leader-change"};
    for (size_t i = 0; i < 3; i++) {
        const golden_batch *b = golden_get(names[i]);
        kfk_record_iter it = open_batch(b, NULL);
        kfk_record r;
        kfk_control c;
        assert_true(kfk_record_iter_next(&it, &r));
        assert_int_equal(kfk_record_control(&r, &c, NULL), 0);
        assert_int_equal(c.version, 0);
        assert_int_equal(c.type, b->records[0].control_type);
        assert_int_equal(c.coordinator_epoch, b->records[0].coordinator_epoch);
        if (c.type > KFK_CONTROL_COMMIT) continue;

        uint8_t key[KFK_CONTROL_KEY], value[KFK_CONTROL_VALUE];
        kfk_record_control_build(&c, key, value);
        assert_bytes_equal((kafka_bytes){key, sizeof key}, r.key);
        assert_bytes_equal((kafka_bytes){value, sizeof value}, r.value);
    }
}

static void control_records_of_unknown_versions_are_read_and_damaged_ones_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        size_t key_len, value_len;
        int rc, version, type, epoch;
    } rows[] = {
        {"\x00\x63\x00\x01", "\x00\x63\x00\x00\x00\x05", 4, 6, 0, 99, 1, 5},
        {"\x00\x01\x00\x00more", "\x00\x01\x00\x00\x00\x05more", 8, 10, 0, 1, 0, 5},
        {"\x00\x00\x7f\xff", "", 4, 0, 0, 0, 32767, -1},
        {"\x00\x00\x00\x01", NULL, 4, 0, 0, 0, 1, -1},
        {"\x00\x00\x00\x01", "\x00\x00\x00", 4, 3, 0, 0, 1, -1},
        {"\xff\xff\x00\x01", "", 4, 0, KAFKA_ECORRUPT, 0, 0, 0},
        {"\x00\x00\x00", "", 3, 0, KAFKA_ECORRUPT, 0, 0, 0},
        {NULL, "", 0, 0, KAFKA_ECORRUPT, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        kfk_record r = {.key = {rows[i].key, rows[i].key_len}, .value = {rows[i].value, rows[i].value_len}};
        kfk_control c;
        assert_int_equal(kfk_record_control(&r, &c, NULL), rows[i].rc);
        if (rows[i].rc != 0) continue;
        assert_int_equal(c.version, rows[i].version);
        assert_int_equal(c.type, rows[i].type);
        assert_int_equal(c.coordinator_epoch, rows[i].epoch);
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void a_record_that_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    uint8_t window[64], before[64];
    kfk_record_writer w, copy;
    kafka_header header = {"h", KAFKA_LIT("1")};
    kafka_bytes value = KAFKA_LIT("0123456789");

    kfk_record_writer_init(&w, window, sizeof window);
    assert_int_equal(kfk_record_append(&w, 5, null, value, &header, 1), 0);
    size_t size = kfk_record_size(&w, 6, value, value, &header, 1);
    for (size_t cap = 0; cap < size; cap++) {
        memset(window, 0xee, sizeof window);
        memcpy(before, window, sizeof window);
        kfk_record_writer_window(&w, window, cap);
        copy = w;
        assert_int_equal(kfk_record_append(&w, 6, value, value, &header, 1), KAFKA_EAGAIN);
        assert_memory_equal(&w, &copy, sizeof w);
        assert_memory_equal(window, before, sizeof window);
    }
    kfk_record_writer_window(&w, window, size);
    assert_int_equal(kfk_record_append(&w, 6, value, value, &header, 1), 0);
    assert_ptr_equal(w.at, w.end);
    assert_int_equal(w.count, 2);
    assert_int_equal(w.max_timestamp, 6);

    kfk_record_writer_init(&w, NULL, 0);
    assert_int_equal(kfk_record_append(&w, 6, null, null, NULL, 0), KAFKA_EAGAIN);
}

static void what_the_format_cannot_hold_is_refused(void **state)
{
    (void)state;
    uint8_t window[64];
    kfk_record_writer w, copy;
    kafka_bytes huge = {window, (size_t)INT32_MAX + 1}, half = {window, INT32_MAX / 2}, v = KAFKA_LIT("v");
    kafka_header no_key = {NULL, KAFKA_LIT("v")}, huge_value = {"k", huge},
                 half_value[3] = {{"k", half}, {"k", half}, {"k", half}};
    const struct {
        int rc;
        kafka_bytes key, value;
        const kafka_header *headers;
        size_t header_count;
    } rows[] = {
        {KAFKA_ETOOBIG, huge, v, NULL, 0},
        {KAFKA_ETOOBIG, v, huge, NULL, 0},
        {KAFKA_ETOOBIG, half, half, NULL, 0} /* 2^31 - 2 bytes and their lengths */,
        {KAFKA_ETOOBIG, v, v, half_value, 3},
        {KAFKA_ETOOBIG, v, v, &huge_value, 1},
        {KAFKA_EINVAL, v, v, &no_key, 1},
        {KAFKA_ETOOBIG, v, v, &no_key, (size_t)INT32_MAX + 1},
    };
    kfk_record_writer_init(&w, window, sizeof window);
    copy = w;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(kfk_record_append(&w, 1, rows[i].key, rows[i].value, rows[i].headers, rows[i].header_count),
                         rows[i].rc);
        assert_true(kfk_record_size(&w, 1, rows[i].key, rows[i].value, rows[i].headers, rows[i].header_count) ==
                    SIZE_MAX);
        assert_memory_equal(&w, &copy, sizeof w);
    }
}

static void a_batch_that_reached_the_limits_of_its_header_takes_no_more(void **state)
{
    (void)state;
    uint8_t window[64];
    kfk_record_writer w;

    kfk_record_writer_init(&w, window, sizeof window);
    assert_int_equal(kfk_record_append(&w, 1, null, null, NULL, 0), 0);
    size_t size = w.bytes;
    w.bytes = INT32_MAX - (HEADER - KFK_RECORD_LENGTH_FROM) - size + 1;
    assert_int_equal(kfk_record_append(&w, 1, null, null, NULL, 0), KAFKA_EAGAIN);
    w.bytes--;
    assert_int_equal(kfk_record_append(&w, 1, null, null, NULL, 0), 0);
    w.bytes = size;
    w.count = INT32_MAX;
    assert_int_equal(kfk_record_append(&w, 1, null, null, NULL, 0), KAFKA_EAGAIN);
}

static void an_empty_writer_makes_the_header_of_an_empty_batch(void **state)
{
    (void)state;
    kfk_record_writer w;
    kfk_batch_header h, parsed;
    uint8_t bytes[HEADER];

    kfk_record_writer_init(&w, NULL, 0);
    kfk_record_writer_header(&w, &h);
    kfk_record_header_build(bytes, &h, 0, 0);
    assert_int_equal(kfk_record_header_parse(bytes, sizeof bytes, &parsed, NULL), 0);
    assert_int_equal(kfk_record_crc_check(&parsed, bytes, NULL), 0);
    assert_int_equal(kfk_record_validate(&parsed, bytes + HEADER, 0, NULL), 0);
    assert_int_equal(parsed.producer_id, -1);
    assert_int_equal(parsed.base_timestamp, -1);
}

static void timestamps_of_all_64_bits_come_back(void **state)
{
    (void)state;
    static const int64_t times[] = {INT64_MIN, INT64_MAX, 0, -1, 1, INT64_MAX, INT64_MIN, 1700000000000};
    enum { N = sizeof times / sizeof times[0] };
    uint8_t out[512];

    for (size_t first = 0; first < N; first++) {
        kfk_record_writer w;
        kfk_batch_header h;
        kfk_record_iter it;
        kfk_record r;
        kfk_record_writer_init(&w, out, sizeof out);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(kfk_record_append(&w, times[(first + i) % N], null, null, NULL, 0), 0);
        kfk_record_writer_header(&w, &h);
        assert_int_equal(h.max_timestamp, INT64_MAX);
        assert_int_equal(kfk_record_validate(&h, out, w.bytes, NULL), 0);
        kfk_record_iter_init(&it, &h, out, w.bytes);
        for (size_t i = 0; kfk_record_iter_next(&it, &r); i++) assert_int_equal(r.timestamp, times[(first + i) % N]);
    }
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

static void header_keys_become_strings_and_values_stay_in_place(void **state)
{
    (void)state;
    /* a = null, "b\0c" = "", "" = 1: as another client may write them. */
    static const uint8_t body[] = {15 << 1, 0, 0, 0, 1, 1, 3 << 1, 1 << 1, 'a', 1, 3 << 1, 'b', 0, 'c', 0, 0 << 1};
    uint8_t bytes[sizeof body + 2];
    memcpy(bytes, body, sizeof body);
    bytes[sizeof body] = 1 << 1;
    bytes[sizeof body + 1] = '1';
    bytes[0] = (sizeof bytes - 1) << 1;
    kfk_batch_header h = {.record_count = 1};
    kfk_record_iter it;
    kfk_record r;
    kafka_header headers[3];
    char keys[16];

    assert_int_equal(kfk_record_validate(&h, bytes, sizeof bytes, NULL), 0);
    kfk_record_iter_init(&it, &h, bytes, sizeof bytes);
    assert_true(kfk_record_iter_next(&it, &r));
    assert_int_equal(r.header_count, 3);
    assert_int_equal(kfk_record_header_keys_size(&r), 2 + 4 + 1);
    assert_int_equal(kfk_record_headers(&r, headers, keys), 0);
    assert_string_equal(headers[0].key, "a");
    assert_bytes_equal(headers[0].value, null);
    assert_memory_equal(headers[1].key, "b\0c", 4);
    assert_bytes_equal(headers[1].value, KAFKA_LIT(""));
    assert_string_equal(headers[2].key, "");
    assert_ptr_equal(headers[2].value.data, bytes + sizeof body + 1);
}

static void damaged_headers_are_found_also_without_validation(void **state)
{
    (void)state;
    static const uint8_t encoded[] = {1 << 1, 'a', 9 << 1, 'x'};
    kfk_record r = {.headers = encoded, .headers_len = sizeof encoded, .header_count = 1};
    kafka_header header;
    char keys[16];
    assert_int_equal(kfk_record_header_keys_size(&r), 0);
    assert_int_equal(kfk_record_headers(&r, &header, keys), KAFKA_ECORRUPT);
}

/* ---- random batches ---------------------------------------------------------------------------------------------- */

typedef struct made {
    int64_t timestamp;
    kafka_bytes key, value;
    kafka_header headers[5];
    size_t header_count;
} made;

static kafka_bytes random_part(kfk_rand *r, const uint8_t *pool)
{
    switch (kfk_rand_below(r, 8)) {
    case 0: return null;
    case 1: return KAFKA_LIT("");
    case 2: return (kafka_bytes){pool, kfk_rand_below(r, 20000)};
    default: return (kafka_bytes){pool + kfk_rand_below(r, 100), kfk_rand_below(r, 200)};
    }
}

static made random_record(kfk_rand *r, const uint8_t *pool)
{
    static const char *const keys[] = {
        "", "a", "trace-id", "a key that is a little longer than what one byte of length can say, which is 63"};
    made m = {.key = random_part(r, pool), .value = random_part(r, pool)};
    m.timestamp =
        kfk_rand_below(r, 10) == 0 ? (int64_t)kfk_rand_next(r) : 1700000000000 + (int64_t)kfk_rand_below(r, 100000);
    if (kfk_rand_below(r, 2) == 0) m.header_count = kfk_rand_below(r, 6);
    for (size_t i = 0; i < m.header_count; i++)
        m.headers[i] = (kafka_header){keys[kfk_rand_below(r, 4)], random_part(r, pool)};
    return m;
}

/* Appends `m`, through as many windows as it takes. `*out` is the end of what was written so far, without gaps. */
static void append_made(kfk_record_writer *w, kfk_rand *r, const made *m, uint8_t *out, const uint8_t *out_end)
{
    size_t size = kfk_record_size(w, m->timestamp, m->key, m->value, m->headers, m->header_count), before = w->bytes;
    int rc;
    while ((rc = kfk_record_append(w, m->timestamp, m->key, m->value, m->headers, m->header_count)) == KAFKA_EAGAIN) {
        assert_true((size_t)(w->end - w->at) < size);
        size_t cap = size + kfk_rand_below(r, 3000) - (kfk_rand_below(r, 2) ? 1 : 0);
        if (cap > (size_t)(out_end - (out + w->bytes))) cap = (size_t)(out_end - (out + w->bytes));
        kfk_record_writer_window(w, out + w->bytes, cap);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(w->bytes, before + size);
}

static void assert_made_equal(const kfk_record *r, const made *m)
{
    kafka_header headers[5];
    char keys[512];
    assert_int_equal(r->timestamp, m->timestamp);
    assert_bytes_equal(r->key, m->key);
    assert_bytes_equal(r->value, m->value);
    assert_int_equal(r->header_count, m->header_count);
    assert_in_range(kfk_record_header_keys_size(r), 0, sizeof keys);
    assert_int_equal(kfk_record_headers(r, headers, keys), 0);
    for (size_t i = 0; i < m->header_count; i++) {
        assert_string_equal(headers[i].key, m->headers[i].key);
        assert_bytes_equal(headers[i].value, m->headers[i].value);
    }
}

static void random_batches_come_back_through_every_codec(void **state)
{
    (void)state;
    enum { MOST = 40, CAP = 8 << 20 };
    static made records[MOST];
    static uint8_t pool[20200];
    kfk_rand r = seeded();
    kfk_buf packed, scratch;
    guarded plain = guarded_new(CAP);
    uint8_t *body = plain.map;

    random_bytes(&r, pool, sizeof pool);
    kfk_buf_init(&packed, SIZE_MAX);
    kfk_buf_init(&scratch, SIZE_MAX);
    for (int round = 0; round < 200; round++) {
        kfk_record_writer w;
        kfk_batch_header h, parsed;
        size_t count = 1 + kfk_rand_below(&r, MOST);

        kfk_record_writer_init(&w, body, 0);
        for (size_t i = 0; i < count; i++) {
            records[i] = random_record(&r, pool);
            append_made(&w, &r, &records[i], body, body + CAP);
        }
        kfk_record_writer_header(&w, &h);
        h.base_offset = (int64_t)(kfk_rand_next(&r) >> 2);
        int codec = (int)kfk_rand_below(&r, 5);
        if (kfk_codec_find(codec) == NULL) continue;
        h.attributes = (uint16_t)codec;
        kfk_buf_clear(&packed);
        assert_non_null(kfk_buf_reserve(&packed, HEADER));
        kfk_buf_commit(&packed, HEADER);
        struct iovec chunk = {body, w.bytes};
        assert_int_equal(kfk_compress(codec, 0, &chunk, 1, &packed, NULL), 0);
        size_t len = packed.len - HEADER;
        kfk_record_header_build(packed.data, &h, len, kfk_crc32c(0, packed.data + HEADER, len));

        kfk_error err = {0};
        kfk_record_iter it;
        kfk_record out;
        if (kfk_record_header_parse(packed.data, packed.len, &parsed, &err) != 0) fail_msg("%s", err.text);
        if (kfk_record_open(&parsed, packed.data, &scratch, &it, &err) != 0) fail_msg("%s", err.text);
        for (size_t i = 0; i < count; i++) {
            assert_true(kfk_record_iter_next(&it, &out));
            assert_int_equal(out.offset, h.base_offset + (int64_t)i);
            assert_made_equal(&out, &records[i]);
        }
        assert_false(kfk_record_iter_next(&it, &out));
    }
    guarded_free(&plain);
    kfk_buf_fini(&packed);
    kfk_buf_fini(&scratch);
    kfk_compress_trim();
}

/* ---- damaged headers --------------------------------------------------------------------------------------------- */

static void a_batch_that_is_cut_short_is_told_from_a_damaged_one(void **state)
{
    (void)state;
    const golden_batch *b = golden_get("headers");
    guarded g = guarded_new(b->len);
    kfk_batch_header h;

    for (size_t len = 0; len < b->len; len++) {
        assert_int_equal(kfk_record_header_parse(guarded_put(&g, b->bytes, len), len, &h, NULL), KAFKA_EUNEXPECTED_EOF);
        assert_int_equal(h.batch_length, len < 12 ? -1 : (int)b->len - 12);
    }
    guarded_free(&g);
}

static void batches_one_behind_the_other_are_parsed_each_for_itself(void **state)
{
    (void)state;
    /* The second has a wrong CRC (H19), the fourth is cut short. */
    static const char *const names[] = {"plain", "times", "nulls", "sizes"};
    uint8_t bytes[2048];
    size_t len = 0, at = 0;
    kfk_batch_header h;

    for (size_t i = 0; i < 4; i++) {
        const golden_batch *b = golden_get(names[i]);
        size_t part = i < 3 ? b->len : 100;
        memcpy(bytes + len, b->bytes, part);
        if (i == 1) bytes[len + b->len - 1] ^= 0x10;
        len += part;
    }
    for (int i = 0; i < 3; i++, at += kfk_batch_size(&h)) {
        assert_int_equal(kfk_record_header_parse(bytes + at, len - at, &h, NULL), 0);
        assert_int_equal(kfk_record_crc_check(&h, bytes + at, NULL), i == 1 ? KAFKA_ECORRUPT : 0);
    }
    assert_int_equal(kfk_record_header_parse(bytes + at, len - at, &h, NULL), KAFKA_EUNEXPECTED_EOF);
}

/* Writes `size` bytes of `value`, big-endian, at `at`. */
static void patch(uint8_t *p, size_t at, size_t size, int64_t value)
{
    while (size > 0) {
        p[at + --size] = (uint8_t)value;
        value >>= 8;
    }
}

static void impossible_fields_of_a_header_are_damage(void **state)
{
    (void)state;
    static const struct {
        size_t at, size;
        int64_t value;
        int rc;
        const char *text;
    } rows[] = {
        {8, 4, -1, KAFKA_ECORRUPT, "impossible length -1"}, /* H17 */
        {8, 4, 5, KAFKA_ECORRUPT, "impossible length 5"},
        {8, 4, INT32_MAX, KAFKA_ECORRUPT, "impossible length 2147483647"},
        {8, 4, INT32_MIN, KAFKA_ECORRUPT, "impossible length"},
        {8, 4, 48, KAFKA_ECORRUPT, "length 48 is less than its header"},
        {8, 4, 1000000, KAFKA_EUNEXPECTED_EOF, "112 bytes of 1000012"},
        {16, 1, 9, KAFKA_ECORRUPT, "unknown magic 9"},
        {16, 1, 3, KAFKA_ECORRUPT, "unknown magic 3"},
        {16, 1, -1, KAFKA_ECORRUPT, "unknown magic -1"},
        {16, 1, 0, KAFKA_EVERSION, "magic 0"},
        {16, 1, 1, KAFKA_EVERSION, "magic 1"},
        {0, 8, -1, KAFKA_ECORRUPT, "offset -1"},
        {0, 8, INT64_MAX, KAFKA_ECORRUPT, "last offset delta"},
        {0, 8, INT64_MAX - 2, KAFKA_ECORRUPT, "last offset delta"},
        {0, 8, INT64_MAX - 3, 0, ""},
        {23, 4, -1, KAFKA_ECORRUPT, "impossible last offset delta -1"},
        {23, 4, 1, KAFKA_ECORRUPT, "impossible count of 3 records in 2 offsets"},
        {23, 4, INT32_MAX, 0, ""},
        {57, 4, -1, KAFKA_ECORRUPT, "impossible count of -1"},
        {57, 4, INT32_MIN, KAFKA_ECORRUPT, "impossible count"},
        {57, 4, 4, KAFKA_ECORRUPT, "impossible count of 4 records in 3 offsets"},
    };
    const golden_batch *b = golden_get("plain");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t bytes[256];
        kfk_batch_header h;
        kfk_error err = {0};
        memcpy(bytes, b->bytes, b->len);
        patch(bytes, rows[i].at, rows[i].size, rows[i].value);
        assert_int_equal(kfk_record_header_parse(bytes, b->len, &h, &err), rows[i].rc);
        if (rows[i].rc == 0) continue;
        assert_int_equal(err.code, rows[i].rc);
        if (strstr(err.text, rows[i].text) == NULL) fail_msg("'%s' is not in '%s'", rows[i].text, err.text);
    }
}

static void a_count_that_does_not_fit_into_the_body_is_damage_before_it_is_walked(void **state)
{
    (void)state;
    uint8_t bytes[256];
    const golden_batch *b = golden_get("plain");
    kfk_batch_header h;

    memcpy(bytes, b->bytes, b->len);
    patch(bytes, 23, 4, INT32_MAX - 1);
    patch(bytes, 57, 4, INT32_MAX);
    assert_int_equal(kfk_record_header_parse(bytes, b->len, &h, NULL), KAFKA_ECORRUPT);
}

static void an_old_message_tells_its_offset_and_size(void **state)
{
    (void)state;
    uint8_t bytes[26] = {0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 14, 1, 2, 3, 4, 1};
    kfk_batch_header h;

    assert_int_equal(kfk_record_header_parse(bytes, sizeof bytes, &h, NULL), KAFKA_EVERSION);
    assert_int_equal(h.base_offset, 7);
    assert_int_equal(h.magic, 1);
    assert_int_equal(kfk_batch_size(&h), sizeof bytes);
    assert_int_equal(kfk_record_header_parse(bytes, sizeof bytes - 1, &h, NULL), KAFKA_EUNEXPECTED_EOF);
}

/* ---- damaged records --------------------------------------------------------------------------------------------- */

/* Everything that may be done with a body that nobody vouches for: no result matters, only that none of it reads
 * outside, and that what validation accepts is walked to its end. */
static void walk_anyhow(const kfk_batch_header *h, const uint8_t *body, size_t len)
{
    kfk_record_iter it;
    kfk_record r;
    kfk_error err = {0};
    int rc = kfk_record_validate(h, body, len, &err);
    int32_t n = 0;
    size_t size = 0;

    assert_true(rc == 0 || rc == KAFKA_ECORRUPT);
    assert_int_equal(err.code, rc);
    kfk_record_iter_init(&it, h, body, len);
    for (; kfk_record_iter_next(&it, &r); n++) {
        kafka_header headers[64];
        char keys[1024];
        if (r.header_count <= 64 && kfk_record_header_keys_size(&r) <= sizeof keys) {
            int decoded = kfk_record_headers(&r, headers, keys);
            if (rc == 0) assert_int_equal(decoded, 0);
        }
        size += r.size;
        if (r.value.len > 0) assert_true(((const uint8_t *)r.value.data)[r.value.len - 1] <= 255);
    }
    if (rc == 0) {
        assert_int_equal(n, h->record_count);
        assert_int_equal(size, len);
    }
}

static void every_flipped_bit_is_found_by_the_crc_or_harmless(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "headers", "nulls", "cleaned-4", "commit", "times"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const golden_batch *b = golden_get(names[i]);
        guarded g = guarded_new(b->len);
        for (size_t bit = 0; bit < b->len * 8; bit++) {
            uint8_t *p = guarded_put(&g, b->bytes, b->len);
            kfk_batch_header h;
            p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            int rc = kfk_record_header_parse(p, b->len, &h, NULL);
            if (rc != 0) continue;
            bool covered = bit / 8 >= 17 || (bit / 8 >= 8 && bit / 8 < 12);
            assert_int_equal(kfk_record_crc_check(&h, p, NULL), covered ? KAFKA_ECORRUPT : 0);
            if (bit / 8 >= 8 && bit / 8 < 12) continue; /* shorter than it is: the CRC ends elsewhere */
            walk_anyhow(&h, p + HEADER, kfk_batch_body_size(&h));
        }
        guarded_free(&g);
    }
}

static void a_body_cut_anywhere_is_damage(void **state)
{
    (void)state;
    static const char *const names[] = {"plain", "headers", "nulls", "times"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const golden_batch *b = golden_get(names[i]);
        guarded g = guarded_new(b->len);
        kfk_batch_header h = header_of(b);
        for (size_t len = 0; len < b->len - HEADER; len++) {
            const uint8_t *body = guarded_put(&g, b->bytes + HEADER, len);
            assert_int_equal(kfk_record_validate(&h, body, len, NULL), KAFKA_ECORRUPT);
            walk_anyhow(&h, body, len);
        }
        guarded_free(&g);
    }
}

static void random_bytes_are_never_read_beyond_their_end(void **state)
{
    (void)state;
    kfk_rand r = seeded();
    guarded g = guarded_new(256);
    const golden_batch *b = golden_get("headers");

    for (int round = 0; round < 200000; round++) {
        size_t len = kfk_rand_below(&r, 200);
        uint8_t *body = guarded_put(&g, round % 2 ? b->bytes + HEADER : NULL, len);
        if (round % 2 == 0) random_bytes(&r, body, len);
        /* Small bytes make plausible lengths; damage to a good batch gets further than noise. */
        for (size_t i = 0; i < len; i++)
            if (round % 2 == 0 ? kfk_rand_below(&r, 4) != 0 : kfk_rand_below(&r, 40) == 0)
                body[i] = (uint8_t)kfk_rand_below(&r, 24);
        kfk_batch_header h = {.record_count = (int32_t)kfk_rand_below(&r, 6), .last_offset_delta = 10};
        walk_anyhow(&h, body, len);
    }
    guarded_free(&g);
}

/* One record in hex; what must be said about it, NULL if nothing. Its batch has offsets 0 to 5 and as many records as
 * are told. */
static void damaged_records_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *hex, *text;
        int32_t count;
    } rows[] = {
        {"0c 00 00 00 01 01 00", NULL, 1},
        {"", "its length is no varint", 1},
        {"0c 00 00 00 01 01", "longer than what is left", 1},
        {"0c 00 00 00 01 01 00 00", "1 bytes are left over behind its 1 records", 1},
        {"0c 00 00 00 01 01 00", "7 bytes are left over behind its 0 records", 0},
        {"05 00 00 00 01 01 00", "its length is negative", 1},               /* H18: -3 */
        {"fe ff ff ff 0f 00 00 00 01 01 00", "longer than what is left", 1}, /* 2^31 - 1 */
        {"ff ff ff ff ff ff ff ff ff ff 01 00 00", "its length is no varint", 1},
        {"8c 80 80 80 80 00 00 00 00 01 01 00", "its length is no varint", 1}, /* six bytes */
        {"8c 80 80 80 00 00 00 00 01 01 00", NULL, 1},                         /* padded to five */
        {"8c 80 80 80 10 00 00 00 01 01 00", "its length is no varint", 1},    /* more than 32 bits */
        {"00", "it is empty", 1},
        {"02 00", "its timestamp is no varint", 1},
        {"22 00 80 80 80 80 80 80 80 80 80 80 00 00 01 01 00 00", "its timestamp is no varint", 1}, /* eleven bytes */
        {"1e 00 80 80 80 80 80 80 80 80 80 00 00 01 01 00", NULL, 1},                               /* padded to ten */
        {"1e 00 ff ff ff ff ff ff ff ff ff 01 00 01 01 00", NULL, 1},
        {"1e 00 ff ff ff ff ff ff ff ff ff 02 00 01 01 00", "its timestamp is no varint", 1},
        {"04 00 00", "its offset is no varint", 1},
        {"0c 00 00 01 01 01 00", "its offset does not increase", 1}, /* -1 */
        {"0c 00 00 0c 01 01 00", "its offset is not in the batch", 1},
        {"0c 00 00 0a 01 01 00", NULL, 1},
        {"0c 00 00 02 01 01 00 0c 00 00 02 01 01 00", "record 2 of 2: its offset does not increase", 2},
        {"0c 00 00 04 01 01 00 0c 00 00 02 01 01 00", "its offset does not increase", 2},
        {"0c 00 00 00 01 01 00 0c 00 00 0a 01 01 00", NULL, 2},            /* a gap */
        {"0c 00 00 00 03 01 00", "its key has an impossible length", 1},   /* -2 */
        {"0c 00 00 00 01 09 00", "its value has an impossible length", 1}, /* -5 */
        {"0c 00 00 00 01 04 00", "its value has an impossible length", 1},
        {"0c 00 00 00 01 02 00", "its header count is no varint", 1},
        {"0a 00 00 00 01 01", "its header count is no varint", 1},
        {"0c 00 00 00 01 01 01", "its header count is impossible", 1},             /* -1 */
        {"0c 00 00 00 01 01 02", "its header count is impossible", 1},             /* 1, but no bytes */
        {"14 00 00 00 01 01 fe ff ff ff 0f", "its header count is impossible", 1}, /* 2^31 - 1 */
        {"10 00 00 00 01 01 02 00 01", NULL, 1},
        {"10 00 00 00 01 01 02 01 01", "the key of a header has an impossible length", 1}, /* null */
        {"10 00 00 00 01 01 02 00 03", "the value of a header has an impossible length", 1},
        {"12 00 00 00 01 01 02 00 01 00", "bytes are left over behind it", 1},
        {"0e 00 00 00 01 01 00 00", "bytes are left over behind it", 1},
        {"12 00 00 00 01 01 04 00 01 00", "its header count is impossible", 1},
        {"14 00 00 00 01 01 04 00 02 61 00", "the value of a header has an impossible length", 1},
    };
    guarded g = guarded_new(256);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        /* As the only bytes there are, and with others behind them: the quick way and the careful way must agree. */
        uint8_t bytes[64];
        size_t len = 0;
        for (const char *s = rows[i].hex; *s != '\0'; s += s[2] == ' ' ? 3 : 2)
            bytes[len++] = (uint8_t)strtoul(s, NULL, 16);
        kfk_batch_header h = {.base_offset = 100, .record_count = rows[i].count, .last_offset_delta = 5};
        kfk_error err = {0};
        int rc = kfk_record_validate(&h, guarded_put(&g, bytes, len), len, &err);
        assert_int_equal(rc, rows[i].text != NULL ? KAFKA_ECORRUPT : 0);
        if (rc != 0 && strstr(err.text, rows[i].text) == NULL) fail_msg("'%s' is not in '%s'", rows[i].text, err.text);
        if (rc != 0 && strstr(err.text, "batch at offset 100") == NULL) fail_msg("no offset in '%s'", err.text);
        walk_anyhow(&h, guarded_put(&g, bytes, len), len);

        memset(bytes + len, 0, 40);
        kfk_batch_header longer = h;
        longer.record_count++;
        int with_more = kfk_record_validate(&longer, guarded_put(&g, bytes, len + 40), len + 40, &err);
        assert_int_equal(with_more, KAFKA_ECORRUPT);
        walk_anyhow(&longer, guarded_put(&g, bytes, len + 40), len + 40);
    }
    guarded_free(&g);
}

static void a_damaged_record_keeps_all_of_its_batch_back(void **state)
{
    (void)state;
    uint8_t bytes[512];
    const golden_batch *b = golden_get("headers");
    kfk_batch_header h = header_of(b);
    kfk_record_iter it;
    kfk_error err = {0};

    memcpy(bytes, b->bytes, b->len);
    bytes[b->len - 1] = 2; /* the last byte is the header count of the last record */
    kfk_record_header_build(bytes, &h, b->len - HEADER, kfk_crc32c(0, bytes + HEADER, b->len - HEADER));
    assert_int_equal(kfk_record_header_parse(bytes, b->len, &h, &err), 0);
    assert_int_equal(kfk_record_open(&h, bytes, NULL, &it, &err), KAFKA_ECORRUPT);
    assert_non_null(strstr(err.text, "record 3 of 3"));
}

static void what_cannot_be_inflated_is_said_with_the_offset_of_the_batch(void **state)
{
    (void)state;
    kfk_batch_header h = header_of(golden_get("plain"));
    uint8_t bytes[256];
    kfk_record_iter it;
    kfk_buf scratch;
    kfk_error err = {0};
    size_t len = golden_get("plain")->len;

    memcpy(bytes, golden_get("plain")->bytes, len);
    h.base_offset = 77;
    kfk_buf_init(&scratch, SIZE_MAX);
    for (uint16_t codec = 1; codec <= 7; codec++) {
        h.attributes = codec;
        kfk_record_header_build(bytes, &h, len - HEADER, kfk_crc32c(0, bytes + HEADER, len - HEADER));
        assert_int_equal(kfk_record_header_parse(bytes, len, &h, &err), 0);
        int rc = kfk_record_open(&h, bytes, &scratch, &it, &err);
        assert_int_equal(rc, kfk_codec_find(codec) == NULL ? KAFKA_ECODEC : KAFKA_ECORRUPT);
        assert_non_null(strstr(err.text, "batch at offset 77: "));
    }
    kfk_buf_fini(&scratch);
    kfk_compress_trim();
}

static void a_batch_that_inflates_beyond_the_limit_is_too_big(void **state)
{
    (void)state;
    static const char *const names[] = {"large/gzip", "large/snappy", "large/lz4", "large/zstd"};
    size_t size = golden_get("large")->len - HEADER;

    for (size_t i = 0; i < 4; i++) {
        const golden_batch *b = golden_get(names[i]);
        kfk_batch_header h = header_of(b);
        kfk_buf scratch;
        kfk_record_iter it;
        if (!readable(b)) continue;
        kfk_buf_init(&scratch, size);
        assert_int_equal(kfk_record_open(&h, b->bytes, &scratch, &it, NULL), 0);
        kfk_buf_fini(&scratch);
        kfk_buf_init(&scratch, size - 1);
        assert_int_equal(kfk_record_open(&h, b->bytes, &scratch, &it, NULL), KAFKA_ETOOBIG);
        assert_in_range(scratch.cap, 0, size - 1);
        kfk_buf_fini(&scratch);
    }
    kfk_compress_trim();
}

static void records_cost_no_allocation(void **state)
{
    (void)state;
    enum { CAP = 2 << 20 };
    uint8_t *out = malloc(CAP);
    kfk_record_writer w;
    kfk_batch_header h;
    kfk_record_iter it;
    kfk_record r;
    kafka_header header = {"trace", KAFKA_LIT("0123456789abcdef")}, headers[1];
    char keys[16];
    int32_t n = 0;

    kfk_record_writer_init(&w, out + HEADER, CAP - HEADER);
    while (kfk_record_append(&w, w.count, KAFKA_LIT("key"), KAFKA_LIT("a value"), &header, w.count > 30000) == 0)
        continue;
    kfk_record_writer_header(&w, &h);
    kfk_record_header_build(out, &h, w.bytes, kfk_crc32c(0, out + HEADER, w.bytes));
    assert_int_equal(kfk_record_header_parse(out, CAP, &h, NULL), 0);
    assert_int_equal(kfk_record_open(&h, out, NULL, &it, NULL), 0);
    for (; kfk_record_iter_next(&it, &r); n++) assert_int_equal(kfk_record_headers(&r, headers, keys), 0);
    assert_int_equal(n, w.count);
    assert_true(n > 50000);
    assert_int_equal(memcheck_calls(), 0);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_batches_of_java_are_read_as_java_reads_them),
        MEMCHECK_TEST(a_header_of_java_built_again_is_the_same_to_the_bit),
        MEMCHECK_TEST(a_batch_of_java_written_again_is_the_same_to_the_byte),
        MEMCHECK_TEST(a_compressed_batch_of_java_holds_the_bytes_of_its_twin),
        MEMCHECK_TEST(the_attributes_of_a_batch_are_told_apart),
        MEMCHECK_TEST(with_log_append_time_every_record_has_the_time_of_the_batch),
        MEMCHECK_TEST(a_delete_horizon_in_place_of_the_base_time_changes_no_time),
        MEMCHECK_TEST(behind_a_batch_comes_the_offset_that_its_header_says),
        MEMCHECK_TEST(an_empty_batch_is_not_inflated),
        MEMCHECK_TEST(control_records_of_java_are_read),
        MEMCHECK_TEST(control_records_of_unknown_versions_are_read_and_damaged_ones_refused),
        MEMCHECK_TEST(a_record_that_does_not_fit_changes_nothing),
        MEMCHECK_TEST(what_the_format_cannot_hold_is_refused),
        MEMCHECK_TEST(a_batch_that_reached_the_limits_of_its_header_takes_no_more),
        MEMCHECK_TEST(an_empty_writer_makes_the_header_of_an_empty_batch),
        MEMCHECK_TEST(timestamps_of_all_64_bits_come_back),
        MEMCHECK_TEST(header_keys_become_strings_and_values_stay_in_place),
        MEMCHECK_TEST(damaged_headers_are_found_also_without_validation),
        MEMCHECK_TEST(random_batches_come_back_through_every_codec),
        MEMCHECK_TEST(a_batch_that_is_cut_short_is_told_from_a_damaged_one),
        MEMCHECK_TEST(batches_one_behind_the_other_are_parsed_each_for_itself),
        MEMCHECK_TEST(impossible_fields_of_a_header_are_damage),
        MEMCHECK_TEST(a_count_that_does_not_fit_into_the_body_is_damage_before_it_is_walked),
        MEMCHECK_TEST(an_old_message_tells_its_offset_and_size),
        MEMCHECK_TEST(every_flipped_bit_is_found_by_the_crc_or_harmless),
        MEMCHECK_TEST(a_body_cut_anywhere_is_damage),
        MEMCHECK_TEST(random_bytes_are_never_read_beyond_their_end),
        MEMCHECK_TEST(damaged_records_are_refused_with_a_reason),
        MEMCHECK_TEST(a_damaged_record_keeps_all_of_its_batch_back),
        MEMCHECK_TEST(what_cannot_be_inflated_is_said_with_the_offset_of_the_batch),
        MEMCHECK_TEST(a_batch_that_inflates_beyond_the_limit_is_too_big),
        MEMCHECK_TEST(records_cost_no_allocation),
    };
    return cmocka_run_group_tests(tests, load_golden, free_golden);
}
