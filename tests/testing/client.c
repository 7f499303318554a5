/* See the header. */
#include "testing/client.h"
#include "base/time.h"
#include "testing/call.h"
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void works_at(int code, const char *what, const char *file, int line)
{
    if (code != 0) fail_msg("%s:%d: %s is %d: %s", file, line, what, code, kafka_last_error());
}

void fails_at(int got, int code, const char *part, const char *what, const char *file, int line)
{
    if (got != code) fail_msg("%s:%d: %s is %d, not %d: %s", file, line, what, got, code, kafka_last_error());
    if (!strstr(kafka_last_error(), part))
        fail_msg("%s:%d: \"%s\" is not in: %s", file, line, part, kafka_last_error());
}

kafka_cluster *cluster_with(int32_t brokers, int32_t partitions)
{
    kafka_cluster *c = NULL;
    works(kafka_cluster_new(&(kafka_cluster_config){.brokers = brokers}, &c));
    works(kafka_cluster_create_topic(c, "t", partitions));
    return c;
}

kafka_conn *dial(kafka_cluster *c)
{
    kafka_conn *conn = NULL;
    works(kafka_dial(NULL, KAFKA_WITHIN(PATIENCE_MS), kafka_cluster_bootstrap(c), &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    return conn;
}

kafka_conn *dial_leader(kafka_cluster *c, const char *topic, int32_t partition)
{
    kafka_conn *conn = NULL;
    works(kafka_dial_leader(NULL, KAFKA_WITHIN(PATIENCE_MS), kafka_cluster_bootstrap(c), topic, partition, &conn));
    kafka_conn_set_deadline(conn, kafka_deadline_in(PATIENCE_MS));
    return conn;
}

int write_value(kafka_conn *conn, const char *value)
{
    return kafka_conn_write(conn, value, strlen(value));
}

int64_t end_of(kafka_cluster *c, const char *topic, int32_t partition)
{
    int64_t end = -1;
    works(kafka_cluster_log_size(c, topic, partition, NULL, &end));
    return end;
}

typedef struct looking {
    void (*look)(kafka_cluster *, void *);
    void *arg;
} looking;

static int look_run(kft_call *x, kfk_error *err)
{
    const looking *l = x->in;
    (void)err;
    l->look(x->cluster, l->arg);
    return 0;
}

void inside(kafka_cluster *c, void (*look)(kafka_cluster *, void *), void *arg)
{
    kfk_error err;
    looking l = {look, arg};
    assert_int_equal(kft_call_run(&(kft_call){.cluster = c, .run = look_run, .in = &l}, &err), 0);
}

static void count_sessions(kafka_cluster *c, void *arg)
{
    *(int *)arg = c->session_count;
}

void expect_sessions(kafka_cluster *c, int count)
{
    int64_t until = kafka_deadline_in(PATIENCE_MS);
    int now;
    for (inside(c, count_sessions, &now); now != count; inside(c, count_sessions, &now)) {
        if (kafka_now_ms() > until) fail_msg("there are %d connections, not %d", now, count);
        sched_yield();
    }
}

void expect_requests(kafka_cluster *c, int32_t api, int64_t count)
{
    int64_t until = kafka_deadline_in(PATIENCE_MS);
    while (kafka_cluster_requests(c, api) < count) {
        if (kafka_now_ms() > until) fail_msg("request %d of API %d does not come", (int)count, (int)api);
        sched_yield();
    }
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

int wire_dial(kafka_cluster *c, int32_t broker)
{
    const char *at = kafka_cluster_bootstrap(c);
    for (int32_t i = 1; i < broker; i++) at = strchr(at, ',') + 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(strchr(at, ':') + 1))};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) fail_msg("connect: %s", strerror(errno));
    return fd;
}

void wire_send_bytes(int fd, const void *data, size_t len)
{
    for (size_t put = 0; put < len;) {
        ssize_t n = send(fd, (const char *)data + put, len - put, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue; /* with a timeout, a process that was stopped is told so */
        if (n <= 0) fail_msg("send: %s", strerror(errno));
        put += (size_t)n;
    }
}

uint8_t *wire_encode(int16_t api, int16_t version, int32_t correlation_id, const void *request, size_t *len)
{
    kfk_gather g;
    kfk_error err;
    struct iovec iov[64];
    kfk_gather_init(&g, SIZE_MAX);
    if (kfk_frame_encode_request(kfk_api_find(api), version, correlation_id, KAFKA_LIT("wire"), request, &g, &err) != 0)
        fail_msg("encoding: %s", err.text);
    uint8_t *bytes = malloc(kfk_gather_len(&g));
    size_t count = kfk_gather_iov(&g, iov, 64);
    *len = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(bytes + *len, iov[i].iov_base, iov[i].iov_len);
        *len += iov[i].iov_len;
    }
    assert_int_equal(*len, kfk_gather_len(&g));
    kfk_gather_fini(&g);
    return bytes;
}

