/* writer_config: what a writer was told to be like, checked, copied, with all defaults filled in. */
#ifndef KFK_API_WRITER_CONFIG_H
#define KFK_API_WRITER_CONFIG_H
#include "kafka/writer.h"
#include "net/loop.h"

/* One allocation, which never changes once the writer is made. */
typedef struct kfk_writer_settings {
    /* In force, as kafka_writer_get_config shows it: KAFKA_NEVER stays, every 0 that stands for something else is
     * replaced, `dialer` is there and has a client id. Followed by zeros up to the size that was given. */
    kafka_writer_config *config;
    const kfk_hostport *addresses;
    size_t address_count;
    kfk_connect_options options;
    bool idempotence; /* asked for, and possible with these acks */
} kfk_writer_settings;

/* `size` of `given` is what its caller's version has. 0; KAFKA_EINVAL naming the field or quoting the address;
 * KAFKA_ECODEC, KAFKA_ENOTSUP, KAFKA_ENOMEM. Freed with kfk_mem_free; the balancer is only referred to. */
int kfk_writer_settings_new(const kafka_writer_config *given, size_t size, kfk_writer_settings **out, kfk_error *err);
/* A number of the configuration as the engine counts: KAFKA_NEVER becomes `never`. */
static inline int64_t kfk_writer_number(int64_t value, int64_t never)
{
    return value == KAFKA_NEVER ? never : value;
}

#endif
