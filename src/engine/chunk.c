/* Walking fetched data.
 *
 * Nothing in a batch header is believed before the CRC was checked, whatever becomes of the batch: a flipped bit must
 * not turn records into a marker, or end a batch earlier, and so lose them without a word. The one thing that is not
 * covered is the base offset, which brokers set.
 *
 * The position never comes from the last record seen but from batch headers: base offset + last offset delta + 1, so
 * that compacted, empty and control-only batches make progress, too. Within a batch it is the offset of the last record
 * handed out + 1.
 *
 * Aborted transactions (KIP-98): the answer lists producer ids with the offset at which each of their aborted
 * transactions begins. From that offset on, up to its abort marker, transactional batches of the producer are passed
 * over. The list should be sorted, but brokers have sent it otherwise; here it is sorted by producer, then offset, so
 * that a long one costs each batch a binary search and no more. */
#include "engine/chunk.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

/* ---- aborted transactions ---------------------------------------------------------------------------------------- */

static int by_producer_and_offset(const void *a, const void *b)
{
    const kfk_aborted *x = a, *y = b;
    if (x->producer_id != y->producer_id) return x->producer_id < y->producer_id ? -1 : 1;
    return x->first_offset < y->first_offset ? -1 : x->first_offset > y->first_offset;
}

static int copy_aborted(kfk_chunk *c, const kfk_fetch_response_aborted_array *list)
{
    if (list->count <= 0) return 0;
    c->aborted = kfk_mem_array((size_t)list->count, sizeof *c->aborted);
    if (!c->aborted) return KAFKA_ENOMEM;
    for (int32_t i = 0; i < list->count; i++) {
        c->aborted[i].producer_id = list->items[i].producer_id;
        c->aborted[i].first_offset = list->items[i].first_offset;
    }
    c->aborted_count = (size_t)list->count;
    qsort(c->aborted, c->aborted_count, sizeof *c->aborted, by_producer_and_offset);
    return 0;
}

