#ifndef KAFKA_LOOP_H
#define KAFKA_LOOP_H
#include <kafka/error.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct kafka_loop kafka_loop;
typedef struct kafka_loop_config { int32_t manual, reserved; int64_t reserved2[3]; } kafka_loop_config;
KAFKA_API KAFKA_NODISCARD int kafka_loop_new(const kafka_loop_config *cfg, kafka_loop **out);
KAFKA_API int kafka_loop_fd(kafka_loop *);
KAFKA_API int64_t kafka_loop_timeout_ms(kafka_loop *);
KAFKA_API int kafka_loop_run(kafka_loop *);
KAFKA_API void kafka_loop_free(kafka_loop *);

#ifdef __cplusplus
}
#endif
#endif
