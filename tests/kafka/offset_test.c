/* offset_test.c: offsets, by name and by time, are those that kcat is told. */
#include "kafka/peers.h"

#include <inttypes.h>
#include <string.h>

/* The offset that kcat gets for a time; -1 and -2 are the end and the beginning there, as well. */
static int64_t kcat_offset(const char *topic, int64_t time)
{
    char query[400], want[400];
    snprintf(query, sizeof query, "%s:0:%" PRId64, topic, time);
    snprintf(want, sizeof want, "%s [0] offset %%lld", topic);
    text out = peers_run("kcat", "-Q", "-b", peers_brokers(), "-t", query);
    long long offset;
    assert_int_equal(sscanf(out.data, want, &offset), 1);
    text_free(&out);
    return offset;
}

static void the_ends_and_the_offsets_for_times_are_those_that_kcat_gets(void **state)
{
    (void)state;
    enum { BASE = 1000, BATCHES = 10, EACH = 20 };
    const char *topic = peers_topic("times", 1, NULL);
    kafka_conn *conn = peers_dial(topic, 0);
    for (int i = 0; i < BATCHES; i++) { /* times that jump back within a batch, and from each to the next */
        kafka_message list[EACH];
        for (int k = 0; k < EACH; k++)
            list[k] = (kafka_message){.value = KAFKA_LIT("v"), .time_ms = BASE + 100 * i + (k * 7 % EACH) * 10};
        assert_ok(kafka_conn_write_messages(conn, list, EACH, codecs[i % CODECS].code, NULL));
    }
    int64_t first, last, found;
    assert_ok(kafka_conn_read_offsets(conn, &first, &last));
    assert_int_equal(first, kcat_offset(topic, -2));
    assert_int_equal(last, kcat_offset(topic, -1));
    assert_int_equal(last, BATCHES * EACH);
    assert_ok(kafka_conn_read_first_offset(conn, &found));
    assert_int_equal(found, first);
    assert_ok(kafka_conn_read_last_offset(conn, &found));
    assert_int_equal(found, last);
    for (int64_t time = BASE - 50; time < BASE + 1200; time += 55) {
        assert_ok(kafka_conn_read_offset(conn, time, &found));
        assert_int_equal(found, kcat_offset(topic, time));
    }
    assert_int_equal(found, -1); /* later than all there is */
    assert_int_equal(kafka_conn_offset(conn, NULL), 0);
    kafka_conn_free(conn);
}

static void a_position_outside_of_the_partition_is_refused_and_seeking_to_the_start_helps(void **state)
{
    (void)state;
    const char *topic = peers_topic("outside", 1, NULL);
    kafka_conn *conn = peers_dial(topic, 0);
    kafka_message *m = NULL;
    int64_t offset;
    assert_ok(kafka_conn_write(conn, "only", 4));
    assert_int_equal(kafka_conn_seek(conn, 2, KAFKA_SEEK_ABSOLUTE, NULL), KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    assert_ok(kafka_conn_seek(conn, 5, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, &offset));
    assert_int_equal(offset, 5);
    assert_int_equal(kafka_conn_read_message(conn, 0, &m), KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    assert_text_has(kafka_last_error(), topic);
    assert_ok(kafka_conn_seek(conn, 0, KAFKA_SEEK_START, &offset));
    assert_int_equal(offset, 0);
    assert_ok(kafka_conn_read_message(conn, 0, &m));
    assert_int_equal(m->offset, 0);
    kafka_message_free(m);
    kafka_conn_free(conn);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ends_and_the_offsets_for_times_are_those_that_kcat_gets),
        cmocka_unit_test(a_position_outside_of_the_partition_is_refused_and_seeking_to_the_start_helps),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
