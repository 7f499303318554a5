/* Message sets of formats 0 and 1 that we write, read by Java's classes. No broker of today takes them, so none is
 * asked. */
#include "kafka/peers.h"

#include "wire/compress.h"
#include "wire/record_v1.h"
#include <stdlib.h>
#include <string.h>

static void add_hex(text *to, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) text_addf(to, "%02x", ((const uint8_t *)bytes)[i]);
}

static void add_bytes(text *to, kafka_bytes b)
{
    text_addf(to, b.data != NULL ? " x" : " -");
    add_hex(to, b.data, b.len);
}

/* Adds a set of the messages to what Java is to read, and their records to what it should find. */
static void add_set(text *sets, text *expected, int8_t magic, int codec, const char *what, const kafka_message *msgs,
                    size_t count)
{
    static uint8_t memory[4 << 20];
    kfk_record_v1_writer w;
    kfk_buf wrapper;
    kfk_error err = {0};
    kfk_record_v1_writer_init(&w, magic, memory, sizeof memory);
    text_addf(expected, "set %s/v%d/%d\n", what, magic, codec);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(kfk_record_v1_append(&w, msgs[i].time_ms, msgs[i].key, msgs[i].value), 0);
        text_addf(expected, "record %zu %lld %d", i, magic == 0 ? -1LL : (long long)msgs[i].time_ms, magic - 1);
        add_bytes(expected, msgs[i].key);
        add_bytes(expected, msgs[i].value);
        text_add(expected, "\n", 1);
    }
    text_addf(sets, "%s/v%d/%d ", what, magic, codec);
    kfk_buf_init(&wrapper, SIZE_MAX);
    if (codec == 0)
        add_hex(sets, memory, kfk_record_v1_writer_size(&w));
    else if (kfk_record_v1_wrap(&w, codec, 0, &wrapper, &err) != 0)
        fail_msg("%s", err.text);
    add_hex(sets, wrapper.data, wrapper.len);
    text_add(sets, "\n", 1);
    kfk_buf_fini(&wrapper);
}

static void java_reads_what_is_written(void **state)
{
    (void)state;
    text sets = {0}, expected = {0};
    samples some = peers_samples();
    series many = peers_series(500); /* several blocks of every codec */
    for (int8_t magic = 0; magic < 2; magic++) {
        for (int codec = KFK_CODEC_NONE; codec <= KFK_CODEC_LZ4; codec++) {
            if (kfk_compress_find(codec) == NULL) continue;
            add_set(&sets, &expected, magic, codec, "samples", some.items, some.count);
            add_set(&sets, &expected, magic, codec, "series", many.items, many.count);
        }
    }
    text got = peers_java_with(&sets, peers_file("ReadSets.java"), (const char *const[]){NULL});
    assert_same_text(&got, &expected);
    text_free(&got);
    text_free(&sets);
    text_free(&expected);
    series_free(&many);
    kfk_compress_trim();
}

int main(void)
{
    const struct CMUnitTest tests[] = {MEMCHECK_TEST(java_reads_what_is_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
