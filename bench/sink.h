/* sink: the cheapest peer there can be: a broker in one thread that answers at once and keeps nothing.
 *
 * It leads partition 0 of every topic it is asked about, acknowledges what is produced, answers offsets with 0, and has
 * nothing to fetch. For benchmarks, in a process of its own. */
#ifndef KAFKA_BENCH_SINK_H
#define KAFKA_BENCH_SINK_H
#include <sys/types.h>

/* Starts it in a child process, listening on a free port of 127.0.0.1. Exits the program when that fails. Each answer waits
 * for `delay_us` first: as long as a network would take, where that matters. */
pid_t sink_start(int *port, int delay_us);
void sink_stop(pid_t pid);

#endif
