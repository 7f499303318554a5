/* The peer's sockets, rules and frames.
 *
 * One thread accepts, and each connection has one that reads a request, handles it, and reads the next, as a broker
 * does. One lock covers everything; it is let go of only while reading, sending and waiting. */
#include "support/memcheck.h"

#include "base/time.h"
#include "support/peer_tcp_impl.h"
#include "wire/gen/produce.h"
#include "wire/prim.h"
#include <arpa/inet.h>
#include <linux/tcp.h> /* not netinet/tcp.h, which has a TCP_CLOSE as well */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* ---- waiting and failing ----------------------------------------------------------------------------------------- */

void tcp_peer_fail(tcp_peer *p, const char *fmt, ...)
{
    va_list ap;
    if (p->failure[0] != '\0') return;
    va_start(ap, fmt);
    vsnprintf(p->failure, sizeof p->failure, fmt, ap);
    va_end(ap);
}

bool tcp_peer_wait_change(tcp_peer *p, int64_t until_ms)
{
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000};
    if (p->stopping || kfk_time_now_ms() >= until_ms) return false;
    pthread_cond_timedwait(&p->changed, &p->lock, &until);
    return !p->stopping;
}

static void wait_ms(tcp_peer *p, int64_t ms)
{
    int64_t until = kfk_time_now_ms() + ms;
    while (tcp_peer_wait_change(p, until)) {}
}

static void wait_for_release(tcp_peer *p)
{
    while (p->releases == 0 && tcp_peer_wait_change(p, INT64_MAX / 2)) {}
    if (p->releases > 0) p->releases--;
}

void *tcp_alloc(tcp_call *call, size_t size)
{
    void **block = calloc(1, sizeof(max_align_t) + size);
    if (block == NULL) abort();
    *block = call->blocks;
    call->blocks = block;
    return (char *)block + sizeof(max_align_t);
}

static void free_blocks(tcp_call *call)
{
    for (void **block; (block = call->blocks) != NULL;) {
        call->blocks = *block;
        free(block);
    }
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static bool read_all(int fd, void *to, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, (char *)to + got, len - got, 0);
        if (n <= 0) return false;
        got += (size_t)n;
    }
    return true;
}

static void send_all(int fd, const void *from, size_t len)
{
    for (size_t put = 0; put < len;) {
        ssize_t n = send(fd, (const char *)from + put, len - put, MSG_NOSIGNAL);
        if (n <= 0) return;
        put += (size_t)n;
    }
}

/* The next request without its length, malloc'd; NULL when the client is gone. */
static uint8_t *read_frame(int fd, size_t *len)
{
    uint8_t head[KFK_FRAME_LENGTH];
    if (!read_all(fd, head, sizeof head)) return NULL;
    *len = kfk_prim_get_be32(head);
    uint8_t *frame = malloc(*len + 1);
    if (frame == NULL || !read_all(fd, frame, *len)) {
        free(frame);
        return NULL;
    }
    return frame;
}

/* ---- rules ------------------------------------------------------------------------------------------------------- */

/* The rule for a request, used up by one; all zero when there is none. */
static tcp_rule take_rule(tcp_peer *p, int16_t api)
{
    for (size_t i = 0; i < p->rule_count; i++) {
        tcp_rule *r = &p->rules[i];
        if (r->times == 0 || (r->api != api && (r->api != TCP_ANY || api == TCP_ACCEPT))) continue;
        if (r->times > 0) r->times--;
        return *r;
    }
    return (tcp_rule){0};
}

void tcp_peer_add_rules(tcp_peer *p, const tcp_rule *rules, size_t count)
{
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < count && p->rule_count < TCP_RULES; i++) {
        p->rules[p->rule_count] = rules[i];
        if (rules[i].times == 0) p->rules[p->rule_count].times = 1;
        p->rule_count++;
    }
    pthread_mutex_unlock(&p->lock);
}

/* What comes before an answer. The lock is held. */
static void delay(tcp_peer *p, const tcp_rule *rule)
{
    if (rule->delay_ms > 0) wait_ms(p, rule->delay_ms);
    if (rule->hold) wait_for_release(p);
}

/* What comes behind it. False: the connection has ended. The lock is held. */
static bool go_on(tcp_connection *c, const tcp_rule *rule)
{
    struct linger none = {.l_onoff = 1};
    switch (rule->then) {
    case TCP_GO_ON: return true;
    case TCP_SILENCE:
        while (tcp_peer_wait_change(c->peer, INT64_MAX / 2)) {}
        return false;
    case TCP_RESET: setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none); return false;
    case TCP_CLOSE: break;
    }
    shutdown(c->fd, SHUT_WR);
    return false;
}

