/* Batches and records (H17, H18, H19) that are damaged, most of them with a CRC that is right. Nothing of such a batch
 * comes out, nothing behind it is passed over in silence; the connection stays, and whoever seeks behind it reads
 * on. */
#include "hostile/hostile.h"
#include "wire/gen/fetch.h"
#include "wire/prim.h"

enum { LENGTH = 8, MAGIC = 16, LAST_DELTA = 23, COUNT = 57 };

/* The second of three records is this, its length included; NULL: as it should be. */
typedef struct damage {
    const char *what;
    const char *record;
    size_t record_len;
    int at; /* or: these bytes of the header are `value` */
    int32_t value;
    int size; /* of them: 1, 4 */
    bool crc; /* the CRC is left wrong */
    const char *part;
} damage;

#define RECORD(bytes) .record = (bytes), .record_len = sizeof(bytes) - 1

/* Offsets 0, 1: whole; 2, 3, 4: the damaged batch; 5, 6: whole. */
static void make_log(batch_bytes *log, const damage *d)
{
    BATCH(log, .base = 0, .count = 2);
    size_t at = log->len;
    if (d->record) {
        batch_bytes body = {0};
        /* one plain record, the odd one, one plain record */
        static const uint8_t first[] = "\x10\0\0\0\1\4v2\0", last[] = "\x10\0\0\4\1\4v4\0";
        body.data = malloc(body.cap = 64 + d->record_len);
        memcpy(body.data, first, 9);
        memcpy(body.data + 9, d->record, d->record_len);
        memcpy(body.data + 9 + d->record_len, last, 9);
        body.len = 18 + d->record_len;
        at = batch_append_body(log, &(batch_spec){.base = 2, .count = 3}, body.data, body.len);
        batch_free(&body);
    } else {
        at = BATCH(log, .base = 2, .count = 3);
        if (d->size == 1)
            log->data[at + (size_t)d->at] = (uint8_t)d->value;
        else if (d->size == 4)
            kfk_prim_put_be32(log->data + at + (size_t)d->at, (uint32_t)d->value);
        if (d->at != LENGTH && d->size > 0) batch_seal(log, at);
        if (d->crc) log->data[at + 18] ^= 1;
    }
    BATCH(log, .base = 5, .count = 2);
}

static void expect_damage(kafka_conn *c, const damage *d, const char *address)
{
    kafka_message *m = NULL;
    int code = kafka_conn_read_message(c, 0, &m);
    if (code != KAFKA_ECORRUPT) fail_msg("%s: %d: %s", d->what, code, kafka_last_error());
    const char *parts[] = {d->part, address, "topic t partition 0", "Fetch response", "byte ", "at offset 2"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (!strstr(kafka_last_error(), parts[i]))
            fail_msg("%s: no \"%s\" in: %s", d->what, parts[i], kafka_last_error());
    }
    assert_int_equal(kafka_conn_offset(c, NULL), 2);
}

/* What lies in front comes out, then the error, once for each read; nothing behind it, until somebody seeks. */
static void damaged(const damage *d)
{
    batch_bytes log = {0};
    make_log(&log, d);
    static const tcp_rule none[1];
    tcp_peer *p = tcp_peer_new(none, 0);
    calls_fill(p, &log, 7);
    kafka_conn *c = calls_dial(p, 0), *next = calls_dial(p, 1);
    hostile_witness_begin();
    size_t before = memcheck_bytes();
    memcheck_peak_begin();
    calls_expect_message(c, 0, "v0");
    calls_expect_message(c, 1, "v1");
    expect_damage(c, d, tcp_peer_address(p));
    expect_damage(c, d, tcp_peer_address(p));
    assert_true(memcheck_peak() <= before + 1024 * 1024);
    bool findable = d->record || (d->at != LENGTH && d->at != MAGIC);
    if (findable) { /* this peer looks at both, and cannot find what lies behind wrong ones itself */
        assert_works(kafka_conn_seek(c, 5, KAFKA_SEEK_ABSOLUTE, NULL));
        calls_expect_message(c, 5, "v5");
        calls_expect_message(c, 6, "v6");
    }
    assert_works(kafka_conn_write(c, "x", 1)); /* the connection stays */
    assert_works(kafka_conn_write(next, "other", 5));
    calls_expect_message(next, 0, "other"); /* the next partition goes on */
    hostile_witness_end();
    kafka_conn_free(c);
    kafka_conn_free(next);
    tcp_peer_free(p);
}

