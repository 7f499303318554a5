/* The table of handlers, and what they have in common. */
#include "testing/handler.h"
#include "base/time.h"
#include "testing/handlers.h"
#include "wire/codec.h"
#include <stdlib.h>
#include <string.h>

const kft_handler *kft_handler_row(size_t i)
{
    static const kft_handler *const table[] = {
        &kft_handle_produce,
        &kft_handle_fetch,
        &kft_handle_list_offsets,
        &kft_handle_metadata,
        &kft_handle_find_coordinator,
        &kft_handle_api_versions,
        &kft_handle_create_topics,
        &kft_handle_delete_topics,
        &kft_handle_delete_records,
        &kft_handle_init_producer_id,
        &kft_handle_offset_for_leader_epoch,
        &kft_handle_describe_configs,
        &kft_handle_create_partitions,
        &kft_handle_incremental_alter_configs,
        &kft_handle_describe_cluster,
    };
    return i < sizeof table / sizeof table[0] ? table[i] : NULL;
}

const kft_handler *kft_handler_find(int16_t api)
{
    const kft_handler *h;
    for (size_t i = 0; (h = kft_handler_row(i)) != NULL; i++) {
        if (h->api == api) return h;
    }
    return NULL;
}

static const kfk_schema *element_of(const kfk_schema *s, const char *name, size_t len)
{
    for (uint16_t i = 0; i < s->field_count; i++) {
        if (strncmp(s->fields[i].name, name, len) == 0 && s->fields[i].name[len] == '\0') return s->fields[i].element;
    }
    return NULL;
}

bool kft_ask_array(kft_ask *ask, kfk_array *array, const char *path, int32_t count)
{
    const kfk_schema *element = ask->api->response;
    for (const char *name = path; *name; name += *name == '.') {
        size_t len = strcspn(name, ".");
        element = element_of(element, name, len);
        name += len;
    }
    uint8_t *items = kfk_arena_array(&ask->arena, (size_t)count, element->size);
    if (!items) return false;
    for (int32_t i = 0; i < count; i++) memcpy(items + (size_t)i * element->size, element->defaults, element->size);
    *array = (kfk_array){items, count};
    return true;
}

kafka_bytes kft_ask_text(kft_ask *ask, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    char *copy = text ? kfk_arena_alloc(&ask->arena, len + 1) : NULL;
    if (!copy) return (kafka_bytes){NULL, 0};
    memcpy(copy, text, len + 1);
    return (kafka_bytes){copy, len};
}

kft_partition *kft_ask_led(kft_ask *ask, kafka_bytes topic, int32_t index, int32_t current_epoch, int16_t *code)
{
    kft_partition *p = kft_topic_partition(kft_topic_find(&ask->cluster->topics, topic), index);
    if (p) kft_partition_retain(p, kfk_time_wall_ms());
    if (!p)
        *code = KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
    else if (p->leader != ask->node->id)
        *code = KAFKA_ERR_NOT_LEADER_OR_FOLLOWER;
    else
        *code = kft_partition_check_epoch(p, current_epoch);
    return *code == 0 ? p : NULL;
}

static int compare_keys(const kft_key *a, const kft_key *b)
{
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = len > 0 ? memcmp(a->name.data, b->name.data, len) : 0;
    if (order == 0) order = (a->name.len > b->name.len) - (a->name.len < b->name.len);
    if (order == 0) order = (a->number > b->number) - (a->number < b->number);
    return order;
}

static int by_key(const void *a, const void *b)
{
    const kft_key *x = a, *y = b;
    int order = compare_keys(x, y);
    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b)
{
    const kft_key *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

void kft_keys_mark(kft_key *keys, int32_t count)
{
    for (int32_t i = 0; i < count; i++) keys[i].index = keys[i].first = i;
    if (count < 2) return;
    qsort(keys, (size_t)count, sizeof *keys, by_key);
    for (int32_t i = 1; i < count; i++) {
        if (compare_keys(&keys[i - 1], &keys[i]) != 0) continue;
        keys[i].again = keys[i - 1].later = true;
        keys[i - 1].twice = keys[i].twice = true;
        keys[i].first = keys[i - 1].first;
    }
    qsort(keys, (size_t)count, sizeof *keys, by_index);
}

kft_key kft_key_of(kafka_bytes topic, const kfk_uuid *id, int32_t partition)
{
    static const kfk_uuid none;
    bool by_id = memcmp(id, &none, sizeof none) != 0;
    return (kft_key){.name = by_id ? (kafka_bytes){id->bytes, sizeof id->bytes} : topic, .number = partition};
}

bool kft_ask_names_topic(const kft_ask *ask, kafka_bytes wanted, kafka_bytes name, const kfk_uuid *id)
{
    static const kfk_uuid none;
    if (!wanted.data) return true;
    if (memcmp(id, &none, sizeof none) != 0) {
        const kft_topic *t = kft_topic_find_id(&ask->cluster->topics, id);
        name = kafka_str(t ? t->name : NULL);
    }
    return name.data && name.len == wanted.len && memcmp(name.data, wanted.data, name.len) == 0;
}

/* Recursion goes as deep as the schema. */
static void set_error(const kfk_schema *s, int16_t version, uint8_t *message, int16_t code)
{
    for (uint16_t i = 0; i < s->field_count; i++) {
        const kfk_field *f = &s->fields[i];
        if (!kfk_versions_have(f->versions, version)) continue;
        if (f->type == KFK_TYPE_INT16 && strcmp(f->name, "error_code") == 0) {
            memcpy(message + f->offset, &code, sizeof code);
        } else if (f->type == KFK_TYPE_RECORDS && !(f->flags & KFK_FIELD_ARRAY)) {
            memset(message + f->offset, 0, sizeof(kfk_records));
        } else if (f->type == KFK_TYPE_STRUCT && (f->flags & KFK_FIELD_ARRAY)) {
            kfk_array a;
            memcpy(&a, message + f->offset, sizeof a);
            for (int32_t k = 0; k < a.count; k++)
                set_error(f->element, version, (uint8_t *)a.items + (size_t)k * f->element->size, code);
        } else if (f->type == KFK_TYPE_STRUCT && !(f->flags & KFK_FIELD_POINTER)) {
            set_error(f->element, version, message + f->offset, code);
        }
    }
}

void kft_answer_set_error(const kfk_schema *s, int16_t version, void *answer, int16_t code)
{
    set_error(s, version, answer, code);
}
