/* output.c: writes to standard output.
 *
 * Callers bring large pieces, so they go out with write(2) and no further copy. The first failure decides: EPIPE means
 * that the reader has seen enough, which is a success; anything else (a full disk) is said once.
 *
 * A reader that has stopped reading must not keep kc from ending when a signal has asked it to: from then on what is
 * printed goes out in pieces that a pipe takes whole or not at all, and a pipe that takes none for a while counts as
 * closed. */
#include "output.h"
#include "kc.h"
#include "say.h"
#include "stop.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STOPPING_MS = 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool closed, failed;

static void note_failure(int why)
{
    if (why == EPIPE)
        atomic_store(&closed, true);
    else if (!atomic_exchange(&failed, true))
        kc_say_error("cannot write the output: %s", strerror(why));
}

/* Somebody may have handed us a descriptor in non-blocking mode. */
static bool wait_for_room(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&p, 1, -1) >= 0 || errno == EINTR;
}

/* Waits for room and for the signal at once: a signal between looking for it and a write that blocks would be lost. */
static ssize_t write_piece(const char *data, size_t len)
{
    struct pollfd p[] = {{.fd = STDOUT_FILENO, .events = POLLOUT}, {.fd = kc_stop_fd(), .events = POLLIN}};
    int ready = poll(p, 2, -1);
    if (ready > 0 && p[0].revents == 0) ready = poll(p, 1, STOPPING_MS);
    if (ready == 0) errno = EPIPE;
    if (ready <= 0) return -1;
    ssize_t n = write(STDOUT_FILENO, data, len < PIPE_BUF ? len : PIPE_BUF);
    if (n < 0 && errno == EAGAIN) errno = EINTR; /* somebody else has filled it: the same again */
    return n;
}

static ssize_t write_some(const char *data, size_t len, bool stoppable)
{
    if (stoppable || kc_stop_signal() != 0) return write_piece(data, len);
    return write(STDOUT_FILENO, data, len);
}

static bool write_all(const char *data, size_t len, bool stoppable)
{
    while (len > 0) {
        ssize_t n = write_some(data, len, stoppable);
        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno != EINTR && !(errno == EAGAIN && wait_for_room())) {
            note_failure(errno);
            return false;
        }
    }
    return true;
}

static bool write_alone(const char *data, size_t len, bool stoppable)
{
    pthread_mutex_lock(&lock);
    bool ok = !kc_output_gone() && write_all(data, len, stoppable);
    pthread_mutex_unlock(&lock);
    return ok;
}

bool kc_output_write(const char *data, size_t len)
{
    return write_alone(data, len, false);
}

bool kc_output_write_stoppable(const char *data, size_t len)
{
    return write_alone(data, len, true);
}

bool kc_output_closed(void)
{
    return atomic_load(&closed);
}

bool kc_output_gone(void)
{
    return atomic_load(&closed) || atomic_load(&failed);
}

void kc_output_mark_closed(void)
{
    atomic_store(&closed, true);
}

bool kc_output_on_terminal(void)
{
    return isatty(STDOUT_FILENO) == 1;
}

int kc_output_finish(int code)
{
    errno = 0;
    if (fflush(stdout) != 0) note_failure(errno);
    return atomic_load(&failed) && code == KC_OK ? KC_FAILED : code;
}
