/* Who compresses: never whoever holds the baton, whatever threads write meanwhile, and with whatever codecs. */
#include "kafka/compress.h"
#include "sim/producers.h"
#include "wire/compress.h"

enum { SENDERS = 4, EACH = 60, CODE = KFK_CODEC_LZ4 };

static struct {
    kfk_loop *loop;
    kafka_codec own;
    int encoded, held;
} watch;

static int encode(void *userdata, int level, const void *src, size_t len, kafka_buf *dst)
{
    (void)userdata;
    watch.encoded++;
    watch.held += kfk_loop_held(watch.loop);
    return watch.own.encode(watch.own.userdata, level, src, len, dst);
}

/* The built-in one, looked at while it works. What is registered is kept for ever, so this comes before memory is
 * counted. */
static bool watch_codec(void)
{
    const kafka_codec *own = kafka_codec_find(CODE);
    if (!own) return false;
    watch.own = *own;
    kafka_codec watched = watch.own;
    watched.encode = encode;
    return kafka_codec_register(&watched) == 0;
}

typedef struct sender {
    book *book;
    uint32_t number;
    bool ended;
} sender;

static void send_some(sim *s, void *arg)
{
    sender *me = arg;
    book *b = me->book;
    for (int i = 0; i < EACH && !sim_failed(s); i++) {
        b->cfg.codec = sim_below(s, 2) ? CODE : KFK_CODEC_NONE;
        book_send(b, me->number, (int32_t)sim_below(s, 2), 20 + sim_below(s, 200), sim_below(s, 10) == 0);
        if (sim_below(s, 3) == 0) sim_meet_us(s, 1 + (int64_t)sim_below(s, 3) * 500);
    }
    me->ended = true;
}

static void everybody_sends(sim *s, int32_t codec)
{
    sender senders[SENDERS];
    book *b = book_new(s, 1, 2);
    watch.loop = sim_loop(s);
    watch.encoded = watch.held = 0;
    if (!b) return;
    b->cfg.codec = codec;
    b->cfg.batch_bytes = 2000;
    b->cfg.batch_timeout_ms = 5;
    if (sim_below(s, 4) == 0) b->cfg.buffer_bytes = 64 * 1024;
    if (!book_start(b)) return;
    for (int i = 0; i < 2; i++) book_send(b, 0, i, 50, true);
    book_wait(b, 10000);
    if (sim_below(s, 2)) kafka_cluster_set_disk_delay(b->cluster, 1, 1 + (int64_t)sim_below(s, 5));
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (sender){.book = b, .number = i};
        sim_spawn(s, "sender", send_some, &senders[i]);
    }
    for (uint32_t i = 0; i < SENDERS; i++)
        while (!senders[i].ended && !sim_failed(s)) sim_sleep_ms(s, 5);
    if (sim_below(s, 2)) book_flush(b, 10000);
    book_wait(b, 60000);
    sim_check(s, watch.encoded > 0);
    sim_check_equal(s, watch.held, 0);
    book_end(b);
}

SCENARIO_WITH(nobody_compresses_with_the_baton, .seeds = 200)
{
    everybody_sends(s, CODE);
}

SCENARIO_WITH(nor_where_messages_name_another_codec_than_the_writer, .seeds = 200)
{
    everybody_sends(s, KFK_CODEC_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(nobody_compresses_with_the_baton),
        MEMCHECK_TEST(nor_where_messages_name_another_codec_than_the_writer),
    };
    if (!watch_codec()) return 0; /* it was not built in */
    int failed = RUNNER_MAIN(tests);
    runner_sum_up();
    return failed;
}
