/* A connection's life, limits and position. Reading, writing and topics have files of their own (conn_*.c).
 *
 * The handle holds a use of its loop, so that the loop's thread runs as long as there is somebody to call. A batch that
 * is still open holds the connection's memory, not its use.
 *
 * In a forked child the parent's connections are as good as foreign: locks may be held for ever, requests half written.
 * Every call but free refuses them, and free closes the socket and gives up the loop, which takes no lock; the memory
 * stays. */
#include "api/conn.h"
#include "api/loop.h"
#include "base/mem.h"
#include "base/time.h"
#include <string.h>

/* ---- birth and death --------------------------------------------------------------------------------------------- */

int kfk_api_conn_new(kfk_loop *loop_take, kfk_broker *broker_take, const char *topic, int32_t partition,
                     kafka_conn **out)
{
    kafka_conn *c = kfk_mem_zalloc(sizeof *c);
    if (!c || (topic && !(c->topic = kfk_mem_strdup(topic)))) {
        kfk_broker_free(broker_take);
        goto fail;
    }
    if (kfk_conn_new(loop_take, broker_take, topic, partition, &c->core) != 0) goto fail;
    kfk_ref_init(&c->ref);
    kfk_lock_init(&c->place_lock);
    c->loop = loop_take;
    c->partition = partition;
    c->born = kfk_fork_generation();
    c->place.at = KAFKA_OFFSET_FIRST;
    atomic_init(&c->required_acks, -1);
    atomic_init(&c->spare, NULL);
    *out = c;
    return 0;

fail:
    if (c) kfk_mem_free(c->topic);
    kfk_mem_free(c);
    kfk_loop_release(loop_take);
    return KAFKA_ENOMEM;
}

kafka_conn *kfk_api_conn_hold(kafka_conn *c)
{
    kfk_ref_hold(&c->ref);
    return c;
}

void kfk_api_conn_drop(kafka_conn *c)
{
    if (!kfk_ref_drop(&c->ref)) return;
    kfk_api_conn_forget_rest(c);
    kfk_block_drop(atomic_load(&c->spare));
    kfk_conn_drop(c->core);
    kfk_lock_fini(&c->place_lock);
    kfk_mem_free(c->topic);
    kfk_mem_free(c);
}

int kafka_conn_close(kafka_conn *c)
{
    int err = kfk_api_conn_check_use(c, "kafka_conn_close", false);
    if (err != 0) return err;
    kfk_conn_end(c->core);
    return 0;
}

void kafka_conn_free(kafka_conn *c)
{
    if (!c) return;
    kfk_loop *l = c->loop;
    if (kfk_api_conn_is_parents(c)) {
        kfk_broker_abandon(c->core->broker);
        kfk_loop_abandon(l);
        return;
    }
    kfk_conn_end(c->core);
    kfk_api_conn_drop(c);
    kfk_loop_release(l);
}

int kfk_api_conn_check_use(kafka_conn *c, const char *call, bool needs_topic)
{
    if (!c) return kfk_failf(NULL, KAFKA_EINVAL, "%s: the connection is NULL", call);
    if (kfk_api_conn_is_parents(c))
        return kfk_failf(
            NULL, KAFKA_EFORKED,
            "%s: the connection is the parent process's; a forked child can free it, and has to dial one of "
            "its own",
            call);
    if (needs_topic && !c->topic)
        return kfk_failf(NULL, KAFKA_EINVAL, "%s: the connection has no topic; kafka_dial_leader makes one that has",
                         call);
    return 0;
}

int kfk_api_conn_check(kafka_conn *c, const char *call, bool needs_topic)
{
    int err = kfk_api_conn_check_use(c, call, needs_topic);
    return err != 0 ? err : kfk_fail_unless_may_wait(NULL, call);
}

/* ---- the position ------------------------------------------------------------------------------------------------ */

kfk_place kfk_api_conn_place(kafka_conn *c)
{
    kfk_lock_take(&c->place_lock);
    kfk_place place = c->place;
    kfk_lock_give(&c->place_lock);
    return place;
}

void kfk_api_conn_seek(kafka_conn *c, int64_t to)
{
    kfk_lock_take(&c->place_lock);
    c->place.at = to;
    c->place.seeks++;
    kfk_lock_give(&c->place_lock);
}

void kfk_api_conn_move(kafka_conn *c, uint64_t seeks, int64_t to)
{
    kfk_lock_take(&c->place_lock);
    if (c->place.seeks == seeks) c->place.at = to;
    kfk_lock_give(&c->place_lock);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

void kafka_conn_set_deadline(kafka_conn *c, int64_t deadline)
{
    kafka_conn_set_read_deadline(c, deadline);
    kafka_conn_set_write_deadline(c, deadline);
}

void kafka_conn_set_read_deadline(kafka_conn *c, int64_t deadline)
{
    if (c && !kfk_api_conn_is_parents(c)) kfk_conn_set_deadline(c->core, KFK_CALL_READ, deadline);
}

void kafka_conn_set_write_deadline(kafka_conn *c, int64_t deadline)
{
    if (c && !kfk_api_conn_is_parents(c)) kfk_conn_set_deadline(c->core, KFK_CALL_WRITE, deadline);
}

void kafka_conn_set_cancel(kafka_conn *c, kafka_cancel *token)
{
    if (c && !kfk_api_conn_is_parents(c)) kfk_conn_set_token(c->core, token);
}

int kafka_conn_set_required_acks(kafka_conn *c, kafka_acks acks)
{
    int err = kfk_api_conn_check_use(c, "kafka_conn_set_required_acks", false);
    if (err != 0) return err;
    if (acks != KAFKA_ACKS_NONE && acks != KAFKA_ACKS_ONE && acks != KAFKA_ACKS_ALL && acks != KAFKA_ACKS_DEFAULT)
        return kfk_failf(NULL, KAFKA_ERR_INVALID_REQUIRED_ACKS,
                         "kafka_conn_set_required_acks: %d is none of KAFKA_ACKS_...", (int)acks);
    atomic_store(&c->required_acks, acks == KAFKA_ACKS_NONE ? 0 : acks == KAFKA_ACKS_ONE ? 1 : -1);
    return 0;
}

/* ---- the two ends ------------------------------------------------------------------------------------------------ */

static int get_address(kafka_conn *c, bool remote, const char *call, struct sockaddr *addr, socklen_t *len)
{
    int err = kfk_api_conn_check_use(c, call, false);
    if (err != 0) return err;
    if (!addr || !len) return kfk_failf(NULL, KAFKA_EINVAL, "%s: a pointer is NULL", call);
    if (kfk_conn_has_ended(c->core)) return kfk_failf(NULL, KAFKA_ECLOSED, "%s: the connection was closed", call);
    const kfk_broker_ends *ends = kfk_broker_ends_of(c->core->broker);
    const struct sockaddr_storage *from = remote ? &ends->peer : &ends->local;
    socklen_t size = remote ? ends->peer_len : ends->local_len;
    if (size == 0) return kfk_failf(NULL, KAFKA_EIO, "%s: the system did not tell the address", call);
    memcpy(addr, from, *len < size ? *len : size);
    *len = size;
    return 0;
}

int kafka_conn_local_addr(kafka_conn *c, struct sockaddr *addr, socklen_t *len)
{
    return get_address(c, false, "kafka_conn_local_addr", addr, len);
}

int kafka_conn_remote_addr(kafka_conn *c, struct sockaddr *addr, socklen_t *len)
{
    return get_address(c, true, "kafka_conn_remote_addr", addr, len);
}
