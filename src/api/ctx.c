/* ctx.c: the public face of cancel tokens; base/cancel.c has what they do. */
#include "kafka/ctx.h"
#include "base/cancel.h"
#include "base/thread.h"

int kafka_cancel_new(kafka_cancel **out)
{
    if (out == NULL) return kfk_thread_failf(KAFKA_EINVAL, "kafka_cancel_new: out is NULL");
    kafka_cancel *c = kfk_cancel_new();
    if (c == NULL) return kfk_thread_failf(KAFKA_ENOMEM, "kafka_cancel_new: out of memory");
    *out = c;
    return 0;
}

void kafka_cancel_fire(kafka_cancel *c)
{
    if (c != NULL) kfk_cancel_fire(c);
}

void kafka_cancel_free(kafka_cancel *c)
{
    if (c == NULL) return;
    kfk_cancel_disown(c); /* in a forked child the parent's connections may hold it for ever */
    kfk_cancel_drop(c);
}
