/* Every call has a deadline, and what is checked of each is that it kept it and told how it ended. In virtual time a
 * deadline is kept to the millisecond. */
#include "conversation_client.h"
#include "conversation.h"
#include "fuzz.h"
#include "kafka/kafka.h"
#include "wire/compress.h"
#include <string.h>

enum { DIAL_MS = 3000, CALL_MS = 2000, MOST_READ = 1000 };

typedef struct call {
    sim *s;
    kafka_conn *c;
    const client *client;
    int64_t begun_ms, most_ms;
} call;

static void begin(call *x, int64_t most_ms)
{
    x->begun_ms = sim_now_ms(x->s);
    x->most_ms = most_ms;
    if (x->c != NULL) kafka_conn_set_deadline(x->c, kafka_deadline_in(most_ms));
}

static void check_text(const char *text)
{
    FUZZ_REQUIRE(strlen(text) > 10, "\"%s\"", text);
    for (const char *p = text; *p != '\0'; p++)
        FUZZ_REQUIRE((uint8_t)*p >= 0x20 && *p != 0x7f, "byte %d in the sentence", (uint8_t)*p);
}

/* What a call returned; true = 0. */
static bool ended(const call *x, int code)
{
    int64_t took_ms = sim_now_ms(x->s) - x->begun_ms;
    FUZZ_REQUIRE(took_ms <= x->most_ms, "%lld ms instead of %lld", (long long)took_ms, (long long)x->most_ms);
    if (code == 0) return true;
    /* a code that the broker made up is passed on as it is */
    FUZZ_REQUIRE(kafka_strerror(code) != NULL && strlen(kafka_strerror(code)) > 0, "%d", code);
    FUZZ_REQUIRE(code != KAFKA_ENOMEM || fuzz_memory_failed(), "%s", kafka_last_error());
    check_text(kafka_last_error());
    bool too_old = code == KAFKA_EVERSION && (x->client->options & CONVERSATION_OLD); /* for zstd */
    FUZZ_REQUIRE(!x->client->honest || too_old || code == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "%s",
                 kafka_last_error());
    return false;
}

