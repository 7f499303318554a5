/* exit_program HOW HOST:PORT: ends in the way it is told, with objects that nobody freed. Its exit code is 7, or 0 when
 * main returns; 99 when something could not even be begun. A program that hangs is killed by SIGALRM. */
#include <kafka/kafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CODE = 7, BROKEN = 99, SECONDS = 30 };

/* Left as they are; static, so that they count as reachable at the end. */
static kafka_conn *conn, *second;
static kafka_batch *batch;
static kafka_loop *loop;
static kafka_cancel *token;
static const char *address;

static void begin(void)
{
    const kafka_ctx ctx = {.deadline = kafka_deadline_in(20000)};
    int err = kafka_cancel_new(&token);
    if (err == 0) err = kafka_loop_new(NULL, &loop);
    if (err == 0) err = kafka_dial_leader(NULL, &ctx, address, "t", 0, &conn);
    if (err == 0) err = kafka_dial_leader(&(kafka_dialer){.loop = loop}, &ctx, address, "t", 0, &second);
    if (err == 0) kafka_conn_set_cancel(conn, token);
    if (err == 0) err = kafka_conn_write(conn, "value", 5);
    if (err == 0) err = kafka_conn_read_batch(second, NULL, &batch);
    if (err == 0) return;
    fprintf(stderr, "%s\n", kafka_last_error());
    _exit(BROKEN);
}

static atomic_bool reading;

/* Waits in a call that nothing will end: the topic's second partition is empty. */
static void *wait_for_ever(void *arg)
{
    kafka_message *m = NULL;
    kafka_conn *c = NULL;
    (void)arg;
    if (kafka_dial_leader(NULL, KAFKA_WITHIN(20000), address, "t", 1, &c) != 0) _exit(BROKEN);
    atomic_store(&reading, true);
    kafka_conn_read_message(c, 0, &m);
    return NULL;
}

static void *exit_now(void *arg)
{
    (void)arg;
    while (!atomic_load(&reading)) sched_yield();
    exit(CODE);
}

static void *use_for_a_while(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        if (kafka_conn_write(conn, "value", 5) != 0) _exit(BROKEN);
    }
    exit(CODE);
}

static void start(void *(*run)(void *))
{
    pthread_t t;
    if (pthread_create(&t, NULL, run, NULL) != 0) _exit(BROKEN);
    pthread_detach(t);
}

static void free_late(void)
{
    kafka_batch_close(batch);
    kafka_conn_free(conn);
    kafka_conn_free(second);
    kafka_loop_free(loop);
    kafka_cancel_free(token);
}

int main(int argc, char **argv)
{
    if (argc != 3) return BROKEN;
    const char *how = argv[1];
    address = argv[2];
    alarm(SECONDS);
    begin();
    if (strcmp(how, "return") == 0) return 0;
    if (strcmp(how, "exit") == 0) exit(CODE);
    if (strcmp(how, "_exit") == 0) _exit(CODE);
    if (strcmp(how, "quick_exit") == 0) quick_exit(CODE);
    if (strcmp(how, "exit-while-another-waits") == 0) {
        start(wait_for_ever);
        exit_now(NULL);
    }
    if (strcmp(how, "exit-elsewhere-while-main-waits") == 0) {
        start(exit_now);
        wait_for_ever(NULL);
    }
    if (strcmp(how, "main-ends-first") == 0) {
        start(use_for_a_while);
        pthread_exit(NULL);
    }
    if (strcmp(how, "free-at-exit") == 0) {
        atexit(free_late);
        exit(CODE);
    }
    return BROKEN;
}
