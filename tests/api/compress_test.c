/* Codecs of the application's: what they are used for, and what becomes of those that misbehave. */
#include "api/calls.h"
#include "api/compress.h"
#include "support/message_sets.h"
#include "wire/gen/produce.h"
#include <limits.h>
#include <stdatomic.h>

static int teardown(void **state)
{
    kfk_api_compress_forget();
    return calls_teardown(state);
}
#define CODEC_TEST(function) cmocka_unit_test_setup_teardown(function, memcheck_setup, teardown)

/* ---- a codec ----------------------------------------------------------------------------------------------------- */

/* "toy", then each byte changed by one that stands for the codec. Either way of writing to a buffer. */
typedef struct toy {
    uint8_t key;
    atomic_int encoded, decoded;
} toy;

static int toy_encode(void *userdata, int level, const void *src, size_t len, kafka_buf *dst)
{
    toy *t = userdata;
    if (level != 0) return KAFKA_EINVAL;
    t->encoded++;
    int err = kafka_buf_append(dst, "toy", 3);
    uint8_t *out = kafka_buf_reserve(dst, len + 100);
    if (err != 0 || out == NULL) return KAFKA_ENOMEM;
    for (size_t i = 0; i < len; i++) out[i] = ((const uint8_t *)src)[i] ^ t->key;
    kafka_buf_commit(dst, len / 2);
    kafka_buf_commit(dst, len - len / 2);
    return 0;
}

static int toy_decode(void *userdata, const void *src, size_t len, kafka_buf *dst)
{
    toy *t = userdata;
    t->decoded++;
    if (len < 3 || memcmp(src, "toy", 3) != 0) return KAFKA_ECORRUPT;
    for (size_t i = 3; i < len; i++) {
        uint8_t byte = ((const uint8_t *)src)[i] ^ t->key;
        int err = kafka_buf_append(dst, &byte, 1);
        if (err != 0) return err;
    }
    return 0;
}

static kafka_codec toy_codec(toy *t, int32_t code)
{
    return (kafka_codec){.name = "toy", .userdata = t, .encode = toy_encode, .decode = toy_decode, .code = code};
}

static void register_toy(toy *t, int32_t code)
{
    kafka_codec c = toy_codec(t, code);
    assert_works(kafka_codec_register(&c));
}

static void note_codec(tcp_call *call, void *answer, void *arg)
{
    const kfk_produce_request *r = call->request;
    kafka_bytes batch = r->topic_data.items[0].partition_data.items[0].records.bytes;
    const uint8_t *p = batch.data;
    (void)answer;
    *(int *)arg = p[16] == 2 ? p[22] : p[17]; /* of a batch, of a message */
}

static const kafka_message two[] = {{.value = {"first", 5}}, {.value = {"second", 6}}};

/* ---- writing and reading ----------------------------------------------------------------------------------------- */

static void a_registered_codec_is_used_for_its_code_in_batches_and_sets(void **state)
{
    (void)state;
    for (int16_t produce = 0; produce < 12; produce = produce == 2 ? 12 : (int16_t)(produce + 1)) {
        toy t = {.key = 0x5a};
        int seen = -1;
        register_toy(&t, 5);
        tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .times = TCP_ALWAYS, .edit = note_codec, .arg = &seen});
        if (produce < 3) tcp_peer_set_versions(p, KFK_API_PRODUCE, 0, produce);
        kafka_conn *c = calls_dial(p, 0);
        assert_works(kafka_conn_write_messages(c, two, 2, 5, NULL));
        assert_int_equal(seen, 5);
        assert_in_range(t.encoded, 1, 2); /* in format 0 the peer does it once more */
        calls_expect_message(c, 0, "first");
        calls_expect_message(c, 1, "second");
        assert_in_range(t.decoded, 1, 2);
        kafka_conn_free(c);
        tcp_peer_free(p);
        kfk_api_compress_forget();
    }
}