void wire_send(int fd, int16_t api, int16_t version, int32_t correlation_id, const void *request)
{
    size_t len;
    uint8_t *bytes = wire_encode(api, version, correlation_id, request, &len);
    wire_send_bytes(fd, bytes, len);
    free(bytes);
}

/* False: the end came first. */
static bool receive_all(int fd, uint8_t *out, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, out + got, len - got, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) fail_msg("no answer comes");
        if (n <= 0) return false;
        got += (size_t)n;
    }
    return true;
}

bool wire_take(int fd, int16_t api, int16_t version, wire_answer *out)
{
    const kfk_api *a = kfk_api_find(api);
    uint8_t length[KFK_FRAME_LENGTH];
    kfk_error err;
    *out = (wire_answer){.frame = NULL};
    kfk_arena_init(&out->arena, SIZE_MAX);
    if (!receive_all(fd, length, sizeof length)) return false;
    size_t len = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
    assert_true(len < 200 << 20);
    out->frame = malloc(len);
    out->msg = kfk_arena_alloc(&out->arena, a->response->size);
    bool whole = receive_all(fd, out->frame, len);
    if (whole &&
        kfk_frame_decode_response(a, version, &out->arena, out->frame, len, &out->correlation_id, out->msg, &err) != 0)
        fail_msg("an answer cannot be decoded: %s", err.text);
    if (!whole) wire_answer_free(out);
    return whole;
}

void wire_answer_free(wire_answer *a)
{
    kfk_arena_fini(&a->arena);
    free(a->frame);
    a->frame = NULL;
}

void wire_expect_end(int fd)
{
    uint8_t byte;
    ssize_t n;
    do {
        n = recv(fd, &byte, 1, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0 || (n < 0 && errno != ECONNRESET)) fail_msg("the connection is not closed: %s", strerror(errno));
    close(fd);
}

bool wire_is_quiet(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 0;
}

kfk_produce_request *produce_of(produce_one *p, int16_t acks, int32_t timeout_ms, const batch_bytes *batch)
{
    kfk_codec_default(&kfk_produce_request_schema, &p->request);
    p->partition = (kfk_produce_request_partition){.records = {.bytes = {batch->data, batch->len}}};
    p->topic = (kfk_produce_request_topic){.name = KAFKA_LIT("t"), .partition_data = {&p->partition, 1}};
    p->request.acks = acks;
    p->request.timeout_ms = timeout_ms;
    p->request.topic_data = (kfk_produce_request_topic_array){&p->topic, 1};
    return &p->request;
}

kfk_fetch_request *fetch_of(fetch_one *f, int64_t offset, int32_t max_wait_ms)
{
    kfk_codec_default(&kfk_fetch_request_schema, &f->request);
    f->partition = (kfk_fetch_request_partition){.current_leader_epoch = -1,
                                                 .fetch_offset = offset,
                                                 .last_fetched_epoch = -1,
                                                 .log_start_offset = -1,
                                                 .partition_max_bytes = 1 << 20,
                                                 .high_watermark = INT64_MAX};
    f->topic = (kfk_fetch_request_topic){.topic = KAFKA_LIT("t"), .partitions = {&f->partition, 1}};
    f->request.max_wait_ms = max_wait_ms;
    f->request.min_bytes = 1;
    f->request.topics = (kfk_fetch_request_topic_array){&f->topic, 1};
    return &f->request;
}

const kfk_produce_response_partition *produced(const wire_answer *a)
{
    const kfk_produce_response *r = a->msg;
    return &r->responses.items[0].partition_responses.items[0];
}

const kfk_fetch_response_partition *fetched(const wire_answer *a)
{
    const kfk_fetch_response *r = a->msg;
    if (r->responses.count == 0) fail_msg("an answer without partitions, code %d", r->error_code);
    return &r->responses.items[0].partitions.items[0];
}
