/* See the header. A peer may say anything: keys are checked before they are used as an index, and of two entries for
 * one API the first counts. */
#include "engine/offer.h"

enum { MOST_ENTRIES = 1024 };

int kfk_offer_learn(kfk_offer *o, const kfk_api_versions_response *answer, kfk_error *err)
{
    int32_t count = answer->api_keys.count;
    if (count <= 0)
        return kfk_error_set(err, KAFKA_EVERSION, "the broker names no API at all in its ApiVersions answer");
    if (count > MOST_ENTRIES)
        return kfk_error_set(err, KAFKA_EPROTO, "ApiVersions answer with %d entries, %d are the most that make sense",
                             (int)count, MOST_ENTRIES);
    for (size_t i = 0; i < KFK_OFFER_KEYS; i++) {
        o->of[i].min = 0;
        o->of[i].max = -1;
    }
    for (int32_t i = count; i-- > 0;) { /* backwards, so that the first of two is what stays */
        int16_t key = answer->api_keys.items[i].api_key;
        if (key < 0 || key >= KFK_OFFER_KEYS) continue;
        o->of[key].min = answer->api_keys.items[i].min_version;
        o->of[key].max = answer->api_keys.items[i].max_version;
    }
    return 0;
}

int kfk_offer_choose(const kfk_offer *o, const char *broker, const kfk_api *api, int16_t min, int16_t max,
                     int16_t *version, kfk_error *err)
{
    int16_t low = o->of[api->key].min, high = o->of[api->key].max;
    if (high < low) return kfk_error_set(err, KAFKA_EVERSION, "%s: the broker has no %s request", broker, api->name);
    if (low > max || high < min)
        return kfk_error_set(err, KAFKA_EVERSION, "%s: the broker speaks %s v%d to v%d, this client v%d to v%d", broker,
                             api->name, low, high, min, max);
    *version = high < max ? high : max;
    return 0;
}

/* What the broker names, if that is lower; else 0. Brokers before 2.4 name nothing in a refusal (KIP-511). */
int16_t kfk_offer_below(const kfk_api_versions_response *answer, int16_t asked)
{
    for (int32_t i = 0; i < answer->api_keys.count; i++) {
        const kfk_api_versions_response_api *api = &answer->api_keys.items[i];
        if (api->api_key == KFK_API_API_VERSIONS)
            return api->max_version >= 0 && api->max_version < asked ? api->max_version : 0;
    }
    return 0;
}
