#ifndef KAFKA_LOG_H
#define KAFKA_LOG_H
#include <kafka/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t kafka_log_level;
enum { KAFKA_LOG_ERROR = 0, KAFKA_LOG_WARN, KAFKA_LOG_INFO, KAFKA_LOG_DEBUG };
typedef struct kafka_logger {
    void (*log)(void *userdata, kafka_log_level level, const char *line);
    void *userdata;
    kafka_log_level max_level;
    int32_t reserved;
} kafka_logger;

#ifdef __cplusplus
}
#endif
#endif
