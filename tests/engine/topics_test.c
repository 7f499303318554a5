/* What answers do to the table of topics. */
#include "support/memcheck.h"

#include "engine/answers.h"
#include <stdio.h>

/* A table with the topic "t", which somebody watches. */
typedef struct table {
    kfk_brokers brokers;
    kfk_topics topics;
    kfk_topic *t;
    kfk_topic_watch watch;
    unsigned told, changes; /* times, and what last */
    uint64_t number;
    kfk_ignored ignored;
    kfk_error error;
} table;

static void note_change(kfk_topic_watch *w, kfk_topic *t, unsigned changes)
{
    table *x = KFK_CONTAINER(w, table, watch);
    assert_ptr_equal(t, x->t);
    x->told++;
    x->changes = changes;
}

static void table_init(table *x)
{
    memset(x, 0, sizeof *x);
    x->number = 1;
    kfk_brokers_init(&x->brokers, 1);
    kfk_topics_init(&x->topics, 2);
    assert_int_equal(kfk_topics_add(&x->topics, kafka_str("t"), &x->t), 0);
    x->watch.changed = note_change;
    kfk_topics_watch(&x->topics, x->t, &x->watch);
}

static void table_fini(table *x)
{
    kfk_topics_fini(&x->topics);
    kfk_brokers_fini(&x->brokers);
    assert_false(x->watch.on);
}

static int apply_as(table *x, const answer *a, bool all)
{
    x->number++;
    x->told = x->changes = 0;
    x->ignored.count = 0;
    int err = kfk_brokers_apply(&x->brokers, &a->message, x->number, &x->ignored, &x->error);
    if (err == 0) err = kfk_topics_apply(&x->topics, &x->brokers, &a->message, x->number, all, &x->ignored, &x->error);
    kfk_topics_tell(&x->topics);
    return err;
}

static void apply(table *x, const answer *a)
{
    assert_int_equal(apply_as(x, a, false), 0);
}

/* An answer that has nothing but partition 0 of "t". */
static void apply_one(table *x, uint8_t id, int32_t leader, int32_t epoch)
{
    answer a;
    answer_init(&a);
    answer_partition(answer_topic(&a, "t", id), 0, leader, epoch);
    apply(x, &a);
}

static void apply_error(table *x, int16_t code)
{
    answer a;
    answer_init(&a);
    answer_topic(&a, "t", 0)->error_code = code;
    apply(x, &a);
}

static int leader_of(const table *x, int32_t partition, int32_t *leader, int32_t *epoch)
{
    const kfk_partition *p;
    int err = kfk_topic_partition(x->t, partition, &p);
    if (err != 0) return err;
    *leader = p->leader;
    *epoch = p->leader_epoch;
    return p->error;
}

static void assert_led(const table *x, int32_t partition, int32_t leader, int32_t epoch)
{
    int32_t l = -2, e = -2;
    assert_int_equal(leader_of(x, partition, &l, &e), 0);
    assert_int_equal(l, leader);
    assert_int_equal(e, epoch);
}

/* ---- leaders and epochs ------------------------------------------------------------------------------------------ */

