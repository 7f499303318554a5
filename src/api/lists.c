/* lists.c: builds the objects of lists.h.
 *
 * One allocation holds the object, its items, their arrays and strings, so that freeing needs no knowledge of the shape
 * and a failed allocation leaves nothing half built. Each layout is one function that runs twice (api/pack.h), first to
 * measure with `to` NULL. A broker that stands in a thousand partitions is copied a thousand times: 32 bytes and its
 * host, which is less than what sharing would cost in code. */
#include "api/lists.h"
#include "api/pack.h"
#include "base/mem.h"
#include <stdlib.h>

static void pack_broker(kfk_pack *p, const kafka_broker *from, kafka_broker *to)
{
    const char *host = kfk_pack_string(p, from->host != NULL ? from->host : "");
    const char *rack = kfk_pack_string(p, from->rack);
    if (to != NULL) *to = (kafka_broker){.host = host, .rack = rack, .id = from->id, .port = from->port};
}

static kafka_broker *pack_brokers(kfk_pack *p, const kafka_broker *from, size_t count)
{
    kafka_broker *to = kfk_pack_room(p, count, sizeof *to, 1);
    for (size_t i = 0; i < count; i++) pack_broker(p, &from[i], to != NULL ? &to[i] : NULL);
    return to;
}

static void pack_partition(kfk_pack *p, const kafka_partition *from, kafka_partition *to)
{
    kafka_partition copy = *from;
    copy.topic = kfk_pack_string(p, from->topic != NULL ? from->topic : "");
    pack_broker(p, &from->leader, &copy.leader);
    copy.replicas = pack_brokers(p, from->replicas, from->replica_count);
    copy.isr = pack_brokers(p, from->isr, from->isr_count);
    copy.offline = pack_brokers(p, from->offline, from->offline_count);
    memset(copy.reserved, 0, sizeof copy.reserved);
    if (to != NULL) *to = copy;
}

static kafka_partition *pack_partitions(kfk_pack *p, const kafka_partition *from, size_t count)
{
    kafka_partition *to = kfk_pack_room(p, count, sizeof *to, 1);
    for (size_t i = 0; i < count; i++) pack_partition(p, &from[i], to != NULL ? &to[i] : NULL);
    return to;
}

/* The memory that a measured pack needs, to fill it; base is NULL without memory. */
static kfk_pack fill_pack(const kfk_pack *measured, size_t head)
{
    return (kfk_pack){measured->used < SIZE_MAX ? kfk_mem_alloc(measured->used) : NULL, head};
}

int kfk_broker_new_copy(const kafka_broker *from, kafka_broker **out)
{
    kfk_pack size = {NULL, sizeof **out};
    pack_broker(&size, from, NULL);
    kfk_pack fill = fill_pack(&size, sizeof **out);
    if (fill.base == NULL) return KAFKA_ENOMEM;
    *out = (kafka_broker *)(void *)fill.base;
    pack_broker(&fill, from, *out);
    return 0;
}

int kfk_brokers_new(const kafka_broker *items, size_t count, kafka_brokers **out)
{
    kfk_pack size = {NULL, sizeof **out};
    pack_brokers(&size, items, count);
    kfk_pack fill = fill_pack(&size, sizeof **out);
    if (fill.base == NULL) return KAFKA_ENOMEM;
    *out = (kafka_brokers *)(void *)fill.base;
    **out = (kafka_brokers){pack_brokers(&fill, items, count), count};
    return 0;
}

static int by_topic_and_id(const void *a, const void *b)
{
    const kafka_partition *x = a, *y = b;
    int order = strcmp(x->topic, y->topic);
    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

int kfk_partitions_new(const kafka_partition *items, size_t count, kafka_partitions **out)
{
    kfk_pack size = {NULL, sizeof **out};
    pack_partitions(&size, items, count);
    kfk_pack fill = fill_pack(&size, sizeof **out);
    if (fill.base == NULL) return KAFKA_ENOMEM;
    kafka_partition *copies = pack_partitions(&fill, items, count);
    if (count > 1) qsort(copies, count, sizeof *copies, by_topic_and_id);
    *out = (kafka_partitions *)(void *)fill.base;
    **out = (kafka_partitions){copies, count};
    return 0;
}
