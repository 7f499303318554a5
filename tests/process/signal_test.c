/* Signals: none is raised here, none is taken, and a storm of interruptions changes nothing. */
#include "process/child.h"

#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

/* ---- SIGPIPE ----------------------------------------------------------------------------------------------------- */

static atomic_int pipes;

static void count_pipe(int signal)
{
    (void)signal;
    atomic_fetch_add(&pipes, 1);
}

/* Writes to a peer that hangs up in all ways there are; the handler would tell, and SIG_DFL would kill. */
static void write_to_broken_connections(void)
{
    const tcp_then ways[] = {TCP_CLOSE, TCP_RESET};
    for (size_t way = 0; way < sizeof ways / sizeof ways[0]; way++) {
        tcp_peer *p = TCP_PEER({.api = KFK_API_PRODUCE, .times = 1, .no_answer = true, .then = ways[way]});
        kafka_conn *c = calls_dial(p, 0);
        kafka_conn_set_deadline(c, kafka_deadline_in(10000));
        for (int i = 0; i < 50; i++) assert_int_not_equal(kafka_conn_write(c, "value", 5), 0);
        kafka_conn_free(c);
        c = calls_dial(p, 0);
        tcp_peer_hang_up(p);
        for (int i = 0; i < 50; i++) assert_int_not_equal(kafka_conn_write(c, "value", 5), 0);
        kafka_conn_free(c);
        tcp_peer_free(p);
    }
}

static void a_broken_peer_raises_no_sigpipe(void **state)
{
    (void)state;
    struct sigaction old, count = {.sa_handler = count_pipe}, standard = {.sa_handler = SIG_DFL};
    atomic_store(&pipes, 0);
    sigaction(SIGPIPE, &count, &old);
    write_to_broken_connections();
    sigaction(SIGPIPE, &standard, NULL);
    write_to_broken_connections();
    sigaction(SIGPIPE, &old, NULL);
    assert_int_equal(pipes, 0);
}

/* ---- the library's threads --------------------------------------------------------------------------------------- */

/* Reads a line "name: value" of /proc/self/task/<tid>/status. */
static bool status_line(const char *tid, const char *name, char *out, size_t cap)
{
    char path[300], line[256];
    bool found = false;
    snprintf(path, sizeof path, "/proc/self/task/%s/status", tid);
    FILE *f = fopen(path, "re");
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL) {
        size_t len = strlen(name);
        if (strncmp(line, name, len) != 0 || line[len] != ':') continue;
        snprintf(out, cap, "%s", line + len + 1 + strspn(line + len + 1, " \t"));
        out[strcspn(out, "\n")] = '\0';
        found = true;
    }
    if (f != NULL) fclose(f);
    return found;
}

/* Whether the mask blocks all signals but faults, and libc's own. */
static bool leaves_faults_open(const char *mask)
{
    const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    uint64_t blocked = strtoull(mask, NULL, 16), open = 0;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) open |= UINT64_C(1) << (faults[i] - 1);
    open |= UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1) | UINT64_C(3) << 31;
    return (blocked | open) == UINT64_MAX && (blocked & UINT64_C(1) << (SIGSEGV - 1)) == 0;
}

/* How many threads have this name; -1, and its mask, if one of them blocks other signals than it should. */
static int threads_that_block_signals(const char *name, char *mask, size_t cap)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    assert_non_null(d);
    for (struct dirent *e; n >= 0 && (e = readdir(d)) != NULL;) {
        char text[64];
        if (e->d_name[0] == '.' || !status_line(e->d_name, "Name", text, sizeof text) || strcmp(text, name) != 0)
            continue;
        if (!status_line(e->d_name, "SigBlk", mask, cap)) continue; /* it has just ended */
        n = leaves_faults_open(mask) ? n + 1 : -1;
    }
    closedir(d);
    return n;
}

/* Waits until there are so many. libc starts a thread, and ends it, with everything blocked. */
static void wait_for_threads(const char *name, int least, int most)
{
    int64_t until = kafka_deadline_in(10000);
    char mask[64] = "?";
    int n = -1;
    while (n < least || n > most) {
        n = threads_that_block_signals(name, mask, sizeof mask);
        if (kafka_now_ms() >= until) fail_msg("%s: %d threads, mask %s", name, n, mask);
        sched_yield();
    }
}

static void threads_have_names_and_block_signals(void **state)
{
    (void)state;
    kafka_conn *c = NULL;
    char address[32];
    tcp_peer *p = TCP_PEER({0});
    snprintf(address, sizeof address, "localhost:%d", tcp_peer_port(p));
    assert_works(kafka_dial(NULL, KAFKA_WITHIN(10000), address, &c));
    wait_for_threads("kafka-io", 1, 1);
    wait_for_threads("kafka-block", 1, INT_MAX);
    sigset_t mine;
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    assert_false(sigismember(&mine, SIGTERM)); /* the caller's own mask is as it was */
    kafka_conn_free(c);
    wait_for_threads("kafka-io", 0, 0);
    tcp_peer_free(p);
}

/* ---- a storm ----------------------------------------------------------------------------------------------------- */

enum { STORM_MS = 4000, PATIENCE_MS = 60000, READ_MS = 100, SIGNALS_PER_SECOND = 10000, LEAST = 10 };

typedef struct storm {
    tcp_peer *peer;
    kafka_conn *conn;
    atomic_bool over, quiet;
    atomic_int written, read, dials, waits;
    atomic_llong worst_ms; /* how much later than its deadline a wait ended */
    const char *_Atomic failure;
} storm;

