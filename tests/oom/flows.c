/* The flows: each returns the first code that is not 0, with everything freed that it made. */
#include "oom/flows.h"

#include "support/libc_alloc.h"
#include <netinet/in.h>
#include <unistd.h>

/* ---- the peer ---------------------------------------------------------------------------------------------------- */

flow_world world;

static void fill_topic(int codec)
{
    char topic[8];
    batch_bytes log = {0};
    snprintf(topic, sizeof topic, "z%d", codec);
    tcp_peer_add_topic(world.peer, topic, 1, 1);
    BATCH(&log, .base = 0, .count = 5, .codec = codec, .headers = 2);
    tcp_peer_fill_topic(world.peer, topic, &log, 5);
    batch_free(&log);
}

void flow_setup(void)
{
    tcp_peer_thread_began = libc_alloc_exempt;
    world.peer = TCP_PEER({0});
    world.codec = 0;
    tcp_peer_add_topic(world.peer, "empty", 1, 1);
    for (int codec = 0; codec < FLOW_CODECS; codec++) {
        if (flow_has_codec(codec)) fill_topic(codec);
    }
    snprintf(world.address, sizeof world.address, "%s", tcp_peer_address(world.peer));
    snprintf(world.named, sizeof world.named, "localhost:%d", tcp_peer_port(world.peer));
}

void flow_teardown(void)
{
    tcp_peer_free(world.peer);
    tcp_peer_thread_began = NULL;
}

bool flow_has_codec(int codec)
{
    return codec == 0 || kfk_compress_find(codec) != NULL;
}

/* ---- the flows --------------------------------------------------------------------------------------------------- */

static int dial_leader(kafka_conn **out)
{
    int err = kafka_dial_leader(NULL, KAFKA_WITHIN(10000), world.address, "t", 0, out);
    if (err == 0) kafka_conn_set_deadline(*out, kafka_deadline_in(10000));
    return err;
}

static int dial(void)
{
    kafka_conn *c = NULL;
    int err = kafka_dial(NULL, KAFKA_WITHIN(10000), world.address, &c);
    kafka_conn_free(c);
    return err;
}

static int dial_by_name(void)
{
    kafka_conn *c = NULL;
    int err = kafka_dial(NULL, KAFKA_WITHIN(10000), world.named, &c);
    kafka_conn_free(c);
    return err;
}

static int dial_the_leader(void)
{
    kafka_conn *c = NULL;
    int err = dial_leader(&c);
    kafka_conn_free(c);
    return err;
}

static int look_up(void)
{
    kafka_broker *leader = NULL;
    kafka_partitions *partitions = NULL;
    int err = kafka_lookup_leader(NULL, KAFKA_WITHIN(10000), world.address, "t", 0, &leader);
    if (err == 0) err = kafka_lookup_partitions(NULL, KAFKA_WITHIN(10000), world.address, "t", &partitions);
    kafka_broker_free(leader);
    kafka_partitions_free(partitions);
    return err;
}

static int describe(void)
{
    kafka_conn *c = NULL;
    kafka_broker *controller = NULL;
    kafka_brokers *brokers = NULL;
    kafka_partitions *partitions = NULL;
    int err = dial_leader(&c);
    if (err == 0) err = kafka_conn_controller(c, &controller);
    if (err == 0) err = kafka_conn_brokers(c, &brokers);
    if (err == 0) err = kafka_conn_read_partitions(c, NULL, 0, &partitions);
    kafka_broker_free(controller);
    kafka_brokers_free(brokers);
    kafka_partitions_free(partitions);
    kafka_conn_free(c);
    return err;
}

static int create_and_delete_topics(void)
{
    kafka_conn *c = NULL;
    const char *name = "new";
    const kafka_config_entry entry = {"retention.ms", "60000"};
    const kafka_topic_config topic = {.topic = name, .entries = &entry, .entry_count = 1, .num_partitions = 2};
    int err = dial_leader(&c);
    if (err == 0) err = kafka_conn_create_topics(c, &topic, 1, NULL);
    if (err == 0) err = kafka_conn_delete_topics(c, &name, 1, NULL);
    if (err == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION) err = 0; /* of a run whose answer got lost */
    kafka_conn_free(c);
    return err;
}

static int seek_and_ask(void)
{
    kafka_conn *c = NULL;
    int64_t x, y;
    int err = dial_leader(&c);
    if (err == 0) err = kafka_conn_read_offsets(c, &x, &y);
    if (err == 0) err = kafka_conn_seek(c, 0, KAFKA_SEEK_END, &x);
    if (err == 0) err = kafka_conn_read_offset(c, 1, &x);
    kafka_conn_free(c);
    return err;
}

