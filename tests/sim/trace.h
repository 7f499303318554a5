/* trace: what happened in a run of the simulation, line by line.
 *
 * Two runs with the same seed have the same bytes. The hash covers every line; the text keeps the newest ones, some
 * megabytes of them. Nothing in a line may depend on addresses, real time or the machine. */
#ifndef KAFKA_TESTS_SIM_TRACE_H
#define KAFKA_TESTS_SIM_TRACE_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef struct trace {
    char *text;
    size_t len, cap;
    uint64_t lines, hash;
} trace;

void trace_init(trace *t);
void trace_fini(trace *t);
/* A line with the virtual time in front; a long one is cut. */
void trace_add(trace *t, int64_t now_us, const char *fmt, va_list ap);
/* Where the last `lines` lines of the text begin. */
const char *trace_tail(const trace *t, size_t lines);

#endif
