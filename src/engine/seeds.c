/* Connections to the bootstrap addresses, for discoveries (discover.c) that nobody else can answer.
 *
 * They come out of a race over all addresses, which are resolved again each time. A race begins where the one before it
 * ended, so that a broker that accepts connections and answers nothing does not win for ever, and lasts ten seconds at
 * most, the time to connect. Races begin with a backoff until an answer was good. Of several connections only the one
 * that answered is kept; it becomes the link of the broker whose address it has, when metadata names one. */
#include "base/time.h"
#include "engine/cluster_impl.h"
#include <string.h>

static void start_race(kfk_cluster *c);

/* Room for one more connection. Where all hang, the one that has been silent for longest goes: who waits for it goes on
 * with what else is there. */
static kfk_link *make_room(kfk_cluster *c)
{
    kfk_link *l = c->seeds.of, *longest = l;
    for (; l < c->seeds.of + KFK_SEEDS; l++) {
        if (!l->broker) return l;
        if (l->asked_ms < longest->asked_ms) longest = l;
    }
    kfk_link_close_loop(longest);
    return longest;
}

/* Gives what came of a race to the discoveries that wait for it. They leave the list by themselves, and their owners
 * may close the cluster. */
static void tell(kfk_cluster *c, kfk_link *l, const kfk_error *why)
{
    kfk_cluster_hold(c);
    for (bool found = true; found;) {
        found = false;
        KFK_LIST_EACH (n, &c->discoveries) {
            kfk_discovery *d = KFK_CONTAINER(n, kfk_discovery, node);
            if (!d->waits_for_seed) continue;
            d->waits_for_seed = false;
            found = true;
            kfk_discovery_seed_loop(d, l, why);
            break; /* the list may be another one now */
        }
    }
    kfk_cluster_drop(c);
}

static void race_over(kfk_cluster *c, kfk_broker *winner, const kfk_error *why)
{
    kfk_seeds *s = &c->seeds;
    s->race = NULL;
    kfk_loop_timer_clear(c->loop, &s->timer);
    if (!winner) {
        tell(c, NULL, why);
        return;
    }
    kfk_cluster_hold(c);
    kfk_link *l = make_room(c);
    if (c->closed) { /* by who was told that its connection made room */
        kfk_broker_free_loop(winner);
    } else {
        *l = (kfk_link){.broker = winner, .asked_ms = kfk_loop_now_ms(c->loop)};
        kfk_broker_set_owner_loop(winner, kfk_links_changed, c);
        tell(c, l, NULL);
        kfk_seeds_unwant_loop(c);
    }
    kfk_cluster_drop(c);
}

static void race_done(void *owner, kfk_broker *winner_take, const kfk_error *why)
{
    race_over(owner, winner_take, why);
}

static void timer_due(kfk_timer *t)
{
    kfk_cluster *c = KFK_CONTAINER(t, kfk_cluster, seeds.timer);
    kfk_bootstrap *race = c->seeds.race;
    if (!race) {
        start_race(c);
        return;
    }
    kfk_error why;
    char doing[320];
    const kfk_error *before = kfk_bootstrap_error(race);
    kfk_bootstrap_describe(race, doing, sizeof doing);
    kfk_error_set(&why, KAFKA_ETIMEDOUT, "no bootstrap address could be connected to: %s%s%s", doing,
                  before->code ? "; before that: " : "", before->text);
    kfk_bootstrap_abandon_loop(race);
    race_over(c, NULL, &why);
}

static void start_race(kfk_cluster *c)
{
    kfk_seeds *s = &c->seeds;
    int64_t now = kfk_loop_now_ms(c->loop), deadline = kfk_time_add(now, c->cfg.connect.connect_timeout_ms);
    kfk_bootstrap_config cfg = {
        .connect = c->cfg.connect,
        .addresses = c->bootstrap,
        .count = c->cfg.bootstrap_count,
        .first = s->first,
        .deadline_ms = deadline,
        .again = true,
        .done = race_done,
        .owner = c,
    };
    s->first = (s->first + 1) % c->cfg.bootstrap_count;
    s->not_before_ms = kfk_time_add(now, kfk_backoff_ms(c->loop, ++s->failures, KFK_BACKOFF_LAST_MS));
    int err = kfk_bootstrap_start_loop(&cfg, &s->race);
    if (err == 0) {
        kfk_loop_timer_set(c->loop, &s->timer, deadline);
        return;
    }
    kfk_error why;
    kfk_error_set(&why, err, "no memory for a connection to a bootstrap address");
    race_over(c, NULL, &why);
}

void kfk_seeds_want_loop(kfk_cluster *c)
{
    kfk_seeds *s = &c->seeds;
    if (s->race || kfk_timer_is_set(&s->timer)) return;
    if (s->not_before_ms > kfk_loop_now_ms(c->loop))
        kfk_loop_timer_set(c->loop, &s->timer, s->not_before_ms);
    else
        start_race(c);
}

void kfk_seeds_unwant_loop(kfk_cluster *c)
{
    kfk_seeds *s = &c->seeds;
    KFK_LIST_EACH (n, &c->discoveries) {
        if (KFK_CONTAINER(n, kfk_discovery, node)->waits_for_seed) return;
    }
    if (s->race) kfk_bootstrap_abandon_loop(s->race);
    s->race = NULL;
    kfk_loop_timer_clear(c->loop, &s->timer);
}

void kfk_seeds_init(kfk_cluster *c)
{
    kfk_timer_init(&c->seeds.timer, timer_due);
    c->seeds.favourite = -1;
    if (c->cfg.shuffle) c->seeds.first = kfk_loop_random(c->loop) % c->cfg.bootstrap_count;
}

void kfk_seeds_close_loop(kfk_cluster *c)
{
    if (c->seeds.race) kfk_bootstrap_abandon_loop(c->seeds.race);
    c->seeds.race = NULL;
    kfk_loop_timer_clear(c->loop, &c->seeds.timer);
    for (int i = 0; i < KFK_SEEDS; i++) kfk_link_close_loop(&c->seeds.of[i]);
}

void kfk_seeds_rebootstrap_loop(kfk_cluster *c)
{
    c->seeds.favourite = -1;
    kfk_brokers_forget(&c->brokers); /* first: who loses a request must not ask the next of them */
    kfk_links_close_all_loop(c);
    for (int i = 0; i < KFK_SEEDS; i++) kfk_link_close_loop(&c->seeds.of[i]);
}

/* The connection has the address of a broker that has no control link: then it is one. */
static bool adopt(kfk_cluster *c, kfk_link *seed)
{
    for (kfk_node *n = NULL; (n = kfk_brokers_next(&c->brokers, n)) != NULL;) {
        kfk_hostport at;
        char name[KFK_HOST_MAX + 16];
        kfk_node_address(n, &at);
        kfk_hostport_format(&at, name, sizeof name);
        if (strcmp(name, kfk_broker_name(seed->broker)) != 0) continue;
        if (!kfk_link_adopt(n, KFK_LINK_CONTROL, seed)) return false;
        c->seeds.favourite = n->id;
        return true;
    }
    return false;
}

void kfk_seeds_good_loop(kfk_cluster *c, kfk_link *by)
{
    kfk_seeds *s = &c->seeds;
    s->failures = 0;
    for (int i = 0; i < KFK_SEEDS; i++) {
        kfk_link *l = &s->of[i];
        if (!l->broker) continue;
        if (l != by && kfk_link_is_late(c, l))
            kfk_link_close_loop(l); /* another one did answer */
        else if (kfk_broker_is_ready(l->broker))
            adopt(c, l);
    }
    if (by->node) s->favourite = by->node->id;
}
