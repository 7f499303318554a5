/* A request's memory: its encoded bytes and its answer. What happens to it is broker.c's business. */
#include "engine/request.h"
#include <assert.h>
#include <string.h>

enum { DEFAULT_TIMEOUT_MS = 30000 };

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
