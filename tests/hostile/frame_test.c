/* Frames (H01, H02, H03, H05, H06, H07): lengths, other protocols, the hello, correlation ids, bytes too many or too
 * few. */
#include "hostile/hostile.h"
#include "wire/gen/api_versions.h"
#include "wire/prim.h"

static void H01_a_length_of_two_gigabytes_is_refused_by_its_four_bytes(void **state)
{
    (void)state;
    HOSTILE({"in the hello", HOSTILE_DIAL, {TCP_RAW("\x7f\xff\xff\xff")}, .part = "2147483647 bytes (byte 0"},
            {"to Metadata", HOSTILE_METADATA, {TCP_RAW("\x7f\xff\xff\xff")}, .part = "2147483647 bytes (byte "},
            {"to ListOffsets", HOSTILE_OFFSETS, {TCP_RAW("\x7f\xff\xff\xff")}, .part = "2147483647 bytes (byte "},
            {"to Produce", HOSTILE_WRITE, {TCP_RAW("\x7f\xff\xff\xff")}, .part = "2147483647 bytes (byte "},
            {"to Fetch", HOSTILE_READ, {TCP_RAW("\x7f\xff\xff\xff")}, .part = "2147483647 bytes (byte "},
            {"a byte more than 1 MiB in the hello", HOSTILE_DIAL, {TCP_RAW("\0\x10\0\1")}, .part = "1048577 bytes"},
            {"a byte more than 100 MiB", HOSTILE_METADATA, {TCP_RAW("\x06\x40\0\1")}, .part = "4 to 104857600"});
}

static void H02_a_length_that_holds_no_correlation_id_is_refused(void **state)
{
    (void)state;
    HOSTILE({"-5", HOSTILE_DIAL, {TCP_RAW("\xff\xff\xff\xfb")}, .part = "-5 bytes (byte 0"},
            {"0", HOSTILE_DIAL, {TCP_RAW("\0\0\0\0")}, .part = "answer of 0 bytes"},
            {"3", HOSTILE_DIAL, {TCP_RAW("\0\0\0\3abc")}, .part = "answer of 3 bytes"},
            {"-5 to Fetch", HOSTILE_READ, {TCP_RAW("\xff\xff\xff\xfb")}, .part = "-5 bytes (byte "},
            {"0 to Produce", HOSTILE_WRITE, {TCP_RAW("\0\0\0\0")}, .part = "answer of 0 bytes"},
            {"3 to Metadata", HOSTILE_METADATA, {TCP_RAW("\0\0\0\3abc")}, .part = "answer of 3 bytes"},
            {"-2147483648", HOSTILE_OFFSETS, {TCP_RAW("\x80\0\0\0")}, .part = "-2147483648 bytes"});
}

static void H03_a_peer_that_speaks_another_protocol_is_recognised(void **state)
{
    (void)state;
    HOSTILE({"HTTP", HOSTILE_DIAL, {TCP_RAW("HTTP/1.1 400 Bad Request\r\n\r\n")}, .part = "looks like HTTP"},
            {"TLS alert", HOSTILE_DIAL, {TCP_RAW("\x15\x03\x03\0\x02\x02\x28")}, .part = "looks like TLS"},
            {"TLS handshake", HOSTILE_DIAL, {TCP_RAW("\x16\x03\x01\x02\0\1\0")}, .part = "looks like TLS"},
            {"SSH at once", HOSTILE_DIAL, {.api = TCP_ACCEPT, TCP_RAW("SSH-2.0-x\r\n")}, .part = "SSH server"},
            {"HTTP later", HOSTILE_METADATA, {TCP_RAW("HTTP/1.1 502 Bad Gateway\r\n\r\n")}, .part = "looks like HTTP"},
            {"TLS later", HOSTILE_WRITE, {TCP_RAW("\x15\x03\x03\0\x02\x02\x28")}, .part = "looks like TLS"});
}

/* ---- the hello --------------------------------------------------------------------------------------------------- */

enum { MANY = 100000 };
static uint8_t many_apis[16 + 7 * MANY];

