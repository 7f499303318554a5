/* kc broker: how many messages it takes and gives, how soon it is there, what it costs when nobody asks for anything.
 *
 *   broker_bench KC
 *
 * Messages of 100 bytes go in batches of 1 MB over loopback into one partition, and come back. Producer, consumer and
 * broker share the machine's cores; the targets are for two. With KAFKA_BROKERS, a one-node Apache Kafka, the same goes
 * there, in rounds that take turns, so that both see the same machine. On a busy machine wall time says little: the CPU
 * time of broker and client together is printed as well. */
#include <errno.h>
#include <fcntl.h>
#include <kafka/kafka.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGES = 1900000, /* just below what the broker keeps */
    SIZE = 100,
    BATCH = 9400, /* of those, in a bit less than 1 MB, which is the most that brokers take */
    ROUNDS = 3,
    STARTS = 11,
    IDLE_MS = 3000,
    TARGET_PER_S = 1000000,
    TARGET_START_MS = 20
};
static const char topic[] = "broker-bench";

static void give_up(const char *what)
{
    fprintf(stderr, "broker_bench: %s: %s\n", what, kafka_last_error());
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double own_cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return values[count / 2];
}

/* ---- kc broker as a process -------------------------------------------------------------------------------------- */

typedef struct broker {
    pid_t pid;
    char address[64];
    double start_s;
} broker;

