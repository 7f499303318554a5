/* From an address to the first answer about metadata, over loopback: the connection, ApiVersions and Metadata are three
 * round trips, and all that the client adds should fit into a millisecond.
 *
 *     dial_bench       beside a scripted broker, and beside the real one at KAFKA_BROKERS if that is set
 *
 * The round trip is that of one byte to a process that sends it back, measured before: what the machine can do. */
#include "sink.h"
#include <kafka/kafka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ECHOES = 5000, DIALS = 500, WARM = 50 };

static void check(int err)
{
    if (err == 0) return;
    fprintf(stderr, "%s\n", kafka_last_error());
    exit(1);
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return values[count / 2];
}

/* ---- what a round trip takes ------------------------------------------------------------------------------------- */

static void no_delay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void echo(int listener)
{
    char byte;
    int fd = accept(listener, NULL, NULL);
    no_delay(fd);
    while (recv(fd, &byte, 1, 0) == 1 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1) continue;
    _exit(0);
}

static double round_trip_us(void)
{
    static double us[ECHOES];
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || fd < 0 || bind(listener, (struct sockaddr *)&addr, len) != 0 || listen(listener, 1) != 0)
        die("dial_bench: listen");
    getsockname(listener, (struct sockaddr *)&addr, &len);
    pid_t pid = fork();
    if (pid < 0) die("dial_bench: fork");
    if (pid == 0) {
        close(fd); /* the child's copy would keep the connection open */
        echo(listener);
    }
    if (connect(fd, (struct sockaddr *)&addr, len) != 0) die("dial_bench: connect");
    no_delay(fd);
    for (int i = 0; i < ECHOES; i++) {
        char byte = 'x';
        double begin = now_us();
        if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1) die("dial_bench: echo");
        us[i] = now_us() - begin;
    }
    close(fd);
    close(listener);
    waitpid(pid, NULL, 0);
    return median(us, ECHOES);
}

/* ---- dialling ---------------------------------------------------------------------------------------------------- */

static void ask(kafka_conn *conn)
{
    kafka_brokers *brokers;
    check(kafka_conn_brokers(conn, &brokers));
    kafka_brokers_free(brokers);
}

static kafka_conn *dial_and_ask(const char *address)
{
    kafka_conn *conn;
    check(kafka_dial(NULL, KAFKA_WITHIN(10000), address, &conn));
    ask(conn);
    return conn;
}

/* One connection stays, so that the library's thread is there already, as in a program that runs. */
static void measure(const char *peer, const char *address, double round_trip)
{
    static double us[DIALS];
    kafka_conn *stays = dial_and_ask(address);
    for (int i = -WARM; i < DIALS; i++) {
        double begin = now_us();
        ask(stays);
        if (i >= 0) us[i] = now_us() - begin;
    }
    double lone = median(us, DIALS);
    for (int i = -WARM; i < DIALS; i++) {
        double begin = now_us();
        kafka_conn *conn = dial_and_ask(address);
        if (i >= 0) us[i] = now_us() - begin;
        kafka_conn_free(conn);
    }
    kafka_conn_free(stays);
    double half = median(us, DIALS), target = 3 * round_trip + 1000;
    printf("%s\n  dial and first metadata answer: p50 %.0f us, p99 %.0f us; target %.0f us: %s\n", peer, half,
           us[DIALS / 100 * 99], target, half <= target ? "met" : "MISSED");
    printf("  a metadata answer alone, on a connection that is there: p50 %.0f us\n", lone);
}

int main(void)
{
    char address[64];
    double round_trip = round_trip_us();
    printf("a round trip takes %.1f us; three and a millisecond are the target\n", round_trip);
    sink s = sink_start(NULL);
    snprintf(address, sizeof address, "127.0.0.1:%d", s.port);
    measure("scripted broker", address, round_trip);
    sink_stop(&s);
    const char *real = getenv("KAFKA_BROKERS");
    if (real != NULL && *real != '\0') measure("real broker", real, round_trip);
    return 0;
}
