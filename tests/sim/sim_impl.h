/* sim_impl: what the files of the simulation share. Not for tests. */
#ifndef KAFKA_TESTS_SIM_SIM_IMPL_H
#define KAFKA_TESTS_SIM_SIM_IMPL_H
#include "base/lock.h"
#include "base/rand.h"
#include "base/thread.h"
#include "net/loop_backend.h"
#include "sim/fiber.h"
#include "sim/loop_sim.h"
#include "sim/trace.h"

enum { SIM_HAPPENINGS = 32, SIM_FAILURE_TEXT = 1024, SIM_OWNED = 64, SIM_FAULT_TEXT = 120 };

/* Something for the loop's next turn to report: an edge, an answer, a token. Runs under the baton, as its thread. */
typedef struct sim_report sim_report;
struct sim_report {
    kfk_list node;
    void (*run)(sim *, sim_report *);
};
void sim_report_init(sim_report *r, void (*run)(sim *, sim_report *));
/* One that waits already is left alone. */
void sim_report_add(sim *s, sim_report *r);
void sim_report_remove(sim_report *r);

typedef struct sim_network sim_network;
typedef struct sim_names sim_names;
typedef struct sim_task sim_task;

struct sim {
    kfk_loop loop;
    sim_config cfg;
    kfk_rand rand, plan;
    size_t fault_count;
    char faults[SIM_FAULTS][SIM_FAULT_TEXT];
    int64_t start_us, now_us;
    int64_t asleep_until_us; /* before that only the world around the library goes on */
    kfk_heap events;
    kfk_list due;   /* sim_event.due: their time has come */
    kfk_list tasks; /* in order of creation */
    sim_task *running;
    kfk_thread loop_thread, helper_thread, outside;
    kfk_thread *thread; /* who runs */
    /* the loop */
    kfk_list reports;
    kfk_list tokens;
    int64_t turn_at_ms; /* when it turns by itself */
    bool woken, drain_owed, must_not_fail, refuse_work, loop_gone;
    int locks;      /* beside the baton, that are held: nobody is interrupted then */
    int inside;     /* fibers that were interrupted holding the baton: one at most */
    bool contended; /* and another one tried to take it */
    int jobs;       /* under way, but for those that hang */
    kfk_list job_list;
    int64_t job_takes_us; /* of the job that runs; -1 = it hangs */
    uint64_t turns, wakes;
    int64_t steps_left;
    sim_network *network;
    sim_names *names;
    trace trace;
    char failure[SIM_FAILURE_TEXT];
    const char *happened[SIM_HAPPENINGS];
    size_t happened_count;
    struct {
        void (*fini)(void *);
        void *arg;
    } owned[SIM_OWNED];
    size_t owned_count;
};

/* memory of the simulation's own, not the library's: never NULL */
void *sim_alloc(size_t size);

/* loop_sim.c */
void sim_loop_init(sim *s);
void sim_loop_look_at_tokens(sim *s);
bool sim_loop_must_turn(const sim *s);
void sim_loop_turn(sim *s);
void sim_jobs_let_go(sim *s); /* helper threads that hang come back */
void sim_loop_lock_heard(sim *s, kfk_lock_point point);
/* Ends the process when a lock is held by who does `what`. */
void sim_loop_demand_no_lock(const sim *s, const char *what);
void sim_loop_drain(sim *s); /* s->drain_owed: the one who is said to hold the baton looks into the mailbox */
/* network.c */
void sim_network_new(sim *s);
void sim_network_free(sim *s);
int sim_network_connect(kfk_loop *l, const kfk_address *to, const kfk_connect_options *options, kfk_stream **out,
                        kfk_error *err);
int sim_network_adopt(kfk_loop *l, int fd, kfk_stream **out, kfk_error *err);
int sim_network_streams(const sim *s); /* that are open, of clients and of listeners */
/* listen.c */
int sim_network_listen(kfk_loop *l, const kfk_address *at, kfk_listener **out, kfk_error *err);
void sim_network_disturb(sim *s); /* perhaps a spurious edge */
/* names.c */
void sim_names_new(sim *s);
void sim_names_free(sim *s);
int sim_names_lookup(kfk_loop *l, kfk_lookup *lookup);
int sim_names_resolve(kfk_loop *l, const char *host, uint16_t port, kfk_address *found, size_t *count, kfk_error *err);
int sim_names_waiting(const sim *s); /* look-ups under way that were not abandoned */
void sim_names_let_go(sim *s);       /* resolvers that hang over an abandoned look-up come back */
/* tasks.c */
void sim_task_run(sim *s, sim_task *f);
int64_t sim_tasks_next_us(const sim *s); /* when the first of them wakes by itself; INT64_MAX = never */
size_t sim_tasks_ready(const sim *s);
sim_task *sim_tasks_ready_at(const sim *s, size_t index);
bool sim_tasks_left(const sim *s);
void sim_tasks_describe(const sim *s, char *out, size_t cap);
void sim_tasks_free(sim *s);
void sim_task_park(sim *s, _Atomic uint32_t *word, uint32_t value, int64_t deadline_ms);
void sim_task_unpark(sim *s, _Atomic uint32_t *word);

#endif