/* A hello of version 3 with so many entries, all of one API that nobody has; returns its length. */
static size_t name_many(uint8_t *to, uint32_t count)
{
    size_t len = 2 + kfk_prim_put_uvarint(to + 2, count + 1);
    for (uint32_t i = 0; i < count; i++, len += 7) memcpy(to + len, "\x03\xe7\0\0\0\1", 7);
    memset(to + len, 0, 5);
    return len + 5;
}

/* Another entry for Metadata behind the right one; and ListOffsets with its versions the wrong way round. */
static void name_twice(tcp_call *call, void *answer, void *arg)
{
    kfk_api_versions_response *a = answer;
    int32_t count = a->api_keys.count;
    kfk_api_versions_response_api *items = tcp_alloc(call, ((size_t)count + 1) * sizeof *items);
    (void)arg;
    memcpy(items, a->api_keys.items, (size_t)count * sizeof *items);
    for (int32_t i = 0; i < count; i++) {
        if (items[i].api_key == KFK_API_LIST_OFFSETS) items[i].min_version = 7, items[i].max_version = 3;
    }
    items[count] = (kfk_api_versions_response_api){KFK_API_METADATA, 900, 901};
    a->api_keys.items = items;
    a->api_keys.count = count + 1;
}

static void H05_a_hello_that_cannot_be_ends_the_dial(void **state)
{
    (void)state;
    static uint8_t some[8000];
    size_t some_len = name_many(some, 1025), many_len = name_many(many_apis, MANY);
    HOSTILE(
        {"a null array", HOSTILE_DIAL, {TCP_BODY("\0\0\0\0\0\0\0\0")}, .version = 3, .part = "api_keys: null, which"},
        {"no API",
         HOSTILE_DIAL,
         {TCP_BODY("\0\0\1\0\0\0\0\0")},
         .version = 3,
         .code = KAFKA_EVERSION,
         .part = "no API at all"},
        {"1025 entries",
         HOSTILE_DIAL,
         {.body = some, .body_len = some_len},
         .version = 3,
         .part = "1025 entries, 1024 are"},
        {"100000 entries",
         HOSTILE_DIAL,
         {.body = many_apis, .body_len = many_len},
         .version = 3,
         .part = "100000 entries, 1024 are",
         .memory = 512 * 1024}, /* the frame takes 700 KB, decoded it is 600 more */
        {"10^6 entries", HOSTILE_DIAL, {TCP_RAW("\0\x6a\xcf\xcd")}, .part = "7000013 bytes (byte 0"},
        {"code 58",
         HOSTILE_DIAL,
         {.code = KAFKA_ERR_SASL_AUTHENTICATION_FAILED},
         .code = KAFKA_ERR_SASL_AUTHENTICATION_FAILED,
         .part = "was refused"});
}

static void H05_of_two_entries_the_first_counts_and_one_that_contradicts_itself_is_as_none(void **state)
{
    (void)state;
    int64_t first;
    tcp_peer *p = TCP_PEER({.api = KFK_API_API_VERSIONS, .times = TCP_ALWAYS, .edit = name_twice});
    hostile_witness_begin();
    kafka_conn *c = calls_dial(p, 0); /* asks for Metadata */
    assert_fails(kafka_conn_read_first_offset(c, &first), KAFKA_EVERSION, "ListOffsets");
    assert_non_null(strstr(kafka_last_error(), tcp_peer_address(p)));
    assert_works(hostile_do(HOSTILE_METADATA, c));
    kafka_conn_free(c);
    hostile_witness_end();
    tcp_peer_free(p);
}

/* ---- answers to nothing, and their edges ------------------------------------------------------------------------- */

static void H06_an_answer_to_another_request_ends_the_connection(void **state)
{
    (void)state;
    HOSTILE({"another id", HOSTILE_DIAL, {.id_off = 1}, .part = "correlation id 2 came (byte 4"},
            {"a later id", HOSTILE_METADATA, {.id_off = 1}, .part = "correlation id 3 came (byte "},
            {"an earlier id", HOSTILE_READ, {.id_off = -1}, .part = "correlation id 1 came (byte "},
            {"an id from nowhere", HOSTILE_WRITE, {.id_off = 1 << 30}, .part = "Produce has 2"},
            {"a negative id", HOSTILE_OFFSETS, {.id_off = -100}, .part = "correlation id -98 came"});
}