static void a_message_may_ask_for_it_as_well(void **state)
{
    (void)state;
    toy t = {.key = 1};
    register_toy(&t, 7);
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    kafka_message m = {.value = KAFKA_LIT("v"), .compression = 7};
    assert_works(kafka_conn_write_messages(c, &m, 1, 7, NULL));
    assert_fails(kafka_conn_write_messages(c, &m, 1, KAFKA_COMPRESSION_NONE, NULL), KAFKA_EINVAL, "compression");
    m.compression = 0;
    assert_fails(kafka_conn_write_messages(c, &m, 1, 6, NULL), KAFKA_EINVAL, "compression 6");
    assert_fails(kafka_conn_write_messages(c, &m, 1, 8, NULL), KAFKA_EINVAL, "compression 8");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void what_nobody_registered_is_told_when_read(void **state)
{
    (void)state;
    toy t = {.key = 1};
    register_toy(&t, 5);
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *c = calls_dial(p, 0);
    kafka_message *m;
    assert_works(kafka_conn_write_messages(c, two, 2, 5, NULL));
    kfk_api_compress_forget();
    assert_fails(kafka_conn_read_message(c, 0, &m), KAFKA_ECODEC, "codec 5");
    register_toy(&t, 5);
    calls_expect_message(c, 0, "first");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

static void it_takes_the_place_of_a_built_in_one_until_that_is_registered_again(void **state)
{
    (void)state;
    toy t = {.key = 9};
    for (int32_t code = 1; code <= 4; code++) {
        const kafka_codec *before = kafka_codec_find(code);
        assert_true(before == NULL || before->code == code);
        register_toy(&t, code);
        assert_string_equal(kafka_codec_find(code)->name, "toy");
        assert_true(kafka_codec_find(code)->userdata == &t);
        tcp_peer *p = TCP_PEER({0});
        kafka_conn *c = calls_dial(p, 0);
        int encoded = t.encoded;
        assert_works(kafka_conn_write_messages(c, two, 2, code, NULL));
        assert_int_equal(t.encoded, encoded + 1);
        calls_expect_message(c, 0, "first");
        kafka_conn_free(c);
        tcp_peer_free(p);
        if (before == NULL) continue;
        assert_works(kafka_codec_register(before));
        assert_true(kafka_codec_find(code) == before);
    }
}

/* lz4 in messages of format 0 has a header of its own, but only as long as it is ours. */
static void in_old_messages_it_takes_the_place_of_lz4_too(void **state)
{
    (void)state;
    toy t = {.key = 9};
    register_toy(&t, KAFKA_COMPRESSION_LZ4);
    tcp_peer *p = TCP_PEER({0});
    tcp_peer_set_versions(p, KFK_API_PRODUCE, 0, 0);
    kafka_conn *c = calls_dial(p, 0);
    assert_works(kafka_conn_write_messages(c, two, 2, KAFKA_COMPRESSION_LZ4, NULL));
    assert_true(t.encoded >= 1);
    calls_expect_message(c, 0, "first");
    kafka_conn_free(c);
    tcp_peer_free(p);
}

/* ---- finding and registering ------------------------------------------------------------------------------------- */

static void the_built_in_ones_are_found_and_those_that_are_not_are_not(void **state)
{
    (void)state;
    static const char *const names[] = {"gzip", "snappy", "lz4", "zstd"};
    for (int32_t code = 1; code <= 4; code++) {
        const kafka_codec *c = kafka_codec_find(code);
        bool has = strstr(kafka_features(), names[code - 1]) != NULL;
        assert_int_equal(c != NULL, has);
        if (c == NULL) continue;
        assert_string_equal(c->name, names[code - 1]);
        assert_int_equal(c->code, code);
        assert_true(c->encode != NULL && c->decode != NULL && c->reserved == 0);
    }
    static const int32_t none[] = {-1, 0, 5, 6, 7, 8, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) assert_null(kafka_codec_find(none[i]));
}

static void what_is_no_codec_is_refused(void **state)
{
    (void)state;
    toy t = {0};
    kafka_codec c = toy_codec(&t, 5), bad;
    assert_fails(kafka_codec_register(NULL), KAFKA_EINVAL, "NULL");
    bad = c, bad.name = NULL;
    assert_fails(kafka_codec_register(&bad), KAFKA_EINVAL, "name");
    bad = c, bad.encode = NULL;
    assert_fails(kafka_codec_register(&bad), KAFKA_EINVAL, "encode");
    bad = c, bad.decode = NULL;
    assert_fails(kafka_codec_register(&bad), KAFKA_EINVAL, "decode");
    bad = c, bad.reserved = 1;
    assert_fails(kafka_codec_register(&bad), KAFKA_EINVAL, "reserved");
    bad = c, bad.reserved2[1] = 1;
    assert_fails(kafka_codec_register(&bad), KAFKA_EINVAL, "reserved");
    static const int32_t codes[] = {0, -1, 8, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        bad = c, bad.code = codes[i];
        assert_fails(kafka_codec_register(&bad), KAFKA_EINVAL, "code");
    }
    for (int32_t code = 5; code < 8; code++) assert_null(kafka_codec_find(code));
}

static void the_struct_and_its_name_are_copied(void **state)
{
    (void)state;
    toy t = {.key = 3};
    char name[] = "mine";
    kafka_codec c = toy_codec(&t, 6);
    c.name = name;
    assert_works(kafka_codec_register(&c));
    memset(name, 'x', 4);
    memset(&c, 0xff, sizeof c);
    assert_string_equal(kafka_codec_find(6)->name, "mine");
    assert_true(kafka_codec_find(6)->encode == toy_encode);
}

static void registering_again_and_again_takes_no_more_memory(void **state)
{
    (void)state;
    toy a = {.key = 1}, b = {.key = 2};
    register_toy(&a, 5);
    const kafka_codec *first = kafka_codec_find(5);
    register_toy(&b, 5);
    size_t blocks = memcheck_blocks();
    for (int i = 0; i < 1000; i++) register_toy(i % 2 ? &b : &a, 5);
    assert_int_equal(memcheck_blocks(), blocks);
    assert_works(kafka_codec_register(first)); /* as it was found */
    assert_true(kafka_codec_find(5) == first);
}

static void there_is_room_for_256_different_ones(void **state)
{
    (void)state;
    static toy toys[257];
    for (int i = 0; i < 256; i++) register_toy(&toys[i], 5 + i % 3);
    kafka_codec one_more = toy_codec(&toys[256], 5);
    assert_fails(kafka_codec_register(&one_more), KAFKA_ETOOBIG, "256");
    register_toy(&toys[0], 5); /* what is there can be chosen still */
    assert_true(kafka_codec_find(5)->userdata == &toys[0]);
}

static void want_of_memory_leaves_the_one_that_was_there(void **state)
{
    (void)state;
    toy a = {.key = 1}, b = {.key = 2};
    register_toy(&a, 5);
    MEMCHECK_EACH_FAILURE(n)
    {
        kafka_codec c = toy_codec(&b, 5);
        int err = kafka_codec_register(&c);
        assert_int_equal(err, memcheck_failed() ? KAFKA_ENOMEM : 0);
        assert_true(kafka_codec_find(5)->userdata == (err == 0 ? &b : &a));
    }
}

/* ---- codecs on top of others ------------------------------------------------------------------------------------- */

/* Counts, and leaves the work to the codec that was there before. */
typedef struct counting {
    const kafka_codec *inner;
    int calls;
} counting;

static int counting_encode(void *userdata, int level, const void *src, size_t len, kafka_buf *dst)
{
    counting *x = userdata;
    x->calls++;
    return x->inner->encode(x->inner->userdata, level, src, len, dst);
}

static int counting_decode(void *userdata, const void *src, size_t len, kafka_buf *dst)
{
    counting *x = userdata;
    x->calls++;
    return x->inner->decode(x->inner->userdata, src, len, dst);
}

static void a_codec_may_build_on_a_built_in_one(void **state)
{
    (void)state;
    for (int32_t code = 1; code <= 4; code++) {
        counting x = {.inner = kafka_codec_find(code)};
        if (x.inner == NULL) continue;
        kafka_codec c = {
            .name = "counting", .userdata = &x, .encode = counting_encode, .decode = counting_decode, .code = code};
        tcp_peer *p = TCP_PEER({0});
        kafka_conn *conn = calls_dial(p, 0);
        assert_works(kafka_conn_write_messages(conn, two, 2, code, NULL)); /* by the built-in one */
        assert_works(kafka_codec_register(&c));
        calls_expect_message(conn, 0, "first");
        assert_int_equal(x.calls, 1);
        assert_works(kafka_conn_write_messages(conn, two, 2, code, NULL));
        assert_int_equal(x.calls, 2);
        assert_works(kafka_codec_register(x.inner));
        calls_expect_message(conn, 1, "second");
        calls_expect_message(conn, 2, "first"); /* the other way round */
        assert_int_equal(x.calls, 2);
        kafka_conn_free(conn);
        tcp_peer_free(p);
    }
}

static void a_built_in_one_can_be_called_by_anybody_who_has_a_buffer(void **state)
{
    (void)state;
    static const char text[] = "some text that repeats itself, some text that repeats itself";
    for (int32_t code = 1; code <= 4; code++) {
        const kafka_codec *c = kafka_codec_find(code);
        kfk_buf packed, out;
        if (c == NULL) continue;
        kfk_buf_init(&packed, SIZE_MAX);
        kfk_buf_init(&out, sizeof text);
        assert_int_equal(c->encode(c->userdata, 0, text, sizeof text, &packed), 0);
        assert_int_equal(c->decode(c->userdata, packed.data, packed.len, &out), 0);
        assert_int_equal(out.len, sizeof text);
        assert_memory_equal(out.data, text, sizeof text);
        if (code != KAFKA_COMPRESSION_SNAPPY)
            assert_int_equal(c->encode(c->userdata, 999, text, sizeof text, &packed), KAFKA_EINVAL);
        assert_int_equal(c->encode(c->userdata, 0, NULL, 1, &packed), KAFKA_EINVAL);
        assert_int_equal(c->encode(c->userdata, 0, text, 1, NULL), KAFKA_EINVAL);
        assert_int_equal(c->decode(c->userdata, NULL, 1, &packed), KAFKA_EINVAL);
        assert_int_equal(c->decode(c->userdata, packed.data, packed.len, &out), KAFKA_ETOOBIG); /* it is full */
        assert_int_equal(c->decode(c->userdata, packed.data, packed.len, &out), KAFKA_ETOOBIG); /* it sticks */
        kfk_buf_fini(&packed);
        kfk_buf_fini(&out);
    }
}

/* ---- the buffer -------------------------------------------------------------------------------------------------- */

static void a_buffer_takes_what_is_appended_or_committed(void **state)
{
    (void)state;
    kfk_buf b;
    kfk_buf_init(&b, 10);
    assert_int_equal(kafka_buf_append(&b, "abc", 3), 0);
    assert_int_equal(kafka_buf_append(&b, NULL, 0), 0);
    memcpy(kafka_buf_reserve(&b, 5), "defgh", 5);
    kafka_buf_commit(&b, 2);
    kafka_buf_commit(&b, 0);
    kafka_buf_commit(&b, 1);
    assert_int_equal(kafka_buf_append(&b, "XY", 2), 0); /* the rest of the room is forgotten */
    assert_int_equal(b.len, 8);
    assert_memory_equal(b.data, "abcdefXY", 8);
    assert_int_equal(b.err, 0);
    kfk_buf_fini(&b);
}

static void beyond_its_limit_it_takes_nothing_more(void **state)
{
    (void)state;
    kfk_buf b;
    kfk_buf_init(&b, 10);
    assert_int_equal(kafka_buf_append(&b, "0123456789", 10), 0);
    assert_int_equal(kafka_buf_append(&b, "x", 1), KAFKA_ETOOBIG);
    assert_null(kafka_buf_reserve(&b, 0));
    kafka_buf_commit(&b, 0);
    assert_int_equal(b.len, 10);
    kfk_buf_fini(&b);
    kfk_buf_init(&b, 10);
    assert_null(kafka_buf_reserve(&b, 11));
    assert_null(kafka_buf_reserve(&b, SIZE_MAX));
    assert_int_equal(b.err, KAFKA_ETOOBIG);
    kfk_buf_fini(&b);
}

static void what_was_not_reserved_cannot_be_committed(void **state)
{
    (void)state;
    for (int way = 0; way < 5; way++) {
        kfk_buf b;
        kfk_buf_init(&b, 1000);
        kafka_buf_append(&b, "abc", 3);
        if (way == 1) kafka_buf_reserve(&b, 7);
        if (way == 2) {
            kafka_buf_reserve(&b, 8);
            kafka_buf_append(&b, "", 0);
        }
        if (way == 3) {
            kafka_buf_reserve(&b, 9);
            kafka_buf_commit(&b, 2);
        }
        if (way == 4)
            assert_int_equal(kafka_buf_append(&b, NULL, 8), KAFKA_EINVAL);
        else
            kafka_buf_commit(&b, 8); /* the buffer has room for it, but who knows what is there */
        assert_int_equal(b.err, KAFKA_EINVAL);
        assert_int_equal(b.len, way == 3 ? 5 : 3);
        assert_int_equal(kafka_buf_append(&b, "x", 1), KAFKA_EINVAL);
        kfk_buf_fini(&b);
    }
    assert_int_equal(kafka_buf_append(NULL, "x", 1), KAFKA_EINVAL);
    assert_null(kafka_buf_reserve(NULL, 1));
    kafka_buf_commit(NULL, 1);
}

/* ---- codecs that misbehave --------------------------------------------------------------------------------------- */

typedef struct wrong {
    int give;  /* what is returned */
    int reads; /* lets encoding do what toy does, so that there is something to decode */
    void (*act)(kafka_buf *dst);
} wrong;

static int wrong_encode(void *userdata, int level, const void *src, size_t len, kafka_buf *dst)
{
    const wrong *w = userdata;
    toy t = {.key = 0};
    if (w->reads) return toy_encode(&t, level, src, len, dst);
    if (w->act != NULL) w->act(dst);
    return w->give;
}

static int wrong_decode(void *userdata, const void *src, size_t len, kafka_buf *dst)
{
    const wrong *w = userdata;
    (void)src;
    (void)len;
    if (w->act != NULL) w->act(dst);
    return w->give;
}

static void commit_too_much(kafka_buf *dst)
{
    kafka_buf_reserve(dst, 1);
    kafka_buf_commit(dst, 2);
}

static void commit_far_too_much(kafka_buf *dst)
{
    kafka_buf_commit(dst, SIZE_MAX);
}

static void append_nothing_of_some_size(kafka_buf *dst)
{
    kafka_buf_append(dst, NULL, 100);
}

static void reserve_all_there_is(kafka_buf *dst)
{
    kafka_buf_reserve(dst, SIZE_MAX);
}

static void append_without_end(kafka_buf *dst)
{
    static const char zeros[1 << 20];
    for (int i = 0; i < 100; i++) kafka_buf_append(dst, zeros, sizeof zeros);
}

static void append_nonsense(kafka_buf *dst)
{
    kafka_buf_append(dst, "nonsense", 8);
}

static void misbehaving_functions_are_contained(void **state)
{
    (void)state;
    static const struct {
        wrong how;
        int when_written, when_read; /* 0: it works, or it is not tried */
    } rows[] = {
        {{.give = 12345}, KAFKA_ECODEC, KAFKA_ECORRUPT},
        {{.give = 1}, KAFKA_ECODEC, KAFKA_ECORRUPT},
        {{.give = -1}, KAFKA_ECODEC, KAFKA_ECORRUPT},
        {{.give = INT_MIN}, KAFKA_ECODEC, KAFKA_ECORRUPT},
        {{.give = KAFKA_EAGAIN}, KAFKA_ECODEC, KAFKA_ECORRUPT},
        {{.give = KAFKA_EOF}, KAFKA_ECODEC, KAFKA_ECORRUPT},
        {{.give = KAFKA_ECORRUPT}, KAFKA_ECODEC, KAFKA_ECORRUPT},
        {{.give = KAFKA_EINVAL}, KAFKA_EINVAL, KAFKA_ECORRUPT},
        {{.give = KAFKA_ENOMEM}, KAFKA_ENOMEM, KAFKA_ENOMEM},
        {{.give = KAFKA_ETOOBIG}, KAFKA_ETOOBIG, KAFKA_ETOOBIG},
        {{.act = commit_too_much}, KAFKA_ECODEC, KAFKA_ECODEC},
        {{.act = commit_far_too_much}, KAFKA_ECODEC, KAFKA_ECODEC},
        {{.act = append_nothing_of_some_size}, KAFKA_ECODEC, KAFKA_ECODEC},
        {{.act = reserve_all_there_is}, KAFKA_ETOOBIG, KAFKA_ETOOBIG},
        {{.act = reserve_all_there_is, .give = 77}, KAFKA_ETOOBIG, KAFKA_ETOOBIG},
        {{.act = append_without_end}, 0, KAFKA_ETOOBIG},
        {{.act = append_nonsense}, 0, KAFKA_ECORRUPT},
        {{.act = NULL}, 0, KAFKA_ECORRUPT}, /* no output at all */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wrong w = rows[i].how;
        kafka_codec c = {.name = "wrong", .userdata = &w, .encode = wrong_encode, .decode = wrong_decode, .code = 5};
        kafka_message *m;
        assert_works(kafka_codec_register(&c));
        tcp_peer *p = TCP_PEER({0});
        kafka_conn *conn = calls_dial(p, 0);
        if (rows[i].when_written != 0) {
            assert_fails(kafka_conn_write_messages(conn, two, 2, 5, NULL), rows[i].when_written, "wrong");
            assert_int_equal(kafka_last_written(), KAFKA_WRITTEN_NO);
            assert_int_equal(tcp_peer_requests(p, KFK_API_PRODUCE), 0);
        }
        w.reads = 1;
        assert_works(kafka_conn_write_messages(conn, two, 2, 5, NULL));
        assert_fails(kafka_conn_read_message(conn, 0, &m), rows[i].when_read, "offset 0");
        toy t = {.key = 0}; /* with a codec that is all right the data are read after all */
        register_toy(&t, 5);
        calls_expect_message(conn, 0, "first");
        kafka_conn_free(conn);
        tcp_peer_free(p);
    }
}

/* ---- where they run ---------------------------------------------------------------------------------------------- */

static kafka_conn *other;

static int waiting_encode(void *userdata, int level, const void *src, size_t len, kafka_buf *dst)
{
    *(int *)userdata = kafka_conn_write(other, "x", 1);
    toy t = {.key = 0};
    return toy_encode(&t, level, src, len, dst);
}

static int failing_decode(void *userdata, const void *src, size_t len, kafka_buf *dst)
{
    *(int *)userdata = kafka_conn_seek(NULL, 0, KAFKA_SEEK_START, NULL); /* sets a text of its own */
    toy t = {.key = 0};
    return toy_decode(&t, src, len, dst);
}

static void inside_of_one_nothing_waits_and_no_text_is_lost(void **state)
{
    (void)state;
    int inside = 0;
    kafka_message *m;
    kafka_codec c = {.name = "w", .userdata = &inside, .encode = waiting_encode, .decode = failing_decode, .code = 6};
    assert_works(kafka_codec_register(&c));
    tcp_peer *p = TCP_PEER({0});
    kafka_conn *conn = calls_dial(p, 0);
    other = calls_dial(p, 1);
    assert_fails(kafka_conn_write_messages(conn, two, 2, 9, NULL), KAFKA_EINVAL, "compression 9");
    assert_works(kafka_conn_write_messages(conn, two, 2, 6, NULL));
    assert_int_equal(inside, KAFKA_EAGAIN);
    assert_works(kafka_conn_read_message(conn, 0, &m));
    assert_int_equal(inside, KAFKA_EINVAL);
    assert_non_null(strstr(kafka_last_error(), "compression 9"));
    assert_int_equal(tcp_peer_end(p, 1), 0);
    kafka_message_free(m);
    kafka_conn_free(other);
    kafka_conn_free(conn);
    tcp_peer_free(p);
}

static void input_in_several_pieces_comes_as_one(void **state)
{
    (void)state;
    toy t = {.key = 0};
    register_toy(&t, 5);
    char a[] = "one ", b[] = "two";
    struct iovec pieces[] = {{a, 4}, {NULL, 0}, {b, 3}};
    MEMCHECK_EACH_FAILURE(n)
    {
        kfk_buf out;
        kfk_error err = {0};
        kfk_buf_init(&out, SIZE_MAX);
        int rc = kfk_compress(5, 0, pieces, 3, &out, &err);
        assert_int_equal(rc, memcheck_failed() ? KAFKA_ENOMEM : 0);
        if (rc == 0) assert_int_equal(out.len, 10);
        if (rc == 0) assert_memory_equal(out.data, "toyone two", 10);
        kfk_buf_fini(&out);
    }
}

static void levels_are_the_codecs_own(void **state)
{
    (void)state;
    toy t = {.key = 0};
    register_toy(&t, 5);
    struct iovec text = {(void *)(uintptr_t) "text", 4};
    kfk_buf out;
    kfk_error err = {0};
    kfk_buf_init(&out, SIZE_MAX);
    assert_int_equal(kfk_compress(5, 0, &text, 1, &out, &err), 0);
    assert_int_equal(kfk_compress(5, INT_MIN, &text, 1, &out, &err), KAFKA_EINVAL);
    assert_int_equal(t.encoded, 1);
    kfk_buf_fini(&out);
}

typedef struct worker {
    tcp_peer *peer;
    int failed; /* what did, 0 = nothing */
} worker;

/* Writes and reads with a codec that is being replaced. */
static void *work(void *arg)
{
    worker *w = arg;
    kafka_conn *c = NULL;
    kafka_message *m;
    w->failed = kafka_dial_leader(NULL, KAFKA_WITHIN(20000), tcp_peer_address(w->peer), "t", 0, &c);
    for (int i = 0; i < 100 && w->failed == 0; i++) {
        if ((w->failed = kafka_conn_write_messages(c, two, 2, 5, NULL)) != 0) break;
        if ((w->failed = kafka_conn_read_message(c, 0, &m)) != 0) break;
        kafka_message_free(m);
        if (kafka_codec_find(5) == NULL) w->failed = 1;
    }
    kafka_conn_free(c);
    return NULL;
}

static void codecs_in_use_may_be_replaced_by_other_threads(void **state)
{
    (void)state;
    static toy toys[8]; /* different ones, which read each other's */
    register_toy(&toys[0], 5);
    tcp_peer *p = TCP_PEER({0});
    worker workers[3];
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        workers[i] = (worker){.peer = p};
        threads[i] = calls_start(work, &workers[i]);
    }
    for (int i = 0; i < 3000; i++) register_toy(&toys[i % 8], 5);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].failed, 0);
    }
    tcp_peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CODEC_TEST(a_registered_codec_is_used_for_its_code_in_batches_and_sets),
        CODEC_TEST(a_message_may_ask_for_it_as_well),
        CODEC_TEST(what_nobody_registered_is_told_when_read),
        CODEC_TEST(it_takes_the_place_of_a_built_in_one_until_that_is_registered_again),
        CODEC_TEST(in_old_messages_it_takes_the_place_of_lz4_too),
        CODEC_TEST(the_built_in_ones_are_found_and_those_that_are_not_are_not),
        CODEC_TEST(what_is_no_codec_is_refused),
        CODEC_TEST(the_struct_and_its_name_are_copied),
        CODEC_TEST(registering_again_and_again_takes_no_more_memory),
        CODEC_TEST(there_is_room_for_256_different_ones),
        CODEC_TEST(want_of_memory_leaves_the_one_that_was_there),
        CODEC_TEST(a_codec_may_build_on_a_built_in_one),
        CODEC_TEST(a_built_in_one_can_be_called_by_anybody_who_has_a_buffer),
        CODEC_TEST(a_buffer_takes_what_is_appended_or_committed),
        CODEC_TEST(beyond_its_limit_it_takes_nothing_more),
        CODEC_TEST(what_was_not_reserved_cannot_be_committed),
        CODEC_TEST(misbehaving_functions_are_contained),
        CODEC_TEST(inside_of_one_nothing_waits_and_no_text_is_lost),
        CODEC_TEST(input_in_several_pieces_comes_as_one),
        CODEC_TEST(levels_are_the_codecs_own),
        CODEC_TEST(codecs_in_use_may_be_replaced_by_other_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
