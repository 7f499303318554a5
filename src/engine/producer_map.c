/* Maps: what writing threads see of a topic's partitions.
 *
 * A thread that writes pins the map of now, looks at it for the length of a call, and lets go: two atomic operations,
 * no lock. Between finding a map and pinning it another one may have taken its place. So a thread looks a second time
 * once it has pinned; and a map's memory is never given back, only used for another map of the topic, while the topic
 * lives: to pin and let go of one that has become something else does no harm.
 *
 * Who makes a map takes one that is not of now and that nobody has pinned. Whoever pins it meanwhile will find that it
 * is not the one of now, or that it is, with all that was written into it. So there are as many maps as were pinned at
 * once, and one or two, and one each time a topic got more partitions. */
#include "base/mem.h"
#include "engine/producer_impl.h"
#include <string.h>

kfk_producer_maps *kfk_producer_topic_maps(kfk_producer_topic *t)
{
    return &t->maps;
}

kfk_producer_map *kfk_producer_topic_map(kfk_producer_topic *t)
{
    return kfk_producer_maps_pin(&t->maps);
}

/* One that may be written to, pinned; NULL without memory. In one block: the map, the partitions, all ids, the
 * available ones. */
static kfk_producer_map *take(kfk_producer_maps *maps, size_t count)
{
    kfk_producer_map *m = maps->all;
    while (m && (m == atomic_load(&maps->now) || m->room < count || atomic_load(&m->pins) > 0)) m = m->next;
    if (!m) {
        m = kfk_mem_alloc(sizeof *m + count * (sizeof(void *) + 2 * sizeof(int32_t)));
        if (!m) return NULL;
        m->room = count;
        m->next = maps->all;
        maps->all = m;
        atomic_init(&m->pins, 0);
    }
    atomic_fetch_add(&m->pins, 1);
    return m;
}

kfk_producer_map *kfk_producer_map_new_loop(kfk_producer_topic *t, size_t count)
{
    kfk_producer_map *m = take(&t->maps, count);
    if (!m) return NULL;
    kfk_producer_partition **partitions = (kfk_producer_partition **)(void *)(m + 1);
    int32_t *ids = (int32_t *)(void *)(partitions + count), *available = ids + count;
    size_t led = 0;
    for (size_t i = 0; i < count; i++) {
        partitions[i] = t->partitions[i];
        ids[i] = (int32_t)i;
        if (partitions[i]->broker) available[led++] = (int32_t)i;
    }
    m->count = count;
    m->available_count = led > 0 ? led : count;
    m->ids = ids;
    m->available = led > 0 ? available : ids;
    m->partitions = partitions;
    m->only = count == 1 ? partitions[0] : NULL;
    return m;
}

bool kfk_producer_map_is_as(const kfk_producer_map *a, const kfk_producer_map *b)
{
    return a->count == b->count && a->available_count == b->available_count &&
           memcmp(a->available, b->available, a->available_count * sizeof *a->available) == 0;
}

void kfk_producer_maps_fini(kfk_producer_maps *maps)
{
    kfk_producer_map *next;
    for (kfk_producer_map *m = maps->all; m; m = next) {
        next = m->next;
        kfk_mem_free(m);
    }
}