/* ---- one request ------------------------------------------------------------------------------------------------- */

static bool offers(const tcp_peer *p, const kfk_api *api, int16_t version)
{
    return version >= p->versions[api->key].min && version <= p->versions[api->key].max;
}

/* Decodes a request into `call`, *id. False, with a failure noted, if it cannot be. ApiVersions in a version that is
 * not offered is answered in version 0 with code 35. */
static bool understand(tcp_call *call, const uint8_t *frame, size_t len, kfk_arena *arena, int32_t *id)
{
    kfk_error err;
    void *request;
    int code;
    do {
        kfk_arena_fini(arena);
        code = kfk_frame_decode_request(frame, len, arena, &call->api, &call->version, id, &call->client_id, &request,
                                        &err);
    } while (code == KAFKA_ENOMEM);
    call->request = request;
    if (call->api != NULL && (code == KAFKA_EVERSION || (code == 0 && !offers(call->peer, call->api, call->version)))) {
        if (call->api->key != KFK_API_API_VERSIONS)
            tcp_peer_fail(call->peer, "%s v%d was not offered", call->api->name, call->version);
        call->version = 0;
        call->code = KAFKA_ERR_UNSUPPORTED_VERSION;
        return call->api->key == KFK_API_API_VERSIONS;
    }
    if (code != 0) tcp_peer_fail(call->peer, "a request that cannot be decoded: %s", err.text);
    return code == 0;
}

/* A frame with the rule's body, malloc'd with room behind it. */
static uint8_t *wrap_body(tcp_call *call, const tcp_rule *rule, int32_t id, size_t *len)
{
    size_t tags = kfk_api_response_header(call->api, call->version) >= 1 ? 1 : 0, head = KFK_FRAME_LENGTH + 4 + tags;
    uint8_t *bytes = calloc(1, head + rule->body_len + 4096);
    if (bytes == NULL) abort();
    *len = head + rule->body_len;
    kfk_prim_put_be32(bytes, (uint32_t)(*len - KFK_FRAME_LENGTH));
    kfk_prim_put_be32(bytes + KFK_FRAME_LENGTH, (uint32_t)(id + rule->id_off));
    if (rule->body_len > 0) memcpy(bytes + head, rule->body, rule->body_len);
    return bytes;
}

/* The answer's frame, malloc'd with room behind it. */
static uint8_t *encode(tcp_call *call, const tcp_rule *rule, int32_t id, const void *answer, size_t *len)
{
    kfk_gather out;
    kfk_error err;
    int code;
    kfk_gather_init(&out, SIZE_MAX);
    do {
        kfk_gather_clear(&out);
        code = kfk_frame_encode_response(call->api, call->version, id + rule->id_off, answer, &out, &err);
    } while (code == KAFKA_ENOMEM);
    if (code != 0) tcp_peer_fail(call->peer, "answering %s v%d: %s", call->api->name, call->version, err.text);
    *len = kfk_gather_len(&out);
    uint8_t *bytes = calloc(1, *len + 4096);
    if (bytes == NULL) abort();
    kfk_gather_copy(&out, bytes);
    kfk_gather_fini(&out);
    return bytes;
}

/* The answer's bytes as the rule wants them, malloc'd. */
static uint8_t *encode_by_rule(tcp_call *call, const tcp_rule *rule, int32_t id, const void *answer, size_t *len)
{
    uint8_t *bytes = rule->body ? wrap_body(call, rule, id, len) : encode(call, rule, id, answer, len);
    if (*len > 0 && rule->extra != 0) {
        *len = (size_t)((long)*len + rule->extra);
        kfk_prim_put_be32(bytes, (uint32_t)(*len - KFK_FRAME_LENGTH));
    }
    if (rule->cut > 0 && rule->cut < *len) *len = rule->cut;
    return bytes;
}

/* Handles one request; what is to be sent is malloc'd, NULL = nothing. The lock is held. */
static uint8_t *handle(tcp_peer *p, const tcp_rule *rule, const uint8_t *frame, size_t len, size_t *out_len)
{
    tcp_call call = {.peer = p, .code = rule->code, .asked_ms = kfk_time_now_ms()};
    kfk_arena arena;
    int32_t id;
    uint8_t *out = NULL;
    kfk_arena_init(&arena, SIZE_MAX);
    if (understand(&call, frame, len, &arena, &id)) {
        void *answer = tcp_alloc(&call, call.api->response->size);
        bool silent = rule->no_answer ||
                      (call.api->key == KFK_API_PRODUCE && ((const kfk_produce_request *)call.request)->acks == 0);
        tcp_peer_answer(&call, answer);
        if (rule->edit != NULL) rule->edit(&call, answer, rule->arg);
        if (!silent) out = encode_by_rule(&call, rule, id, answer, out_len);
    }
    free_blocks(&call);
    kfk_arena_fini(&arena);
    return out;
}