static atomic_long interruptions;

static void interrupt(int signal)
{
    (void)signal;
    atomic_fetch_add(&interruptions, 1);
}

static void failed(storm *s, const char *what)
{
    const char *none = NULL;
    fprintf(stderr, "%s: %s\n", what, kafka_last_error());
    atomic_compare_exchange_strong(&s->failure, &none, what);
}

static void *write_all(void *arg)
{
    storm *s = arg;
    while (!atomic_load(&s->over)) {
        if (kafka_conn_write(s->conn, "value", 5) != 0) failed(s, "a write");
        atomic_fetch_add(&s->written, 1);
    }
    return NULL;
}

static void *read_all(void *arg)
{
    storm *s = arg;
    while (!atomic_load(&s->over)) {
        kafka_message *m = NULL;
        int err = kafka_conn_read_message(s->conn, 0, &m);
        if (err != 0)
            failed(s, "a read");
        else if (m->offset != s->read++)
            failed(s, "another message was read");
        kafka_message_free(m);
    }
    return NULL;
}

static void *dial_all(void *arg)
{
    storm *s = arg;
    while (!atomic_load(&s->over)) {
        kafka_conn *c = NULL;
        char address[32];
        snprintf(address, sizeof address, "localhost:%d", tcp_peer_port(s->peer));
        if (kafka_dial(NULL, KAFKA_WITHIN(10000), address, &c) != 0) failed(s, "a dial");
        kafka_conn_free(c);
        atomic_fetch_add(&s->dials, 1);
    }
    return NULL;
}

/* Reads where there is nothing, until the deadline: not before it. That interruptions do not put it off is told by the
 * count of waits that end while they last. */
static void *wait_all(void *arg)
{
    storm *s = arg;
    kafka_conn *c = NULL;
    if (kafka_dial_leader(NULL, KAFKA_WITHIN(10000), tcp_peer_address(s->peer), "t", 1, &c) != 0) failed(s, "a dial");
    while (c != NULL && !atomic_load(&s->over)) {
        kafka_message *m = NULL;
        int64_t deadline = kafka_deadline_in(READ_MS);
        kafka_conn_set_read_deadline(c, deadline);
        int err = kafka_conn_read_message(c, 0, &m);
        int64_t late = kafka_now_ms() - deadline;
        if (err != KAFKA_ETIMEDOUT) failed(s, "a read of nothing");
        if (late < 0) failed(s, "a wait that ended early");
        if (late > s->worst_ms) atomic_store(&s->worst_ms, late);
        atomic_fetch_add(&s->waits, 1);
    }
    kafka_conn_free(c);
    return NULL;
}

/* Whether each of the threads has got somewhere. */
static bool all_went_on(storm *s)
{
    return interruptions > 1000 && s->written >= LEAST && s->read >= LEAST && s->dials >= LEAST && s->waits >= LEAST;
}

/* Interrupts every thread of the process, one after the other, at the pace asked for: for a while, and until all went
 * on. */
static void interrupt_everybody(storm *s)
{
    int64_t until_ms = kafka_now_ms() + STORM_MS, patience_ms = kafka_now_ms() + PATIENCE_MS;
    struct timespec pause = {.tv_nsec = 1000000};
    int sent = 0;
    while (kafka_now_ms() < until_ms || (!all_went_on(s) && kafka_now_ms() < patience_ms)) {
        DIR *d = opendir("/proc/self/task");
        for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
            int tid = atoi(e->d_name);
            if (tid <= 0 || tid == (int)syscall(SYS_gettid)) continue;
            syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
            if (++sent % (SIGNALS_PER_SECOND / 500) == 0)
                nanosleep(&pause, NULL); /* half meet threads that block them */
        }
        if (d != NULL) closedir(d);
    }
}

static void a_storm_of_signals_changes_nothing(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    void *(*const run[THREADS])(void *) = {write_all, read_all, dial_all, wait_all};
    pthread_t threads[THREADS];
    struct sigaction old, act = {.sa_handler = interrupt}; /* without SA_RESTART */
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaction(SIGUSR1, &act, &old);
    pthread_sigmask(SIG_BLOCK, &blocked, &before); /* the peer's threads inherit it: they are not what is tested */
    storm s = {.peer = TCP_PEER({0})};
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s.conn = calls_dial(s.peer, 0);
    kafka_conn_set_deadline(s.conn, kafka_deadline_in(3 * PATIENCE_MS));
    for (int i = 0; i < THREADS; i++) threads[i] = calls_start(run[i], &s);
    interrupt_everybody(&s);
    bool went_on = all_went_on(&s);
    atomic_store(&s.over, true);
    pthread_join(threads[0], NULL);
    assert_works(kafka_conn_write(s.conn, "the last one", 12)); /* for the reader, which may wait */
    for (int i = 1; i < THREADS; i++) pthread_join(threads[i], NULL);
    kafka_conn_free(s.conn);
    tcp_peer_free(s.peer);
    sigaction(SIGUSR1, &old, NULL);
    if (s.failure) fail_msg("%s failed", s.failure);
    print_message("           %ld interruptions; %d writes, %d reads, %d dials; %d waits, at most %lld ms late\n",
                  interruptions, s.written, s.read, s.dials, s.waits, s.worst_ms);
    assert_true(went_on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_broken_peer_raises_no_sigpipe),
        API_TEST(threads_have_names_and_block_signals),
        API_TEST(a_storm_of_signals_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
