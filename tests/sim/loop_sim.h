/* loop_sim: the loop in virtual time, and the fibers that use it. No thread, no real time, no system call.
 *
 * One `sim` is one run: a loop (net/loop.h), a clock, tasks, a network (sim/network.h), and a seed that decides
 * everything that real life leaves to chance: which of several ready things comes next, how bytes are cut into pieces,
 * whether the baton can be had at once. Time stands still while anything is ready to run and then jumps to whatever
 * comes next, so figures in milliseconds are exact.
 *
 * Tasks are fibers. They call the public functions of the library as any application would, and what is below as well.
 * Inside them cmocka's assertions are forbidden (they longjmp): use the sim_check macros, which note a failure and go
 * on. Real helper threads, sockets and the epoll loop must not be used in a run.
 *
 * The library's clock, its per-thread state and its default loop are redirected while the sim exists, so there is one
 * at a time. Not thread-safe. See sim/runner.h for how a test runs a scenario under many seeds. */
#ifndef KAFKA_TESTS_SIM_LOOP_SIM_H
#define KAFKA_TESTS_SIM_LOOP_SIM_H
#include "base/heap.h"
#include "base/list.h"
#include "net/loop.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sim sim;

/* 0 = the default. */
typedef struct sim_config {
    int64_t start_ms;  /* of the monotonic clock; default 1 000 000 */
    int64_t budget_ms; /* virtual time a run may take; default an hour */
    int64_t steps;     /* things that may happen in a run; default 1 000 000 */
    int64_t slow_us;   /* some steps take up to this long; default none, which keeps times exact */
    bool calm;         /* the baton is always free, nothing is cut up, no spurious edges: for counting exactly */
    bool verbose;      /* scenarios may put more into the trace than the seeds need: somebody reads it */
    uint64_t without;  /* leave out the faults whose bits are set (sim_fault) */
} sim_config;

/* `cfg` may be NULL. */
sim *sim_new(uint64_t seed, const sim_config *cfg);
/* Runs until all fibers have ended and the loop is idle. True when nothing failed. Fibers that can never go on, a run
 * out of budget, and what is left over at the end (open streams, timers, uses of the loop) are failures. */
bool sim_run(sim *s);
void sim_free(sim *s);

/* ---- tasks ------------------------------------------------------------------------------------------------------- */

/* A fiber that runs run(s, arg). Any time, also from another fiber. */
void sim_spawn(sim *s, const char *name, void (*run)(sim *, void *), void *arg);
/* In a fiber: waits, in virtual time; for *flag to become true (looked at whenever something happened). */
void sim_sleep_ms(sim *s, int64_t ms);
void sim_sleep_us(sim *s, int64_t us);
/* In a fiber: waits for the next multiple of this time. Those who do meet there, and only those who are ready at the
 * same moment can be interleaved at the library's scheduling points: fibers that pause for any time they like hardly
 * ever are. */
void sim_meet_us(sim *s, int64_t every_us);
void sim_wait_for(sim *s, const bool *flag);
/* In a fiber: the process is suspended for so long. No fiber runs and the loop does not turn, while the network and its
 * peers go on. */
void sim_suspend_ms(sim *s, int64_t ms);
/* In a fiber: lets others go first, if the seed says so. */
void sim_yield(sim *s);

/* Runs fn(arg) under the baton, by submission, and waits for it. For tests of what lies below the public interface. */
void sim_under_baton(sim *s, void (*fn)(void *), void *arg);

/* Calls fini(arg) when the sim is freed and nothing runs any more, the latest first. */
void sim_own(sim *s, void (*fini)(void *), void *arg);

/* ---- time and chance --------------------------------------------------------------------------------------------- */

int64_t sim_now_us(const sim *s);
int64_t sim_now_ms(const sim *s); /* as the library sees it */
uint64_t sim_below(sim *s, uint64_t n);
/* True once in n. Never in a calm run. */
bool sim_chance(sim *s, unsigned n);

