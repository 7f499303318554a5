/* ApiVersions, versions 0 to 4, as Kafka 4.3 serves it. An unknown version is answered in version 0 by session.c.
 *
 * Like Kafka 4 it offers Produce from version 0 on, for the sake of old clients that look at nothing else to know
 * whether they may compress, and hangs up on versions below 3 (KAFKA-18659).
 *
 * Known gaps: no feature is announced, since none that one would use is there (transactions, groups, share groups). */
#include "testing/handlers.h"
#include "wire/gen/api_versions.h"

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Names and versions of clients (KIP-511): letters and digits, dots and dashes inside. */
static bool is_software(kafka_bytes text)
{
    const char *s = text.data;
    if (text.len == 0 || !is_letter_or_digit(s[0]) || !is_letter_or_digit(s[text.len - 1])) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_letter_or_digit(s[i]) && s[i] != '.' && s[i] != '-') return false;
    }
    return true;
}

static kft_outcome handle(kft_ask *ask)
{
    kfk_api_versions_response *r = ask->answer;
    const kfk_api_versions_request *asked = ask->request;
    int32_t count = 0;
    if (ask->version >= 3 &&
        (!is_software(asked->client_software_name) || !is_software(asked->client_software_version))) {
        r->error_code = KAFKA_ERR_INVALID_REQUEST;
        return KFT_ANSWER;
    }
    while (kft_handler_row((size_t)count)) count++;
    if (!KFT_ARRAY(ask, &r->api_keys, "api_keys", count)) return KFT_HANG_UP;
    for (int32_t i = 0; i < count; i++) {
        const kft_handler *h = kft_handler_row((size_t)i);
        r->api_keys.items[i] =
            (kfk_api_versions_response_api){h->api, h->api == KFK_API_PRODUCE ? 0 : h->min_version, h->max_version};
    }
    return KFT_ANSWER;
}

const kft_handler kft_handle_api_versions = {
    .api = KFK_API_API_VERSIONS, .min_version = 0, .max_version = 4, .handle = handle};
