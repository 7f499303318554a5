/* stop.c: signals, turned into a cancel token and a readable descriptor.
 *
 * The handler does only what is safe inside one: it stores the number, writes to an eventfd, and fires the token,
 * which the library allows there. Handlers are one-shot, so a second signal of the same kind has its default effect and
 * kills. They are installed also where the parent had ignored SIGINT, as shells do for background jobs of scripts: who
 * sends a signal to this very process wants it to stop. */
#include "stop.h"
#include "say.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static kafka_cancel *token;
static int event_fd = -1;
static atomic_int signal_number;

static void wake(void)
{
    const uint64_t one = 1;
    ssize_t n = write(event_fd, &one, sizeof one);
    (void)n; /* it cannot be full: a handful of signals write it */
}

static void on_signal(int number)
{
    int saved = errno, none = 0;
    atomic_compare_exchange_strong(&signal_number, &none, number);
    wake();
    kafka_cancel_fire(token);
    errno = saved;
}

bool kc_stop_init(void)
{
    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd < 0) {
        kc_say_error("cannot make an eventfd: %s", strerror(errno));
        return false;
    }
    if (kafka_cancel_new(&token) != 0) {
        kc_say_error("%s", kafka_last_error());
        return false;
    }
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGHUP, &stop, NULL);
    return true;
}

void kc_stop_all(void)
{
    wake();
    kafka_cancel_fire(token);
}

kafka_cancel *kc_stop_token(void)
{
    return token;
}

int kc_stop_fd(void)
{
    return event_fd;
}

int kc_stop_signal(void)
{
    return atomic_load(&signal_number);
}

bool kc_stop_pause(int64_t ms)
{
    struct pollfd p = {.fd = event_fd, .events = POLLIN};
    int n = poll(&p, 1, (int)(ms < 60000 ? ms : 60000));
    return n == 0 || (n < 0 && kc_stop_signal() == 0);
}
