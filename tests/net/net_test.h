/* net_test: what the tests of src/net share. Includes cmocka.
 *
 * Nothing here sleeps for a fixed time: it waits for a thing to happen and gives up after PATIENCE_MS, when the test
 * fails. Functions that run under the baton or on another thread must not assert: they note what they saw. */
#ifndef KAFKA_TESTS_NET_NET_TEST_H
#define KAFKA_TESTS_NET_NET_TEST_H
#include "support/memcheck.h"

#include "base/time.h"
#include "net/loop_backend.h"
#include <semaphore.h>
#include <stdatomic.h>

enum { PATIENCE_MS = 30000 };

/* A test that fails when it leaves memory of the library or a file descriptor behind. Helper threads may be a little
 * late in letting go of a loop: the end of the test waits for them. */
#define NET_TEST(function) cmocka_unit_test_setup_teardown(function, net_setup, net_teardown)
int net_setup(void **state);
int net_teardown(void **state);

/* Something that one thread does and another waits for. */
typedef struct latch {
    sem_t count;
} latch;
void latch_init(latch *l);
void latch_post(latch *l);
bool latch_wait(latch *l); /* false = lost patience */

/* Waits until holds(arg), looking again and again. */
bool eventually(bool (*holds)(void *), void *arg);
bool eventually_equal(const atomic_int *value, int expected);

/* A loop with one use; the end of the use and of the reference. */
kfk_loop *loop_start(void);
void loop_end(kfk_loop *l);
/* Runs fn under the baton, on whatever thread, or on the loop's own; returns when it has run. */
void run_held(kfk_loop *l, void (*fn)(kfk_loop *, void *), void *arg);
void run_turning(kfk_loop *l, void (*fn)(kfk_loop *, void *), void *arg);
/* For putting other functions into a loop that nobody waits on yet: runs fn here, with the baton's lock alone. Who
 * waits looks at the operations without the lock. */
void loop_change(kfk_loop *l, void (*fn)(kfk_loop *, void *), void *arg);
/* Waits until the loop sleeps with nothing left to do. */
bool loop_is_quiet(kfk_loop *l);

/* A listening TCP socket on a free port of this address; -1 when there is no such address here (IPv6 may be off). */
int listen_on(const char *ip, int backlog, kfk_address *where);
uint16_t port_of(const kfk_address *a);
/* An address of the loopback that no other process uses: its ports are this process's. The system connects sockets
 * from 127.0.0.1, unless they are bound, so none of its ports is taken by that either. */
const char *own_ip(void);
/* An address of this ip where nobody listens. */
void refusing(const char *ip, kfk_address *where);
/* An address of this ip that answers no SYN: the queue of its listener is full, as the listener itself says. `fds` are
 * to be closed with black_hole_end. */
typedef struct black_hole {
    kfk_address where;
    int fds[16];
    int count;
} black_hole;
bool black_hole_begin(black_hole *b, const char *ip);
void black_hole_open(black_hole *b); /* accepts what filled the queue, so that there is room again */
void black_hole_end(black_hole *b);
/* Accepts one connection, blocking, with patience; -1 when none comes. */
int accept_one(int listener);

/* How many descriptors the process has; threads of the process whose name begins with `name`. */
int open_fds(void);
int threads_named(const char *name);

#endif