static void broker_start(broker *b, const char *kc)
{
    int out[2];
    size_t len = 0;
    double before = now_s();
    if (pipe2(out, O_CLOEXEC) != 0) give_up("pipe");
    b->pid = fork();
    if (b->pid == 0) {
        dup2(out[1], STDOUT_FILENO);
        execl(kc, "kc", "broker", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    while (len + 1 < sizeof b->address) {
        ssize_t n = read(out[0], b->address + len, sizeof b->address - 1 - len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) give_up("kc broker does not start");
        len += (size_t)n;
        if (b->address[len - 1] == '\n') break;
    }
    b->address[len - 1] = '\0';
    b->start_s = now_s() - before;
    close(out[0]);
}

/* Returns the CPU time that it has used, in seconds. */
static double broker_stop(const broker *b)
{
    int status = 0;
    struct rusage used;
    kill(b->pid, SIGTERM);
    if (wait4(b->pid, &status, 0, &used) != b->pid || status != 0) give_up("kc broker does not end well");
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* User and system time that it has used, in seconds. */
static double broker_cpu_s(const broker *b)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)b->pid);
    FILE *f = fopen(path, "r");
    if (!f || !fgets(text, sizeof text, f)) give_up("reading /proc");
    fclose(f);
    const char *fields = strrchr(text, ')');
    if (sscanf(fields + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        give_up("/proc/PID/stat looks different");
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static void make_topic(const char *brokers)
{
    kafka_conn *conn;
    const kafka_config_entry at_once = {.name = "file.delete.delay.ms", .value = "0"};
    const kafka_topic_config t = {
        .topic = topic, .num_partitions = 1, .replication_factor = 1, .entries = &at_once, .entry_count = 1};
    if (kafka_dial(NULL, KAFKA_WITHIN(30000), brokers, &conn) != 0) give_up("dialling");
    kafka_conn_set_deadline(conn, kafka_deadline_in(60000));
    if (kafka_conn_create_topics(conn, &t, 1, NULL) != 0) give_up("creating the topic");
    kafka_conn_free(conn);
}

static void delete_topic(const char *brokers)
{
    kafka_conn *conn;
    const char *name = topic;
    if (kafka_dial(NULL, KAFKA_WITHIN(30000), brokers, &conn) != 0) give_up("dialling");
    kafka_conn_set_deadline(conn, kafka_deadline_in(60000));
    if (kafka_conn_delete_topics(conn, &name, 1, NULL) != 0) give_up("deleting the topic");
    kafka_conn_free(conn);
}

static kafka_conn *dial_leader(const char *brokers)
{
    kafka_conn *conn = NULL;
    for (int64_t until = kafka_deadline_in(30000);
         kafka_dial_leader(NULL, KAFKA_WITHIN(5000), brokers, topic, 0, &conn) != 0;) {
        if (kafka_now_ms() > until) give_up("dialling the leader");
    }
    kafka_conn_set_deadline(conn, kafka_deadline_in(300000));
    return conn;
}

static double produce(const char *brokers)
{
    static char value[SIZE];
    static kafka_message messages[BATCH];
    kafka_conn *conn = dial_leader(brokers);
    memset(value, 'x', sizeof value);
    for (int i = 0; i < BATCH; i++)
        messages[i] = (kafka_message){.value = {value, SIZE}, .compression = KAFKA_COMPRESSION_DEFAULT};
    double before = now_s();
    for (int done = 0, tries = 0; done < MESSAGES;) {
        int n = MESSAGES - done < BATCH ? MESSAGES - done : BATCH;
        int err = kafka_conn_write_messages(conn, messages, (size_t)n, KAFKA_COMPRESSION_NONE, NULL);
        if (err == 0) {
            done += n;
        } else if (done == 0 && err == KAFKA_ERR_NOT_LEADER_OR_FOLLOWER && tries++ < 1000) { /* the topic is new */
            kafka_conn_free(conn);
            conn = dial_leader(brokers);
            before = now_s();
        } else {
            give_up("writing");
        }
    }
    double took = now_s() - before;
    kafka_conn_free(conn);
    return MESSAGES / took;
}

static double consume(const char *brokers)
{
    kafka_conn *conn = dial_leader(brokers);
    kafka_fetch fetch = {.min_bytes = 1, .max_bytes = 4 << 20};
    kafka_message m;
    double before = now_s();
    for (int64_t done = 0; done < MESSAGES;) {
        kafka_batch *batch;
        if (kafka_conn_read_batch(conn, &fetch, &batch) != 0) give_up("reading");
        while (kafka_batch_read_message(batch, &m) == 0) {
            if (m.offset != done++ || m.value.len != SIZE) give_up("other messages come back");
        }
        if (kafka_batch_close(batch) != 0) give_up("reading");
    }
    double took = now_s() - before;
    kafka_conn_free(conn);
    return MESSAGES / took;
}

/* ---- the figures ------------------------------------------------------------------------------------------------- */

/* Of each round: messages/s, and the CPU seconds of broker and client together (kc broker's alone are known). */
typedef struct figures {
    double in[ROUNDS], out[ROUNDS], in_cpu[ROUNDS], out_cpu[ROUNDS];
} figures;

static double both_cpu_s(const broker *b)
{
    return own_cpu_s() + (b ? broker_cpu_s(b) : 0);
}

static void round_of(const char *brokers, const broker *b, figures *f, int i)
{
    make_topic(brokers);
    double before = both_cpu_s(b);
    f->in[i] = produce(brokers);
    double between = both_cpu_s(b);
    f->out[i] = consume(brokers);
    f->in_cpu[i] = between - before;
    f->out_cpu[i] = both_cpu_s(b) - between;
    delete_topic(brokers);
}

static const char *met(bool yes)
{
    return yes ? "met" : "MISSED";
}

static void show_starts(const char *kc)
{
    double starts[STARTS], cpu[STARTS];
    for (int i = 0; i < STARTS; i++) {
        broker b;
        broker_start(&b, kc);
        starts[i] = b.start_s * 1000;
        cpu[i] = broker_stop(&b) * 1000;
    }
    double ms = median(starts, STARTS);
    printf("start, from exec to its address: %.1f ms (target %d ms: %s); with its end %.1f ms of CPU\n", ms,
           TARGET_START_MS, met(ms <= TARGET_START_MS), median(cpu, STARTS));
}

static void show_idle(const broker *b)
{
    kafka_conn *conn = dial_leader(b->address); /* somebody is connected, and asks for nothing */
    struct timespec pause = {.tv_sec = IDLE_MS / 1000, .tv_nsec = IDLE_MS % 1000 * 1000000};
    double before = broker_cpu_s(b);
    nanosleep(&pause, NULL);
    double percent = (broker_cpu_s(b) - before) * 100 / (IDLE_MS / 1000.0);
    printf("idle for %d s: %.1f %% of a core (target 0.5: %s)\n", IDLE_MS / 1000, percent, met(percent <= 0.5));
    kafka_conn_free(conn);
}

static void show_rate(const char *what, double *memory, double *cpu, double *real)
{
    double m = median(memory, ROUNDS);
    printf("%s: kc broker %.2f million messages/s (target %.1f: %s)", what, m / 1e6, TARGET_PER_S / 1e6,
           met(m >= TARGET_PER_S));
    if (real) {
        double r = median(real, ROUNDS);
        printf("; Apache Kafka %.2f; ratio %.1f (target 2: %s)", r / 1e6, m / r, met(m >= 2 * r));
    }
    printf("\n       by CPU time, broker and client on one core: %.2f\n", MESSAGES / median(cpu, ROUNDS) / 1e6);
}

int main(int argc, char **argv)
{
    const char *real = getenv("KAFKA_BROKERS");
    figures memory, other;
    broker b;
    if (argc != 2) {
        fprintf(stderr, "usage: broker_bench KC\n");
        return 2;
    }
    show_starts(argv[1]);
    broker_start(&b, argv[1]);
    if (real) { /* warm: its code is compiled while it runs */
        make_topic(real);
        produce(real);
        consume(real);
        delete_topic(real);
    }
    for (int i = 0; i < ROUNDS; i++) {
        round_of(b.address, &b, &memory, i);
        if (real) round_of(real, NULL, &other, i);
    }
    printf("%d messages of %d B in batches of 1 MB, median of %d rounds, on %ld cores\n", MESSAGES, SIZE, ROUNDS,
           sysconf(_SC_NPROCESSORS_ONLN));
    show_rate("  in ", memory.in, memory.in_cpu, real ? other.in : NULL);
    show_rate("  out", memory.out, memory.out_cpu, real ? other.out : NULL);
    if (!real) printf("  (KAFKA_BROKERS is not set: nothing to compare with)\n");
    make_topic(b.address);
    show_idle(&b);
    broker_stop(&b);
    return 0;
}
