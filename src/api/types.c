/* types.c: the small functions of kafka/types.h: bytes, time, and the release of what the library handed out.
 *
 * Objects are freed whole because they are one allocation each (api/message.h, api/lists.h): no function here needs to
 * know what is inside, and freeing NULL is always fine. */
#include "kafka/types.h"
#include "api/message.h"
#include "base/mem.h"
#include "base/thread.h"
#include "base/time.h"
#include <string.h>

kafka_bytes kafka_str(const char *s)
{
    return (kafka_bytes){s, s != NULL ? strlen(s) : 0};
}

kafka_bytes kafka_bytes_of(const void *data, size_t len)
{
    return data != NULL ? (kafka_bytes){data, len} : (kafka_bytes){"", 0};
}

int64_t kafka_now_ms(void)
{
    return kfk_time_now_ms();
}

/* A deadline is never 0, which means none; one in the past is a millisecond ago, so that every comparison agrees. */
int64_t kafka_deadline_in(int64_t ms)
{
    if (ms == KAFKA_NEVER) return 0;
    int64_t now = kfk_time_now_ms();
    int64_t at = ms > 0 ? kfk_time_add(now, ms) : now - 1;
    return at != 0 ? at : -1;
}

void kafka_message_free(kafka_message *m)
{
    if (m == NULL) return;
    kfk_owned_message *o = (kfk_owned_message *)m;
    kfk_block_drop(o->block);
    kfk_mem_free(o);
}

int kafka_message_dup(const kafka_message *m, kafka_message **out)
{
    kfk_error e = {.code = 0};
    if (m == NULL || out == NULL) return kfk_thread_failf(KAFKA_EINVAL, "kafka_message_dup: an argument is NULL");
    if (kfk_message_check(m, "kafka_message_dup", &e) != 0) return kfk_thread_fail(&e);
    if (kfk_message_new_copy(m, out) != 0) return kfk_thread_failf(KAFKA_ENOMEM, "kafka_message_dup: out of memory");
    return 0;
}

void kafka_broker_free(kafka_broker *b)
{
    kfk_mem_free(b);
}

void kafka_brokers_free(kafka_brokers *b)
{
    kfk_mem_free(b);
}

void kafka_partitions_free(kafka_partitions *p)
{
    kfk_mem_free(p);
}
