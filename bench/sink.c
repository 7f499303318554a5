/* One poll loop; a connection reads frames into a buffer of its own and writes each answer with one call. */
#include "sink.h"
#include "wire/frame.h"
#include "wire/gen/api_versions.h"
#include "wire/gen/fetch.h"
#include "wire/gen/list_offsets.h"
#include "wire/gen/metadata.h"
#include "wire/gen/produce.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNECTIONS = 32, FRAME_MAX = 64 * 1024 * 1024 };

typedef struct connection {
    int fd;
    uint8_t *in;
    size_t cap, len;
} connection;

static int own_port, answer_delay_us;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void *array(kfk_arena *a, int32_t count, size_t size)
{
    void *p = kfk_arena_array(a, (size_t)count, size);
    if (!p) die("sink: memory");
    return p;
}

static void answer_versions(kfk_arena *a, kfk_api_versions_response *r)
{
    r->api_keys.items = array(a, KFK_API_COUNT, sizeof *r->api_keys.items);
    r->api_keys.count = KFK_API_COUNT;
    for (size_t i = 0; i < KFK_API_COUNT; i++) {
        const kfk_api *api = kfk_api_row(i);
        r->api_keys.items[i].api_key = api->key;
        r->api_keys.items[i].min_version = api->min_version;
        r->api_keys.items[i].max_version = api->max_version;
    }
}

static void answer_metadata(kfk_arena *a, const kfk_metadata_request *q, kfk_metadata_response *r)
{
    int32_t count = q->topics.count < 0 ? 0 : q->topics.count;
    r->brokers.items = array(a, 1, sizeof *r->brokers.items);
    r->brokers.count = 1;
    r->brokers.items[0] =
        (kfk_metadata_response_broker){.node_id = 1, .host = kafka_str("127.0.0.1"), .port = own_port};
    r->controller_id = 1;
    r->topics.items = array(a, count, sizeof *r->topics.items);
    r->topics.count = count;
    for (int32_t i = 0; i < count; i++) {
        kfk_metadata_response_topic *t = &r->topics.items[i];
        t->name = q->topics.items[i].name;
        t->partitions.items = array(a, 1, sizeof *t->partitions.items);
        t->partitions.count = 1;
        t->partitions.items[0].leader_id = 1;
        t->partitions.items[0].leader_epoch = 1;
    }
}

static void answer_offsets(kfk_arena *a, const kfk_list_offsets_request *q, kfk_list_offsets_response *r)
{
    r->topics.items = array(a, q->topics.count, sizeof *r->topics.items);
    r->topics.count = q->topics.count;
    for (int32_t i = 0; i < q->topics.count; i++) {
        int32_t count = q->topics.items[i].partitions.count;
        r->topics.items[i].name = q->topics.items[i].name;
        r->topics.items[i].partitions.items = array(a, count, sizeof *r->topics.items[i].partitions.items);
        r->topics.items[i].partitions.count = count;
        for (int32_t j = 0; j < count; j++)
            r->topics.items[i].partitions.items[j].partition_index =
                q->topics.items[i].partitions.items[j].partition_index;
    }
}

static void answer_produce(kfk_arena *a, const kfk_produce_request *q, kfk_produce_response *r)
{
    r->responses.items = array(a, q->topic_data.count, sizeof *r->responses.items);
    r->responses.count = q->topic_data.count;
    for (int32_t i = 0; i < q->topic_data.count; i++) {
        const kfk_produce_request_topic *t = &q->topic_data.items[i];
        r->responses.items[i].name = t->name;
        r->responses.items[i].topic_id = t->topic_id;
        r->responses.items[i].partition_responses.items =
            array(a, t->partition_data.count, sizeof *r->responses.items[i].partition_responses.items);
        r->responses.items[i].partition_responses.count = t->partition_data.count;
        for (int32_t j = 0; j < t->partition_data.count; j++) {
            kfk_produce_response_partition *p = &r->responses.items[i].partition_responses.items[j];
            p->index = t->partition_data.items[j].index;
            p->log_append_time_ms = -1;
            p->current_leader.leader_id = p->current_leader.leader_epoch = -1;
        }
    }
}

