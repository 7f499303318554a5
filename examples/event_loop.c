/* An application with an event loop of its own, and no thread of the library's: what is typed goes to a topic, what
 * comes to the topic is printed.
 *
 * The main thread turns the library's loop whenever its descriptor is readable or its time has come, beside everything
 * else it waits for. Its own calls, here kafka_conn_write, turn it by themselves while they wait. The calls of other
 * threads, here the reader's, end by what the main thread does. */
#include <kafka/kafka.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static bool works(int err)
{
    if (err != 0) fprintf(stderr, "%s\n", kafka_last_error());
    return err == 0;
}

static void *print_messages(void *arg)
{
    kafka_conn *conn = arg;
    kafka_message *m;
    int err;
    while ((err = kafka_conn_read_message(conn, 0, &m)) == 0) { /* waits; the main thread turns the loop */
        printf("%lld: %.*s\n", (long long)m->offset, (int)m->value.len, (const char *)m->value.data);
        fflush(stdout);
        kafka_message_free(m);
    }
    if (err != KAFKA_ECLOSED) works(err);
    return NULL;
}

/* Sends the whole lines of the buffer and keeps what is behind them. */
static bool send_lines(kafka_conn *conn, char *buf, size_t *len)
{
    char *end;
    while ((end = memchr(buf, '\n', *len)) != NULL) {
        size_t line = (size_t)(end - buf);
        if (!works(kafka_conn_write(conn, buf, line))) return false; /* waits, and turns the loop meanwhile */
        *len -= line + 1;
        memmove(buf, end + 1, *len);
    }
    return true;
}

static bool watch(int epoll, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) == 0) return true;
    perror("epoll_ctl"); /* a file as standard input cannot be watched */
    return false;
}

/* The application's loop, until standard input ends. */
static bool run(int epoll, kafka_loop *loop, kafka_conn *out)
{
    char buf[4096];
    size_t len = 0;
    for (;;) {
        struct epoll_event ready[2];
        int64_t ms = kafka_loop_timeout_ms(loop); /* -1 = no limit, as epoll_wait has it */
        int n = epoll_wait(epoll, ready, 2, ms > INT_MAX ? INT_MAX : (int)ms);
        if (!works(kafka_loop_run(loop))) return false; /* also when only the time is over */
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd != STDIN_FILENO) continue;
            ssize_t got = read(STDIN_FILENO, buf + len, sizeof buf - len);
            if (got <= 0) return got == 0;
            len += (size_t)got;
            if (!send_lines(out, buf, &len)) return false;
            if (len == sizeof buf) len = 0; /* a line longer than that is left out */
        }
    }
}

/* Until standard input ends. */
static bool talk(kafka_loop *loop, kafka_conn *in, kafka_conn *out)
{
    pthread_t reader;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    bool ok = epoll >= 0 && watch(epoll, STDIN_FILENO) && watch(epoll, kafka_loop_fd(loop)) &&
              pthread_create(&reader, NULL, print_messages, in) == 0;
    if (ok) {
        ok = run(epoll, loop, out);
        kafka_conn_close(in); /* ends the reader's call */
        pthread_join(reader, NULL);
    }
    if (epoll >= 0) close(epoll);
    return ok;
}

int main(void)
{
    kafka_loop *loop = NULL;
    kafka_conn *in = NULL, *out = NULL;
    bool ok = works(kafka_loop_new(&(kafka_loop_config){.manual = 1}, &loop));
    kafka_dialer dialer = {.loop = loop};
    ok = ok && works(kafka_dial_leader(&dialer, KAFKA_WITHIN(5000), "localhost:9092", "greetings", 0, &out)) &&
         works(kafka_dial_leader(&dialer, KAFKA_WITHIN(5000), "localhost:9092", "greetings", 0, &in)) &&
         works(kafka_conn_seek(in, 0, KAFKA_SEEK_END, NULL)) && talk(loop, in, out);
    kafka_conn_free(in);
    kafka_conn_free(out);
    kafka_loop_free(loop);
    return ok ? 0 : 1;
}
