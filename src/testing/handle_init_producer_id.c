/* InitProducerId, versions 0 to 5, as Kafka 4.3 serves it for idempotent producers: a new id with epoch 0. A broker
 * that was just restarted answers COORDINATOR_LOAD_IN_PROGRESS for a moment, as a real one does while it asks for a
 * block of ids.
 *
 * Known gaps: transactional ids are refused, with TRANSACTIONAL_ID_AUTHORIZATION_FAILED (53), the nearest refusal that
 * clients take for final. Producer ids that the client brings along are not looked at, by Kafka neither. 14 is waited
 * out by the conformance suite, which cannot provoke it at will. */
#include "testing/handlers.h"
#include "wire/gen/init_producer_id.h"

enum { LOADING_MS = 100 };

static kft_outcome handle(kft_ask *ask)
{
    const kfk_init_producer_id_request *r = ask->request;
    kfk_init_producer_id_response *a = ask->answer;
    bool loading = ask->node->was_restarted && kfk_loop_now_ms(ask->cluster->loop) - ask->node->started_ms < LOADING_MS;
    if ((r->producer_id == -1) != (r->producer_epoch == -1) ||
        (r->transactional_id.data && r->transactional_id.len == 0))
        a->error_code = KAFKA_ERR_INVALID_REQUEST;
    else if (r->transactional_id.data)
        a->error_code = KAFKA_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    else if (loading)
        a->error_code = KAFKA_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    else if (!ask->dry)
        a->producer_id = ask->cluster->next_producer_id++;
    return KFT_ANSWER;
}

const kft_handler kft_handle_init_producer_id = {
    .api = KFK_API_INIT_PRODUCER_ID, .min_version = 0, .max_version = 5, .handle = handle};
