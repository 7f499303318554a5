/* api: finding a row of the generated table.
 *
 * The table is short and ordered by key, so a binary search beats an index by key that would have holes. Header
 * versions follow from one rule and one exception and are therefore no column: flexible APIs have the tagged headers,
 * except that the response to ApiVersions never does (a client must read it before it knows what the broker speaks). */
#include "wire/api.h"

const kfk_api *kfk_api_find(int16_t key)
{
    size_t low = 0, high = KFK_API_COUNT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (kfk_api_table[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < KFK_API_COUNT && kfk_api_table[low].key == key ? &kfk_api_table[low] : NULL;
}

const kfk_api *kfk_api_row(size_t i)
{
    return i < KFK_API_COUNT ? &kfk_api_table[i] : NULL;
}

int16_t kfk_api_request_header(const kfk_api *api, int16_t version)
{
    return version >= api->flexible_version ? 2 : 1;
}

int16_t kfk_api_response_header(const kfk_api *api, int16_t version)
{
    return api->key != KFK_API_API_VERSIONS && version >= api->flexible_version ? 1 : 0;
}
