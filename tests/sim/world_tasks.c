/* The application of a world: tasks that write, and tasks that read.
 *
 * A writer sends its records in order, in batches, and sends a batch again until it is acknowledged (unless told not
 * to), as an application without idempotence does. A reader reads on from where it is, by any of the calls there are,
 * and after a failure goes on with the record that is due. Both make a new connection when the old one is of no use any
 * more, through any broker. */
#include "sim/world_impl.h"
#include <string.h>

enum { DIAL_MS = 2000, AFTER_FAILURE_MS = 20, LAST_TRY_MS = 30000, READ_MOST = 20 };

/* ---- connections ------------------------------------------------------------------------------------------------- */

static const char *failure_name(int code, const char *why)
{
    switch (code) {
    case KAFKA_ERR_NOT_LEADER_OR_FOLLOWER: return WORLD_NOT_LEADER;
    case KAFKA_ERR_OFFSET_OUT_OF_RANGE: return WORLD_OUT_OF_RANGE;
    case KAFKA_ETIMEDOUT: return WORLD_TIMED_OUT;
    case KAFKA_EIO: return strstr(why, "refused") ? WORLD_REFUSED : WORLD_RESET;
    case KAFKA_ERESOLVE: return WORLD_UNRESOLVED;
    case KAFKA_EUNEXPECTED_EOF: return WORLD_EOF;
    case KAFKA_ECORRUPT: return WORLD_CORRUPT;
    case KAFKA_EPROTO: return WORLD_PROTOCOL;
    default: return NULL;
    }
}

/* What nobody may get from a broker and a network that do not garble anything. */
static bool is_nonsense(int code)
{
    return code == KAFKA_EPROTO || code == KAFKA_ECORRUPT || code == KAFKA_ECODEC || code == KAFKA_EVERSION ||
           code == KAFKA_ETOOBIG || code == KAFKA_EINVAL || code == KAFKA_EAGAIN || code == KAFKA_ENOMEM ||
           code == KAFKA_ERR_CORRUPT_MESSAGE || code == KAFKA_ECLOSED || code == KAFKA_ECANCELED ||
           code == KAFKA_ERR_INVALID_REQUEST;
}

void world_failed(world *w, int code, const char *why)
{
    sim *s = w->sim;
    const char *name = failure_name(code, why);
    if (name) sim_sometimes(s, name);
    sim_trace(s, "failed with %d: %s", code, why);
    if (code == KAFKA_ENOMEM && w->short_of_memory)
        sim_sometimes(s, WORLD_NO_MEMORY);
    else if (is_nonsense(code) && !w->journal.only_content)
        sim_fail(s, "nonsense: %d, %s", code, why);
}

/* After a code of the broker, other than that it does not lead, and after a deadline, the connection works. */
bool world_task_failed(world_task *t, int code)
{
    world_failed(t->world, code, kafka_last_error());
    if (code == KAFKA_ERR_NOT_LEADER_OR_FOLLOWER || code == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION) return false;
    if (code != KAFKA_ETIMEDOUT) return code > 0;
    return t->patience-- > 0; /* what has not answered several times is given up */
}

static void hang_up(world_task *t)
{
    kafka_conn_free(t->conn);
    t->conn = NULL;
}

/* False: not now. */
static bool dial(world_task *t)
{
    world *w = t->world;
    if (t->conn) return true;
    t->placed = false;
    t->patience = (int)sim_below(w->sim, 4);
    int64_t timeout = 100 + (int64_t)sim_below(w->sim, DIAL_MS), began = sim_now_ms(w->sim);
    kafka_dialer d = world_dialer(w, timeout);
    int code = kafka_dial_leader(&d, NULL, w->bootstrap, WORLD_TOPIC, t->partition, &t->conn);
    sim_check(w->sim, sim_now_ms(w->sim) <= began + timeout + w->cfg.slack_ms);
    if (code != 0) {
        world_task_failed(t, code);
        return false;
    }
    if (t->dials++ > 0) sim_sometimes(w->sim, WORLD_RECONNECTED);
    if (w->cfg.acks) sim_check_equal(w->sim, kafka_conn_set_required_acks(t->conn, w->cfg.acks), 0);
    return true;
}