static int write_some(void)
{
    static char text[20000];
    kafka_conn *c = NULL;
    const kafka_header header = {"h", KAFKA_LIT("v")};
    const kafka_message out[2] = {{.key = KAFKA_LIT("k"), .value = {text, sizeof text}},
                                  {.value = KAFKA_LIT("value"), .headers = &header, .header_count = 1}};
    memset(text, 'a', sizeof text);
    kfk_compress_trim();
    int err = kafka_dial_leader(NULL, KAFKA_WITHIN(10000), world.address, "t", 1, &c);
    if (err == 0) kafka_conn_set_deadline(c, kafka_deadline_in(10000));
    if (err == 0) err = kafka_conn_write_messages(c, out, 2, world.codec, NULL);
    kafka_conn_free(c);
    kfk_compress_trim();
    return err;
}

static kafka_writer_config writer_config(void)
{
    return (kafka_writer_config){
        .brokers = world.address, .topic = "t", .compression = world.codec, .delivery_timeout_ms = 10000};
}

/* A writer from its making to its end; one message is larger than a slot, one has headers. */
static int write_by_a_writer(void)
{
    static char text[20000];
    kafka_writer *w = NULL;
    const kafka_header header = {"h", KAFKA_LIT("v")};
    const kafka_message out[3] = {{.key = KAFKA_LIT("k"), .value = {text, sizeof text}},
                                  {.value = KAFKA_LIT("value"), .headers = &header, .header_count = 1},
                                  {.value = KAFKA_LIT("value"), .compression = KAFKA_COMPRESSION_NONE}};
    const kafka_writer_config cfg = writer_config();
    int results[3] = {0};
    memset(text, 'a', sizeof text);
    kfk_compress_trim();
    int err = kafka_writer_new(&cfg, &w);
    if (err == 0) err = kafka_writer_write_messages(w, KAFKA_WITHIN(10000), out, 3, results);
    for (int i = 0; i < 3 && err == KAFKA_EPARTIAL; i++) {
        if (results[i] != 0) err = results[i];
    }
    if (err == 0) err = kafka_writer_flush(w, KAFKA_WITHIN(10000));
    if (err == 0) err = kafka_writer_close(w, KAFKA_WITHIN(10000));
    kafka_writer_free(w);
    kfk_compress_trim();
    return err;
}

static void note_first_failure(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    int *first = userdata;
    (void)msgs;
    (void)count;
    if (*first == 0) *first = err;
}

/* Its calls do not wait, outcomes come by callback, and it is freed without a close. */
static int write_without_waiting(void)
{
    kafka_writer *w = NULL;
    const kafka_message out = {.value = KAFKA_LIT("value")};
    kafka_writer_config cfg = writer_config();
    int told = 0, err;
    cfg.async = 1;
    cfg.batch_bytes = 200;
    cfg.on_delivery = note_first_failure;
    cfg.on_delivery_userdata = &told;
    kfk_compress_trim();
    err = kafka_writer_new(&cfg, &w);
    for (int i = 0; i < 10 && err == 0; i++) err = kafka_writer_write_messages(w, KAFKA_WITHIN(10000), &out, 1, NULL);
    if (err == 0) err = kafka_writer_flush(w, KAFKA_WITHIN(10000));
    kafka_writer_free(w);
    kfk_compress_trim();
    return err != 0 ? err : told;
}

static int read_batch(kafka_conn *c)
{
    kafka_batch *b = NULL;
    kafka_message m;
    int err = kafka_conn_read_batch(c, NULL, &b);
    for (int i = 0; i < 3 && err == 0; i++) err = kafka_batch_read_message(b, &m);
    int closed = kafka_batch_close(b);
    return err != 0 ? err : closed;
}

/* The topic "z<codec>" holds a batch of that codec. */
static int read_some(void)
{
    kafka_conn *c = NULL;
    kafka_message *m = NULL;
    char topic[8], buf[8];
    size_t len;
    snprintf(topic, sizeof topic, "z%d", (int)world.codec);
    kfk_compress_trim();
    int err = kafka_dial_leader(NULL, KAFKA_WITHIN(10000), world.address, topic, 0, &c);
    if (err == 0) kafka_conn_set_deadline(c, kafka_deadline_in(10000));
    if (err == 0) err = kafka_conn_read(c, buf, sizeof buf, &len);
    if (err == 0) err = kafka_conn_read_message(c, 0, &m);
    kafka_message_free(m);
    if (err == 0) err = kafka_conn_seek(c, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL);
    if (err == 0) err = read_batch(c);
    kafka_conn_free(c);
    kfk_compress_trim();
    return err;
}

/* A thread waits in a read with a token when another one closes. */
typedef struct waiting {
    kafka_conn *conn;
    int err;
} waiting;

