/* Messages as one line of text. */
#include "support/memcheck.h"

#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include "wire/gen/specimen.h"
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

/* The text of a message, in a buffer that is reused. */
static const char *print(const kfk_schema *s, int16_t version, const void *msg)
{
    static char text[8192];
    kfk_buf out;
    kfk_buf_init(&out, sizeof text - 1);
    assert_int_equal(kfk_codec_print(s, version, msg, &out), 0);
    memcpy(text, out.data, out.len);
    text[out.len] = 0;
    kfk_buf_fini(&out);
    return text;
}

static void a_message_is_one_readable_line(void **state)
{
    (void)state;
    kfk_metadata_request_topic topic = {.name = KAFKA_LIT("t")};
    kfk_metadata_request r = {.topics = {&topic, 1}, .allow_auto_topic_creation = true};
    assert_string_equal(print(&kfk_metadata_request_schema, 12, &r),
                        "Metadata request v12: topics=[{name=\"t\"}], allow_auto_topic_creation=true");
}

static void fields_that_the_version_lacks_are_not_shown(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    r.topics.count = -1;
    assert_string_equal(print(&kfk_metadata_request_schema, 3, &r), "Metadata request v3: topics=null");
}

static void what_is_not_printable_is_escaped(void **state)
{
    (void)state;
    kfk_metadata_request_topic topic = {.name = KAFKA_LIT("a\"b\\c\n\x1b[31m\x7f\xc3\xa9")};
    kfk_metadata_request r = {.topics = {&topic, 1}};
    assert_string_equal(print(&kfk_metadata_request_schema, 0, &r),
                        "Metadata request v0: topics=[{name=\"a\\\"b\\\\c\\x0a\\x1b[31m\\x7f\\xc3\\xa9\"}]");
}

static void long_strings_bytes_and_arrays_are_cut_with_their_size(void **state)
{
    (void)state;
    char text[300];
    int32_t numbers[100] = {0};
    memset(text, 'x', sizeof text);
    kfk_specimen x;
    kfk_codec_default(&kfk_specimen_schema, &x);
    x.a_string = (kafka_bytes){text, 300};
    x.some_bytes = (kafka_bytes){text, 300};
    x.int32s = (kfk_int32_array){numbers, 100};
    const char *line = print(&kfk_specimen_schema, 0, &x);
    const char *string = strstr(line, "a_string=\"xxx");
    assert_non_null(string);
    assert_memory_equal(string + 10 + 256, "\"...(300 bytes), ", 17);
    const char *bytes = strstr(line, "some_bytes=0x7878");
    assert_non_null(bytes);
    assert_memory_equal(bytes + 13 + 64, "...(300 bytes), ", 16);
    assert_non_null(strstr(line, "int32s=[0, 0, "));
    assert_non_null(strstr(line, ", 0, ...(100 elements)]"));
}

static void records_show_as_their_size(void **state)
{
    (void)state;
    char head[61], body[100];
    struct iovec parts[] = {{head, sizeof head}, {body, sizeof body}};
    kfk_produce_request_partition partitions[] = {{.index = 1, .records = {{NULL, 0}, parts, 2}},
                                                  {.index = 2, .records.bytes = {body, 7}}};
    kfk_produce_request_topic topic = {.name = KAFKA_LIT("t"), .partition_data = {partitions, 2}};
    kfk_produce_request r = {.acks = -1, .timeout_ms = 5, .topic_data = {&topic, 1}};
    assert_string_equal(print(&kfk_produce_request_schema, 9, &r),
                        "Produce request v9: acks=-1, timeout_ms=5, topic_data=[{name=\"t\", partition_data=["
                        "{index=1, records=<161 bytes>}, {index=2, records=<7 bytes>}]}]");
}