/* Sets both deadlines, for the next call. */
static int64_t set_deadline(world_task *t)
{
    world *w = t->world;
    int64_t most = w->cfg.deadline_ms,
            ms = w->cfg.patient || sim_below(w->sim, 2) ? most : 1 + (int64_t)sim_below(w->sim, (uint64_t)most);
    int64_t deadline = kafka_deadline_in(w->stopping ? LAST_TRY_MS : ms);
    kafka_conn_set_deadline(t->conn, deadline);
    return deadline;
}

static void check_deadline(const world_task *t, int64_t deadline)
{
    sim_check(t->world->sim, sim_now_ms(t->world->sim) <= deadline + t->world->cfg.slack_ms);
}

static void pause(world_task *t)
{
    if (!t->world->stopping)
        sim_sleep_us(t->world->sim, (int64_t)sim_below(t->world->sim, (uint64_t)t->world->cfg.pause_us * 2));
}

static void task_ends(world_task *t)
{
    hang_up(t);
    t->ended = true;
    t->world->stopped = --t->world->tasks_left == 0;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* One attempt. True: it was acknowledged. */
static bool write_once(world_task *t, uint32_t count)
{
    world *w = t->world;
    uint8_t values[READ_MOST][JOURNAL_VALUE_MOST];
    kafka_message messages[READ_MOST] = {{0}};
    int64_t begun_us = sim_now_us(w->sim);
    if (!dial(t)) return false;
    for (uint32_t i = 0; i < count; i++) {
        size_t len = JOURNAL_VALUE + (t->next + i) * 37 % (JOURNAL_VALUE_MOST - JOURNAL_VALUE);
        journal_fill(&w->journal, (uint16_t)t->number, t->partition, t->next + i, values[i], len);
        messages[i].value = KAFKA_BYTES(values[i], len);
    }
    int64_t deadline = set_deadline(t);
    int code = kafka_conn_write_messages(t->conn, messages, count, KAFKA_COMPRESSION_DEFAULT, NULL);
    kafka_written written = code == 0 ? KAFKA_WRITTEN_YES : kafka_last_written();
    check_deadline(t, deadline);
    journal_written(&w->journal, (uint16_t)t->number, t->next, count, written, begun_us);
    if (code == 0) {
        t->progress++;
        sim_sometimes(w->sim, WORLD_WRITTEN);
        return true;
    }
    if (!world_task_failed(t, code)) hang_up(t);
    return false;
}

void world_task_write(sim *s, void *task)
{
    world_task *t = task;
    world *w = t->world;
    for (int i = 0; i < w->cfg.most_writes && !w->stopping && !sim_failed(s); i++) {
        uint32_t count = 1 + (uint32_t)sim_below(s, (uint64_t)w->cfg.most_batch);
        if (t->next + count > JOURNAL_RECORDS) break;
        int64_t give_up_ms = INT64_MAX;
        while (!write_once(t, count) && !sim_failed(s)) {
            if (w->cfg.no_retry) break;
            if (w->stopping && give_up_ms == INT64_MAX) give_up_ms = sim_now_ms(s) + LAST_TRY_MS;
            if (sim_now_ms(s) >= give_up_ms) {
                sim_fail(s, "writer %d cannot write although all is well: %s", t->number, kafka_last_error());
                break;
            }
            sim_sleep_ms(s, AFTER_FAILURE_MS);
        }
        t->next += count;
        pause(t);
    }
    task_ends(t);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Who does not know where he is begins with the first record that there is; what was deleted since he asked may still
 * come. */
static int64_t due(const world_task *t, int64_t offset)
{
    int64_t start = world_log_start(t->world, t->partition), at = t->at;
    if (at < 0) at = offset < start ? offset : start;
    return journal_next(&t->world->journal, t->partition, at, offset);
}

static void seen(world_task *t, int64_t offset, kafka_bytes value)
{
    world *w = t->world;
    journal_read(&w->journal, t->partition, offset, due(t, offset), value);
    t->at = offset + 1;
    t->progress++;
    sim_sometimes(w->sim, WORLD_READ);
}

static int read_message(world_task *t)
{
    kafka_message *m = NULL;
    int code = kafka_conn_read_message(t->conn, 0, &m);
    if (code == 0) seen(t, m->offset, m->value);
    kafka_message_free(m);
    return code;
}

/* A value alone: where it was stands in the position. */
static int read_value(world_task *t)
{
    uint8_t value[JOURNAL_VALUE_MOST];
    size_t len = 0;
    int code = kafka_conn_read(t->conn, value, sizeof value, &len);
    if (code == 0) seen(t, kafka_conn_offset(t->conn, NULL) - 1, KAFKA_BYTES(value, len));
    return code;
}

/* A batch, of which not everything is read sometimes. */
static int read_batch(world_task *t)
{
    world *w = t->world;
    kafka_batch *batch = NULL;
    kafka_fetch fetch = {.max_wait_ms = w->cfg.slice_ms ? w->cfg.slice_ms : (int64_t)sim_below(w->sim, 2) * 200};
    int code = kafka_conn_read_batch(t->conn, &fetch, &batch);
    if (code != 0) return code;
    kafka_message m;
    for (int i = 0; i < READ_MOST && !sim_failed(w->sim); i++) {
        if ((code = kafka_batch_read_message(batch, &m)) != 0) break;
        seen(t, m.offset, m.value);
        if (!sim_below(w->sim, 8)) break;
    }
    if (code == KAFKA_EOF) {
        int64_t end = kafka_batch_offset(batch);
        if (t->at >= 0 && journal_next(&w->journal, t->partition, t->at, end) < end)
            sim_fail(w->sim, "poll-skip: a batch ends at %lld, %lld was due", (long long)end, (long long)t->at);
        t->progress++;
        code = 0;
    }
    int closed = kafka_batch_close(batch);
    return code ? code : closed;
}

/* A new connection is sent to where the next record is due; from then on it has to be there by itself. */
static int place(world_task *t)
{
    world *w = t->world;
    int64_t at = kafka_conn_offset(t->conn, NULL);
    int flags = KAFKA_SEEK_ABSOLUTE | (sim_below(w->sim, 2) ? KAFKA_SEEK_DONT_CHECK : 0);
    if (t->at < 0) return 0;
    if (t->placed && at != journal_next(&w->journal, t->partition, t->at, at) && !w->journal.only_content)
        sim_fail(w->sim, "%s: the position of partition %d is %lld, %lld is due",
                 at > t->at ? "poll-skip" : "nonmonotonic-poll", (int)t->partition, (long long)at, (long long)t->at);
    if (t->placed) return 0;
    int code = kafka_conn_seek(t->conn, t->at, flags, NULL);
    t->placed = code == 0;
    return code;
}

static int read_somehow(world_task *t)
{
    switch (sim_below(t->world->sim, 3)) {
    case 0: return read_message(t);
    case 1: return read_value(t);
    default: return read_batch(t);
    }
}

/* It was deleted: what is first now? */
static void go_on_from_first(world_task *t)
{
    int64_t first = 0;
    t->placed = false;
    if (kafka_conn_read_first_offset(t->conn, &first) == 0 && (first > t->at || t->world->journal.only_content))
        t->at = first;
}

/* A read that fails moves the position over offsets without a record at most. */
static void check_position(world_task *t, int64_t before)
{
    int64_t now = kafka_conn_offset(t->conn, NULL);
    sim_check_equal(t->world->sim, now, journal_next(&t->world->journal, t->partition, before, now));
}

static void read_once(world_task *t)
{
    if (!dial(t)) {
        sim_sleep_ms(t->world->sim, AFTER_FAILURE_MS);
        return;
    }
    int64_t deadline = set_deadline(t);
    int code = place(t);
    check_deadline(t, deadline);
    if (code == 0) {
        bool was_set = t->at >= 0;
        int64_t before = kafka_conn_offset(t->conn, NULL), at = t->at;
        deadline = set_deadline(t);
        code = read_somehow(t);
        check_deadline(t, deadline);
        if (code != 0 && was_set && at == t->at) check_position(t, before);
    }
    if (code == 0) return;
    bool usable = world_task_failed(t, code);
    if (code == KAFKA_ERR_OFFSET_OUT_OF_RANGE) go_on_from_first(t);
    if (!usable) hang_up(t);
    if (code == KAFKA_ETIMEDOUT) t->progress += t->at >= t->world->journal.ends[t->partition];
}

void world_task_read(sim *s, void *task)
{
    world_task *t = task;
    world *w = t->world;
    t->at = -1;
    while (!w->stopping && !sim_failed(s)) {
        read_once(t);
        pause(t);
    }
    task_ends(t);
}
