/* DescribeCluster, versions 0 to 2, as Kafka 4.3's brokers serve it.
 *
 * Known gaps: the controllers' endpoints are not there (MISMATCHED_ENDPOINT_TYPE); stopped brokers are told as fenced
 * ones, when asked for. */
#include "testing/handlers.h"
#include "wire/gen/describe_cluster.h"

enum { BROKERS = 1, CONTROLLERS = 2, ALL_CLUSTER_OPERATIONS = 0x1fa0 };

static kft_outcome handle(kft_ask *ask)
{
    const kfk_describe_cluster_request *r = ask->request;
    kfk_describe_cluster_response *a = ask->answer;
    kafka_cluster *c = ask->cluster;
    int32_t count = 0;
    a->cluster_id = kafka_str(c->id);
    a->endpoint_type = r->endpoint_type;
    if (r->endpoint_type != BROKERS) {
        a->error_code =
            r->endpoint_type == CONTROLLERS ? KAFKA_ERR_MISMATCHED_ENDPOINT_TYPE : KAFKA_ERR_UNSUPPORTED_ENDPOINT_TYPE;
        a->error_message = kft_ask_text(ask, "This is the endpoint of a broker.");
        return KFT_ANSWER;
    }
    a->controller_id = kft_cluster_controller(c);
    if (r->include_cluster_authorized_operations) a->cluster_authorized_operations = ALL_CLUSTER_OPERATIONS;
    if (!KFT_ARRAY(ask, &a->brokers, "brokers", c->node_count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < c->node_count; i++) {
        const kft_node *n = &c->nodes[i];
        if (!kft_node_is_up(n) && !r->include_fenced_brokers) continue;
        kfk_describe_cluster_response_broker *b = &a->brokers.items[count++];
        b->broker_id = n->id;
        b->host = kafka_str(c->host);
        b->port = n->port;
        b->is_fenced = !kft_node_is_up(n); /* only there when asked for, from version 2 on */
    }
    a->brokers.count = count;
    return KFT_ANSWER;
}

const kft_handler kft_handle_describe_cluster = {
    .api = KFK_API_DESCRIBE_CLUSTER, .min_version = 0, .max_version = 2, .handle = handle};