/* False: the connection has ended. The lock is held. */
static bool serve(tcp_connection *c, const uint8_t *frame, size_t len)
{
    tcp_peer *p = c->peer;
    int16_t api = len >= 2 ? (int16_t)kfk_prim_get_be16(frame) : TCP_ANY;
    p->all_requests++;
    if (api >= 0 && api < TCP_API_KEYS) p->requests[api]++;
    pthread_cond_broadcast(&p->changed);
    tcp_rule rule = take_rule(p, api);
    delay(p, &rule);
    if (p->stopping) return false;
    uint8_t *out = NULL;
    size_t out_len = 0;
    if (rule.raw == NULL) out = handle(p, &rule, frame, len, &out_len);
    int fd = c->fd;
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < (rule.twice ? 2 : 1); i++) {
        if (rule.raw != NULL)
            send_all(fd, rule.raw, rule.raw_len);
        else if (out != NULL)
            send_all(fd, out, out_len);
    }
    free(out);
    pthread_mutex_lock(&p->lock);
    p->sent++;
    pthread_cond_broadcast(&p->changed);
    return go_on(c, &rule);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

void (*tcp_peer_thread_began)(void);

static void thread_began(void)
{
    if (tcp_peer_thread_began != NULL) tcp_peer_thread_began();
}