static void every_type_has_its_form(void **state)
{
    (void)state;
    bool bools[] = {true, false};
    int8_t int8s[] = {-1};
    int16_t int16s[] = {-2};
    uint16_t uint16s[] = {65535};
    uint32_t uint32s[] = {4294967295};
    int64_t int64s[] = {INT64_MIN};
    double doubles[] = {0.5, -2};
    kfk_uuid ids[] = {{{0}}, {{0xff, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff}}};
    kafka_bytes strings[] = {KAFKA_LIT(""), KAFKA_LIT("b")}, blobs[] = {KAFKA_LIT("\x01\xff")};
    kfk_specimen_optional there = {.flag = true};
    kfk_specimen x = {.a_bool = false,
                      .bools = {bools, 2},
                      .int8s = {int8s, 1},
                      .int16s = {int16s, 1},
                      .uint16s = {uint16s, 1},
                      .uint32s = {uint32s, 1},
                      .int64s = {int64s, 1},
                      .doubles = {doubles, 2},
                      .ids = {ids, 2},
                      .strings = {strings, 2},
                      .blobs = {blobs, 1},
                      .maybe = &there,
                      .tag_number = 4};
    assert_string_equal(
        print(&kfk_specimen_schema, 3, &x),
        "Specimen v3: a_bool=false, an_int8=0, an_int16=0, a_uint16=0, an_int32=0, a_uint32=0, an_int64=0, a_double=0, "
        "a_string=null, later_string=null, rigid_string=null, some_bytes=null, bools=[true, false], int8s=[-1], "
        "int16s=[-2], uint16s=[65535], int32s=[], uint32s=[4294967295], int64s=[-9223372036854775808], "
        "doubles=[0.5, -2], ids=[AAAAAAAAAAAAAAAAAAAAAA, __79AAAAAAAAAAAAAAAA_w], strings=[\"\", \"b\"], "
        "blobs=[0x01ff], inside={default=0, values=[]}, maybe={flag=true, later=0, deeper=[]}, first={number=0, "
        "word=null}, "
        "others=[], needed=0, droppable=0, tag_number=4, tag_struct={x=0, y=null}");
}

static void a_version_that_is_not_defined_is_not_printed(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_buf out;
    kfk_buf_init(&out, 100);
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    assert_int_equal(kfk_codec_print(&kfk_metadata_request_schema, 14, &r, &out), KAFKA_EVERSION);
    assert_int_equal(out.len, 0);
    kfk_buf_fini(&out);
}

static void a_full_buffer_is_an_error(void **state)
{
    (void)state;
    kfk_metadata_request r;
    kfk_codec_default(&kfk_metadata_request_schema, &r);
    for (size_t limit = 0; limit < 60; limit++) {
        kfk_buf out;
        kfk_buf_init(&out, limit);
        assert_int_equal(kfk_codec_print(&kfk_metadata_request_schema, 12, &r, &out), KAFKA_ETOOBIG);
        assert_true(out.len <= limit);
        kfk_buf_fini(&out);
    }
}

static void check_random(const kfk_schema *s, int16_t version, uint64_t seed)
{
    kfk_rand r;
    kfk_arena arena;
    kfk_buf out;
    void *msg = malloc(s->size);
    kfk_rand_seed(&r, seed);
    kfk_arena_init(&arena, 1 << 20);
    kfk_buf_init(&out, 1 << 20);
    message_random(&r, &arena, s, version, msg);
    assert_int_equal(kfk_codec_print(s, version, msg, &out), 0);
    for (size_t i = 0; i < out.len; i++) {
        if (out.data[i] < 0x20 || out.data[i] > 0x7e) message_fail("not printable", s, version, seed, NULL);
    }
    kfk_buf_fini(&out);
    kfk_arena_fini(&arena);
    free(msg);
}

static void any_message_prints_as_one_line_of_ascii(void **state)
{
    (void)state;
    const kfk_schema *s;
    for (size_t row = 0; (s = message_row(row)); row++) {
        for (int16_t version = s->versions.min; version <= s->versions.max; version++) {
            for (uint64_t seed = 0; seed < 5; seed++) check_random(s, version, message_seed() + seed);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_message_is_one_readable_line),
        MEMCHECK_TEST(fields_that_the_version_lacks_are_not_shown),
        MEMCHECK_TEST(what_is_not_printable_is_escaped),
        MEMCHECK_TEST(long_strings_bytes_and_arrays_are_cut_with_their_size),
        MEMCHECK_TEST(records_show_as_their_size),
        MEMCHECK_TEST(every_type_has_its_form),
        MEMCHECK_TEST(a_version_that_is_not_defined_is_not_printed),
        MEMCHECK_TEST(a_full_buffer_is_an_error),
        MEMCHECK_TEST(any_message_prints_as_one_line_of_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
