/* message.c: building and checking whole messages.
 *
 * A message handed out to an application is one allocation, so that freeing it is one call from any thread, in any
 * order, with nothing else to find. The copy is laid out by a function that runs twice (api/pack.h). */
#include "api/message.h"
#include "api/pack.h"
#include "base/mem.h"

/* Everything but the struct's own fields, which `to` has already; while measuring `to` is NULL. */
static void pack(kfk_pack *p, const kafka_message *from, kafka_message *to)
{
    kafka_header *headers = kfk_pack_room(p, from->header_count, sizeof *headers, 1);
    for (size_t i = 0; i < from->header_count; i++) {
        const kafka_header *h = &from->headers[i];
        const char *key = kfk_pack_string(p, h->key);
        const void *value = kfk_pack_bytes(p, h->value.data, h->value.len);
        if (headers != NULL) headers[i] = (kafka_header){key, {value, h->value.len}};
    }
    const char *topic = kfk_pack_string(p, from->topic);
    const void *key = kfk_pack_bytes(p, from->key.data, from->key.len);
    const void *value = kfk_pack_bytes(p, from->value.data, from->value.len);
    if (to == NULL) return;
    to->headers = from->header_count > 0 ? headers : NULL;
    to->topic = topic;
    to->key.data = key;
    to->value.data = value;
}

int kfk_message_new_copy(const kafka_message *from, kafka_message **out)
{
    kfk_pack size = {NULL, sizeof(kfk_owned_message)};
    pack(&size, from, NULL);
    kfk_owned_message *o = size.used < SIZE_MAX ? kfk_mem_alloc(size.used) : NULL;
    if (o == NULL) return KAFKA_ENOMEM;
    o->m = *from;
    o->block = NULL;
    kfk_pack fill = {(char *)o, sizeof *o};
    pack(&fill, from, &o->m);
    *out = &o->m;
    return 0;
}

static int check_bytes(kafka_bytes b, const char *what, const char *field, kfk_error *e)
{
    if (b.data != NULL || b.len == 0) return 0;
    return kfk_error_set(e, KAFKA_EINVAL, "%s: %s has a length of %zu and no data", what, field, b.len);
}

int kfk_message_check(const kafka_message *m, const char *what, kfk_error *e)
{
    int err;
    if (m->reserved != 0 || m->reserved2 != 0)
        return kfk_error_set(e, KAFKA_EINVAL, "%s: a reserved field of the message is not 0", what);
    if ((err = check_bytes(m->key, what, "key", e)) != 0) return err;
    if ((err = check_bytes(m->value, what, "value", e)) != 0) return err;
    if (m->headers == NULL && m->header_count > 0)
        return kfk_error_set(e, KAFKA_EINVAL, "%s: header_count is %zu and headers NULL", what, m->header_count);
    for (size_t i = 0; i < m->header_count; i++) {
        if (m->headers[i].key == NULL) return kfk_error_set(e, KAFKA_EINVAL, "%s: header %zu has no key", what, i);
        if ((err = check_bytes(m->headers[i].value, what, "a header's value", e)) != 0) return err;
    }
    return 0;
}