static void *wait_for_message(void *arg)
{
    waiting *w = arg;
    kafka_message *m = NULL;
    w->err = kafka_conn_read_message(w->conn, 0, &m);
    kafka_message_free(m);
    return NULL;
}

static int close_under_a_call(void)
{
    waiting w = {.conn = NULL};
    kafka_cancel *token = NULL;
    pthread_t t;
    int fetches = tcp_peer_requests(world.peer, KFK_API_FETCH);
    int err = kafka_cancel_new(&token);
    if (err == 0) err = kafka_dial_leader(NULL, KAFKA_WITHIN(10000), world.address, "empty", 0, &w.conn);
    if (err == 0) kafka_conn_set_cancel(w.conn, token);
    if (err == 0) {
        libc_alloc_leave();
        if (pthread_create(&t, NULL, wait_for_message, &w) != 0) abort();
        /* it gets as far as a fetch, or fails before */
        for (int64_t until = kafka_now_ms() + 200; kafka_now_ms() < until;) {
            if (tcp_peer_requests(world.peer, KFK_API_FETCH) > fetches || libc_alloc_failures() > 0) break;
            sched_yield();
        }
        libc_alloc_enter();
        err = kafka_conn_close(w.conn);
        pthread_join(t, NULL);
        if (err == 0 && w.err != KAFKA_ECLOSED) err = w.err;
    }
    kafka_conn_free(w.conn);
    kafka_cancel_free(token);
    return err;
}

/* A socket of the application's own becomes a connection. */
static int adopt(void)
{
    kafka_conn *c = NULL;
    int64_t x, y;
    const kafka_conn_config cfg = {.topic = "t"};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)tcp_peer_port(world.peer));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) abort();
    int err = kafka_conn_from_fd(fd, &cfg, &c);
    if (err != 0) close(fd); /* still ours */
    if (err == 0) err = kafka_conn_read_offsets(c, &x, &y);
    kafka_conn_free(c);
    return err;
}

static int add_address(void *userdata, const char *host, kafka_addrs *out)
{
    (void)userdata;
    (void)host;
    return kafka_addrs_add(out, "127.0.0.1");
}

static int dial_by_a_resolver(void)
{
    kafka_conn *c = NULL;
    char address[32];
    const kafka_resolver resolver = {.lookup = add_address};
    snprintf(address, sizeof address, "somewhere:%d", tcp_peer_port(world.peer));
    int err = kafka_dial(&(kafka_dialer){.resolver = &resolver}, KAFKA_WITHIN(10000), address, &c);
    kafka_conn_free(c);
    return err;
}

/* The calls of this thread turn it. */
static int manual_loop(void)
{
    kafka_loop *l = NULL;
    kafka_conn *c = NULL;
    int64_t x, y;
    int err = kafka_loop_new(&(kafka_loop_config){.manual = 1}, &l);
    if (err == 0) err = kafka_dial(&(kafka_dialer){.loop = l}, KAFKA_WITHIN(10000), world.address, &c);
    if (err == 0) err = kafka_loop_run(l);
    kafka_conn_free(c);
    c = NULL;
    if (err == 0) err = kafka_dial_leader(&(kafka_dialer){.loop = l}, KAFKA_WITHIN(10000), world.address, "t", 0, &c);
    if (err == 0) err = kafka_conn_read_offsets(c, &x, &y);
    kafka_conn_free(c);
    kafka_loop_free(l);
    return err;
}

static int own_loop(void)
{
    kafka_loop *l = NULL;
    kafka_conn *c = NULL;
    int err = kafka_loop_new(NULL, &l);
    if (err == 0) err = kafka_dial(&(kafka_dialer){.loop = l}, KAFKA_WITHIN(10000), world.address, &c);
    kafka_conn_free(c);
    kafka_loop_free(l);
    return err;
}

const flow flows[] = {
    {.name = "dial", .run = dial},
    {.name = "dial by name", .run = dial_by_name, .resolves = true},
    {.name = "dial the leader", .run = dial_the_leader},
    {.name = "a loop of its own", .run = own_loop},
    {.name = "a manual loop", .run = manual_loop},
    {.name = "dial by a resolver", .run = dial_by_a_resolver},
    {.name = "adopt a socket", .run = adopt},
    {.name = "look up", .run = look_up},
    {.name = "describe the cluster", .run = describe},
    {.name = "create and delete topics", .run = create_and_delete_topics},
    {.name = "offsets", .run = seek_and_ask},
    {.name = "write", .run = write_some, .codecs = true},
    {.name = "write by a writer", .run = write_by_a_writer, .codecs = true},
    {.name = "write without waiting", .run = write_without_waiting, .codecs = true},
    {.name = "read", .run = read_some, .codecs = true},
    {.name = "close under a call", .run = close_under_a_call},
};
const int flow_count = sizeof flows / sizeof flows[0];