static bool wanted(const call *x, int kind)
{
    return (x->client->left_out >> kind & 1) == 0;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void touch_message(const kafka_message *m)
{
    fuzz_touch(0, m->key.data, m->key.len);
    fuzz_touch(0, m->value.data, m->value.len);
    for (size_t i = 0; i < m->header_count; i++) {
        fuzz_touch(0, m->headers[i].key, strlen(m->headers[i].key));
        fuzz_touch(0, m->headers[i].value.data, m->headers[i].value.len);
    }
}

static void read_batch(call *x)
{
    kafka_batch *b = NULL;
    kafka_message m;
    kafka_fetch fetch = {.max_wait_ms = 100, .read_committed = (x->client->options & CONVERSATION_COMMITTED) ? 1 : 0};
    begin(x, CALL_MS);
    if (!ended(x, kafka_conn_read_batch(x->c, &fetch, &b))) return;
    int64_t before = -1;
    int code, n = 0;
    while (n++ < MOST_READ && (code = kafka_batch_read_message(b, &m)) == 0) {
        FUZZ_REQUIRE(m.offset > before, "offset %lld behind %lld", (long long)m.offset, (long long)before);
        before = m.offset;
        touch_message(&m);
    }
    int64_t next = kafka_batch_offset(b);
    FUZZ_REQUIRE(next > before, "position %lld behind offset %lld", (long long)next, (long long)before);
    ended(x, kafka_batch_close(b));
}

static void read_messages(call *x)
{
    kafka_message *m = NULL;
    char value[8];
    size_t len = 0;
    begin(x, CALL_MS);
    ended(x, kafka_conn_seek(x->c, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    begin(x, CALL_MS);
    if (ended(x, kafka_conn_read_message(x->c, 0, &m))) {
        touch_message(m);
        kafka_message_free(m);
    }
    begin(x, CALL_MS);
    ended(x, kafka_conn_read(x->c, value, sizeof value, &len));
}

static void write_messages(call *x)
{
    kafka_header header = {"h", {"1", 1}};
    kafka_message messages[] = {{.key = {"k", 1}, .value = {"written", 7}},
                                {.value = {NULL, 0}, .headers = &header, .header_count = 1}};
    int codec = (x->client->options & CONVERSATION_CODEC) >> 3;
    if (kfk_compress_find(codec) == NULL) codec = 0;
    if (x->client->options & CONVERSATION_NO_ACKS)
        FUZZ_REQUIRE(kafka_conn_set_required_acks(x->c, KAFKA_ACKS_NONE) == 0, "no acks");
    begin(x, CALL_MS);
    size_t bytes = 0;
    ended(x, kafka_conn_write_messages(x->c, messages, 2, (kafka_compression)codec, &bytes));
}

static void ask_offsets(call *x)
{
    int64_t first = 0, last = 0, at = 0;
    begin(x, CALL_MS);
    ended(x, kafka_conn_read_offsets(x->c, &first, &last));
    begin(x, CALL_MS);
    ended(x, kafka_conn_read_offset(x->c, 1005, &at));
    begin(x, CALL_MS);
    ended(x, kafka_conn_seek(x->c, 2, KAFKA_SEEK_END, &at));
    begin(x, CALL_MS);
    ended(x, kafka_conn_seek(x->c, 0, KAFKA_SEEK_START, NULL));
}

/* ---- the cluster ------------------------------------------------------------------------------------------------- */

static void ask_metadata(call *x)
{
    static const char *const topics[] = {"t", "missing"};
    kafka_partitions *partitions = NULL;
    kafka_brokers *brokers = NULL;
    kafka_broker *controller = NULL;
    begin(x, CALL_MS);
    if (ended(x, kafka_conn_read_partitions(x->c, topics, 1 + wanted(x, 8), &partitions)))
        kafka_partitions_free(partitions);
    begin(x, CALL_MS);
    if (ended(x, kafka_conn_brokers(x->c, &brokers))) kafka_brokers_free(brokers);
    begin(x, CALL_MS);
    if (ended(x, kafka_conn_controller(x->c, &controller))) kafka_broker_free(controller);
}

static void manage_topics(call *x)
{
    kafka_topic_config topic = {.topic = "new", .num_partitions = 1, .replication_factor = 1};
    const char *name = "new";
    int result = 0;
    begin(x, CALL_MS);
    ended(x, kafka_conn_create_topics(x->c, &topic, 1, &result));
    begin(x, CALL_MS);
    ended(x, kafka_conn_delete_topics(x->c, &name, 1, &result));
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static bool dial(call *x)
{
    kafka_dialer d = {.client_id = "fuzz", .timeout_ms = DIAL_MS};
    begin(x, DIAL_MS);
    if (x->client->options & CONVERSATION_NO_LEADER) return ended(x, kafka_dial(&d, NULL, x->client->address, &x->c));
    return ended(x, kafka_dial_leader(&d, NULL, x->client->address, "t", 0, &x->c));
}

void client_run(sim *s, void *arg)
{
    call x = {.s = s, .client = arg};
    if (!dial(&x)) {
        FUZZ_REQUIRE(x.c == NULL, "a connection that failed");
        return;
    }
    bool leader = (x.client->options & CONVERSATION_NO_LEADER) == 0;
    if (leader && wanted(&x, 0)) ask_offsets(&x);
    if (leader && wanted(&x, 1)) read_batch(&x);
    if (leader && wanted(&x, 2)) write_messages(&x);
    if (leader && wanted(&x, 3)) read_messages(&x);
    if (wanted(&x, 4)) ask_metadata(&x);
    if (wanted(&x, 5)) manage_topics(&x);
    kafka_conn_free(x.c);
}
