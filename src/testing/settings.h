/* settings: the configuration of topics and brokers, as names and values, and what the cluster obeys of it.
 *
 * Any setting that Kafka knows may be stored and is described with its default; those below are obeyed. */
#ifndef KFT_SETTINGS_H
#define KFT_SETTINGS_H
#include "kafka/types.h"
#include <stdbool.h>

enum { KFT_MOST_VALUE = 4096 /* bytes of a value, with its NUL */ };

typedef struct kft_setting {
    char *name, *value; /* owned */
} kft_setting;

typedef struct kft_settings {
    kft_setting *items; /* those that were set, in the order of setting */
    int count;
    /* what is obeyed, kept up to date: */
    int32_t max_message_bytes; /* max.message.bytes, 1048588 */
    int64_t retention_ms;      /* retention.ms, 7 days; -1 = none */
    int64_t retention_bytes;   /* retention.bytes, -1 = none */
    bool append_time;          /* message.timestamp.type = LogAppendTime */
    bool compact, deletes;     /* cleanup.policy has compact (keys are needed), has delete */
    int32_t min_in_sync;       /* min.insync.replicas, 1 */
    int64_t after_max_ms;  /* message.timestamp.after.max.ms, an hour: how far times may lie ahead of the broker's */
    int64_t before_max_ms; /* message.timestamp.before.max.ms: how far back */
} kft_settings;

void kft_settings_init(kft_settings *s);
void kft_settings_fini(kft_settings *s);
/* Sets (value) or unsets (NULL) a topic's setting. 0, or the broker's code with *why: INVALID_CONFIG (40) for a name
 * that is not known or a value that cannot be, -1 without memory. Nothing has changed then. */
int16_t kft_settings_set(kft_settings *s, kafka_bytes name, kafka_bytes value, const char **why);
/* Would `set` take it? For validate_only. */
int16_t kft_settings_check(kafka_bytes name, kafka_bytes value, const char **why);

/* A setting that Kafka knows. */
typedef struct kft_setting_info {
    const char *name, *fallback; /* its default */
    int8_t type; /* as DescribeConfigs says it: 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list */
    bool broker; /* a broker's rather than a topic's */
    bool read_only, sensitive;
    const char *doc;
} kft_setting_info;
/* The i-th, NULL behind the last. */
const kft_setting_info *kft_setting_row(int i);
/* The value that is set, or NULL. */
const char *kft_settings_get(const kft_settings *s, kafka_bytes name);

#endif