/* ---- faults that a scenario plans -------------------------------------------------------------------------------- */

enum { SIM_FAULTS = 64 };
/* Random numbers for planning faults: what kind, when, where. They are the same whatever else happens in the run. */
uint64_t sim_plan_below(sim *s, uint64_t n);
/* Announces the next fault of the plan; true = let it happen. When a seed fails, the runner leaves out one fault after
 * the other as long as it still fails, and names those that are left; so a scenario goes on in the same way, and takes
 * as long, when it is told false. Beyond SIM_FAULTS they are always true. */
bool sim_fault(sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* How many were announced, and what they were. */
size_t sim_faults(const sim *s);
const char *sim_fault_text(const sim *s, size_t index);
/* Does somebody read the trace? */
bool sim_is_verbose(const sim *s);

/* Something that happens at a time, outside of the library: a packet arrives, a peer answers. The owner embeds it. */
typedef struct sim_event sim_event;
struct sim_event {
    kfk_heap_node node;
    kfk_list due;
    void (*run)(sim *, sim_event *);
};
void sim_event_init(sim_event *e, void (*run)(sim *, sim_event *));
/* Sets or moves it. */
void sim_event_set(sim *s, sim_event *e, int64_t at_us);
void sim_event_clear(sim *s, sim_event *e);
bool sim_event_is_set(const sim_event *e);

/* ---- failures, the trace ----------------------------------------------------------------------------------------- */

#define sim_check(s, condition) sim_check_that((s), (condition), #condition, __FILE__, __LINE__)
#define sim_check_equal(s, actual, expected) \
    sim_check_integers((s), (int64_t)(actual), (int64_t)(expected), #actual, __FILE__, __LINE__)
/* The text contains the part. */
#define sim_check_text(s, text, part) sim_check_contains((s), (text), (part), __FILE__, __LINE__)
#define sim_fail(s, ...)              sim_fail_at((s), __FILE__, __LINE__, __VA_ARGS__)
/* They note a failure, once per run, and return whether the check held. */
bool sim_check_that(sim *s, bool holds, const char *what, const char *file, int line);
bool sim_check_integers(sim *s, int64_t actual, int64_t expected, const char *what, const char *file, int line);
bool sim_check_contains(sim *s, const char *text, const char *part, const char *file, int line);
void sim_fail_at(sim *s, const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
bool sim_failed(const sim *s);
/* "file:line: what", "" while nothing failed. */
const char *sim_failure(const sim *s);
/* Notes that something happened which the scenario promises to happen under some seeds (sim/runner.h). */
void sim_sometimes(sim *s, const char *what);
bool sim_has_happened(const sim *s, const char *what);

void sim_trace(sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *sim_trace_text(const sim *s);
const char *sim_trace_tail(const sim *s, size_t lines);
/* The lines around the first failure. Freed by the caller; NULL when the trace does not have it any more. */
char *sim_trace_around_failure(const sim *s, size_t before, size_t after);
uint64_t sim_trace_hash(const sim *s);

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

kfk_loop *sim_loop(sim *s);
/* Is this a turn of the loop? For checking on which thread a callback comes. */
bool sim_on_loop_thread(const sim *s);
/* Does the library run, on whatever thread, or the simulated world around it? */
bool sim_in_library(const sim *s);
/* No helper threads can be had: jobs are refused. */
void sim_refuse_work(sim *s, bool refuse);
/* Inside a job: it takes so much longer until it is handed back; negative: its thread hangs until the end of the
 * run. */
void sim_job_takes_ms(sim *s, int64_t ms);
/* How often the loop turned, and how often it was woken by a caller. */
uint64_t sim_turns(const sim *s);
uint64_t sim_wakes(const sim *s);
/* Did a fiber try to take the baton while another one had been interrupted holding it? */
bool sim_contended(const sim *s);

#endif