static void send_all(int fd, kfk_gather *g)
{
    if (answer_delay_us > 0) usleep((useconds_t)answer_delay_us);
    uint8_t *flat = malloc(kfk_gather_len(g));
    if (!flat) die("sink: memory");
    kfk_gather_copy(g, flat);
    if (send(fd, flat, kfk_gather_len(g), MSG_NOSIGNAL) < 0) perror("sink: send");
    free(flat);
}

/* Answers one request, if it wants an answer. */
static void serve(connection *c, const uint8_t *frame, size_t len)
{
    kfk_arena arena;
    kfk_gather out;
    kfk_error err = {0};
    const kfk_api *api;
    int16_t version;
    int32_t id;
    kafka_bytes client;
    void *q;
    kfk_arena_init(&arena, SIZE_MAX);
    kfk_gather_init(&out, SIZE_MAX);
    if (kfk_frame_decode_request(frame, len, &arena, &api, &version, &id, &client, &q, &err) != 0) {
        fprintf(stderr, "sink: %s\n", err.text);
        exit(1);
    }
    void *r = array(&arena, 1, api->response->size);
    kfk_codec_default(api->response, r);
    bool silent = false;
    if (api->key == KFK_API_API_VERSIONS)
        answer_versions(&arena, r);
    else if (api->key == KFK_API_METADATA)
        answer_metadata(&arena, q, r);
    else if (api->key == KFK_API_LIST_OFFSETS)
        answer_offsets(&arena, q, r);
    else if (api->key == KFK_API_PRODUCE) {
        answer_produce(&arena, q, r);
        silent = ((kfk_produce_request *)q)->acks == 0;
    }
    if (!silent) {
        if (kfk_frame_encode_response(api, version, id, r, &out, &err) != 0) {
            fprintf(stderr, "sink: %s\n", err.text);
            exit(1);
        }
        send_all(c->fd, &out);
    }
    kfk_gather_fini(&out);
    kfk_arena_fini(&arena);
}

/* False when the connection has ended. */
static bool receive(connection *c)
{
    if (c->cap - c->len < 65536) {
        c->cap = c->cap ? c->cap * 2 : 1 << 20;
        if (c->cap > FRAME_MAX || !(c->in = realloc(c->in, c->cap))) die("sink: memory");
    }
    ssize_t n = recv(c->fd, c->in + c->len, c->cap - c->len, 0);
    if (n <= 0) return false;
    c->len += (size_t)n;
    size_t at = 0;
    while (c->len - at >= 4) {
        size_t len = (size_t)c->in[at] << 24 | (size_t)c->in[at + 1] << 16 | (size_t)c->in[at + 2] << 8 | c->in[at + 3];
        if (c->len - at - 4 < len) break;
        serve(c, c->in + at + 4, len);
        at += 4 + len;
    }
    memmove(c->in, c->in + at, c->len - at);
    c->len -= at;
    return true;
}

static void run(int listener)
{
    connection conns[CONNECTIONS] = {0};
    struct pollfd fds[CONNECTIONS + 1];
    for (int i = 0; i < CONNECTIONS; i++) conns[i].fd = -1;
    for (;;) {
        fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (int i = 0; i < CONNECTIONS; i++) fds[i + 1] = (struct pollfd){.fd = conns[i].fd, .events = POLLIN};
        if (poll(fds, CONNECTIONS + 1, -1) < 0) die("sink: poll");
        for (int i = 0; i < CONNECTIONS; i++) {
            if (!fds[i + 1].revents || receive(&conns[i])) continue;
            close(conns[i].fd);
            conns[i].fd = -1;
            conns[i].len = 0;
        }
        if (!fds[0].revents) continue;
        int fd = accept(listener, NULL, NULL), one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        for (int i = 0; fd >= 0 && i < CONNECTIONS; i++) {
            if (conns[i].fd >= 0) continue;
            conns[i].fd = fd;
            fd = -1;
        }
        if (fd >= 0) close(fd);
    }
}

pid_t sink_start(int *port, int delay_us)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) != 0 || listen(listener, 64) != 0)
        die("sink: listen");
    getsockname(listener, (struct sockaddr *)&addr, &len);
    answer_delay_us = delay_us;
    *port = own_port = ntohs(addr.sin_port);
    pid_t pid = fork();
    if (pid < 0) die("sink: fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run(listener);
    }
    close(listener);
    return pid;
}

void sink_stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
