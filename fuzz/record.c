/* Record data as a Fetch brings it, batches of format 2 and messages of formats 0 and 1, from the bytes to the last
 * header.
 *
 * Input: options, where to read from, max_bytes (2), aborted transactions (2 bytes each), then the bytes of the log.
 * Options: bit 0: the CRCs are made right, so that damage gets behind them; bit 1: read_committed; bits 2 and 3: how
 * many aborted transactions; the others: which allocation fails.
 *
 * What is read is compared with a second way through the same bytes, `expect`, that takes the header of each batch,
 * opens it, and collects its records: all of a batch or nothing of it, up to the first that is damaged. */
#include "base/crc32.h"
#include "base/crc32c.h"
#include "engine/chunk.h"
#include "fuzz.h"
#include "wire/prim.h"
#include "wire/record_v1.h"
#include <stdlib.h>
#include <string.h>

enum { INFLATE_LIMIT = 1 << 20, MOST_OFFSETS = 4096, ABORTED = 3 };

typedef struct params {
    int64_t from;
    int32_t max_bytes;
    bool committed;
    kfk_fetch_response_aborted aborted[ABORTED];
    int32_t aborted_count;
} params;

/* What came out of a log. */
typedef struct outcome {
    uint64_t hash; /* of all records, headers included */
    int64_t *offsets;
    size_t count;
    int64_t next_offset;
    int code;
    bool cut; /* a limit ended it: what comes behind is for the next fetch */
} outcome;

static void outcome_init(outcome *o)
{
    *o = (outcome){.offsets = malloc(MOST_OFFSETS * sizeof *o->offsets)};
    if (o->offsets == NULL) exit(2);
}

static void outcome_add(outcome *o, int64_t offset)
{
    if (o->count < MOST_OFFSETS) o->offsets[o->count] = offset;
    o->count++;
}

/* ---- through the chunk ------------------------------------------------------------------------------------------- */

static uint64_t touch_record(uint64_t hash, const kfk_record *r)
{
    hash = fuzz_touch(hash, r->key.data, r->key.len);
    hash = fuzz_touch(hash, r->value.data, r->value.len);
    hash = fuzz_touch(hash, r->headers, r->headers_len);
    hash = fuzz_touch(hash, &r->offset, sizeof r->offset);
    return fuzz_touch(hash, &r->timestamp, sizeof r->timestamp);
}

static uint64_t touch_headers(uint64_t hash, const kfk_record *r, const kafka_header *headers)
{
    for (size_t i = 0; i < r->header_count; i++) {
        hash = fuzz_touch(hash, headers[i].key, strlen(headers[i].key) + 1);
        hash = fuzz_touch(hash, headers[i].value.data, headers[i].value.len);
    }
    return hash;
}

/* Takes, puts back, and takes again: the same record. */
static int next_record(kfk_chunk *c, kfk_record *r)
{
    kfk_record again;
    int code = kfk_chunk_next(c, r);
    if (code != 0) return code;
    kfk_chunk_unread(c, r);
    kfk_chunk_peek(c);
    FUZZ_REQUIRE(c->err == 0, "a record that was put back is gone: %d", c->err);
    FUZZ_REQUIRE(kfk_chunk_next(c, &again) == 0 && memcmp(r, &again, sizeof again) == 0, "it comes out different");
    return 0;
}

static int read_all(kfk_chunk *c, outcome *o)
{
    kfk_record r;
    int64_t before = c->from - 1;
    int code;
    memset(&r, 0, sizeof r);
    while ((code = next_record(c, &r)) == 0) {
        const kafka_header *headers;
        FUZZ_REQUIRE(r.offset > before, "offset %lld behind %lld", (long long)r.offset, (long long)before);
        bool old = c->batch.magic < 2; /* whose offset is that of its last record */
        FUZZ_REQUIRE((old || r.offset >= c->batch.base_offset) && r.offset < kfk_batch_next_offset(&c->batch),
                     "offset %lld outside of its batch", (long long)r.offset);
        FUZZ_REQUIRE(c->next_offset == r.offset + 1, "position %lld", (long long)c->next_offset);
        code = kfk_chunk_headers(c, &r, &headers);
        if (code != 0) {
            FUZZ_REQUIRE(c->next_offset == r.offset, "position %lld", (long long)c->next_offset);
            o->cut = true;
            break;
        }
        before = r.offset;
        o->hash = touch_headers(touch_record(o->hash, &r), &r, headers);
        outcome_add(o, r.offset);
    }
    FUZZ_REQUIRE(kfk_chunk_next(c, &r) == code, "the end does not stick");
    if (code != KAFKA_EOF && code != KAFKA_ENOMEM) fuzz_require_error(code, &c->error);
    o->cut = o->cut || c->inflate_left < INFLATE_LIMIT;
    return code;
}