/* Where the transactions of a producer begin in the list, or would. */
static size_t first_of_producer(const kfk_chunk *c, int64_t producer_id)
{
    size_t low = 0, high = c->aborted_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->aborted[middle].producer_id < producer_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many transactions of the open batch's producer have ended, as a counter to go on with: of those, which come first
 * in the list, the next has begun at or in front of `offset`. NULL: none has. */
static size_t *open_transaction(const kfk_chunk *c, int64_t offset)
{
    int64_t producer_id = c->batch.producer_id;
    size_t first = first_of_producer(c, producer_id);
    if (first == c->aborted_count || c->aborted[first].producer_id != producer_id) return NULL;
    size_t *ended = &c->aborted[first].ended, next = first + *ended;
    bool begun = next < c->aborted_count && c->aborted[next].producer_id == producer_id &&
                 c->aborted[next].first_offset <= offset;
    return begun ? ended : NULL;
}

/* Does the batch belong to an aborted transaction that has begun and not ended? */
static bool is_aborted(const kfk_chunk *c)
{
    int64_t last = kfk_batch_next_offset(&c->batch) - 1;
    return kfk_batch_is_transactional(&c->batch) && open_transaction(c, last) != NULL;
}

/* An abort marker ends the transactions of its producer that had begun before it. Each control batch holds one marker;
 * whatever else a peer puts in is read as well. */
static int read_markers(kfk_chunk *c)
{
    kfk_record r;
    kfk_control marker;
    size_t *ended;
    while (kfk_record_iter_next(&c->iter, &r)) {
        int err = kfk_record_control(&r, &marker, &c->error);
        if (err != 0) return err;
        if (marker.type != KFK_CONTROL_ABORT) continue;
        while ((ended = open_transaction(c, c->batch.base_offset)) != NULL) ++*ended;
    }
    return 0;
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

/* Keeps an inflated body alive until the chunk is freed. */
static int keep_inflated(kfk_chunk *c, kfk_buf *inflated)
{
    if (inflated->len == 0) {
        kfk_buf_fini(inflated);
        return 0;
    }
    if (c->inflated_count == c->inflated_cap) {
        size_t cap = c->inflated_cap ? c->inflated_cap * 2 : 8;
        uint8_t **grown = kfk_mem_realloc(c->inflated, cap * sizeof *grown);
        if (!grown) return KAFKA_ENOMEM;
        c->inflated = grown;
        c->inflated_cap = cap;
    }
    size_t len;
    c->inflated[c->inflated_count++] = kfk_buf_take(inflated, &len);
    c->inflate_left -= len < c->inflate_left ? len : c->inflate_left;
    return 0;
}

static inline bool is_old(const kfk_chunk *c)
{
    return c->batch.magic < 2;
}

/* Opens the batch at c->at, whose header was parsed: its records are checked and can be walked. */
static int open_batch(kfk_chunk *c)
{
    kfk_buf scratch;
    kfk_buf_init(&scratch, c->inflate_left);
    int err = is_old(c) ? kfk_record_v1_open(&c->batch, c->at, &scratch, &c->iter, &c->error)
                        : kfk_record_open(&c->batch, c->at, &scratch, &c->iter, &c->error);
    if (err == 0) err = keep_inflated(c, &scratch);
    if (err == KAFKA_ENOMEM)
        kfk_error_set(&c->error, err, "no memory to inflate the batch at offset %lld", (long long)c->batch.base_offset);
    kfk_buf_fini(&scratch);
    return err;
}

static int check_crc(kfk_chunk *c)
{
    return is_old(c) ? kfk_record_v1_crc_check(&c->batch, c->at, &c->error)
                     : kfk_record_crc_check(&c->batch, c->at, &c->error);
}

/* The next record of the open batch. */
static inline bool next_of_batch(kfk_chunk *c, kfk_record *out)
{
    return __builtin_expect(is_old(c), 0) ? kfk_record_v1_next(&c->iter, out) : kfk_record_iter_next(&c->iter, out);
}

/* Passes a batch, from whose records nothing (more) comes out. */
static void pass_batch(kfk_chunk *c)
{
    int64_t behind = kfk_batch_next_offset(&c->batch);
    c->at += kfk_batch_size(&c->batch);
    c->open = false;
    if (behind > c->next_offset) c->next_offset = behind;
}

/* Parses the header of the batch at c->at. 0, or how the chunk ends. */
static int parse_header(kfk_chunk *c)
{
    size_t len = (size_t)(c->end - c->at);
    int err = kfk_record_v1_is(c->at, len) ? kfk_record_v1_parse(c->at, len, &c->batch, &c->error)
                                           : kfk_record_header_parse(c->at, len, &c->batch, &c->error);
    if (err == KAFKA_EUNEXPECTED_EOF) {
        if (c->next_offset > c->from) return KAFKA_EOF; /* brokers cut the last batch off */
        return kfk_error_set(&c->error, KAFKA_ETOOBIG,
                             "the batch at offset %lld is larger than max_bytes let the broker send",
                             (long long)c->next_offset);
    }
    return err;
}

/* Has the batch records that the caller may see? */
static bool is_wanted(const kfk_chunk *c)
{
    return kfk_batch_next_offset(&c->batch) > c->next_offset && c->batch.record_count > 0 &&
           !kfk_batch_is_control(&c->batch) && !is_aborted(c);
}

/* Goes to the next batch that has records for the caller. 0, or how the chunk ends. */
static int next_batch(kfk_chunk *c)
{
    while (c->at < c->end) {
        int err = parse_header(c);
        if (err != 0) return err;
        bool marker = kfk_batch_is_control(&c->batch) && c->aborted_count > 0 && c->batch.record_count > 0;
        if (is_wanted(c) || marker) {
            err = open_batch(c);
            if (err == KAFKA_ETOOBIG && c->inflated_count > 0)
                return KAFKA_EOF; /* the next fetch begins with this batch */
            if (err == 0 && !marker) {
                c->open = true;
                return 0;
            }
            if (err == 0) err = read_markers(c);
        } else {
            err = check_crc(c);
        }
        if (err != 0) return err;
        pass_batch(c);
    }
    return KAFKA_EOF;
}

/* Passes records in front of the position. True when one behind it is next. */
static bool at_wanted_record(kfk_chunk *c)
{
    kfk_record r;
    for (;;) {
        kfk_record_iter before = c->iter;
        if (!c->open || !next_of_batch(c, &r)) return false;
        if (r.offset < c->next_offset) continue;
        c->iter = before;
        return true;
    }
}

void kfk_chunk_peek(kfk_chunk *c)
{
    while (c->err == 0 && !at_wanted_record(c)) {
        if (c->open) pass_batch(c);
        c->err = next_batch(c);
    }
}

int kfk_chunk_next(kfk_chunk *c, kfk_record *out)
{
    while (c->err == 0) {
        while (c->open && next_of_batch(c, out)) {
            if (out->offset < c->next_offset) continue;
            c->next_offset = out->offset + 1;
            return 0;
        }
        if (c->open) pass_batch(c);
        c->err = next_batch(c);
    }
    return c->err;
}

void kfk_chunk_unread(kfk_chunk *c, const kfk_record *r)
{
    c->iter.at -= r->size;
    c->iter.left++;
    c->next_offset = r->offset;
}

/* Ends the chunk in front of the record that was taken last. */
static int end_before(kfk_chunk *c, const kfk_record *r, int err)
{
    kfk_chunk_unread(c, r);
    c->err = err;
    return err;
}

int kfk_chunk_headers(kfk_chunk *c, const kfk_record *r, const kafka_header **out)
{
    *out = NULL;
    if (r->header_count == 0) return 0;
    size_t used = c->headers.used;
    kafka_header *headers = kfk_arena_array(&c->headers, r->header_count, sizeof *headers);
    char *keys = headers ? kfk_arena_alloc(&c->headers, kfk_record_header_keys_size(r)) : NULL;
    if (!keys) {
        int code = c->headers.err;
        if (code == KAFKA_ETOOBIG && used > 0) return end_before(c, r, KAFKA_EOF);
        kfk_error_set(&c->error, code, "%s for the headers of the message at offset %lld",
                      code == KAFKA_ENOMEM ? "no memory" : "more memory than allowed is needed", (long long)r->offset);
        return end_before(c, r, code);
    }
    int err = kfk_record_headers(r, headers, keys); /* does not fail: the batch was validated */
    if (err != 0) return end_before(c, r, err);
    *out = headers;
    return 0;
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

int kfk_chunk_init(kfk_chunk *c, kfk_block *frame_take, const kfk_fetch_response_partition *p, int64_t from_offset,
                   bool read_committed, int32_t max_bytes)
{
    memset(c, 0, sizeof *c);
    c->frame = frame_take;
    c->at = p->records.bytes.data;
    c->end = c->at ? c->at + p->records.bytes.len : NULL;
    c->from = c->next_offset = from_offset;
    c->high_watermark = p->high_watermark;
    c->inflate_left = KFK_CHUNK_INFLATE_LIMIT;
    if ((size_t)max_bytes * 2 > c->inflate_left) c->inflate_left = (size_t)max_bytes * 2;
    kfk_arena_init(&c->headers, c->inflate_left);
    int err = read_committed ? copy_aborted(c, &p->aborted_transactions) : 0;
    if (err != 0) kfk_chunk_fini(c);
    return err;
}

void kfk_chunk_fini(kfk_chunk *c)
{
    for (size_t i = 0; i < c->inflated_count; i++) kfk_mem_free(c->inflated[i]);
    kfk_mem_free(c->inflated);
    kfk_mem_free(c->aborted);
    kfk_arena_fini(&c->headers);
    kfk_block_drop(c->frame);
    c->frame = NULL;
}