static void *run_connection(void *arg)
{
    thread_began();
    tcp_connection *c = arg;
    tcp_peer *p = c->peer;
    pthread_mutex_lock(&p->lock);
    int fd = c->fd;
    tcp_rule rule = take_rule(p, TCP_ACCEPT);
    delay(p, &rule);
    if (rule.raw != NULL) send_all(fd, rule.raw, rule.raw_len);
    bool open = go_on(c, &rule);
    while (open && !p->stopping) {
        size_t len = 0;
        pthread_mutex_unlock(&p->lock);
        uint8_t *frame = read_frame(fd, &len);
        pthread_mutex_lock(&p->lock);
        open = frame != NULL && serve(c, frame, len);
        free(frame);
    }
    close(c->fd);
    c->fd = -1;
    c->ended = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* A place for one more connection, or NULL. The lock is held; an ended thread does not need it any more. */
static tcp_connection *free_place(tcp_peer *p)
{
    for (int i = 0; i < p->connection_count; i++) {
        if (!p->connections[i].ended) continue;
        pthread_join(p->connections[i].thread, NULL);
        return &p->connections[i];
    }
    return p->connection_count < TCP_CONNECTIONS ? &p->connections[p->connection_count++] : NULL;
}

void tcp_peer_serve(tcp_peer *p, int fd_take)
{
    int on = 1;
    setsockopt(fd_take, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* as brokers do; of no use to other sockets */
    pthread_mutex_lock(&p->lock);
    tcp_connection *c = p->stopping ? NULL : free_place(p);
    if (c != NULL) {
        *c = (tcp_connection){.peer = p, .fd = fd_take};
        if (pthread_create(&c->thread, NULL, run_connection, c) != 0) abort();
        p->accepted++;
    } else {
        close(fd_take);
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void *run_acceptor(void *arg)
{
    thread_began();
    tcp_listener *l = arg;
    for (int fd; (fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;) tcp_peer_serve(l->peer, fd);
    return NULL;
}

static void listener_start(tcp_peer *p, tcp_listener *l, int fd)
{
    *l = (tcp_listener){.peer = p, .fd = fd};
    assert_int_equal(pthread_create(&l->thread, NULL, run_acceptor, l), 0);
}

static void listener_end(tcp_listener *l)
{
    if (!l->peer) return;
    shutdown(l->fd, SHUT_RDWR);
    pthread_join(l->thread, NULL);
    close(l->fd);
}

const char *tcp_peer_listen_unix(tcp_peer *p)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(p->path, sizeof p->path, "/tmp/kafka-peer-%d-%d.sock", (int)getpid(), p->port);
    snprintf(p->unix_address, sizeof p->unix_address, "unix:%s", p->path);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", p->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    unlink(p->path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 64), 0);
    listener_start(p, &p->local, fd);
    return p->unix_address;
}

/* ---- birth and death --------------------------------------------------------------------------------------------- */

static int listen_anywhere(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

int tcp_free_port(void)
{
    int port;
    close(listen_anywhere(&port));
    return port;
}

tcp_peer *tcp_peer_new(const tcp_rule *rules, size_t count)
{
    tcp_peer *p = calloc(1, sizeof *p);
    pthread_condattr_t attr;
    assert_non_null(p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &attr);
    pthread_condattr_destroy(&attr);
    int fd = listen_anywhere(&p->port);
    snprintf(p->address, sizeof p->address, "127.0.0.1:%d", p->port);
    for (int16_t key = 0; key < TCP_API_KEYS; key++) {
        const kfk_api *api = kfk_api_find(key);
        tcp_peer_set_versions(p, key, api ? api->min_version : 0, api ? api->max_version : -1);
    }
    p->versions[KFK_API_PRODUCE].min = 3;
    tcp_peer_advertise(p, "127.0.0.1", p->port, 1);
    tcp_peer_add_topic(p, "t", 2, 1);
    tcp_peer_add_rules(p, rules, count);
    listener_start(p, &p->tcp, fd);
    return p;
}

static bool has_open(const tcp_peer *p)
{
    for (int i = 0; i < p->connection_count; i++) {
        if (p->connections[i].fd >= 0) return true;
    }
    return false;
}

bool tcp_peer_is_left_alone(tcp_peer *p)
{
    int64_t until = kfk_time_now_ms() + 10000;
    pthread_mutex_lock(&p->lock);
    while (has_open(p) && tcp_peer_wait_change(p, until)) {}
    bool alone = !has_open(p);
    pthread_mutex_unlock(&p->lock);
    return alone;
}

/* The lock is held. */
static void hang_up(tcp_peer *p)
{
    for (int i = 0; i < p->connection_count; i++) {
        if (p->connections[i].fd >= 0) shutdown(p->connections[i].fd, SHUT_RDWR);
    }
}

void tcp_peer_hang_up(tcp_peer *p)
{
    pthread_mutex_lock(&p->lock);
    hang_up(p);
    pthread_mutex_unlock(&p->lock);
}

void tcp_peer_free(tcp_peer *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    hang_up(p);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    listener_end(&p->tcp);
    listener_end(&p->local);
    if (p->local.peer) unlink(p->path);
    for (int i = 0; i < p->connection_count; i++) pthread_join(p->connections[i].thread, NULL);
    for (size_t t = 0; t < TCP_TOPICS; t++) {
        for (size_t i = 0; i < TCP_PARTITIONS; i++) batch_free(&p->topics[t].logs[i].bytes);
    }
    char failure[sizeof p->failure];
    memcpy(failure, p->failure, sizeof failure);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
    if (failure[0] != '\0') fail_msg("the peer: %s", failure);
}

/* ---- settings and questions -------------------------------------------------------------------------------------- */

const char *tcp_peer_address(const tcp_peer *p)
{
    return p->address;
}

int tcp_peer_port(const tcp_peer *p)
{
    return p->port;
}

void tcp_peer_set_versions(tcp_peer *p, int16_t api, int16_t min, int16_t max)
{
    pthread_mutex_lock(&p->lock);
    p->versions[api].min = min;
    p->versions[api].max = max;
    pthread_mutex_unlock(&p->lock);
}

void tcp_peer_advertise(tcp_peer *p, const char *host, int32_t port, int32_t id)
{
    pthread_mutex_lock(&p->lock);
    snprintf(p->host, sizeof p->host, "%s", host);
    p->advertised_port = port;
    p->id = id;
    pthread_mutex_unlock(&p->lock);
}

void tcp_peer_release(tcp_peer *p)
{
    pthread_mutex_lock(&p->lock);
    p->releases++;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static int requests(const tcp_peer *p, int16_t api)
{
    switch (api) {
    case TCP_ANY: return p->all_requests;
    case TCP_ACCEPT: return p->accepted;
    case TCP_SENT: return p->sent;
    default: return p->requests[api];
    }
}

int tcp_peer_requests(tcp_peer *p, int16_t api)
{
    pthread_mutex_lock(&p->lock);
    int n = requests(p, api);
    pthread_mutex_unlock(&p->lock);
    return n;
}

bool tcp_peer_saw(tcp_peer *p, int16_t api, int count)
{
    int64_t until = kfk_time_now_ms() + 10000;
    pthread_mutex_lock(&p->lock);
    while (requests(p, api) < count && tcp_peer_wait_change(p, until)) {}
    bool saw = requests(p, api) >= count;
    pthread_mutex_unlock(&p->lock);
    return saw;
}

void tcp_peer_wait(tcp_peer *p, int16_t api, int count)
{
    if (!tcp_peer_saw(p, api, count))
        fail_msg("%d requests of API %d came, %d were expected", tcp_peer_requests(p, api), api, count);
}
