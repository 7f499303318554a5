/* One broker; see the header. */
#include "testing/node.h"
#include "testing/cluster.h"
#include "testing/session.h"
#include <netinet/in.h>
#include <string.h>

static void accepted(void *owner, kfk_stream *stream)
{
    kft_session_new(owner, stream);
}

void kft_node_init(kft_node *n, kafka_cluster *c, int32_t id, int32_t port)
{
    *n = (kft_node){.cluster = c, .id = id, .port = port};
    kfk_list_init(&n->sessions);
    kft_fetch_sessions_init(&n->fetch_sessions, kfk_loop_random(c->loop));
}

static int32_t port_of(kfk_listener *l)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    if (l->ops->local_addr(l, (struct sockaddr *)&a, &len) != 0) return 0;
    if (a.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)(void *)&a)->sin6_port);
    return ntohs(((struct sockaddr_in *)(void *)&a)->sin_port);
}

int kft_node_start(kft_node *n, kfk_error *err)
{
    kafka_cluster *c = n->cluster;
    kfk_address at;
    if (!kfk_address_numeric(c->host, (uint16_t)n->port, &at))
        return kfk_error_set(err, KAFKA_EINVAL, "host \"%s\" is no numeric address", c->host);
    int code = kfk_loop_listen(c->loop, &at, &n->listener, err);
    if (code != 0) return kfk_error_prefix(err, "broker %d: ", (int)n->id);
    n->listener->owner = n;
    n->listener->accepted = accepted;
    n->port = port_of(n->listener);
    n->started_ms = kfk_loop_now_ms(c->loop);
    return 0;
}

void kft_node_stop(kft_node *n)
{
    if (n->listener) n->listener->ops->close(n->listener);
    n->listener = NULL;
    for (kfk_list *s; (s = kfk_list_first(&n->sessions)) != NULL;) kft_session_free(kft_session_of(s));
    kft_fetch_sessions_clear(&n->fetch_sessions);
    n->was_restarted = true;
}
