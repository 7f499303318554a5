/* The in-memory network, used as net/stream.h says a stream is used: nothing but the promised edges is counted on. */
#include "sim/names.h"
#include "sim/network.h"
#include "sim/runner.h"
#include <stdlib.h>
#include <string.h>

#define ADDRESS "10.0.0.1:9092"

/* ---- servers ----------------------------------------------------------------------------------------------------- */

static void echo(void *arg, sim_link *k)
{
    size_t len;
    const uint8_t *data = sim_link_data(k, &len);
    (void)arg;
    if (len > 0) sim_link_send(k, data, len);
    sim_link_consume(k, len);
    if (sim_link_state_of(k) == SIM_LINK_ENDED) sim_link_close(k);
}

static const sim_server echo_server = {.received = echo};

/* Keeps what it got last, and does nothing by itself. */
typedef struct quiet {
    sim_link *link;
    bool accepted, heard;
    int64_t heard_at_us;
} quiet;

static void quiet_accepted(void *arg, sim_link *k)
{
    quiet *q = arg;
    q->link = k;
    q->accepted = true;
}

static void quiet_received(void *arg, sim_link *k)
{
    quiet *q = arg;
    q->heard = true;
    q->heard_at_us = sim_now_us(sim_link_sim(k));
}

static const sim_server quiet_server = {.accepted = quiet_accepted, .received = quiet_received};

/* ---- a user of one stream ---------------------------------------------------------------------------------------- */

typedef struct user {
    sim *sim;
    kfk_stream *stream;
    int start_code, connect_code, read_code, write_code; /* EAGAIN while all is well */
    kfk_error error;
    int64_t connected_us, first_byte_us;
    size_t to_send, sent, got;
    bool connected, over, bad_byte, mute, all_back, saw_eagain;
    int idle_edges;
} user;

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 7 + i / 251);
}

static void user_reads(user *u)
{
    uint8_t buf[700];
    size_t got;
    while ((u->read_code = u->stream->ops->read(u->stream, buf, sizeof buf, &got, &u->error)) == 0) {
        if (u->got == 0) u->first_byte_us = sim_now_us(u->sim);
        for (size_t i = 0; i < got; i++) u->bad_byte |= buf[i] != pattern(u->got + i);
        u->got += got;
        if (got < sizeof buf) {
            u->read_code = KAFKA_EAGAIN;
            break;
        }
    }
    u->all_back = u->got == u->to_send;
    if (u->read_code != KAFKA_EAGAIN) u->over = true;
}

static void user_writes(user *u)
{
    uint8_t buf[1500];
    while (u->sent < u->to_send) {
        size_t n = u->to_send - u->sent, put;
        if (n > sizeof buf) n = sizeof buf;
        for (size_t i = 0; i < n; i++) buf[i] = pattern(u->sent + i);
        struct iovec iov[2] = {{buf, n / 3}, {buf + n / 3, n - n / 3}};
        u->write_code = u->stream->ops->write(u->stream, iov, 2, &put, &u->error);
        if (u->write_code != 0) break;
        u->sent += put;
    }
    if (u->write_code == KAFKA_EAGAIN)
        u->saw_eagain = true;
    else if (u->write_code != 0)
        u->over = true;
}

static void user_ready(void *owner, unsigned events)
{
    user *u = owner;
    size_t progress = u->got + u->sent;
    if (!u->connected) {
        u->connect_code = u->stream->ops->connected(u->stream, &u->error);
        if (u->connect_code == KAFKA_EAGAIN) return;
        u->over = u->connect_code != 0;
        u->connected = u->connect_code == 0;
        u->connected_us = sim_now_us(u->sim);
        events = u->connected ? KFK_STREAM_WRITABLE : 0;
    }
    if (events & KFK_STREAM_READABLE && !u->mute && !u->over) user_reads(u);
    if (events & KFK_STREAM_WRITABLE && !u->over) user_writes(u);
    if (u->got + u->sent == progress) u->idle_edges++;
}

static void user_start(void *arg)
{
    user *u = arg;
    kfk_address to;
    kfk_address_numeric("10.0.0.1", 9092, &to);
    u->start_code = kfk_loop_connect(sim_loop(u->sim), &to, NULL, &u->stream, &u->error);
    u->stream->owner = u;
    u->stream->ready = user_ready;
}

