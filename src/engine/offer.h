/* offer: which versions of which APIs a broker offers, as its answer to ApiVersions says (KIP-35). */
#ifndef KFK_ENGINE_OFFER_H
#define KFK_ENGINE_OFFER_H
#include "base/error.h"
#include "wire/api.h"
#include "wire/gen/api_versions.h"

enum { KFK_OFFER_KEYS = 128 }; /* API keys beyond are unknown to us anyway */

typedef struct kfk_offer {
    struct {
        int16_t min, max; /* max < min: the broker lacks it */
    } of[KFK_OFFER_KEYS];
} kfk_offer;

/* Takes over what an answer without an error says. 0; KAFKA_EVERSION when it names nothing; KAFKA_EPROTO when it names
 * more than makes sense. */
int kfk_offer_learn(kfk_offer *o, const kfk_api_versions_response *answer, kfk_error *err);
/* The highest version of an API that lies in [min, max] and that the broker has. 0, or KAFKA_EVERSION with both ranges;
 * `broker` is named in the text. */
int kfk_offer_choose(const kfk_offer *o, const char *broker, const kfk_api *api, int16_t min, int16_t max,
                     int16_t *version, kfk_error *err);
/* The version of ApiVersions to ask in after `asked` was refused with this answer. */
int16_t kfk_offer_below(const kfk_api_versions_response *answer, int16_t asked);

#endif
