/* report: what a run of the chaos tells: events with their time, on standard output and in a file, and anomalies. Any
 * thread. */
#ifndef KAFKA_TESTS_CHAOS_REPORT_H
#define KAFKA_TESTS_CHAOS_REPORT_H
#include <stdint.h>

/* Files go to this directory, which is there. Exits with 2 when it cannot be written to. */
void report_open(const char *dir);
const char *report_dir(void);
/* Since report_open; it never goes back. */
int64_t report_now_us(void);
/* What happens. */
void report_event(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* For the file alone. */
void report_detail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What must not happen. */
void report_anomaly(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int report_anomalies(void);
void report_close(void);

#endif
