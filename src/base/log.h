/* log: lines for the application's logger. No logger, no work: the level is compared before anything is formatted. */
#ifndef KFK_BASE_LOG_H
#define KFK_BASE_LOG_H
#include "kafka/log.h"
#include <stdatomic.h>
#include <stdint.h>

/* A copy of the application's struct; log = NULL means silence. */
typedef struct kfk_log {
    kafka_logger to;
} kfk_log;

/* `logger` may be NULL. Copied. */
void kfk_log_init(kfk_log *l, const kafka_logger *logger);
static inline int kfk_log_wants(const kfk_log *l, kafka_log_level level)
{
    return l->to.log != 0 && level <= l->to.max_level;
}
/* One line; control characters become '?', text beyond 4 KiB is cut. The application's function runs with
 * callback_depth raised (base/thread.h). */
void kfk_log_write(const kfk_log *l, kafka_log_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* How many lines of one kind come: what repeats (a broker that is lost again and again) must not fill a disk, nor hide
 * everything else. Zeroed = unused. One for each kind of line in each object that logs. */
enum { KFK_LOG_BURST = 10, KFK_LOG_INTERVAL_MS = 1000 };
typedef struct kfk_log_limit {
    _Atomic int64_t paid_until_ms;
    _Atomic uint32_t left_out; /* since the last line that was written */
} kfk_log_limit;
/* The same for a kind of line that may repeat: KFK_LOG_BURST at once, then one each KFK_LOG_INTERVAL_MS. One that is
 * written says how many before it were left out. Not for DEBUG lines, which were asked for. */
void kfk_log_write_limited(const kfk_log *l, kfk_log_limit *limit, kafka_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
