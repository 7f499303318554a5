/* Settings; see the header. Names, types and defaults are those of Apache Kafka 4.3's documentation. */
#include "testing/settings.h"
#include "base/mem.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BOOLEAN = 1, STRING = 2, INT = 3, SHORT = 4, LONG = 5, DOUBLE = 6, LIST = 7 };

#define MAX_LONG "9223372036854775807"

static const kft_setting_info table[] = {
    {"cleanup.policy", "delete", LIST, false, false, false, "delete, compact, or both"},
    {"compression.type", "producer", STRING, false, false, false, "the codec of stored batches"},
    {"delete.retention.ms", "86400000", LONG, false, false, false, "how long tombstones stay"},
    {"file.delete.delay.ms", "60000", LONG, false, false, false, "before a segment's file goes"},
    {"flush.messages", MAX_LONG, LONG, false, false, false, "messages between forced writes to disk"},
    {"flush.ms", MAX_LONG, LONG, false, false, false, "time between forced writes to disk"},
    {"follower.replication.throttled.replicas", "", LIST, false, false, false, "replicas that copy slowly"},
    {"index.interval.bytes", "4096", INT, false, false, false, "distance of index entries"},
    {"leader.replication.throttled.replicas", "", LIST, false, false, false, "replicas that are copied slowly"},
    {"local.retention.bytes", "-2", LONG, false, false, false, "of tiered storage"},
    {"local.retention.ms", "-2", LONG, false, false, false, "of tiered storage"},
    {"max.compaction.lag.ms", MAX_LONG, LONG, false, false, false, "longest time without compaction"},
    {"max.message.bytes", "1048588", INT, false, false, false, "largest batch"},
    {"message.timestamp.after.max.ms", "3600000", LONG, false, false, false, "how far times may lie ahead"},
    {"message.timestamp.before.max.ms", MAX_LONG, LONG, false, false, false, "how far times may lie back"},
    {"message.timestamp.type", "CreateTime", STRING, false, false, false, "CreateTime or LogAppendTime"},
    {"min.cleanable.dirty.ratio", "0.5", DOUBLE, false, false, false, "when compaction begins"},
    {"min.compaction.lag.ms", "0", LONG, false, false, false, "shortest time without compaction"},
    {"min.insync.replicas", "1", INT, false, false, false, "replicas that acks = all needs"},
    {"preallocate", "false", BOOLEAN, false, false, false, "whether segments get their disk space at once"},
    {"remote.storage.enable", "false", BOOLEAN, false, false, false, "tiered storage"},
    {"retention.bytes", "-1", LONG, false, false, false, "size of a partition beyond which old messages go"},
    {"retention.ms", "604800000", LONG, false, false, false, "age beyond which messages go"},
    {"segment.bytes", "1073741824", INT, false, false, false, "size of a segment"},
    {"segment.index.bytes", "10485760", INT, false, false, false, "size of a segment's index"},
    {"segment.jitter.ms", "0", LONG, false, false, false, "spread of segment.ms"},
    {"segment.ms", "604800000", LONG, false, false, false, "age of a segment"},
    {"unclean.leader.election.enable", "false", BOOLEAN, false, false, false, "may a replica lead that is not in sync"},
    {"auto.create.topics.enable", "true", BOOLEAN, true, true, false, "are topics made by being asked for"},
    {"default.replication.factor", "1", INT, true, true, false, "of topics made without one"},
    {"num.partitions", "1", INT, true, true, false, "of topics made without a count"},
    {"message.max.bytes", "1048588", INT, true, false, false, "largest batch"},
    {"log.retention.ms", "604800000", LONG, true, false, false, "age beyond which messages go"},
    {"log.retention.bytes", "-1", LONG, true, false, false, "size of a partition beyond which old messages go"},
    {"broker.id", "-1", INT, true, true, false, "the broker's id"},
    {"advertised.listeners", "", STRING, true, true, false, "where clients reach the broker"},
};

const kft_setting_info *kft_setting_row(int i)
{
    return i >= 0 && (size_t)i < sizeof table / sizeof table[0] ? &table[i] : NULL;
}

static bool is(kafka_bytes name, const char *text)
{
    return name.data && strlen(text) == name.len && memcmp(name.data, text, name.len) == 0;
}

static const kft_setting_info *find(kafka_bytes name)
{
    const kft_setting_info *row;
    for (int i = 0; (row = kft_setting_row(i)) != NULL; i++) {
        if (is(name, row->name)) return row;
    }
    return NULL;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* All of the text is a number between the two. */
static bool number_between(const char *text, int64_t least, int64_t most)
{
    char *end;
    errno = 0;
    int64_t v = strtoimax(text, &end, 10);
    return *text && *end == '\0' && errno == 0 && v >= least && v <= most;
}

/* The least value of a number, where that is not 0. */
static int64_t least_of(const kft_setting_info *row)
{
    static const struct {
        const char *name;
        int64_t least;
    } others[] = {
        {"flush.messages", 1},      {"local.retention.bytes", -2},
        {"local.retention.ms", -2}, {"max.compaction.lag.ms", 1},
        {"min.insync.replicas", 1}, {"retention.bytes", INT64_MIN},
        {"retention.ms", -1},       {"segment.bytes", 1048576},
        {"segment.index.bytes", 4}, {"segment.ms", 1},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (strcmp(row->name, others[i].name) == 0) return others[i].least;
    }
    return 0;
}

static bool one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(text, *words) == 0) return true;
    }
    return false;
}

/* delete and compact, in any order, once each at most; neither keeps everything. */
static bool is_policy(const char *text)
{
    static const char *const words[] = {"", "delete", "compact", "delete,compact", "compact,delete", NULL};
    return one_of(text, words);
}