static void H06_an_answer_that_comes_twice_ends_the_connection(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    assert_works(hostile_do(HOSTILE_OFFSETS, c)); /* uses up the first rule */
    tcp_peer_add_rules(p, &(tcp_rule){.api = KFK_API_METADATA, .twice = true}, 1);
    hostile_witness_begin();
    assert_works(hostile_do(HOSTILE_METADATA, c));
    assert_true(tcp_peer_is_left_alone(p)); /* though nobody calls */
    assert_fails(hostile_do(HOSTILE_METADATA, c), KAFKA_EPROTO, "nothing was asked");
    assert_non_null(strstr(kafka_last_error(), tcp_peer_address(p)));
    hostile_witness_end();
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* Of two requests the first one's answer has the second one's id. Both end, and what is known of the write is true. */
static void *ask_offsets(void *arg)
{
    return hostile_do(HOSTILE_OFFSETS, arg) == KAFKA_EPROTO ? NULL : "another code";
}

static void H06_answers_out_of_order_end_every_call_that_waits(void **state)
{
    (void)state;
    tcp_peer *p = TCP_PEER({.api = KFK_API_LIST_OFFSETS, .hold = true, .id_off = 1});
    kafka_conn *c = calls_dial(p, 0);
    hostile_witness_begin();
    pthread_t other = calls_start(ask_offsets, c);
    tcp_peer_wait(p, KFK_API_LIST_OFFSETS, 1);
    tcp_peer_release(p);
    assert_int_equal(kafka_conn_write(c, "x", 1), KAFKA_EPROTO);
    bool said_no = kafka_last_written() == KAFKA_WRITTEN_NO;
    void *why;
    pthread_join(other, &why);
    assert_null(why);
    assert_true(tcp_peer_is_left_alone(p));
    assert_false(said_no && tcp_peer_end(p, 0) > 0);
    hostile_witness_end();
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void H07_bytes_too_many_or_too_few_end_the_connection(void **state)
{
    (void)state;
    HOSTILE({"one more", HOSTILE_DIAL, {.extra = 1}, .part = "1 bytes left over (byte "},
            {"one less", HOSTILE_DIAL, {.extra = -1}, .part = "(byte "},
            {"one more", HOSTILE_METADATA, {.extra = 1}, .part = "1 bytes left over (byte "},
            {"one less", HOSTILE_METADATA, {.extra = -1}, .part = "(byte "},
            {"one more", HOSTILE_OFFSETS, {.extra = 1}, .part = "1 bytes left over (byte "},
            {"one less", HOSTILE_OFFSETS, {.extra = -1}, .part = "(byte "},
            {"one more", HOSTILE_WRITE, {.extra = 1}, .part = "1 bytes left over (byte "},
            {"one less", HOSTILE_WRITE, {.extra = -1}, .part = "(byte "},
            {"one more", HOSTILE_READ, {.extra = 1}, .part = "1 bytes left over (byte "},
            {"one less", HOSTILE_READ, {.extra = -1}, .part = "(byte "},
            {"4096 more", HOSTILE_METADATA, {.extra = 4096}, .part = "4096 bytes left over (byte "},
            {"nothing behind the header", HOSTILE_READ, {TCP_BODY("")}, .part = "(byte 0)"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(H01_a_length_of_two_gigabytes_is_refused_by_its_four_bytes),
        HOSTILE_TEST(H02_a_length_that_holds_no_correlation_id_is_refused),
        HOSTILE_TEST(H03_a_peer_that_speaks_another_protocol_is_recognised),
        HOSTILE_TEST(H05_a_hello_that_cannot_be_ends_the_dial),
        HOSTILE_TEST(H05_of_two_entries_the_first_counts_and_one_that_contradicts_itself_is_as_none),
        HOSTILE_TEST(H06_an_answer_to_another_request_ends_the_connection),
        HOSTILE_TEST(H06_an_answer_that_comes_twice_ends_the_connection),
        HOSTILE_TEST(H06_answers_out_of_order_end_every_call_that_waits),
        HOSTILE_TEST(H07_bytes_too_many_or_too_few_end_the_connection),
    };
    return hostile_main(tests);
}
