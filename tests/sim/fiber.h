/* fiber: a function with a stack of its own, on the thread of whoever resumes it.
 *
 * The tasks of the simulation are fibers, so that a blocking call can be left and come back to without a thread. Resume
 * and suspend alternate: one fiber runs at a time, and only code outside of all fibers resumes one. Nothing may longjmp
 * out of a fiber, so cmocka's assertions are not for code that runs in one. */
#ifndef KAFKA_TESTS_SIM_FIBER_H
#define KAFKA_TESTS_SIM_FIBER_H
#include <stdbool.h>

typedef struct fiber fiber;

/* A fiber that will call run(arg) when it is resumed first. Ends the process when there is no memory. */
fiber *fiber_new(void (*run)(void *), void *arg);
/* Runs it until it suspends itself or `run` returns. Not inside a fiber, not after it ended. */
void fiber_resume(fiber *f);
/* Inside a fiber: back to whoever resumed it. */
void fiber_suspend(void);
bool fiber_has_ended(const fiber *f);
/* Gives the stack back. Of a fiber that has not ended, what lies on its stack is forgotten. */
void fiber_free(fiber *f);

#endif