static void a_topic_that_no_answer_spoke_of_has_no_leader_yet(void **state)
{
    (void)state;
    table x;
    int32_t l, e;
    table_init(&x);
    assert_int_equal(leader_of(&x, 0, &l, &e), KAFKA_ERR_LEADER_NOT_AVAILABLE);
    assert_true(kfk_topic_is_incomplete(x.t));
    apply_one(&x, 1, 2, 5);
    assert_led(&x, 0, 2, 5);
    assert_false(kfk_topic_is_incomplete(x.t));
    assert_int_equal(x.told, 1);
    assert_int_equal(x.changes, KFK_TOPIC_COUNT | KFK_TOPIC_LEADERS | KFK_TOPIC_ERROR);
    assert_int_equal(leader_of(&x, 1, &l, &e), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(leader_of(&x, -1, &l, &e), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    table_fini(&x);
}

/* Every pair of what is known and what an answer says. */
static void only_an_epoch_that_is_known_to_be_older_is_not_believed(void **state)
{
    (void)state;
    static const struct {
        int32_t old, now;
        bool believed;
    } pairs[] = {
        {-1, -1, true}, {-1, 0, true}, {-1, 5, true},         {0, -1, true},        {5, -1, true}, {0, 0, true},
        {5, 5, true},   {5, 6, true},  {5, 4, false},         {5, 0, false},        {0, 5, true},  {1, 0, false},
        {5, -7, true},  {-7, 3, true}, {INT32_MAX, 0, false}, {0, INT32_MAX, true},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        table x;
        int32_t old = pairs[i].old < 0 ? -1 : pairs[i].old, now = pairs[i].now < 0 ? -1 : pairs[i].now;
        table_init(&x);
        apply_one(&x, 1, 1, pairs[i].old);
        assert_led(&x, 0, 1, old);
        apply_one(&x, 1, 2, pairs[i].now);
        assert_led(&x, 0, pairs[i].believed ? 2 : 1, pairs[i].believed ? now : old);
        assert_int_equal(x.told, pairs[i].believed);
        table_fini(&x);
    }
}

/* In a cluster that is being upgraded, some brokers know no epochs. */
static void an_answer_without_epoch_does_not_open_the_door_to_an_older_one(void **state)
{
    (void)state;
    table x;
    table_init(&x);
    apply_one(&x, 1, 1, 7);
    apply_one(&x, 1, 2, -1);
    assert_led(&x, 0, 2, -1);
    apply_one(&x, 1, 1, 6);
    assert_led(&x, 0, 2, -1);
    apply_one(&x, 1, 3, 8);
    assert_led(&x, 0, 3, 8);
    table_fini(&x);
}

static void a_leader_that_is_not_among_the_brokers_is_none(void **state)
{
    (void)state;
    table x;
    int32_t l = 0, e = 0;
    table_init(&x);
    apply_one(&x, 1, 42, 3);
    assert_int_equal(leader_of(&x, 0, &l, &e), KAFKA_ERR_LEADER_NOT_AVAILABLE);
    assert_int_equal(l, -1);
    assert_true(kfk_topic_is_incomplete(x.t));
    apply_one(&x, 1, -1, 3);
    assert_int_equal(leader_of(&x, 0, &l, &e), KAFKA_ERR_LEADER_NOT_AVAILABLE);
    apply_one(&x, 1, 2, 3);
    assert_led(&x, 0, 2, 3);
    table_fini(&x);
}

static void nothing_new_is_not_told(void **state)
{
    (void)state;
    table x;
    table_init(&x);
    apply_one(&x, 1, 1, 1);
    apply_one(&x, 1, 1, 1);
    assert_int_equal(x.told, 0);
    apply_one(&x, 1, 1, 2);
    assert_int_equal(x.changes, KFK_TOPIC_LEADERS);
    table_fini(&x);
}

static void a_hint_counts_when_its_epoch_is_newer(void **state)
{
    (void)state;
    table x;
    table_init(&x);
    apply_one(&x, 1, 1, 5);
    assert_false(kfk_topics_hint(&x.topics, &x.brokers, x.t, 0, 2, 5));
    assert_false(kfk_topics_hint(&x.topics, &x.brokers, x.t, 0, 2, 4));
    assert_false(kfk_topics_hint(&x.topics, &x.brokers, x.t, 0, 2, -1));
    assert_false(kfk_topics_hint(&x.topics, &x.brokers, x.t, 0, 42, 6));
    assert_false(kfk_topics_hint(&x.topics, &x.brokers, x.t, 1, 2, 6));
    assert_false(kfk_topics_hint(&x.topics, &x.brokers, x.t, -1, 2, 6));
    assert_led(&x, 0, 1, 5);
    assert_true(kfk_topics_hint(&x.topics, &x.brokers, x.t, 0, 2, 6));
    assert_led(&x, 0, 2, 6);
    kfk_topics_tell(&x.topics);
    assert_int_equal(x.changes, KFK_TOPIC_LEADERS);
    apply_one(&x, 1, 1, 5); /* a broker that is behind */
    assert_led(&x, 0, 2, 6);
    table_fini(&x);
}

static void what_was_found_stale_is_until_something_newer_comes_or_was_asked_for(void **state)
{
    (void)state;
    table x;
    table_init(&x);
    apply_one(&x, 1, 1, 5);
    assert_false(kfk_topics_mark_stale(x.t, 0, 1, 4)); /* it has moved on since */
    assert_false(x.t->stale);
    assert_true(kfk_topics_mark_stale(x.t, 0, 1, 5));
    x.t->need = x.number + 2;
    assert_true(x.t->stale);
    apply_one(&x, 1, 1, 5); /* was asked for before */
    assert_true(x.t->stale);
    apply_one(&x, 1, 1, 5); /* afterwards: so it is */
    assert_false(x.t->stale);
    assert_true(kfk_topics_mark_stale(x.t, 0, 1, 5));
    x.t->need = x.number + 2;
    apply_one(&x, 1, 2, 6); /* asked for before, and newer all the same */
    assert_false(x.t->stale);
    table_fini(&x);
}

/* ---- how many there are ------------------------------------------------------------------------------------------ */

static void there_are_never_fewer_partitions_under_one_id(void **state)
{
    (void)state;
    table x;
    answer a;
    table_init(&x);
    answer_init(&a);
    kfk_metadata_response_topic *t = answer_topic(&a, "t", 1);
    for (int32_t i = 0; i < 12; i++) answer_partition(t, i, 1 + i % 3, 2);
    apply(&x, &a);
    assert_int_equal(x.t->count, 12);
    t->partitions.count = 4; /* a broker that has not heard of the others */
    t->partitions.items[3].leader_id = 3;
    t->partitions.items[3].leader_epoch = 9;
    apply(&x, &a);
    assert_int_equal(x.t->count, 12);
    assert_int_equal(x.changes, KFK_TOPIC_LEADERS);
    assert_led(&x, 3, 3, 9);
    assert_led(&x, 11, 3, 2);
    const kfk_partition *p = &x.t->partitions[11];
    assert_int_equal(p->replica_count, 3);
    assert_int_equal(x.t->replicas[p->replicas_at + 2], 3);
    t->partitions.count = 0;
    apply(&x, &a);
    assert_int_equal(x.t->count, 12);
    assert_int_equal(x.told, 0);
    table_fini(&x);
}

static void new_partitions_are_told(void **state)
{
    (void)state;
    table x;
    answer a;
    table_init(&x);
    apply_one(&x, 1, 1, 0);
    answer_init(&a);
    kfk_metadata_response_topic *t = answer_topic(&a, "t", 1);
    answer_partition(t, 2, 2, 0); /* in any order */
    answer_partition(t, 0, 1, 0);
    answer_partition(t, 1, 3, 0);
    apply(&x, &a);
    assert_int_equal(x.changes, KFK_TOPIC_COUNT | KFK_TOPIC_LEADERS);
    assert_led(&x, 2, 2, 0);
    assert_led(&x, 1, 3, 0);
    table_fini(&x);
}

static void partitions_that_cannot_be_are_ignored(void **state)
{
    (void)state;
    table x;
    answer a;
    int32_t l, e;
    table_init(&x);
    answer_init(&a);
    kfk_metadata_response_topic *t = answer_topic(&a, "t", 1);
    answer_partition(t, 0, 1, 0);
    answer_partition(t, 0, 2, 9);
    answer_partition(t, -1, 2, 0);
    answer_partition(t, INT32_MAX, 2, 0);
    answer_partition(t, INT32_MIN, 2, 0);
    answer_partition(t, 1000, 2, 0);
    answer_partition(t, 2, 3, 0);
    apply(&x, &a);
    assert_int_equal(x.ignored.count, 5);
    assert_string_equal(x.ignored.first, "partition 0 of topic t is named twice");
    assert_led(&x, 0, 1, 0);
    assert_int_equal(x.t->count, 3);
    assert_int_equal(leader_of(&x, 1, &l, &e), KAFKA_ERR_LEADER_NOT_AVAILABLE); /* a gap */
    assert_led(&x, 2, 3, 0);
    table_fini(&x);
}

static void absurd_lists_of_replicas_are_bounded(void **state)
{
    (void)state;
    table x;
    answer a;
    static int32_t many[70000];
    table_init(&x);
    answer_init(&a);
    kfk_metadata_response_topic *t = answer_topic(&a, "t", 1);
    answer_partition(t, 0, 1, 0)->replica_nodes = (kfk_int32_array){many, 70000};
    answer_partition(t, 1, 1, 0)->replica_nodes = (kfk_int32_array){NULL, -1};
    apply(&x, &a);
    assert_int_equal(x.t->partitions[0].replica_count, UINT16_MAX);
    assert_int_equal(x.t->partitions[1].replica_count, 0);
    table_fini(&x);
}

/* ---- ids --------------------------------------------------------------------------------------------------------- */

static void another_id_is_another_topic(void **state)
{
    (void)state;
    table x;
    answer a;
    kfk_uuid one = answer_id(1), two = answer_id(2);
    table_init(&x);
    answer_init(&a);
    kfk_metadata_response_topic *t = answer_topic(&a, "t", 1);
    for (int32_t i = 0; i < 3; i++) answer_partition(t, i, 1, 9);
    apply(&x, &a);
    assert_ptr_equal(kfk_topics_find_id(&x.topics, &one), x.t);
    apply_one(&x, 2, 2, 0);
    assert_true(x.changes & KFK_TOPIC_NEW_ID);
    assert_int_equal(x.t->count, 1);
    assert_led(&x, 0, 2, 0);
    assert_null(kfk_topics_find_id(&x.topics, &one));
    assert_ptr_equal(kfk_topics_find_id(&x.topics, &two), x.t);
    table_fini(&x);
}

static void a_broker_that_still_names_the_old_id_is_behind(void **state)
{
    (void)state;
    table x;
    table_init(&x);
    apply_one(&x, 1, 1, 9);
    apply_one(&x, 2, 2, 0);
    apply_one(&x, 1, 1, 10);
    assert_int_equal(x.told, 0);
    assert_led(&x, 0, 2, 0);
    apply_one(&x, 2, 3, 1);
    assert_led(&x, 0, 3, 1);
    table_fini(&x);
}

static void an_answer_without_id_says_nothing_against_the_one_that_is_known(void **state)
{
    (void)state;
    table x;
    table_init(&x);
    apply_one(&x, 0, 1, 1);
    assert_false(x.t->has_id);
    apply_one(&x, 1, 1, 2); /* it becomes known: no new topic */
    assert_int_equal(x.changes, KFK_TOPIC_LEADERS);
    apply_one(&x, 0, 2, 3);
    assert_true(x.t->has_id);
    assert_led(&x, 0, 2, 3);
    table_fini(&x);
}

static void two_topics_with_one_id_are_not_believed(void **state)
{
    (void)state;
    table x;
    answer a;
    kfk_topic *other;
    kfk_uuid one = answer_id(1);
    table_init(&x);
    assert_int_equal(kfk_topics_add(&x.topics, kafka_str("u"), &other), 0);
    answer_init(&a);
    answer_partition(answer_topic(&a, "t", 1), 0, 1, 0);
    answer_partition(answer_topic(&a, "u", 1), 0, 1, 0);
    apply(&x, &a);
    assert_ptr_equal(kfk_topics_find_id(&x.topics, &one), x.t);
    assert_int_equal(other->count, 0);
    assert_string_equal(x.ignored.first, "topic u has the id of topic t");
    table_fini(&x);
}

/* Before Kafka 2.8 a topic that was created anew begins with epoch 0 and nothing else tells. */
static void without_ids_a_topic_that_was_missing_begins_anew(void **state)
{
    (void)state;
    table x;
    table_init(&x);
    apply_one(&x, 0, 1, 9);
    apply_one(&x, 0, 2, 0);
    assert_led(&x, 0, 1, 9);
    apply_error(&x, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    apply_one(&x, 0, 2, 0);
    assert_led(&x, 0, 2, 0);
    table_fini(&x);
}

static void what_is_forgotten_is_believed_from_anybody(void **state)
{
    (void)state;
    table x;
    table_init(&x);
    apply_one(&x, 1, 1, 9);
    apply_one(&x, 2, 1, 9);
    kfk_topics_forget(&x.topics);
    apply_one(&x, 1, 2, 0);
    assert_led(&x, 0, 2, 0);
    table_fini(&x);
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static void one_broker_that_does_not_know_a_topic_is_not_believed(void **state)
{
    (void)state;
    table x;
    int32_t l, e;
    table_init(&x);
    apply_one(&x, 1, 1, 3);
    for (int i = 1; i < KFK_TOPIC_MISSING; i++) {
        apply_error(&x, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_led(&x, 0, 1, 3);
        assert_int_equal(x.told, 0);
        assert_true(kfk_topic_is_incomplete(x.t));
    }
    apply_error(&x, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(leader_of(&x, 0, &l, &e), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(x.changes, KFK_TOPIC_ERROR);
    apply_one(&x, 1, 1, 3);
    assert_led(&x, 0, 1, 3);
    assert_int_equal(x.changes, KFK_TOPIC_ERROR);
    table_fini(&x);
}

static void a_topic_that_was_never_there_is_missing_at_once(void **state)
{
    (void)state;
    table x;
    int32_t l, e;
    table_init(&x);
    apply_error(&x, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(leader_of(&x, 0, &l, &e), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    table_fini(&x);
}

static void an_error_of_the_topic_is_told_and_goes(void **state)
{
    (void)state;
    table x;
    int32_t l, e;
    table_init(&x);
    apply_one(&x, 1, 1, 3);
    apply_error(&x, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(x.changes, KFK_TOPIC_ERROR);
    assert_int_equal(leader_of(&x, 0, &l, &e), KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_false(kfk_topic_is_incomplete(x.t));
    apply_one(&x, 1, 1, 3);
    assert_led(&x, 0, 1, 3);
    table_fini(&x);
}

/* ---- which topics there are -------------------------------------------------------------------------------------- */

static void only_topics_that_somebody_wants_are_kept(void **state)
{
    (void)state;
    table x;
    answer a;
    table_init(&x);
    answer_init(&a);
    answer_partition(answer_topic(&a, "t", 1), 0, 1, 0);
    answer_partition(answer_topic(&a, "u", 2), 0, 1, 0);
    apply(&x, &a);
    assert_null(kfk_topics_find(&x.topics, kafka_str("u")));
    assert_int_equal(apply_as(&x, &a, true), 0); /* nobody watches all */
    assert_null(kfk_topics_find(&x.topics, kafka_str("u")));
    table_fini(&x);
}

typedef struct all {
    kfk_topic_watch watch;
    char told[64];
} all;

static void note_any(kfk_topic_watch *w, kfk_topic *t, unsigned changes)
{
    all *x = KFK_CONTAINER(w, all, watch);
    size_t len = strlen(x->told);
    snprintf(x->told + len, sizeof x->told - len, "%s%s ", t->name, changes & KFK_TOPIC_GONE ? "!" : "");
}

static void who_watches_all_is_told_of_those_that_come_and_go(void **state)
{
    (void)state;
    table x;
    answer a;
    all w = {.watch.changed = note_any};
    table_init(&x);
    kfk_topics_watch(&x.topics, NULL, &w.watch);
    answer_init(&a);
    answer_partition(answer_topic(&a, "t", 1), 0, 1, 0);
    answer_partition(answer_topic(&a, "u", 2), 0, 1, 0);
    answer_partition(answer_topic(&a, "v", 3), 0, 1, 0);
    answer_partition(answer_topic(&a, "u", 4), 0, 1, 0);
    answer_partition(answer_topic(&a, "no way", 5), 0, 1, 0);
    answer_partition(answer_topic(&a, "..", 6), 0, 1, 0);
    assert_int_equal(apply_as(&x, &a, true), 0);
    assert_string_equal(w.told, "t u v ");
    assert_int_equal(x.ignored.count, 3);
    w.told[0] = '\0';
    answer_init(&a);
    answer_partition(answer_topic(&a, "v", 3), 0, 1, 0);
    for (int i = 0; i < KFK_TOPIC_MISSING; i++) assert_int_equal(apply_as(&x, &a, true), 0);
    assert_string_equal(w.told, "u! t "); /* somebody else watches t */
    assert_null(kfk_topics_find(&x.topics, kafka_str("u")));
    assert_int_equal(kfk_topic_error(x.t), KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    kfk_topics_unwatch(&w.watch);
    kfk_topics_unwatch(&w.watch);
    table_fini(&x);
}

/* A watch that takes another one away, and itself. */
typedef struct taker {
    kfk_topic_watch watch, *other;
    int told;
} taker;

static void take_away(kfk_topic_watch *w, kfk_topic *t, unsigned changes)
{
    taker *x = KFK_CONTAINER(w, taker, watch);
    (void)t;
    (void)changes;
    x->told++;
    kfk_topics_unwatch(x->other);
    kfk_topics_unwatch(w);
}

static void watchers_may_come_and_go_while_they_are_told(void **state)
{
    (void)state;
    table x;
    taker one = {.watch.changed = take_away}, two = {.watch.changed = take_away};
    one.other = &two.watch;
    two.other = &one.watch;
    table_init(&x);
    kfk_topics_watch(&x.topics, x.t, &one.watch);
    kfk_topics_watch(&x.topics, x.t, &two.watch);
    apply_one(&x, 1, 1, 1);
    assert_int_equal(one.told + two.told, 1);
    apply_one(&x, 1, 2, 2);
    assert_int_equal(one.told + two.told, 1);
    assert_int_equal(x.told, 1);
    table_fini(&x);
}

/* One who learns something while it is told: an answer to a request that it makes then. */
typedef struct learner {
    all all;
    table *table;
    int hints;
} learner;

static void learn_more(kfk_topic_watch *w, kfk_topic *t, unsigned changes)
{
    learner *x = KFK_CONTAINER(w, learner, all.watch);
    note_any(w, t, changes);
    if (x->hints-- <= 0) return;
    assert_true(kfk_topics_hint(&x->table->topics, &x->table->brokers, t, 0, 2, 7));
    kfk_topics_tell(&x->table->topics);
}

static void what_is_learned_while_watchers_are_told_reaches_all_of_them(void **state)
{
    (void)state;
    table x;
    answer a;
    learner one = {.all.watch.changed = learn_more, .table = &x, .hints = 1};
    all two = {.watch.changed = note_any};
    table_init(&x);
    kfk_topics_watch(&x.topics, NULL, &one.all.watch);
    kfk_topics_watch(&x.topics, NULL, &two.watch);
    answer_init(&a);
    answer_partition(answer_topic(&a, "t", 1), 0, 1, 0);
    answer_partition(answer_topic(&a, "u", 2), 0, 1, 0);
    assert_int_equal(apply_as(&x, &a, true), 0);
    assert_string_equal(one.all.told, "t u t ");
    assert_string_equal(two.told, "t u t ");
    kfk_topics_unwatch(&one.all.watch);
    kfk_topics_unwatch(&two.watch);
    table_fini(&x);
}

static void names_that_cannot_be_are_refused(void **state)
{
    (void)state;
    table x;
    kfk_topic *t;
    char longest[251];
    memset(longest, 'x', sizeof longest);
    table_init(&x);
    assert_int_equal(kfk_topics_add(&x.topics, kafka_str(""), &t), KAFKA_ERR_INVALID_TOPIC);
    assert_int_equal(kfk_topics_add(&x.topics, kafka_str("a/b"), &t), KAFKA_ERR_INVALID_TOPIC);
    assert_int_equal(kfk_topics_add(&x.topics, (kafka_bytes){longest, 250}, &t), KAFKA_ERR_INVALID_TOPIC);
    assert_int_equal(kfk_topics_add(&x.topics, (kafka_bytes){longest, 249}, &t), 0);
    assert_ptr_equal(kfk_topics_find(&x.topics, (kafka_bytes){longest, 249}), t);
    table_fini(&x);
}

static void without_memory_a_topic_stays_as_it_was(void **state)
{
    (void)state;
    MEMCHECK_EACH_FAILURE(n)
    {
        table x = {.number = 1};
        answer a;
        all w = {.watch.changed = NULL};
        int err = 0;
        kfk_brokers_init(&x.brokers, 1);
        kfk_topics_init(&x.topics, 2);
        kfk_topics_watch(&x.topics, NULL, &w.watch);
        for (int32_t round = 1; round <= 3 && err == 0; round++) {
            answer_init(&a);
            kfk_metadata_response_topic *t = answer_topic(&a, "t", 1);
            for (int32_t i = 0; i < 3 * round; i++) answer_partition(t, i, 1, round);
            answer_partition(answer_topic(&a, "u", (uint8_t)(10 + round)), 0, 2, 0);
            err = apply_as(&x, &a, true);
            assert_true(err == 0 || err == KAFKA_ENOMEM);
            kfk_topic *known = kfk_topics_find(&x.topics, kafka_str("t"));
            if (known && known->count > 0) {
                int32_t now = known->partitions[0].leader_epoch;
                assert_int_equal(known->count, 3 * now);
                assert_true(now == round || (err != 0 && now == round - 1));
            }
        }
        assert_int_equal(err != 0, memcheck_failed() && err != 0);
        kfk_topics_fini(&x.topics);
        kfk_brokers_fini(&x.brokers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(a_topic_that_no_answer_spoke_of_has_no_leader_yet),
        MEMCHECK_TEST(only_an_epoch_that_is_known_to_be_older_is_not_believed),
        MEMCHECK_TEST(an_answer_without_epoch_does_not_open_the_door_to_an_older_one),
        MEMCHECK_TEST(a_leader_that_is_not_among_the_brokers_is_none),
        MEMCHECK_TEST(nothing_new_is_not_told),
        MEMCHECK_TEST(a_hint_counts_when_its_epoch_is_newer),
        MEMCHECK_TEST(what_was_found_stale_is_until_something_newer_comes_or_was_asked_for),
        MEMCHECK_TEST(there_are_never_fewer_partitions_under_one_id),
        MEMCHECK_TEST(new_partitions_are_told),
        MEMCHECK_TEST(partitions_that_cannot_be_are_ignored),
        MEMCHECK_TEST(absurd_lists_of_replicas_are_bounded),
        MEMCHECK_TEST(another_id_is_another_topic),
        MEMCHECK_TEST(a_broker_that_still_names_the_old_id_is_behind),
        MEMCHECK_TEST(an_answer_without_id_says_nothing_against_the_one_that_is_known),
        MEMCHECK_TEST(two_topics_with_one_id_are_not_believed),
        MEMCHECK_TEST(without_ids_a_topic_that_was_missing_begins_anew),
        MEMCHECK_TEST(what_is_forgotten_is_believed_from_anybody),
        MEMCHECK_TEST(one_broker_that_does_not_know_a_topic_is_not_believed),
        MEMCHECK_TEST(a_topic_that_was_never_there_is_missing_at_once),
        MEMCHECK_TEST(an_error_of_the_topic_is_told_and_goes),
        MEMCHECK_TEST(only_topics_that_somebody_wants_are_kept),
        MEMCHECK_TEST(who_watches_all_is_told_of_those_that_come_and_go),
        MEMCHECK_TEST(watchers_may_come_and_go_while_they_are_told),
        MEMCHECK_TEST(what_is_learned_while_watchers_are_told_reaches_all_of_them),
        MEMCHECK_TEST(names_that_cannot_be_are_refused),
        MEMCHECK_TEST(without_memory_a_topic_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