typedef struct closing {
    kfk_task task;
    user *user;
    bool done;
} closing;

static void closing_run(kfk_task *t)
{
    closing *c = KFK_CONTAINER(t, closing, task);
    c->user->stream->ops->close(c->user->stream);
    c->user->stream = NULL;
    c->done = true;
}

static void closing_defer(void *arg)
{
    closing *c = arg;
    kfk_loop_defer(sim_loop(c->user->sim), &c->task);
}

/* Streams are closed on the thread that turns the loop. */
static void user_close(user *u)
{
    closing c = {.task.run = closing_run, .user = u};
    sim_under_baton(u->sim, closing_defer, &c);
    sim_wait_for(u->sim, &c.done);
}

static void write_more(void *arg)
{
    user_writes(arg);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

SCENARIO_WITH(connecting_takes_a_round_trip_and_bytes_take_the_latency, .config.calm = true, .seeds = 1)
{
    sim_net_listen(s, ADDRESS, &echo_server, NULL)->latency_us = 1500;
    user u = {.sim = s, .to_send = 10};
    int64_t before = sim_now_us(s);
    sim_under_baton(s, user_start, &u);
    sim_wait_for(s, &u.all_back);
    sim_check_equal(s, u.connected_us - before, 3000);
    sim_check_equal(s, u.first_byte_us - before, 6000);
    user_close(&u);
}

SCENARIO_WITH(bandwidth_spreads_bytes_over_time, .config.calm = true, .seeds = 1)
{
    quiet q = {0};
    sim_route *r = sim_net_listen(s, ADDRESS, &quiet_server, &q);
    r->latency_us = 1000;
    r->bytes_per_s = 100000;
    user u = {.sim = s, .to_send = 5000};
    sim_under_baton(s, user_start, &u);
    sim_wait_for(s, &u.connected);
    sim_sleep_ms(s, 200);
    sim_check_equal(s, q.heard_at_us - u.connected_us, 51000);
    user_close(&u);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static const char *const trouble[] = {"a write met EAGAIN", "there was an edge for nothing", NULL};

SCENARIO_WITH(bytes_arrive_whole_and_in_order_however_they_are_cut, .sometimes = trouble)
{
    sim_route *r = sim_net_listen(s, ADDRESS, &echo_server, NULL);
    r->jitter_us = (int64_t)sim_below(s, 2000);
    r->window = 1 + sim_below(s, 5000);
    user u = {.sim = s, .to_send = 1 + sim_below(s, 20000)};
    sim_under_baton(s, user_start, &u);
    sim_wait_for(s, &u.all_back);
    sim_check(s, !u.bad_byte && !u.over);
    sim_check_equal(s, sim_link_delivered_up(sim_net_link(s, 0)), u.to_send);
    if (u.saw_eagain) sim_sometimes(s, trouble[0]);
    if (u.idle_edges > 0) sim_sometimes(s, trouble[1]);
    user_close(&u);
}

SCENARIO(a_server_that_stops_reading_stops_the_writer_until_it_reads_again)
{
    quiet q = {0};
    sim_net_listen(s, ADDRESS, &quiet_server, &q)->window = 1000;
    user u = {.sim = s, .to_send = 3000};
    sim_under_baton(s, user_start, &u);
    sim_wait_for(s, &q.accepted);
    sim_sleep_ms(s, 50);
    sim_check_equal(s, u.sent, 1000);
    sim_check_equal(s, u.write_code, KAFKA_EAGAIN);
    for (int i = 0; i < 2; i++) {
        sim_link_consume(q.link, 1000);
        sim_sleep_ms(s, 50);
        sim_check_equal(s, u.sent, 2000 + 1000 * i);
    }
    user_close(&u);
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

SCENARIO(a_connection_is_refused_where_nothing_listens)
{
    user u = {.sim = s};
    sim_under_baton(s, user_start, &u);
    sim_wait_for(s, &u.over);
    sim_check_equal(s, u.connect_code, KAFKA_EIO);
    sim_check_text(s, u.error.text, "connect: Connection refused");
    user_close(&u);
}

SCENARIO(a_black_hole_never_answers)
{
    sim_net_listen(s, ADDRESS, &echo_server, NULL)->reach = SIM_BLACKHOLE;
    user u = {.sim = s};
    sim_under_baton(s, user_start, &u);
    sim_sleep_ms(s, 1000000);
    sim_check(s, !u.connected && !u.over);
    user_close(&u);
}

/* Sends 100 bytes to an echo over a link that is cut after n of them, in one direction. */
static void use_a_link_that_is_cut(sim *s, user *u, sim_cut how, int64_t up, int64_t down)
{
    sim_route *r = sim_net_listen(s, ADDRESS, &echo_server, NULL);
    r->cut = how;
    r->cut_up = up;
    r->cut_down = down;
    *u = (user){.sim = s, .to_send = 100};
    sim_under_baton(s, user_start, u);
    sim_sleep_ms(s, 100);
    sim_check(s, !u->bad_byte);
}

SCENARIO(a_link_that_closes_after_n_bytes_delivers_n_bytes_and_the_end)
{
    user u;
    int64_t n = (int64_t)sim_below(s, 100);
    use_a_link_that_is_cut(s, &u, SIM_CUT_CLOSE, -1, n);
    sim_check_equal(s, u.got, n);
    sim_check_equal(s, u.read_code, KAFKA_EOF);
    user_close(&u);
}

SCENARIO(a_link_that_is_reset_after_n_bytes_delivers_n_bytes_and_an_error)
{
    user u;
    int64_t n = (int64_t)sim_below(s, 100);
    use_a_link_that_is_cut(s, &u, SIM_CUT_RESET, -1, n);
    sim_check(s, (int64_t)u.got <= n);
    sim_check(s, u.read_code == KAFKA_EIO || u.write_code == KAFKA_EIO);
    user_close(&u);
}

SCENARIO(a_link_that_falls_silent_after_n_bytes_delivers_n_bytes_and_nothing_else)
{
    user u;
    int64_t n = (int64_t)sim_below(s, 100);
    use_a_link_that_is_cut(s, &u, SIM_CUT_SILENCE, n, -1);
    sim_check_equal(s, sim_link_delivered_up(sim_net_link(s, 0)), n);
    sim_check_equal(s, u.got, n);
    sim_check(s, !u.over);
    user_close(&u);
}

SCENARIO(a_server_may_end_its_direction_and_go_on_reading)
{
    quiet q = {0};
    sim_net_listen(s, ADDRESS, &quiet_server, &q);
    user u = {.sim = s, .to_send = 10};
    sim_under_baton(s, user_start, &u);
    sim_wait_for(s, &q.heard);
    sim_link_finish(q.link);
    sim_wait_for(s, &u.over);
    sim_check_equal(s, u.read_code, KAFKA_EOF);
    u.to_send = 25;
    sim_under_baton(s, write_more, &u);
    sim_sleep_ms(s, 50);
    sim_check_equal(s, sim_link_delivered_up(q.link), u.sent);
    sim_check(s, sim_link_state_of(q.link) == SIM_LINK_OPEN);
    user_close(&u);
    q.heard = false;
    sim_wait_for(s, &q.heard);
    sim_check(s, sim_link_state_of(q.link) == SIM_LINK_ENDED);
}

SCENARIO(writing_to_a_server_that_closed_ends_in_a_reset)
{
    quiet q = {0};
    sim_net_listen(s, ADDRESS, &quiet_server, &q);
    user u = {.sim = s, .mute = true};
    sim_under_baton(s, user_start, &u);
    sim_wait_for(s, &q.accepted);
    sim_link_close(q.link);
    u.to_send = 10;
    sim_under_baton(s, write_more, &u);
    sim_sleep_ms(s, 50);
    u.to_send = 20;
    sim_under_baton(s, write_more, &u);
    sim_check_equal(s, u.write_code, KAFKA_EIO);
    sim_check_text(s, u.error.text, "write: Broken pipe");
    user_close(&u);
}

SCENARIO(closing_with_unread_bytes_resets_the_server)
{
    quiet q = {0};
    sim_net_listen(s, ADDRESS, &quiet_server, &q);
    user u = {.sim = s, .mute = true};
    sim_under_baton(s, user_start, &u);
    sim_wait_for(s, &q.accepted);
    sim_link_send(q.link, "unread", 6);
    sim_sleep_ms(s, 50);
    user_close(&u);
    sim_wait_for(s, &q.heard);
    sim_check(s, sim_link_state_of(q.link) == SIM_LINK_RESET);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

typedef struct asker {
    sim *sim;
    const char *host;
    kfk_lookup *lookup;
    char first[KFK_ADDRESS_TEXT];
    size_t count;
    kfk_error error;
    int64_t answered_us;
    bool done;
} asker;

static void asker_done(kfk_lookup *l)
{
    asker *a = l->owner;
    a->count = l->count;
    a->error = l->error;
    a->answered_us = sim_now_us(a->sim);
    a->done = true;
    if (l->count > 0) kfk_address_format(&l->found[0], a->first, sizeof a->first);
}

static void ask(void *arg)
{
    asker *a = arg;
    a->lookup = kfk_lookup_new(a->host, 9092, asker_done, a);
    sim_check_equal(a->sim, kfk_loop_lookup(sim_loop(a->sim), a->lookup), 0);
}

static void abandon(void *arg)
{
    kfk_lookup_abandon(((asker *)arg)->lookup);
}

SCENARIO(a_name_gives_its_addresses_after_its_delay)
{
    sim_name_add(s, "kafka", "10.0.0.7");
    sim_name_add(s, "kafka", "fd00::7");
    sim_name_of(s, "kafka")->delay_us = 0;
    asker a = {.sim = s, .host = "kafka"};
    int64_t before = sim_now_us(s);
    sim_under_baton(s, ask, &a);
    sim_wait_for(s, &a.done);
    sim_check_equal(s, a.count, 2);
    sim_check_text(s, a.first, "10.0.0.7:9092");
    sim_check_equal(s, a.answered_us - before, 0);
}

SCENARIO(a_name_may_be_unknown_or_fail)
{
    asker a = {.sim = s, .host = "nowhere"}, b = {.sim = s, .host = "broken"};
    sim_name_of(s, "broken")->failure = "Temporary failure in name resolution";
    sim_under_baton(s, ask, &a);
    sim_under_baton(s, ask, &b);
    sim_wait_for(s, &a.done);
    sim_wait_for(s, &b.done);
    sim_check_equal(s, a.error.code, KAFKA_ERESOLVE);
    sim_check_text(s, a.error.text, "Name or service not known");
    sim_check_text(s, b.error.text, "Temporary failure");
}

SCENARIO(a_look_up_that_was_abandoned_is_not_answered)
{
    sim_name_of(s, "silent")->silent = true;
    sim_name_add(s, "slow", "10.0.0.7");
    asker a = {.sim = s, .host = "silent"}, b = {.sim = s, .host = "slow"};
    sim_under_baton(s, ask, &a);
    sim_under_baton(s, ask, &b);
    sim_under_baton(s, abandon, &a);
    sim_under_baton(s, abandon, &b);
    sim_sleep_ms(s, 10000);
    sim_check(s, !a.done && !b.done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(connecting_takes_a_round_trip_and_bytes_take_the_latency),
        MEMCHECK_TEST(bandwidth_spreads_bytes_over_time),
        MEMCHECK_TEST(bytes_arrive_whole_and_in_order_however_they_are_cut),
        MEMCHECK_TEST(a_server_that_stops_reading_stops_the_writer_until_it_reads_again),
        MEMCHECK_TEST(a_connection_is_refused_where_nothing_listens),
        MEMCHECK_TEST(a_black_hole_never_answers),
        MEMCHECK_TEST(a_link_that_closes_after_n_bytes_delivers_n_bytes_and_the_end),
        MEMCHECK_TEST(a_link_that_is_reset_after_n_bytes_delivers_n_bytes_and_an_error),
        MEMCHECK_TEST(a_link_that_falls_silent_after_n_bytes_delivers_n_bytes_and_nothing_else),
        MEMCHECK_TEST(a_server_may_end_its_direction_and_go_on_reading),
        MEMCHECK_TEST(writing_to_a_server_that_closed_ends_in_a_reset),
        MEMCHECK_TEST(closing_with_unread_bytes_resets_the_server),
        MEMCHECK_TEST(a_name_gives_its_addresses_after_its_delay),
        MEMCHECK_TEST(a_name_may_be_unknown_or_fail),
        MEMCHECK_TEST(a_look_up_that_was_abandoned_is_not_answered),
    };
    return RUNNER_MAIN(tests);
}