static void H17_batch_headers_that_cannot_be_are_damage(void **state)
{
    (void)state;
    static const damage rows[] = {
        {"length -1", .at = LENGTH, .value = -1, .size = 4, .part = "impossible length -1"},
        {"length 5", .at = LENGTH, .value = 5, .size = 4, .part = "impossible length 5"},
        {"length 2^31-1", .at = LENGTH, .value = INT32_MAX, .size = 4, .part = "impossible length 2147483647"},
        {"magic 9", .at = MAGIC, .value = 9, .size = 1, .part = "unknown magic 9"},
        {"magic -1", .at = MAGIC, .value = -1, .size = 1, .part = "unknown magic -1"},
        {"-1 records", .at = COUNT, .value = -1, .size = 4, .part = "impossible count of -1 records"},
        {"2^31-1 records", .at = COUNT, .value = INT32_MAX, .size = 4, .part = "impossible count of 2147483647"},
        {"4 records in 3 offsets", .at = COUNT, .value = 4, .size = 4, .part = "impossible count of 4 records"},
        {"2 records of 3", .at = COUNT, .value = 2, .size = 4, .part = "left over behind its 2 records"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) damaged(&rows[i]);
}

static void always_these(tcp_call *call, void *answer, void *arg)
{
    const batch_bytes *log = arg;
    (void)call;
    ((kfk_fetch_response *)answer)->responses.items[0].partitions.items[0].records.bytes =
        (kafka_bytes){log->data, log->len};
}

/* By its own account the batch ends in front of where it begins: this must neither move the position nor hide it. */
static void H17_H25_a_batch_that_ends_before_it_begins_is_damage(void **state)
{
    (void)state;
    static const damage d = {"last offset delta -1", .at = LAST_DELTA, .value = -1, .size = 4,
                             .part = "impossible last offset delta -1"};
    batch_bytes log = {0};
    make_log(&log, &d);
    tcp_rule rule = {.api = KFK_API_FETCH, .times = TCP_ALWAYS, .edit = always_these, .arg = &log};
    tcp_peer *p = calls_peer_with(7, &rule, 1);
    kafka_conn *c = calls_dial(p, 0);
    hostile_witness_begin();
    assert_works(kafka_conn_seek(c, 2, KAFKA_SEEK_ABSOLUTE, NULL));
    expect_damage(c, &d, tcp_peer_address(p));
    expect_damage(c, &d, tcp_peer_address(p));
    hostile_witness_end();
    kafka_conn_free(c);
    tcp_peer_free(p);
    batch_free(&log);
}

/* Record 2 of 3. A plain one would be "\x10\0\0\2\1\4v3\0". */
static void H18_records_that_cannot_be_are_damage_of_their_whole_batch(void **state)
{
    (void)state;
    static const damage rows[] = {
        {"length -3", RECORD("\5\0\0\2\1\4v3\0"), .part = "record 2 of 3: its length is negative"},
        {"length 2^31-1", RECORD("\xfe\xff\xff\xff\x0f\0\0\2\1\4v3\0"), .part = "record 2 of 3: it is longer than"},
        {"a length of 11 bytes", RECORD("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
         .part = "2 of 3: its length is no"},
        {"a length of 0", RECORD("\0\0\0\2\1\4v3\0"), .part = "record 2 of 3: it is empty"},
        {"a length that is too small", RECORD("\xe\0\0\2\1\4v3\0"), .part = "record 2 of 3"},
        {"a key of -5", RECORD("\x10\0\0\2\x9\4v3\0"), .part = "record 2 of 3: its key has an impossible length"},
        {"a value of -5", RECORD("\x10\0\0\2\1\x9v3\0"), .part = "record 2 of 3: its value has an impossible length"},
        {"a value of 2^31-1", RECORD("\x18\0\0\2\1\xfe\xff\xff\xff\x0fv3\0"), .part = "record 2 of 3: its value"},
        {"2^31-1 headers", RECORD("\x18\0\0\2\1\4v3\xfe\xff\xff\xff\x0f"), .part = "record 2 of 3: its header count"},
        {"-1 headers", RECORD("\x10\0\0\2\1\4v3\1"), .part = "record 2 of 3: its header count is impossible"},
        {"a header without a key", RECORD("\x14\0\0\2\1\4v3\2\1\1"), .part = "the key of a header"},
        {"offset delta -1", RECORD("\x10\0\0\1\1\4v3\0"), .part = "record 2 of 3: its offset does not increase"},
        {"offset delta 0 again", RECORD("\x10\0\0\0\1\4v3\0"), .part = "record 2 of 3: its offset does not increase"},
        {"offset delta 3", RECORD("\x10\0\0\6\1\4v3\0"), .part = "record 2 of 3: its offset is not in the batch"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) damaged(&rows[i]);
}

static void H19_a_wrong_checksum_is_damage_and_the_good_batch_behind_it_waits_for_a_seek(void **state)
{
    (void)state;
    damaged(&(damage){"CRC", .crc = true, .part = "its CRC is"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOSTILE_TEST(H17_batch_headers_that_cannot_be_are_damage),
        HOSTILE_TEST(H17_H25_a_batch_that_ends_before_it_begins_is_damage),
        HOSTILE_TEST(H18_records_that_cannot_be_are_damage_of_their_whole_batch),
        HOSTILE_TEST(H19_a_wrong_checksum_is_damage_and_the_good_batch_behind_it_waits_for_a_seek),
    };
    return hostile_main(tests);
}
