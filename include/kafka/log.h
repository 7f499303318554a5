/* kafka/log.h: where log lines go. Without a logger there are none: the library never writes to a file or terminal.
 *
 * Their number is bounded. Of one kind of ERROR, WARN or INFO line, from one object, ten come at once and then one each
 * second at most, however often its cause repeats; a line that comes after others were left out ends in "(123 more like
 * it were left out)". DEBUG lines are not limited. */
#ifndef KAFKA_LOG_H
#define KAFKA_LOG_H
#include <kafka/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t kafka_log_level;
enum {
    KAFKA_LOG_ERROR = 0, /* something failed, and no call returns it */
    KAFKA_LOG_WARN,      /* something is wrong but dealt with: a broker lost, a check that was switched off */
    KAFKA_LOG_INFO,      /* rare events: connected, reconnected, a leader moved */
    KAFKA_LOG_DEBUG      /* every request and answer, as text */
};

/* kafka_logger is the application's sink for lines. It is copied; `userdata` has to outlive the objects that were
 * given the logger. A zeroed one (log NULL) is silent. */
typedef struct kafka_logger {
    /* log gets one line, UTF-8 without control characters or a final newline, valid during the call. It runs on any
     * thread, also on several at once, and holds up whatever logs: it should be quick. It may use the library, but
     * calls that would have to wait return KAFKA_EAGAIN; it must neither throw nor longjmp. */
    void (*log)(void *userdata, kafka_log_level level, const char *line);
    void *userdata;
    kafka_log_level max_level; /* the most talkative level wanted; 0 = errors only */
    int32_t reserved;
} kafka_logger;

#ifdef __cplusplus
}
#endif
#endif
