/* See the header. Each n has a connection of its own; what it was to do is looked at over another, past the proxy. */
#include "faults/cuts.h"
#include "base/rand.h"

enum { HANGS_MS = 20000, MOST_WRITES = 4096 };

static const proxy_plan pass;

int cuts_some_first(int every)
{
    return (int)(kfk_rand_system_seed() % (uint64_t)every);
}

/* Does something with every n of both directions, ended in both ways. */
static void for_each_cut(const cuts *k, proxy *x, const int64_t sizes[2],
                         void (*one)(const cuts *, proxy *, const proxy_plan *, void *), void *arg)
{
    static const proxy_way ways[] = {PROXY_UP, PROXY_DOWN};
    static const proxy_then ends[] = {PROXY_CLOSE, PROXY_RESET};
    int done = 0;
    for (int w = 0; w < 2; w++) {
        assert_true(sizes[w] > 20);
        for (int e = 0; e < 2; e++) {
            for (int64_t n = k->first; n<sizes[w]; n += k->every> 0 ? k->every : 1, done++)
                one(k, x, &(proxy_plan){.cut = ways[w], .bytes = n, .then = ends[e]}, arg);
        }
    }
    print_message("%d cuts in %d bytes up and %d down\n", done, (int)sizes[0], (int)sizes[1]);
}

/* What passed since the plan was set. */
static void measure(proxy *x, int64_t sizes[2])
{
    sizes[0] = proxy_passed(x, PROXY_UP);
    sizes[1] = proxy_passed(x, PROXY_DOWN);
    proxy_set(x, &pass);
}

static void fail_at(const proxy_plan *plan, const char *what, int got)
{
    fail_msg("cut %s at byte %d by %s: %s: %d: %s", plan->cut == PROXY_UP ? "up" : "down", (int)plan->bytes,
             plan->then == PROXY_CLOSE ? "the end" : "a reset", what, got, kafka_last_error());
}

/* ---- a dial ------------------------------------------------------------------------------------------------------ */

static void cut_dial(const cuts *k, proxy *x, const proxy_plan *plan, void *arg)
{
    kafka_conn *c = NULL;
    int64_t before = kafka_now_ms();
    (void)k;
    (void)arg;
    proxy_set(x, plan);
    int code = kafka_dial(NULL, NULL, proxy_address(x), &c);
    if (code != KAFKA_EUNEXPECTED_EOF) fail_at(plan, "another code", code);
    if (!strstr(kafka_last_error(), proxy_address(x))) fail_at(plan, "no address", code);
    assert_null(c);
    assert_true(kafka_now_ms() - before < HANGS_MS);
}

void cuts_of_a_dial(const cuts *k)
{
    proxy *x = proxy_new(k->broker);
    int64_t sizes[2];
    proxy_set(x, &pass);
    kafka_conn *c = through(proxy_address(x), k->topic);
    measure(x, sizes);
    kafka_conn_free(c);
    for_each_cut(k, x, sizes, cut_dial, NULL);
    proxy_free(x);
}

/* ---- a write ----------------------------------------------------------------------------------------------------- */

typedef struct writes {
    kafka_conn *direct;
    int64_t begin, end; /* of the log: before the first write, and now */
    int written[MOST_WRITES];
    int next;
} writes;

static int64_t end_of(kafka_conn *direct)
{
    int64_t end = -1;
    kafka_conn_set_deadline(direct, kafka_deadline_in(10000));
    assert_works(kafka_conn_read_last_offset(direct, &end));
    return end;
}

static int write_next(writes *w, kafka_conn *c)
{
    char value[24];
    int len = snprintf(value, sizeof value, "w%04d", w->next++);
    return kafka_conn_write(c, value, (size_t)len);
}

/* The request that is cut was never whole, so the batch is not there; the answer that is cut was one to a batch that
 * is. All that the client knows is that it sent. */