/* False: there was no memory. */
static bool read_log(const params *p, const uint8_t *log, size_t len, outcome *o)
{
    kfk_chunk c;
    outcome_init(o);
    kfk_block *frame = kfk_block_new(len > 0 ? len : 1);
    if (frame == NULL) return false;
    if (len > 0) memcpy(frame->data, log, len);
    kfk_fetch_response_partition part = {.records.bytes = {frame->data, len}};
    part.aborted_transactions =
        (kfk_fetch_response_aborted_array){(kfk_fetch_response_aborted *)p->aborted, p->aborted_count};
    if (kfk_chunk_init(&c, frame, &part, p->from, p->committed, p->max_bytes) != 0) return false;
    c.inflate_left = INFLATE_LIMIT; /* a fuzzer has no time for 64 MiB */
    c.headers.budget = INFLATE_LIMIT;
    o->code = read_all(&c, o);
    o->next_offset = c.next_offset;
    kfk_chunk_fini(&c);
    return o->code != KAFKA_ENOMEM;
}

/* ---- the second way ---------------------------------------------------------------------------------------------- */

/* Collects the records of the batch at `at` from the position on. */
static int expect_batch(const kfk_batch_header *h, const uint8_t *at, int64_t position, outcome *o)
{
    kfk_buf scratch;
    kfk_record_iter it;
    kfk_record r;
    kfk_error err = {0};
    bool old = h->magic < 2;
    kfk_buf_init(&scratch, INFLATE_LIMIT);
    int code = (old ? kfk_record_v1_open : kfk_record_open)(h, at, &scratch, &it, &err);
    int32_t count = 0, all = code == 0 ? it.left : 0;
    int64_t before = old ? INT64_MIN : h->base_offset - 1;
    while (code == 0 && (old ? kfk_record_v1_next : kfk_record_iter_next)(&it, &r)) {
        count++;
        FUZZ_REQUIRE(r.offset > before && r.offset < kfk_batch_next_offset(h), "offset %lld", (long long)r.offset);
        before = r.offset;
        if (r.offset >= position) outcome_add(o, r.offset);
    }
    FUZZ_REQUIRE(count == all, "%d records of %d came out", count, all);
    FUZZ_REQUIRE(code != 0 || old || all == h->record_count, "%d records of %d", all, h->record_count);
    kfk_buf_fini(&scratch);
    return code;
}

/* What comes out with neither transactions nor limits. Read committed, a batch may be passed over unopened: there
 * damage inside of one ends nothing, so that this is the most that may come out. */
static void expect(const params *p, const uint8_t *log, size_t len, outcome *o)
{
    int64_t position = p->from;
    kfk_error err;
    outcome_init(o);
    o->code = KAFKA_EOF;
    for (const uint8_t *at = log; at < log + len;) {
        kfk_batch_header h;
        size_t left = (size_t)(log + len - at);
        bool old = kfk_record_v1_is(at, left);
        o->code = (old ? kfk_record_v1_parse : kfk_record_header_parse)(at, left, &h, &err);
        if (o->code == KAFKA_EUNEXPECTED_EOF) o->code = position > p->from ? KAFKA_EOF : KAFKA_ETOOBIG;
        if (o->code != 0) break;
        bool seen = kfk_batch_next_offset(&h) <= position || kfk_batch_is_control(&h) || h.record_count == 0;
        o->code = (old ? kfk_record_v1_crc_check : kfk_record_crc_check)(&h, at, &err);
        if (o->code != 0) break;
        if (!seen) o->code = expect_batch(&h, at, position, o);
        if (o->code != 0 && !p->committed) break;
        if (kfk_batch_next_offset(&h) > position) position = kfk_batch_next_offset(&h);
        at += kfk_batch_size(&h);
        o->code = KAFKA_EOF;
    }
    o->next_offset = position;
}

