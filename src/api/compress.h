/* compress: codecs as the public interface names them (kafka/compress.h). */
#ifndef KFK_API_COMPRESS_H
#define KFK_API_COMPRESS_H
#include "base/error.h"
#include "kafka/types.h"

/* 0 for one that can be written with, DEFAULT and NONE included; KAFKA_EINVAL for what is none, KAFKA_ECODEC for one
 * that is not built in. */
int kfk_api_check_codec(kafka_compression codec, kfk_error *err);
/* For tests: brings the built-in codecs back and frees what was registered. Only while nobody uses a codec, or holds
 * one that was found. */
void kfk_api_compress_forget(void);

#endif