/* Digits from `text` on, one at least; where they end, NULL = there are none. */
static const char *behind_digits(const char *text)
{
    size_t len = strspn(text, "0123456789");
    return len > 0 ? text + len : NULL;
}

/* partition:broker,partition:broker ..., or * for all of them. */
static bool are_replicas(const char *text)
{
    if (*text == '\0' || strcmp(text, "*") == 0) return true;
    for (;; text++) {
        if (!(text = behind_digits(text)) || *text++ != ':' || !(text = behind_digits(text))) return false;
        if (*text != ',') return *text == '\0';
    }
}

static bool fits(const kft_setting_info *row, const char *value)
{
    static const char *const times[] = {"CreateTime", "LogAppendTime", NULL}, *const booleans[] = {"true", "false",
                                                                                                   NULL};
    static const char *const codecs[] = {"producer", "uncompressed", "gzip", "snappy", "lz4", "zstd", NULL};
    char *end;
    if (strcmp(row->name, "cleanup.policy") == 0) return is_policy(value);
    if (strcmp(row->name, "message.timestamp.type") == 0) return one_of(value, times);
    if (strcmp(row->name, "compression.type") == 0) return one_of(value, codecs);
    switch (row->type) {
    case BOOLEAN: return one_of(value, booleans);
    case SHORT: return number_between(value, INT16_MIN, INT16_MAX);
    case INT: return number_between(value, least_of(row), INT32_MAX);
    case LONG: return number_between(value, least_of(row), INT64_MAX);
    case LIST: return are_replicas(value);
    case DOUBLE: return strtod(value, &end) >= 0 && strtod(value, NULL) <= 1 && *value && *end == '\0';
    default: return true;
    }
}

static int16_t refuse(const char **why, int16_t code, const char *text)
{
    *why = text;
    return code;
}

int16_t kft_settings_check(kafka_bytes name, kafka_bytes value, const char **why)
{
    const kft_setting_info *row = find(name);
    if (!row || row->broker) return refuse(why, KAFKA_ERR_INVALID_CONFIG, "Topics have no setting of that name.");
    if (!value.data) return 0;
    if (value.len >= KFT_MOST_VALUE) return refuse(why, KAFKA_ERR_INVALID_CONFIG, "The value is too long.");
    char *text = kfk_mem_strndup(value.data, value.len);
    if (!text) return refuse(why, KAFKA_ERR_UNKNOWN, "There is no memory.");
    bool fine = strlen(text) == value.len && fits(row, text);
    kfk_mem_free(text);
    return fine ? 0 : refuse(why, KAFKA_ERR_INVALID_CONFIG, "The setting cannot have that value.");
}

/* ---- what is set ------------------------------------------------------------------------------------------------- */

const char *kft_settings_get(const kft_settings *s, kafka_bytes name)
{
    for (int i = 0; i < s->count; i++) {
        if (is(name, s->items[i].name)) return s->items[i].value;
    }
    return NULL;
}

static const char *effective(const kft_settings *s, const char *name)
{
    const char *set = kft_settings_get(s, kafka_str(name));
    return set ? set : find(kafka_str(name))->fallback;
}

/* What is obeyed is read anew. */
static void reread(kft_settings *s)
{
    s->max_message_bytes = (int32_t)strtol(effective(s, "max.message.bytes"), NULL, 10);
    s->retention_ms = strtoimax(effective(s, "retention.ms"), NULL, 10);
    s->retention_bytes = strtoimax(effective(s, "retention.bytes"), NULL, 10);
    s->append_time = strcmp(effective(s, "message.timestamp.type"), "LogAppendTime") == 0;
    s->deletes = strstr(effective(s, "cleanup.policy"), "delete") != NULL;
    s->compact = strstr(effective(s, "cleanup.policy"), "compact") != NULL;
    s->after_max_ms = strtoimax(effective(s, "message.timestamp.after.max.ms"), NULL, 10);
    s->before_max_ms = strtoimax(effective(s, "message.timestamp.before.max.ms"), NULL, 10);
    s->min_in_sync = (int32_t)strtol(effective(s, "min.insync.replicas"), NULL, 10);
}

void kft_settings_init(kft_settings *s)
{
    *s = (kft_settings){0};
    reread(s);
}

void kft_settings_fini(kft_settings *s)
{
    for (int i = 0; i < s->count; i++) {
        kfk_mem_free(s->items[i].name);
        kfk_mem_free(s->items[i].value);
    }
    kfk_mem_free(s->items);
}

static void unset(kft_settings *s, kafka_bytes name)
{
    for (int i = 0; i < s->count; i++) {
        if (!is(name, s->items[i].name)) continue;
        kfk_mem_free(s->items[i].name);
        kfk_mem_free(s->items[i].value);
        memmove(&s->items[i], &s->items[i + 1], (size_t)(--s->count - i) * sizeof s->items[0]);
        return;
    }
}

int16_t kft_settings_set(kft_settings *s, kafka_bytes name, kafka_bytes value, const char **why)
{
    int16_t code = kft_settings_check(name, value, why);
    if (code != 0) return code;
    if (!value.data) {
        unset(s, name);
        reread(s);
        return 0;
    }
    kft_setting item = {kfk_mem_strndup(name.data, name.len), kfk_mem_strndup(value.data, value.len)};
    kft_setting *grown = kfk_mem_realloc(s->items, (size_t)(s->count + 1) * sizeof *grown);
    if (grown) s->items = grown;
    if (!grown || !item.name || !item.value) {
        kfk_mem_free(item.name);
        kfk_mem_free(item.value);
        return refuse(why, KAFKA_ERR_UNKNOWN, "There is no memory.");
    }
    unset(s, name);
    s->items[s->count++] = item;
    reread(s);
    return 0;
}
