#include "support/memcheck.h"

#include "engine/producer_impl.h"
#include <pthread.h>
#include <stdlib.h>

/* A topic of which only what maps are made of is there. */
enum { PARTITIONS = 8, READERS = 3, ROUNDS = 20000 };

static kfk_producer_topic *topic_new(void)
{
    kfk_producer_topic *t = calloc(1, sizeof *t + 1);
    assert_non_null(t);
    t->partitions = calloc(PARTITIONS, sizeof *t->partitions);
    assert_non_null(t->partitions);
    for (int32_t i = 0; i < PARTITIONS; i++) {
        t->partitions[i] = calloc(1, sizeof **t->partitions);
        assert_non_null(t->partitions[i]);
        t->partitions[i]->id = i;
    }
    t->count = PARTITIONS;
    return t;
}

static void topic_free(kfk_producer_topic *t)
{
    kfk_producer_maps_fini(&t->maps);
    for (int32_t i = 0; i < PARTITIONS; i++) free(t->partitions[i]);
    free(t->partitions);
    free(t);
}

/* So many partitions from now on. */
static void publish(kfk_producer_topic *t, size_t count)
{
    kfk_producer_map *m = kfk_producer_map_new_loop(t, count);
    assert_non_null(m);
    atomic_store(&t->maps.now, m);
    kfk_producer_map_drop(m);
}

static size_t maps_of(const kfk_producer_topic *t)
{
    size_t count = 0;
    for (const kfk_producer_map *m = t->maps.all; m; m = m->next) count++;
    return count;
}

static void a_map_says_which_partitions_there_are(void **state)
{
    (void)state;
    kfk_producer_topic *t = topic_new();
    assert_null(kfk_producer_topic_map(t));
    publish(t, 3);
    kfk_producer_map *m = kfk_producer_topic_map(t);
    assert_int_equal(m->count, 3);
    assert_int_equal(m->available_count, 3); /* nobody leads any: all are as good */
    assert_null(m->only);
    for (int32_t i = 0; i < 3; i++) {
        assert_int_equal(m->ids[i], i);
        assert_ptr_equal(m->partitions[i], t->partitions[i]);
    }
    kfk_producer_map_drop(m);
    publish(t, 1);
    m = kfk_producer_topic_map(t);
    assert_ptr_equal(m->only, t->partitions[0]);
    kfk_producer_map_drop(m);
    topic_free(t);
}

static void who_has_pinned_one_keeps_it_as_it_is_and_memory_is_used_again(void **state)
{
    (void)state;
    kfk_producer_topic *t = topic_new();
    publish(t, 2);
    kfk_producer_map *pinned = kfk_producer_topic_map(t);
    for (int i = 0; i < 100; i++) publish(t, 3);
    assert_int_equal(pinned->count, 2);
    assert_int_equal(maps_of(t), 3); /* the pinned one, the one of now, and the next */
    kfk_producer_map_drop(pinned);
    for (int i = 0; i < 100; i++) publish(t, 2);
    assert_int_equal(maps_of(t), 3);
    publish(t, 4); /* none of them has room for that */
    assert_int_equal(maps_of(t), 4);
    topic_free(t);
}

static atomic_bool over;

/* What a map says is all of one time: its first partitions, as many as it counts. */
static void *read_on(void *topic)
{
    kfk_producer_topic *t = topic;
    uintptr_t wrong = 0;
    while (!atomic_load(&over)) {
        kfk_producer_map *m = kfk_producer_maps_pin(&t->maps);
        size_t count = m->count;
        wrong += m->available_count != count || (m->only != NULL) != (count == 1);
        for (size_t i = 0; i < count; i++) wrong += m->partitions[i]->id != (int32_t)i || m->ids[i] != (int32_t)i;
        wrong += m->count != count;
        kfk_producer_map_drop(m);
    }
    return (void *)wrong;
}

static void threads_that_read_see_whole_maps_while_others_come(void **state)
{
    (void)state;
    kfk_producer_topic *t = topic_new();
    pthread_t readers[READERS];
    publish(t, 1);
    atomic_store(&over, false);
    for (int i = 0; i < READERS; i++) assert_int_equal(pthread_create(&readers[i], NULL, read_on, t), 0);
    for (int i = 0; i < ROUNDS; i++) publish(t, (size_t)(i % PARTITIONS) + 1);
    atomic_store(&over, true);
    for (int i = 0; i < READERS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(readers[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_true(maps_of(t) <= PARTITIONS + READERS + 2);
    topic_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_map_says_which_partitions_there_are),
        MEMCHECK_TEST(who_has_pinned_one_keeps_it_as_it_is_and_memory_is_used_again),
        MEMCHECK_TEST(threads_that_read_see_whole_maps_while_others_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
