/* api: the table of the APIs that the library speaks, from the definition files.
 *
 * The enum of API keys (KFK_API_PRODUCE ...) and the rows are generated; all of it is constant data. */
#ifndef KFK_WIRE_API_H
#define KFK_WIRE_API_H
#include "wire/gen/apis.h"
#include "wire/schema.h"

typedef struct kfk_api {
    int16_t key;
    int16_t min_version, max_version; /* what the library can encode and decode, both directions */
    int16_t flexible_version;         /* the first flexible one; INT16_MAX = none */
    const char *name;                 /* "Metadata" */
    const kfk_schema *request, *response;
} kfk_api;

/* Ordered by key. */
extern const kfk_api kfk_api_table[KFK_API_COUNT];

/* The row of an API key, or NULL when the library does not know the API. */
const kfk_api *kfk_api_find(int16_t key);
/* The i-th row by key, NULL behind the last. */
const kfk_api *kfk_api_row(size_t i);
/* Which version of the headers goes with a version of the API. */
int16_t kfk_api_request_header(const kfk_api *api, int16_t version);
int16_t kfk_api_response_header(const kfk_api *api, int16_t version);

#endif
