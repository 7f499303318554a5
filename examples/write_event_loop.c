/* A writer inside of an application's own event loop, without any thread of the library's: a timer writes a message
 * every tenth of a second, twenty of them, and the outcomes come back in the same loop.
 *
 *     write_event_loop [BROKERS [TOPIC]]
 *
 * The library's loop is one descriptor and one timeout among others. Nothing here blocks: writes are asynchronous and
 * never wait for room (KAFKA_WITHIN(0)), and callbacks run inside kafka_loop_run. */
#include <kafka/kafka.h>
#include <limits.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { MESSAGES = 20 };

typedef struct app {
    kafka_loop *loop;
    kafka_writer *writer;
    int epoll, timer;
    int asked, ended, failed;
} app;

static void delivered(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    app *a = userdata;
    a->ended += (int)count;
    if (err == 0) {
        printf("partition %d, offset %lld\n", (int)msgs[0].partition, (long long)msgs[0].offset);
        return;
    }
    a->failed += (int)count;
    fprintf(stderr, "%s\n", kafka_last_error());
}

/* The timer has fired. */
static void write_one(app *a)
{
    char value[32];
    int len = snprintf(value, sizeof value, "tick %d", a->asked++);
    kafka_message m = {.value = {value, (size_t)len}};
    if (kafka_writer_write_messages(a->writer, KAFKA_WITHIN(0), &m, 1, NULL) == 0) return;
    a->ended++; /* refused: no callback will come */
    a->failed++;
    fprintf(stderr, "%s\n", kafka_last_error());
}

static int watch(app *a, int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &ev);
}

/* The application's loop, until everything has its outcome. */
static int run(app *a)
{
    while (a->ended < MESSAGES) {
        struct epoll_event ready[2];
        uint64_t times;
        int64_t ms = kafka_loop_timeout_ms(a->loop); /* -1 = no limit, as epoll_wait has it */
        int n = epoll_wait(a->epoll, ready, 2, ms > INT_MAX ? INT_MAX : (int)ms);
        if (kafka_loop_run(a->loop) != 0) return -1; /* also when only the time is over */
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd != a->timer) continue;
            if (read(a->timer, &times, sizeof times) == sizeof times && a->asked < MESSAGES) write_one(a);
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    app a = {.epoll = epoll_create1(EPOLL_CLOEXEC), .timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)};
    struct itimerspec tenth = {{0, 100000000}, {0, 100000000}};
    int err = kafka_loop_new(&(kafka_loop_config){.manual = 1}, &a.loop);
    kafka_dialer dialer = {.loop = a.loop};
    kafka_writer_config cfg = {.brokers = argc > 1 ? argv[1] : "localhost:9092",
                               .topic = argc > 2 ? argv[2] : "ticks",
                               .dialer = &dialer,
                               .async = 1,
                               .on_delivery = delivered,
                               .on_delivery_userdata = &a};
    if (err == 0) err = kafka_writer_new(&cfg, &a.writer);
    if (err != 0) fprintf(stderr, "%s\n", kafka_last_error());
    if (err == 0 && (watch(&a, kafka_loop_fd(a.loop)) != 0 || watch(&a, a.timer) != 0 ||
                     timerfd_settime(a.timer, 0, &tenth, NULL) != 0 || run(&a) != 0))
        err = -1;
    kafka_writer_free(a.writer); /* this thread turned the loop last: what blocks turns it by itself */
    kafka_loop_free(a.loop);
    close(a.timer);
    close(a.epoll);
    return err != 0 || a.failed > 0;
}
