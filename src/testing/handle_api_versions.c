/* ApiVersions, versions 0 to 4, as Kafka 4.3 serves it. An unknown version is answered in version 0 by session.c.
 *
 * Known gaps: no feature is announced, since none that one would use is there (transactions, groups, share groups). */
#include "testing/handlers.h"
#include "wire/gen/api_versions.h"

static kft_outcome handle(kft_ask *ask)
{
    kfk_api_versions_response *r = ask->answer;
    int32_t count = 0;
    while (kft_handler_row((size_t)count)) count++;
    if (!KFT_ARRAY(ask, &r->api_keys, "api_keys", count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < count; i++) {
        const kft_handler *h = kft_handler_row((size_t)i);
        r->api_keys.items[i] = (kfk_api_versions_response_api){h->api, h->min_version, h->max_version};
    }
    return KFT_ANSWER;
}

const kft_handler kft_handle_api_versions = {
    .api = KFK_API_API_VERSIONS, .min_version = 0, .max_version = 4, .handle = handle};
