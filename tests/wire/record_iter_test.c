#include "support/memcheck.h"

#include "base/crc32c.h"
#include "wire/batches.h"
#include "wire/compress.h"
#include "wire/helpers.h"
#include "wire/prim.h"
#include "wire/record.h"

enum { HEADER = KFK_RECORD_HEADER };
static const kafka_bytes null = {NULL, 0};

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

static void a_record_may_have_many_headers(void **state)
{
    (void)state;
    enum { MOST = 10000 };
    static const size_t counts[] = {63, 64, 127, 128, 8191, 8192, MOST};
    static kafka_header headers[MOST], out[MOST];
    static uint8_t bytes[8 * MOST + 200];
    static char keys[2 * MOST];

    for (size_t i = 0; i < MOST; i++) headers[i] = (kafka_header){"k", i % 3 == 0 ? null : KAFKA_LIT("v")};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        kfk_record_writer w;
        kfk_batch_header h;
        kfk_record_iter it;
        kfk_record r;
        kfk_record_writer_init(&w, bytes, sizeof bytes);
        assert_int_equal(kfk_record_append(&w, 1, null, KAFKA_LIT("v"), headers, counts[i]), 0);
        assert_int_equal(kfk_record_append(&w, 1, null, KAFKA_LIT("and one more"), NULL, 0), 0);
        kfk_record_writer_header(&w, &h);
        assert_int_equal(kfk_record_validate(&h, bytes, w.bytes, NULL), 0);
        kfk_record_iter_init(&it, &h, bytes, w.bytes);
        assert_true(kfk_record_iter_next(&it, &r));
        assert_int_equal(r.header_count, counts[i]);
        assert_int_equal(kfk_record_header_keys_size(&r), 2 * counts[i]);
        assert_int_equal(kfk_record_headers(&r, out, keys), 0);
        for (size_t j = 0; j < counts[i]; j++) {
            assert_string_equal(out[j].key, "k");
            assert_bytes_equal(out[j].value, headers[j].value);
        }
        assert_true(kfk_record_iter_next(&it, &r));
        assert_int_equal(r.value.len, 12);
    }
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
        if (kfk_compress_find(codec) == NULL) continue;
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

/* ---- damaged records --------------------------------------------------------------------------------------------- */

static void assert_inside(const uint8_t *body, size_t len, const void *part, size_t part_len)
{
    if (part == NULL) return;
    size_t at = (size_t)((const uint8_t *)part - body);
    assert_true(at <= len && part_len <= len - at);
}

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
        assert_inside(body, len, r.key.data, r.key.len);
        assert_inside(body, len, r.value.data, r.value.len);
        assert_inside(body, len, r.headers, r.headers_len);
        kafka_header headers[64];
        char keys[1024];
        if (r.header_count <= 64 && kfk_record_header_keys_size(&r) <= sizeof keys) {
            int decoded = kfk_record_headers(&r, headers, keys);
            if (rc == 0) assert_int_equal(decoded, 0);
        }
        size += r.size;
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

/* The format, read as its description says and in no hurry: whether the body is right. */
static bool is_right(const kfk_batch_header *h, const uint8_t *p, size_t len)
{
    const uint8_t *end = p + len;
    int64_t last = -1;
    for (int32_t i = 0; i < h->record_count; i++) {
        int32_t length, delta, n, headers;
        int64_t time;
        if ((p = kfk_prim_get_varint(p, end, &length)) == NULL || length < 1 || length > end - p) return false;
        const uint8_t *record_end = p + length;
        if ((p = kfk_prim_get_varlong(p + 1, record_end, &time)) == NULL) return false;
        if ((p = kfk_prim_get_varint(p, record_end, &delta)) == NULL) return false;
        if (delta <= last || delta > h->last_offset_delta) return false;
        for (int part = 0; part < 2; part++) {
            if ((p = kfk_prim_get_varint(p, record_end, &n)) == NULL || n < -1 || n > record_end - p) return false;
            if (n > 0) p += n;
        }
        if ((p = kfk_prim_get_varint(p, record_end, &headers)) == NULL || headers < 0) return false;
        for (int32_t part = 0; part / 2 < headers; part++) {
            if ((p = kfk_prim_get_varint(p, record_end, &n)) == NULL || n > record_end - p) return false;
            if (n < (part % 2 == 0 ? 0 : -1)) return false;
            if (n > 0) p += n;
        }
        if (p != record_end) return false;
        last = delta;
    }
    return p == end;
}

