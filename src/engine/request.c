/* A request's memory, its encoded bytes and its answer, and what the answer says about waiting. What happens to it is
 * broker.c's business. */
#include "engine/request.h"
#include <assert.h>
#include <string.h>

enum { DEFAULT_TIMEOUT_MS = 30000, LONGEST_THROTTLE_MS = 60000 };

void kfk_request_init(kfk_request *r, int16_t api_key)
{
    memset(r, 0, sizeof *r);
    r->api = kfk_api_find(api_key);
    r->min_version = r->api->min_version;
    r->max_version = r->api->max_version;
    r->version = -1;
    r->timeout_ms = DEFAULT_TIMEOUT_MS;
    kfk_list_init(&r->node);
    kfk_arena_init(&r->arena, 0);
    kfk_gather_init(&r->out, SIZE_MAX);
}

void kfk_request_fini(kfk_request *r)
{
    assert(r->broker == NULL);
    kfk_gather_fini(&r->out);
    kfk_arena_fini(&r->arena);
    kfk_block_drop(r->frame);
    r->frame = NULL;
}

/* From which version on a broker expects the client to keep the throttle time itself; before, it waited before it
 * answered. */
static int16_t client_waits_from(int16_t api_key)
{
    switch (api_key) {
    case KFK_API_FIND_COORDINATOR:
    case KFK_API_API_VERSIONS:
    case KFK_API_DELETE_TOPICS: return 2;
    case KFK_API_LIST_OFFSETS:
    case KFK_API_CREATE_TOPICS: return 3;
    case KFK_API_PRODUCE:
    case KFK_API_METADATA: return 6;
    case KFK_API_FETCH: return 8;
    default: return 0;
    }
}

int32_t kfk_request_throttle_ms(const kfk_request *r)
{
    if (r->version < client_waits_from(r->api->key)) return 0;
    for (size_t i = 0; i < r->api->response->field_count; i++) {
        const kfk_field *f = &r->api->response->fields[i];
        if (strcmp(f->name, "throttle_time_ms") != 0) continue;
        int32_t ms;
        memcpy(&ms, (const char *)r->response + f->offset, sizeof ms);
        return ms < 0 ? 0 : ms > LONGEST_THROTTLE_MS ? LONGEST_THROTTLE_MS : ms;
    }
    return 0;
}
