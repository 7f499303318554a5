/* log: lines for the application's logger. No logger, no work: the level is compared before anything is formatted. */
#ifndef KFK_BASE_LOG_H
#define KFK_BASE_LOG_H
#include "kafka/log.h"

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

#endif