static void cut_write(const cuts *k, proxy *x, const proxy_plan *plan, void *arg)
{
    writes *w = arg;
    proxy_set(x, &pass);
    kafka_conn *c = through(proxy_address(x), k->topic);
    proxy_set(x, plan);
    int number = w->next, code = write_next(w, c);
    if (code != (plan->then == PROXY_CLOSE ? KAFKA_EUNEXPECTED_EOF : KAFKA_EIO)) fail_at(plan, "another code", code);
    if (kafka_last_written() != KAFKA_WRITTEN_MAYBE) fail_at(plan, "what is known is", kafka_last_written());
    code = kafka_conn_write(c, "again", 5); /* it is broken, and says so */
    if (code == 0 || kafka_last_written() != KAFKA_WRITTEN_NO) fail_at(plan, "written once more", code);
    int64_t end = end_of(w->direct);
    if (end - w->end != (plan->cut == PROXY_DOWN)) fail_at(plan, "messages more in the log", (int)(end - w->end));
    if (end > w->end) w->written[end - 1 - w->begin] = number;
    w->end = end;
    kafka_conn_free(c);
}

/* What is in the log are the messages that were written, in their order. */
static void check_log(writes *w)
{
    assert_works(kafka_conn_seek(w->direct, w->begin, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    for (int64_t at = w->begin; at < w->end; at++) {
        char value[24];
        snprintf(value, sizeof value, "w%04d", w->written[at - w->begin]);
        calls_expect_message(w->direct, at, value);
    }
}

void cuts_of_a_write(const cuts *k)
{
    static writes w;
    proxy *x = proxy_new(k->broker);
    int64_t sizes[2];
    w = (writes){.direct = through(k->broker, k->topic)};
    w.begin = w.end = end_of(w.direct);
    kafka_conn *c = through(proxy_address(x), k->topic);
    proxy_set(x, &pass);
    assert_works(write_next(&w, c));
    measure(x, sizes);
    w.end++;
    kafka_conn_free(c);
    assert_true(4 * (sizes[0] + sizes[1]) < MOST_WRITES);
    for_each_cut(k, x, sizes, cut_write, &w);
    check_log(&w);
    kafka_conn_free(w.direct);
    proxy_free(x);
}

/* ---- a read ------------------------------------------------------------------------------------------------------ */

/* Reads up to `count` messages from the position on; the position is always that of the next. */
static int read_on(kafka_conn *c, int count)
{
    int code = 0;
    while (code == 0 && kafka_conn_offset(c, NULL) < count) {
        kafka_message *m = NULL;
        char value[24];
        int64_t at = kafka_conn_offset(c, NULL);
        int len = snprintf(value, sizeof value, "v%d", (int)at);
        code = kafka_conn_read_message(c, 0, &m);
        if (code != 0) break;
        assert_int_equal(m->offset, at);
        assert_int_equal(m->value.len, len);
        assert_memory_equal(m->value.data, value, (size_t)len);
        kafka_message_free(m);
        assert_int_equal(kafka_conn_offset(c, NULL), at + 1);
    }
    return code;
}

/* One fetch brings them all, so nothing comes out of one that was cut; another connection goes on at the position. */
static void cut_read(const cuts *k, proxy *x, const proxy_plan *plan, void *arg)
{
    int count = *(const int *)arg;
    proxy_set(x, &pass);
    kafka_conn *c = through(proxy_address(x), k->topic);
    proxy_set(x, plan);
    int code = read_on(c, count);
    if (code != (plan->then == PROXY_CLOSE ? KAFKA_EUNEXPECTED_EOF : KAFKA_EIO)) fail_at(plan, "another code", code);
    int64_t at = kafka_conn_offset(c, NULL);
    if (at != 0) fail_at(plan, "the position moved to", (int)at);
    kafka_conn_free(c);
}

void cuts_of_a_read(const cuts *k, int count)
{
    proxy *x = proxy_new(k->broker);
    int64_t sizes[2];
    kafka_conn *c = through(proxy_address(x), k->topic);
    proxy_set(x, &pass);
    assert_works(read_on(c, count));
    measure(x, sizes);
    kafka_conn_free(c);
    for_each_cut(k, x, sizes, cut_read, &count);
    proxy_set(x, &pass);
    c = through(proxy_address(x), k->topic);
    assert_works(read_on(c, count));
    kafka_conn_free(c);
    proxy_free(x);
}
