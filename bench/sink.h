/* sink: the cheapest peer there can be: a broker in one thread that answers at once and keeps nothing.
 *
 * It leads every partition of every topic it is asked about; digits at the end of a topic's name say how many there are
 * ("load12" has 12, "load" one). What is produced is acknowledged, idempotent or not, with offsets that go on; what is
 * fetched comes from a log without end, the same batch again and again. Topics whose name begins with "held" are never
 * acknowledged: what a client holds until then can be weighed. For benchmarks, in a process of its own. */
#ifndef KAFKA_BENCH_SINK_H
#define KAFKA_BENCH_SINK_H
#include <stdint.h>
#include <sys/types.h>

typedef struct sink_config {
    int port;          /* on 127.0.0.1, 0 = a free one */
    int delay_us;      /* each answer waits so long: as long as a network would take, where that matters */
    int message_bytes; /* of a value in the log that is fetched, 0 = there is nothing to fetch */
    int batch_bytes;   /* of a batch there, 0 = 1 MiB */
} sink_config;

/* What came in so far. The sink counts, everybody may read. */
typedef struct sink_counts {
    int64_t requests, batches, records, bytes; /* Produce requests, their batches, records, bytes of batches */
    int64_t fetches;
} sink_counts;

typedef struct sink {
    pid_t pid;
    int port;
    const volatile sink_counts *counts;
} sink;

/* Starts one in a child process, which ends with its parent. Exits the program when that fails. NULL = all defaults. */
sink sink_start(const sink_config *config);
void sink_stop(const sink *s);

#endif
