/* What one request on an idle connection costs: time, and system calls of the client's process.
 *
 *     lone_request_bench             prints both; counting needs strace
 *     lone_request_bench --send N    sends N requests and exits: what is counted, with two N, so that start-up
 *                                    drops out */
#include "sink.h"
#include <kafka/kafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* strace makes each call a thousand times slower. An answer that comes while the request's own call has not returned
 * yet then finds locks held that are free in real life, so for counting the answers take a millisecond. */
enum { REQUESTS = 20000, COUNT_FROM = 500, COUNT_TO = 2500, COUNT_DELAY_US = 1000 };

static void check(int err)
{
    if (err == 0) return;
    fprintf(stderr, "%s\n", kafka_last_error());
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static kafka_conn *dial(int port)
{
    char address[64];
    kafka_conn *c;
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    check(kafka_dial_leader(NULL, KAFKA_WITHIN(10000), address, "bench", 0, &c));
    return c;
}

/* One 100-byte message, acknowledged. */
static void request(kafka_conn *c)
{
    static char payload[100];
    check(kafka_conn_write(c, payload, sizeof payload));
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void measure_time(int port)
{
    static int64_t ns[REQUESTS];
    kafka_conn *c = dial(port);
    for (int i = 0; i < 1000; i++) request(c);
    for (int i = 0; i < REQUESTS; i++) {
        int64_t begin = now_ns();
        request(c);
        ns[i] = now_ns() - begin;
    }
    kafka_conn_free(c);
    qsort(ns, REQUESTS, sizeof ns[0], by_size);
    printf("lone acknowledged message of 100 B: p50 %.1f us, p99 %.1f us\n", (double)ns[REQUESTS / 2] / 1000,
           (double)ns[REQUESTS / 100 * 99] / 1000);
}

/* System calls of this program, run with --send N under strace; -1 without strace. */
static long count_calls(const char *self, int port, int requests)
{
    char command[512], file[] = "/tmp/lone_request_XXXXXX", line[256];
    int fd = mkstemp(file);
    if (fd < 0) return -1;
    close(fd);
    snprintf(command, sizeof command, "strace -f -c -o %s %s --send %d %d 2>/dev/null", file, self, requests, port);
    long total = -1;
    if (system(command) == 0) {
        FILE *f = fopen(file, "r");
        while (f && fgets(line, sizeof line, f)) { /* "100.00 0.01 1 12345 67 total", where the errors may be missing */
            if (!strstr(line, " total")) continue;
            double percent, seconds;
            long per_call;
            if (sscanf(line, "%lf %lf %ld %ld", &percent, &seconds, &per_call, &total) != 4) total = -1;
        }
        if (f) fclose(f);
    }
    unlink(file);
    return total;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--send") == 0) {
        kafka_conn *c = dial(atoi(argv[3]));
        for (int i = atoi(argv[2]); i > 0; i--) request(c);
        kafka_conn_free(c);
        return 0;
    }
    sink s = sink_start(NULL);
    measure_time(s.port);
    sink_stop(&s);
    s = sink_start(&(sink_config){.delay_us = COUNT_DELAY_US});
    long few = count_calls(argv[0], s.port, COUNT_FROM), many = count_calls(argv[0], s.port, COUNT_TO);
    if (few < 0 || many < 0)
        printf("system calls: not counted, strace is missing\n");
    else
        printf("system calls of the client for one: %.2f (target 5)\n", (double)(many - few) / (COUNT_TO - COUNT_FROM));
    sink_stop(&s);
    return 0;
}
