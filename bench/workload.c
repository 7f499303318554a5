/* The clock starts when the client is warm: connected, its topic known, its buffers filled once. */
#include "workload.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
    KEYS = 4096,
    POOL_BYTES = 4 << 20, /* of values that are to be compressed: more than a batch, or they would repeat within it */
    POOL_PLAIN = 64,
    THREADS_MAX = 64,
    SETTLE_US = 300000 /* until a client has moved what it was given to where it keeps it */
};

void workload_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void *must(void *p)
{
    if (!p) workload_die("workload", "out of memory");
    return p;
}

/* ---- messages ---------------------------------------------------------------------------------------------------- */

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Words of a small vocabulary, some more often than others, and numbers between them. */
static void fill_text(char *out, size_t len, uint64_t *random)
{
    static const char *const words[] = {
        "request", "user",  "session", "GET",       "status=200", "duration_ms=", "host",    "path=/api/v2/",
        "error",   "retry", "orders",  "eu-west-1", "payment",    "queue",        "timeout", "INFO"};
    size_t at = 0;
    while (at < len) {
        char piece[32];
        uint64_t r = random_next(random);
        int n = r % 5 == 0 ? snprintf(piece, sizeof piece, "%u ", (unsigned)(r >> 40))
                           : snprintf(piece, sizeof piece, "%s ", words[((r >> 8) & 15) & ((r >> 16) | 3)]);
        size_t take = (size_t)n < len - at ? (size_t)n : len - at;
        memcpy(out + at, piece, take);
        at += take;
    }
}

static size_t power_below(size_t n)
{
    size_t p = 1;
    while (p * 2 <= n) p *= 2;
    return p;
}