/* A body of a few small records, at `out`; its header. */
static kfk_batch_header small_batch(kfk_rand *r, uint8_t *out, size_t cap, size_t *len)
{
    static const kafka_header headers[] = {{"a", {"1", 1}}, {"", {NULL, 0}}, {"bc", {"", 0}}};
    static const uint8_t text[100];
    kfk_record_writer w;
    kfk_batch_header h;
    kfk_record_writer_init(&w, out, cap);
    for (size_t n = kfk_rand_below(r, 5); n > 0; n--) {
        kafka_bytes key = {kfk_rand_below(r, 3) ? text : NULL, kfk_rand_below(r, 6)};
        kafka_bytes value = {kfk_rand_below(r, 9) ? text : NULL, kfk_rand_below(r, kfk_rand_below(r, 4) ? 20 : 100)};
        int64_t time = 1000 + (int64_t)kfk_rand_below(r, kfk_rand_below(r, 2) ? 50 : 100000);
        size_t count = kfk_rand_below(r, 3) ? 0 : kfk_rand_below(r, 4);
        assert_int_equal(kfk_record_append(&w, time, key, value, headers, count), 0);
    }
    kfk_record_writer_header(&w, &h);
    *len = w.bytes;
    return h;
}

static void validation_agrees_with_the_description_of_the_format(void **state)
{
    (void)state;
    kfk_rand r = seeded();
    guarded g = guarded_new(1024);
    size_t right = 0, wrong = 0;

    for (int round = 0; round < 400000; round++) {
        uint8_t bytes[1024];
        size_t len;
        kfk_batch_header h = small_batch(&r, bytes, sizeof bytes, &len);
        for (size_t n = kfk_rand_below(&r, 4); n > 0 && len > 0; n--)
            bytes[kfk_rand_below(&r, len)] = (uint8_t)kfk_rand_below(&r, kfk_rand_below(&r, 3) ? 12 : 256);
        if (kfk_rand_below(&r, 20) == 0) len = kfk_rand_below(&r, len + 1);
        if (kfk_rand_below(&r, 4) == 0) h.last_offset_delta += (int32_t)kfk_rand_below(&r, 5);
        const uint8_t *body = guarded_put(&g, bytes, len);
        bool expected = is_right(&h, body, len);
        assert_int_equal(kfk_record_validate(&h, body, len, NULL), expected ? 0 : KAFKA_ECORRUPT);
        walk_anyhow(&h, body, len);
        if (expected)
            right++;
        else
            wrong++;
    }
    assert_true(right > 100000 && wrong > 100000);
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
        {"0c 00 00 02 01 01 00 0c 00 00 02 01 01 00", "record 2 of ", 2},
        {"0c 00 00 04 01 01 00 0c 00 00 02 01 01 00", "its offset does not increase", 2},
        {"0c 00 00 00 01 01 00 0c 00 00 0a 01 01 00", NULL, 2},            /* a gap */
        {"0c 00 00 00 03 01 00", "its key has an impossible length", 1},   /* -2 */
        {"0c 00 00 00 01 09 00", "its value has an impossible length", 1}, /* -5 */
        {"0c 00 00 00 01 04 00", "its value has an impossible length", 1},
        {"0c 00 00 00 01 02 00", "its header count is no varint", 1},
        {"0a 00 00 00 01 01", "its header count is no varint", 1},
        {"9a 80 00 00 80 80 00 80 80 00 81 80 00 81 80 00", "its header count is no varint", 1}, /* all padded */
        {"9c 80 00 00 80 80 00 80 80 00 81 80 00 81 80 00 00", NULL, 1},
        {"0c 00 00 00 01 01 01", "its header count is impossible", 1},             /* -1 */
        {"0c 00 00 00 01 01 02", "its header count is impossible", 1},             /* 1, but no bytes */
        {"14 00 00 00 01 01 fe ff ff ff 0f", "its header count is impossible", 1}, /* 2^31 - 1 */
        {"0e 00 00 00 01 01 01 00", "its header count is impossible", 1},          /* -1, and a byte */
        {"0e 00 00 00 03 78 01 00", "its key has an impossible length", 1},        /* -2, and a byte */
        {"0e 00 00 00 01 03 78 00", "its value has an impossible length", 1},
        {"0d 00 00 00 01 01 00", "its length is negative", 1}, /* -7, and six bytes */
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

        /* A whole record behind it: then the first is read the quick way. What was cut off now has other ends. */
        static const uint8_t whole[] = {46,  0,   0,   14,  1,   34,  'v', 'v', 'v', 'v', 'v', 'v',
                                        'v', 'v', 'v', 'v', 'v', 'v', 'v', 'v', 'v', 'v', 'v', 0};
        memcpy(bytes + len, whole, sizeof whole);
        kfk_batch_header longer = {.base_offset = 100, .record_count = rows[i].count + 1, .last_offset_delta = 7};
        size_t longer_len = len + sizeof whole;
        const uint8_t *body = guarded_put(&g, bytes, longer_len);
        walk_anyhow(&longer, body, longer_len);
        if (rows[i].text != NULL && strstr(rows[i].text, "its offset is not in the batch") != NULL) continue;
        if (rows[i].count == 0 || len == 0) continue;
        assert_int_equal(kfk_record_validate(&longer, body, longer_len, &err),
                         rows[i].text != NULL ? KAFKA_ECORRUPT : 0);
        if (rows[i].text == NULL || strstr(rows[i].text, "left") != NULL || strstr(rows[i].text, "varint") != NULL)
            continue;
        if (strstr(err.text, rows[i].text) == NULL) fail_msg("'%s' is not in '%s'", rows[i].text, err.text);
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
        assert_int_equal(rc, kfk_compress_find(codec) == NULL ? KAFKA_ECODEC : KAFKA_ECORRUPT);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_batches_of_java_are_read_as_java_reads_them),
        MEMCHECK_TEST(a_compressed_batch_of_java_holds_the_bytes_of_its_twin),
        MEMCHECK_TEST(with_log_append_time_every_record_has_the_time_of_the_batch),
        MEMCHECK_TEST(a_delete_horizon_in_place_of_the_base_time_changes_no_time),
        MEMCHECK_TEST(behind_a_batch_comes_the_offset_that_its_header_says),
        MEMCHECK_TEST(an_empty_batch_is_not_inflated),
        MEMCHECK_TEST(control_records_of_java_are_read),
        MEMCHECK_TEST(control_records_of_unknown_versions_are_read_and_damaged_ones_refused),
        MEMCHECK_TEST(header_keys_become_strings_and_values_stay_in_place),
        MEMCHECK_TEST(a_record_may_have_many_headers),
        MEMCHECK_TEST(damaged_headers_are_found_also_without_validation),
        MEMCHECK_TEST(random_batches_come_back_through_every_codec),
        MEMCHECK_TEST(every_flipped_bit_is_found_by_the_crc_or_harmless),
        MEMCHECK_TEST(a_body_cut_anywhere_is_damage),
        MEMCHECK_TEST(random_bytes_are_never_read_beyond_their_end),
        MEMCHECK_TEST(validation_agrees_with_the_description_of_the_format),
        MEMCHECK_TEST(damaged_records_are_refused_with_a_reason),
        MEMCHECK_TEST(a_damaged_record_keeps_all_of_its_batch_back),
        MEMCHECK_TEST(what_cannot_be_inflated_is_said_with_the_offset_of_the_batch),
        MEMCHECK_TEST(a_batch_that_inflates_beyond_the_limit_is_too_big),
    };
    return cmocka_run_group_tests(tests, golden_load, golden_free);
}
