/* produce_split.c: one batch becomes several, by re-encoding its records.
 *
 * Happens when a broker refuses a batch for what is in it, so seldom, and takes the plain way: every record is read and
 * appended again. The parts exist beside the whole for a moment; their memory is taken by force, since the way back to
 * room in the budget leads through here. */
#include "base/mem.h"
#include "engine/produce_batch.h"

/* The headers of the record at hand, decoded. */
typedef struct headers {
    kafka_header *items;
    char *keys;
    size_t cap, keys_cap;
} headers;

static bool reserve(void **p, size_t *cap, size_t want, size_t size)
{
    if (want <= *cap) return true;
    kfk_mem_free(*p);
    *p = kfk_mem_array(want, size);
    *cap = *p != NULL ? want : 0;
    return *p != NULL;
}

static int read_headers(headers *h, const kfk_record *r, kfk_error *err)
{
    void *items = h->items, *keys = h->keys;
    if (r->header_count == 0) return 0;
    bool ok = reserve(&items, &h->cap, r->header_count, sizeof *h->items) &&
              reserve(&keys, &h->keys_cap, kfk_record_header_keys_size(r) + 1, 1);
    h->items = items;
    h->keys = keys;
    if (!ok) return kfk_error_set(err, KAFKA_ENOMEM, "no memory to split a batch");
    int rc = kfk_record_headers(r, h->items, h->keys);
    return rc != 0 ? kfk_error_set(err, rc, "the headers of a batch that is to be split cannot be read") : 0;
}

static kfk_produce_batch *part_of(const kfk_produce_batch *b)
{
    kfk_produce_batch *part =
        kfk_produce_batch_new(b->slots, b->accum, KFK_SLOTS_FORCED, b->codec, b->level, b->side_size);
    if (part != NULL) part->accepted_ms = b->accepted_ms;
    return part;
}

static int add(const kfk_produce_batch *b, kfk_produce_batch **part, const kfk_record *r, const headers *h,
               const void *side, kfk_error *err)
{
    kafka_message m = {.key = r->key, .value = r->value, .headers = h->items, .header_count = r->header_count};
    if (*part == NULL) *part = part_of(b);
    int rc = *part == NULL ? KAFKA_ENOMEM : kfk_produce_batch_append(*part, SIZE_MAX, r->timestamp, &m, side);
    return rc != 0 ? kfk_error_set(err, rc, "no memory to split a batch") : 0;
}

int kfk_produce_batch_distribute(const kfk_produce_batch *b,
                                 size_t (*pick)(void *context, int32_t i, const kfk_record *r), void *context,
                                 kfk_produce_batch **out, size_t count, kfk_error *err)
{
    kfk_produce_walk walk;
    kfk_record r;
    headers h = {0};
    void *side;
    for (size_t i = 0; i < count; i++) out[i] = NULL;
    int rc = kfk_produce_walk_init(&walk, b, err);
    for (int32_t i = 0; rc == 0 && kfk_produce_walk_next(&walk, &r, &side); i++) {
        rc = read_headers(&h, &r, err);
        if (rc == 0) rc = add(b, &out[pick(context, i, &r)], &r, &h, side, err);
    }
    kfk_produce_walk_fini(&walk);
    kfk_mem_free(h.items);
    kfk_mem_free(h.keys);
    for (size_t i = 0; i < count; i++) {
        if (out[i] == NULL) continue;
        kfk_produce_batch_close(out[i]);
        if (rc == 0) continue;
        kfk_produce_batch_free(out[i]);
        out[i] = NULL;
    }
    return rc;
}

/* ---- in the middle ----------------------------------------------------------------------------------------------- */

typedef struct middle {
    size_t seen, half;
    int32_t last;
} middle;

static size_t pick_half(void *context, int32_t i, const kfk_record *r)
{
    middle *m = context;
    size_t part = m->seen >= m->half || i == m->last;
    m->seen += r->size;
    return part;
}

int kfk_produce_batch_halve(const kfk_produce_batch *b, kfk_produce_batch *out[2], kfk_error *err)
{
    middle m = {.half = b->writer.bytes / 2, .last = b->writer.count - 1};
    return kfk_produce_batch_distribute(b, pick_half, &m, out, 2, err);
}

/* ---- in runs ----------------------------------------------------------------------------------------------------- */

typedef struct runs {
    size_t at, most;
} runs;

/* The place of a record, behind that of the record before it. */
static size_t place_of(runs *r, bool named)
{
    if (r->at % 2 != named) r->at++;
    return r->at < r->most ? r->at : r->most - 2 + named;
}

typedef struct sorted {
    runs runs;
    const int32_t *at, *end;
} sorted;

static size_t pick_number(void *context, int32_t i, const kfk_record *r)
{
    sorted *n = context;
    (void)r;
    while (n->at < n->end && *n->at < i) n->at++;
    return place_of(&n->runs, n->at < n->end && *n->at == i);
}

int kfk_produce_batch_pick(const kfk_produce_batch *b, const int32_t *numbers, size_t count, kfk_produce_batch **out,
                           size_t most, kfk_error *err)
{
    sorted n = {.runs = {.most = most}, .at = numbers, .end = count > 0 ? numbers + count : numbers};
    return kfk_produce_batch_distribute(b, pick_number, &n, out, most, err);
}

static size_t pick_headers(void *context, int32_t i, const kfk_record *r)
{
    (void)i;
    return place_of(context, r->header_count > 0);
}

int kfk_produce_batch_part_headers(const kfk_produce_batch *b, kfk_produce_batch **out, size_t most, kfk_error *err)
{
    runs n = {.most = most};
    return kfk_produce_batch_distribute(b, pick_headers, &n, out, most, err);
}