static void make_messages(workload *w)
{
    bool plain = strcmp(w->codec, "none") == 0;
    uint64_t random = 0x9e3779b97f4a7c15;
    size_t values = plain ? POOL_PLAIN : power_below(POOL_BYTES / (size_t)w->size);
    w->values = must(malloc(values * (size_t)w->size));
    fill_text(w->values, values * (size_t)w->size, &random);
    w->value_mask = values - 1;
    if (w->key == 0) return;
    w->keys = must(malloc(KEYS * (size_t)w->key));
    w->key_mask = KEYS - 1;
    for (size_t i = 0; i < KEYS * (size_t)w->key; i++) w->keys[i] = "0123456789abcdef"[random_next(&random) >> 60];
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

static workload parse(int argc, char **argv)
{
    workload w = {.topic = "load",
                  .mode = "load",
                  .acks = "all",
                  .codec = "none",
                  .messages = 100000,
                  .warm = 2000,
                  .size = 100,
                  .threads = 1,
                  .per_call = 1,
                  .linger_ms = 5};
    const struct {
        const char *name, **text;
        int64_t *number;
    } options[] = {{"--broker", &w.broker, NULL},
                   {"--topic", &w.topic, NULL},
                   {"--mode", &w.mode, NULL},
                   {"--acks", &w.acks, NULL},
                   {"--codec", &w.codec, NULL},
                   {"--messages", NULL, &w.messages},
                   {"--warm", NULL, &w.warm},
                   {"--size", NULL, &w.size},
                   {"--key", NULL, &w.key},
                   {"--spread", NULL, &w.spread},
                   {"--threads", NULL, &w.threads},
                   {"--per-call", NULL, &w.per_call},
                   {"--linger-ms", NULL, &w.linger_ms},
                   {"--batch-bytes", NULL, &w.batch_bytes}};
    size_t count = sizeof options / sizeof options[0];
    for (int i = 1; i < argc; i += 2) {
        size_t o = 0;
        while (o < count && strcmp(argv[i], options[o].name) != 0) o++;
        if (o == count || i + 1 == argc) workload_die(argv[i], "no such option, or no value; see workload.h");
        if (options[o].text)
            *options[o].text = argv[i + 1];
        else
            *options[o].number = strtoll(argv[i + 1], NULL, 10);
    }
    w.lone = strcmp(w.mode, "lone") == 0;
    w.held = strcmp(w.mode, "held") == 0;
    w.idempotent = strcmp(w.acks, "all") == 0;
    if (!w.broker) workload_die("workload", "--broker is missing");
    if (!w.lone && !w.held && strcmp(w.mode, "load") != 0) workload_die(w.mode, "no such mode");
    if (!w.idempotent && strcmp(w.acks, "one") != 0) workload_die(w.acks, "--acks is all or one");
    if (w.size < 1 || w.size > POOL_BYTES / 2 || w.key < 0 || w.key > 1024)
        workload_die("workload", "sizes out of range");
    if (w.threads < 1 || w.threads > THREADS_MAX || w.per_call < 1 || w.per_call > 1024)
        workload_die("workload", "1 to 64 threads, 1 to 1024 messages a call");
    make_messages(&w);
    return w;
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static long resident_bytes(void)
{
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%ld %ld", &size, &resident) != 2) workload_die("/proc/self/statm", "cannot be read");
    fclose(f);
    return resident * sysconf(_SC_PAGESIZE);
}

typedef struct share {
    pthread_t thread;
    client *c;
    int64_t from, count;
} share;

static void *send_share(void *arg)
{
    share *s = arg;
    client_send(s->c, s->from, s->count);
    return NULL;
}

static void send_all(const workload *w, client *c)
{
    share shares[THREADS_MAX];
    if (w->threads == 1) {
        client_send(c, 0, w->messages);
        return;
    }
    for (int64_t i = 0; i < w->threads; i++) {
        int64_t from = w->messages * i / w->threads, to = w->messages * (i + 1) / w->threads;
        shares[i] = (share){.c = c, .from = from, .count = to - from};
        if (pthread_create(&shares[i].thread, NULL, send_share, &shares[i]) != 0)
            workload_die("pthread_create", "failed");
    }
    for (int64_t i = 0; i < w->threads; i++) pthread_join(shares[i].thread, NULL);
}

static void report(const workload *w, client *c, int64_t expected, double seconds, double cpu)
{
    int64_t all, failed;
    client_outcomes(c, &all, &failed);
    if (all != expected) fprintf(stderr, "%lld messages, %lld outcomes\n", (long long)expected, (long long)all);
    printf("messages=%lld seconds=%.6f cpu=%.6f failed=%lld", (long long)w->messages, seconds, cpu,
           (long long)(failed + (expected - all)));
}

static void run_load(const workload *w, client *c)
{
    if (w->warm > 0) client_send(c, 0, w->warm);
    client_flush(c);
    double cpu = cpu_s(), begin = now_s();
    send_all(w, c);
    client_flush(c);
    double seconds = now_s() - begin;
    report(w, c, w->messages + w->warm, seconds, cpu_s() - cpu);
    printf("\n");
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void run_lone(const workload *w, client *c)
{
    double *us = must(calloc((size_t)w->messages, sizeof *us));
    for (int64_t i = 0; i < w->warm; i++) client_send_one(c, i);
    double cpu = cpu_s(), begin = now_s();
    for (int64_t i = 0; i < w->messages; i++) {
        double start = now_s();
        client_send_one(c, i);
        us[i] = (now_s() - start) * 1e6;
    }
    double seconds = now_s() - begin;
    report(w, c, w->messages + w->warm, seconds, cpu_s() - cpu);
    qsort(us, (size_t)w->messages, sizeof *us, by_size);
    printf(" p50_us=%.2f p99_us=%.2f\n", us[w->messages / 2], us[w->messages - 1 - w->messages / 100]);
    free(us);
}

/* Ends the program itself: a client would wait for outcomes that never come. */
static void run_held(const workload *w, client *c)
{
    client_send(c, 0, w->messages);
    usleep(SETTLE_US);
    printf("messages=%lld failed=0 rss=%ld\n", (long long)w->messages, resident_bytes());
    fflush(stdout);
    _exit(0);
}

int main(int argc, char **argv)
{
    workload w = parse(argc, argv);
    client *c = client_new(&w);
    if (w.held)
        run_held(&w, c);
    else if (w.lone)
        run_lone(&w, c);
    else
        run_load(&w, c);
    client_free(c);
    free(w.values);
    free(w.keys);
    return 0;
}
