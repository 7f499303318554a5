/* See the header. Blocking sockets: a conformance test is a conversation, one sentence after the other. */
#include "conformance/client.h"
#include "wire/frame.h"
#include "wire/prim.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_S = 30, MOST_FRAME = 128 << 20 };

struct client {
    int fd;
    int32_t last_id;
    kfk_arena arena; /* of the last answer */
    uint8_t *frame;
};

client *client_open(const char *address)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const char *colon = strrchr(address, ':');
    char host[64] = "";
    if (!colon || (size_t)(colon - address) >= sizeof host) fail_msg("\"%s\" is no address", address);
    memcpy(host, address, (size_t)(colon - address));
    a.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) fail_msg("\"%s\" is no address of IP version 4", host);
    client *c = calloc(1, sizeof *c);
    assert_non_null(c);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) != 0) fail_msg("%s: %s", address, strerror(errno));
    kfk_arena_init(&c->arena, SIZE_MAX);
    return c;
}

static void forget_answer(client *c)
{
    kfk_arena_fini(&c->arena);
    kfk_arena_init(&c->arena, SIZE_MAX);
    free(c->frame);
    c->frame = NULL;
}

void client_close(client *c)
{
    if (!c) return;
    forget_answer(c);
    kfk_arena_fini(&c->arena);
    close(c->fd);
    free(c);
}

static const kfk_api *api_of(const kfk_schema *request)
{
    const kfk_api *api;
    for (size_t i = 0; (api = kfk_api_row(i)) != NULL && api->request != request;) i++;
    assert_non_null(api);
    return api;
}

bool client_send_bytes(client *c, const void *bytes, size_t len)
{
    for (const uint8_t *p = bytes; len > 0;) {
        ssize_t put = send(c->fd, p, len, MSG_NOSIGNAL);
        if (put < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) fail_msg("the broker does not read");
        if (put < 0) return false;
        p += put;
        len -= (size_t)put;
    }
    return true;
}

void client_send(client *c, const kfk_schema *request, int16_t version, const void *message)
{
    const kfk_api *api = api_of(request);
    kfk_gather out;
    kfk_error err = {0};
    kfk_gather_init(&out, SIZE_MAX);
    if (kfk_frame_encode_request(api, version, ++c->last_id, KAFKA_LIT("conformance"), message, &out, &err) != 0)
        fail_msg("%s", err.text);
    size_t len = kfk_gather_len(&out);
    uint8_t *bytes = malloc(len);
    assert_non_null(bytes);
    kfk_gather_copy(&out, bytes);
    kfk_gather_fini(&out);
    bool sent = client_send_bytes(c, bytes, len);
    free(bytes);
    if (!sent) fail_msg("%s v%d: the broker has hung up", api->name, version);
}

/* Reads that many bytes; false: the end of the stream, or a reset. */
static bool read_all(client *c, uint8_t *to, size_t len)
{
    while (len > 0) {
        ssize_t got = recv(c->fd, to, len, 0);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) fail_msg("no answer in %d s", PATIENCE_S);
        if (got <= 0) return false;
        to += got;
        len -= (size_t)got;
    }
    return true;
}

void *client_receive(client *c, const kfk_schema *request, int16_t answered)
{
    const kfk_api *api = api_of(request);
    uint8_t length[KFK_FRAME_LENGTH];
    kfk_error err = {0};
    int32_t id = 0;
    forget_answer(c);
    if (!read_all(c, length, sizeof length)) fail_msg("%s v%d: the broker hangs up", api->name, answered);
    size_t len = kfk_prim_get_be32(length);
    if (len > MOST_FRAME) fail_msg("%s v%d: an answer of %zu bytes", api->name, answered, len);
    c->frame = malloc(len + 1);
    void *message = kfk_arena_alloc(&c->arena, api->response->size);
    if (!c->frame || !message) fail_msg("no memory");
    if (!read_all(c, c->frame, len)) fail_msg("%s v%d: the broker hangs up in its answer", api->name, answered);
    if (kfk_frame_decode_response(api, answered, &c->arena, c->frame, len, &id, message, &err) != 0)
        fail_msg("%s v%d: %s", api->name, answered, err.text);
    if (id != c->last_id) fail_msg("%s v%d: an answer to #%d, not #%d", api->name, answered, id, c->last_id);
    return message;
}

void *client_ask(client *c, const kfk_schema *request, int16_t version, const void *message)
{
    client_send(c, request, version, message);
    return client_receive(c, request, version);
}

bool client_is_hung_up_on(client *c)
{
    uint8_t byte;
    return !read_all(c, &byte, 1);
}

bool client_has_answer(client *c, int wait_ms)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) > 0;
}
