/* See the header. */
#include "faults/through.h"
#include "api/conn.h"
#include "base/mem.h"

int through_try(const char *address, const kafka_ctx *ctx, const char *topic, kafka_conn **out)
{
    int err = kafka_dial(NULL, ctx, address, out);
    if (err != 0) return err;
    (*out)->topic = kfk_mem_strdup(topic);
    assert_non_null((*out)->topic);
    return kafka_conn_seek(*out, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL);
}

kafka_conn *through(const char *address, const char *topic)
{
    kafka_conn *c = NULL;
    assert_works(through_try(address, KAFKA_WITHIN(30000), topic, &c));
    kafka_conn_set_deadline(c, kafka_deadline_in(30000));
    return c;
}
