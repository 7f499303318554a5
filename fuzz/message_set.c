/* Message sets of formats 0 and 1 that the library writes and reads back. (Reading what others wrote: record.c.)
 *
 * Input: magic, codec, a limit for the set (bytes), which allocation fails, then messages: time, size of the key, of
 * the value (255 = null), their bytes.
 *
 * What was appended comes out again, in order, from a set as it is and from one in a compressed wrapper; what does not
 * fit leaves the set as it was. */
#include "fuzz.h"
#include "wire/compress.h"
#include "wire/record_v1.h"
#include <stdlib.h>
#include <string.h>

enum { MOST_MESSAGES = 64, MOST_SET = 32 * 1024, NULL_SIZE = 255 };

typedef struct appended {
    int64_t time_ms;
    kafka_bytes key, value;
} appended;

typedef struct set {
    int8_t magic;
    appended messages[MOST_MESSAGES];
    size_t count;
    kfk_record_v1_writer writer;
} set;

static kafka_bytes take_bytes(fuzz_input *in, uint8_t size)
{
    if (size == NULL_SIZE) return (kafka_bytes){NULL, 0};
    kafka_bytes b = {in->at, size < in->left ? size : in->left};
    in->at += b.len;
    in->left -= b.len;
    return b;
}

static void append_messages(set *s, fuzz_input *in)
{
    while (in->left > 0 && s->count < MOST_MESSAGES) {
        int64_t time_ms = fuzz_byte(in);
        uint8_t key_size = fuzz_byte(in), value_size = fuzz_byte(in);
        appended m = {.time_ms = time_ms};
        m.key = take_bytes(in, key_size);
        m.value = take_bytes(in, value_size);
        kfk_record_v1_writer before = s->writer;
        int code = kfk_record_v1_append(&s->writer, time_ms, m.key, m.value);
        if (code == 0) {
            s->messages[s->count++] = m;
            continue;
        }
        size_t need = m.key.len + m.value.len + KFK_RECORD_V1_MOST;
        FUZZ_REQUIRE(code == KAFKA_EAGAIN && need > (size_t)(before.end - before.at), "%d, for %zu bytes", code, need);
        FUZZ_REQUIRE(memcmp(&before, &s->writer, sizeof before) == 0, "what does not fit changes the set");
    }
    FUZZ_REQUIRE((size_t)s->writer.count == s->count, "%d messages", s->writer.count);
}

static bool same(kafka_bytes a, kafka_bytes b)
{
    return (a.data == NULL) == (b.data == NULL) && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void check_record(const set *s, size_t i, const kfk_record *r)
{
    FUZZ_REQUIRE(i < s->count, "a message more than %zu", s->count);
    const appended *m = &s->messages[i];
    FUZZ_REQUIRE(same(r->key, m->key) && same(r->value, m->value), "message %zu of %zu differs", i, s->count);
    FUZZ_REQUIRE(r->timestamp == (s->magic == 0 ? -1 : m->time_ms), "message %zu: time %lld", i,
                 (long long)r->timestamp);
    FUZZ_REQUIRE(r->offset == (int64_t)i, "message %zu has offset %lld", i, (long long)r->offset);
    FUZZ_REQUIRE(r->header_count == 0, "message %zu has headers", i);
}

/* Reads the messages that lie there one behind the other. */
static void read_back(const set *s, const uint8_t *at, size_t len)
{
    size_t i = 0;
    kfk_error err = {0};
    while (len > 0) {
        kfk_batch_header h;
        kfk_record_iter it;
        kfk_record r;
        kfk_buf scratch;
        kfk_buf_init(&scratch, 2 * MOST_SET);
        FUZZ_REQUIRE(kfk_record_v1_is(at, len), "%zu bytes are no message", len);
        FUZZ_REQUIRE(kfk_record_v1_parse(at, len, &h, &err) == 0, "%s", err.text);
        FUZZ_REQUIRE(kfk_record_v1_open(&h, at, &scratch, &it, &err) == 0, "%s", err.text);
        while (kfk_record_v1_next(&it, &r)) check_record(s, i++, &r);
        at += kfk_batch_size(&h);
        len -= kfk_batch_size(&h);
        kfk_buf_fini(&scratch);
    }
    FUZZ_REQUIRE(i == s->count, "%zu messages of %zu came back", i, s->count);
}

static void wrap_and_read_back(const set *s, int codec)
{
    kfk_buf out;
    kfk_error err = {0};
    kfk_buf_init(&out, 2 * MOST_SET);
    int code = kfk_record_v1_wrap(&s->writer, codec, 0, &out, &err);
    bool fits = codec != KFK_CODEC_ZSTD && kfk_compress_find(codec) != NULL;
    if (code == 0) {
        FUZZ_REQUIRE(fits, "codec %d wraps a set", codec);
        fuzz_memory_stop_failing();
        read_back(s, out.data, out.len);
    } else {
        fuzz_require_error(code, &err);
        FUZZ_REQUIRE((code == KAFKA_ECODEC && !fits) || (code == KAFKA_ENOMEM && fuzz_memory_failed()), "%s", err.text);
    }
    kfk_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input in = {data, size};
    set s = {.magic = (int8_t)(fuzz_byte(&in) & 1)};
    int codec = fuzz_byte(&in) % 8;
    uint8_t limit = fuzz_byte(&in), fail_at = fuzz_byte(&in);
    size_t cap = limit == NULL_SIZE ? MOST_SET : limit;
    uint8_t *memory = malloc(cap > 0 ? cap : 1);
    if (memory == NULL) exit(2);
    fuzz_memory_begin(fail_at);
    kfk_record_v1_writer_init(&s.writer, s.magic, memory, cap);
    append_messages(&s, &in);
    size_t len = kfk_record_v1_writer_size(&s.writer);
    FUZZ_REQUIRE(len <= cap, "%zu of %zu bytes", len, cap);
    if (s.count > 0 && codec != KFK_CODEC_NONE) wrap_and_read_back(&s, codec);
    fuzz_memory_stop_failing();
    read_back(&s, memory, len);
    fuzz_memory_end();
    free(memory);
    return 0;
}