/* Are the offsets of `some` among those of `all`, in order? Not looked at where they are too many to be kept. */
static bool is_part(const outcome *some, const outcome *all)
{
    size_t at = 0;
    if (some->count > MOST_OFFSETS || all->count > MOST_OFFSETS) return true;
    for (size_t i = 0; i < some->count; i++) {
        while (at < all->count && all->offsets[at] != some->offsets[i]) at++;
        if (at++ >= all->count) return false;
    }
    return true;
}

static void compare(const params *p, const outcome *got, const outcome *wanted)
{
    FUZZ_REQUIRE(is_part(got, wanted), "%zu records came out, %zu are there", got->count, wanted->count);
    if (p->committed || got->cut) return;
    FUZZ_REQUIRE(got->count == wanted->count, "%zu records came out, %zu are there", got->count, wanted->count);
    FUZZ_REQUIRE(got->code == wanted->code, "%d, not %d", got->code, wanted->code);
    FUZZ_REQUIRE(got->next_offset == wanted->next_offset, "position %lld, not %lld", (long long)got->next_offset,
                 (long long)wanted->next_offset);
}

/* ---- the input --------------------------------------------------------------------------------------------------- */

static void make_crcs_right(uint8_t *log, size_t len)
{
    for (size_t at = 0; len - at > KFK_RECORD_V1_MAGIC_AT;) {
        bool old = kfk_record_v1_is(log + at, len - at);
        uint64_t size = KFK_RECORD_LENGTH_FROM + (uint64_t)kfk_prim_get_be32(log + at + 8);
        size_t from = old ? KFK_RECORD_V1_MAGIC_AT : KFK_RECORD_CRC_FROM;
        if (size <= from || size > len - at) return;
        uint32_t crc = (old ? kfk_crc32 : kfk_crc32c)(0, log + at + from, (size_t)size - from);
        kfk_prim_put_be32(log + at + from - 4, crc);
        at += (size_t)size;
    }
}

/* Offsets of small numbers count from the first batch, so that they mean something. */
static void make_params(params *p, fuzz_input *in, uint8_t options)
{
    uint8_t from = fuzz_byte(in);
    *p = (params){.max_bytes = fuzz_u16(in), .committed = (options & 2) != 0, .aborted_count = options >> 2 & 3};
    uint8_t pairs[ABORTED][2] = {{0}};
    for (int32_t i = 0; i < p->aborted_count; i++) {
        pairs[i][0] = fuzz_byte(in);
        pairs[i][1] = fuzz_byte(in);
    }
    uint64_t base = in->left >= 8 ? kfk_prim_get_be64(in->at) : 0;
    if (base > INT64_MAX / 2) base = 0;
    p->from = from < 0xf0 ? (int64_t)base + from : 0;
    for (int32_t i = 0; i < p->aborted_count; i++) {
        p->aborted[i].producer_id = pairs[i][0];
        p->aborted[i].first_offset = (int64_t)base + pairs[i][1];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    uint8_t options = fuzz_byte(&in);
    params p;
    outcome first, second, wanted;
    size_t len;
    make_params(&p, &in, options);
    uint8_t *log = fuzz_copy(&in, SIZE_MAX, &len);
    if (options & 1) make_crcs_right(log, len);

    fuzz_memory_begin(options >> 4);
    bool whole = read_log(&p, log, len, &first);
    FUZZ_REQUIRE(whole || fuzz_memory_failed(), "no memory, though there was");
    fuzz_memory_stop_failing();
    FUZZ_REQUIRE(read_log(&p, log, len, &second), "no memory, though there was");
    expect(&p, log, len, &wanted);
    compare(&p, &second, &wanted);
    FUZZ_REQUIRE(is_part(&first, &second), "%zu records, then %zu", first.count, second.count);
    if (!fuzz_memory_failed())
        FUZZ_REQUIRE(first.hash == second.hash && first.code == second.code, "read twice, the second time different");
    free(first.offsets);
    free(second.offsets);
    free(wanted.offsets);
    fuzz_memory_end();
    free(log);
    return 0;
}
