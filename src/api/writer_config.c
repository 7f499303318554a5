/* The configuration comes in the size that the caller's version of the struct has. It is brought to the present one
 * first, missing fields being 0; then it is checked field by field, and copied with everything it points to into one
 * block. The block is at least as long as what was given, so that whoever knows a longer struct may read as much of
 * what kafka_writer_get_config returns. */
#include "api/writer_config.h"
#include "api/compress.h"
#include "api/dialer.h"
#include "api/pack.h"
#include "base/mem.h"
#include "wire/compress.h"
#include <stddef.h>

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* All numbers that have a default. Below KAFKA_NEVER none of them means anything. */
static const struct number {
    const char *name;
    size_t at;
    int64_t otherwise;
    bool is_long;
} numbers[] = {
#define LONG(field, otherwise)                                        \
    {                                                                 \
#field, offsetof(kafka_writer_config, field), otherwise, true \
    }
#define SHORT(field, otherwise)                                        \
    {                                                                  \
#field, offsetof(kafka_writer_config, field), otherwise, false \
    }
    LONG(batch_timeout_ms, 1000),          LONG(read_timeout_ms, 10000), LONG(write_timeout_ms, 10000),
    LONG(rebalance_interval_ms, 15000),    SHORT(max_attempts, 10),      SHORT(queue_capacity, 100),
    LONG(buffer_bytes, INT64_C(32) << 20), SHORT(batch_size, 100),       SHORT(batch_bytes, 1048576),
    LONG(delivery_timeout_ms, 120000),     SHORT(compression_level, 0),
#undef LONG
#undef SHORT
};

static int64_t get(const kafka_writer_config *c, const struct number *n)
{
    const void *at = (const char *)c + n->at;
    return n->is_long ? *(const int64_t *)at : *(const int32_t *)at;
}

static void set(kafka_writer_config *c, const struct number *n, int64_t value)
{
    void *at = (char *)c + n->at;
    if (n->is_long)
        *(int64_t *)at = value;
    else
        *(int32_t *)at = (int32_t)value;
}

/* Levels below KAFKA_NEVER are those of a codec that has such. */
static bool may_be(const kafka_writer_config *c, const struct number *n, int64_t value)
{
    if (value >= KAFKA_NEVER) return true;
    const kfk_codec *codec = c->compression > 0 ? kfk_compress_find(c->compression) : NULL;
    return n->at == offsetof(kafka_writer_config, compression_level) && codec && codec->min_level < KAFKA_NEVER;
}

static int fill_in_numbers(kafka_writer_config *c, kfk_error *err)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        int64_t value = get(c, &numbers[i]);
        if (!may_be(c, &numbers[i], value))
            return kfk_error_set(err, KAFKA_EINVAL, "kafka_writer_config.%s is %lld, below KAFKA_NEVER",
                                 numbers[i].name, (long long)value);
        if (value == 0) set(c, &numbers[i], numbers[i].otherwise);
    }
    return 0;
}

/* ---- what has names ---------------------------------------------------------------------------------------------- */

static int check_flag(const char *name, int32_t value, kfk_error *err)
{
    if (value == 0 || value == 1) return 0;
    return kfk_error_set(err, KAFKA_EINVAL, "kafka_writer_config.%s is %d, neither 0 nor 1", name, (int)value);
}

static int fill_in_acks(kafka_writer_config *c, kfk_error *err)
{
    switch (c->required_acks) {
    case KAFKA_ACKS_DEFAULT: c->required_acks = KAFKA_ACKS_ALL; return 0;
    case KAFKA_ACKS_ALL:
    case KAFKA_ACKS_ONE:
    case KAFKA_ACKS_NONE: return 0;
    default:
        return kfk_error_set(err, KAFKA_EINVAL, "kafka_writer_config.required_acks is %d, none of KAFKA_ACKS_...",
                             (int)c->required_acks);
    }
}

static int fill_in_compression(kafka_writer_config *c, kfk_error *err)
{
    int code = kfk_api_check_codec(c->compression, err);
    if (code != 0) return kfk_error_prefix(err, "kafka_writer_config.compression: ");
    if (c->compression == KAFKA_COMPRESSION_DEFAULT) c->compression = KAFKA_COMPRESSION_NONE;
    const kfk_codec *codec = c->compression > 0 ? kfk_compress_find(c->compression) : NULL;
    int level = c->compression_level;
    if (!codec || level == 0 || (codec->min_level == 0 && codec->max_level == 0)) return 0;
    if (level >= codec->min_level && level <= codec->max_level) return 0;
    return kfk_error_set(err, KAFKA_EINVAL,
                         "kafka_writer_config.compression_level: %s has levels from %d to %d, not %d", codec->name,
                         codec->min_level, codec->max_level, level);
}

static int check_rest(const kafka_writer_config *c, kfk_error *err)
{
    int code;
    if (c->reserved != 0) return kfk_error_set(err, KAFKA_EINVAL, "kafka_writer_config.reserved is not 0");
    if (c->topic && !*c->topic)
        return kfk_error_set(err, KAFKA_EINVAL,
                             "kafka_writer_config.topic is empty; NULL is a writer whose messages name their topics");
    if (c->logger && c->logger->reserved != 0)
        return kfk_error_set(err, KAFKA_EINVAL, "kafka_writer_config.logger: a reserved field is not 0");
    if ((code = check_flag("async", c->async, err)) != 0) return code;
    return check_flag("no_idempotence", c->no_idempotence, err);
}

/* ---- the dialer -------------------------------------------------------------------------------------------------- */

static int fill_in_dialer(kafka_dialer *d, char *client_id, size_t client_id_cap, kfk_connect_options *options,
                          kfk_error *err)
{
    int code = kfk_dialer_check(d, err);
    if (code == 0 && d->deadline != 0)
        code = kfk_error_set(err, KAFKA_EINVAL,
                             "kafka_dialer.deadline is set: a writer connects as long as it lives; timeout_ms bounds "
                             "each of its connections");
    if (code == 0) code = kfk_dialer_local(d->local_addr, &options->local, err);
    if (code != 0) return kfk_error_prefix(err, "kafka_writer_config.dialer: ");
    options->keep_alive_ms = d->keep_alive_ms;
    if (d->timeout_ms == 0) d->timeout_ms = KFK_DIALER_TIMEOUT_MS;
    if (d->fallback_delay_ms == 0) d->fallback_delay_ms = KFK_DIALER_FALLBACK_MS;
    if (!d->client_id) {
        kfk_dialer_default_client_id(client_id, client_id_cap);
        d->client_id = client_id;
    }
    return 0;
}

/* ---- the block --------------------------------------------------------------------------------------------------- */

/* What is copied; everything in it is the caller's still. */
typedef struct source {
    kafka_writer_config config;
    size_t size; /* of what get_config returns */
    kafka_dialer dialer;
    kfk_hostport *addresses;
    size_t address_count;
    kfk_connect_options options;
    char client_id[256];
} source;

/* Lays the block out; NULL while it measures. */
static kfk_writer_settings *pack(kfk_pack *p, const source *from)
{
    kfk_writer_settings *s = kfk_pack_room(p, 1, sizeof *s, 1);
    kafka_writer_config *config = kfk_pack_room(p, from->size, 1, 1);
    kafka_dialer *dialer = kfk_pack_room(p, 1, sizeof *dialer, 1);
    kafka_logger *logger = from->config.logger ? kfk_pack_room(p, 1, sizeof *logger, 1) : NULL;
    kafka_resolver *resolver = from->dialer.resolver ? kfk_pack_room(p, 1, sizeof *resolver, 1) : NULL;
    kfk_hostport *addresses = kfk_pack_room(p, from->address_count, sizeof *addresses, 1);
    const char *brokers = kfk_pack_string(p, from->config.brokers);
    const char *topic = kfk_pack_string(p, from->config.topic);
    const char *client_id = kfk_pack_string(p, from->dialer.client_id);
    const char *local_addr = kfk_pack_string(p, from->dialer.local_addr);
    if (!p->base) return NULL;
    memset(config, 0, from->size);
    memcpy(config, &from->config, sizeof *config);
    *dialer = from->dialer;
    if (logger) *logger = *from->config.logger;
    if (resolver) *resolver = *from->dialer.resolver;
    memcpy(addresses, from->addresses, from->address_count * sizeof *addresses);
    config->brokers = brokers;
    config->topic = topic;
    config->dialer = dialer;
    config->logger = logger;
    dialer->client_id = client_id;
    dialer->local_addr = local_addr;
    dialer->resolver = resolver;
    *s = (kfk_writer_settings){
        .config = config,
        .addresses = addresses,
        .address_count = from->address_count,
        .options = from->options,
        .idempotence = !config->no_idempotence && config->required_acks == KAFKA_ACKS_ALL,
    };
    return s;
}

static int copy(const source *from, kfk_writer_settings **out, kfk_error *err)
{
    kfk_pack p = {0};
    pack(&p, from);
    if (!(p.base = kfk_mem_alloc(p.used))) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a writer");
    p.used = 0;
    *out = pack(&p, from);
    return 0;
}

/* Brings what was given to the present size. */
static int take_over(const kafka_writer_config *given, size_t size, source *x, kfk_error *err)
{
    if (!given) return kfk_error_set(err, KAFKA_EINVAL, "the configuration is NULL");
    memcpy(&x->config, given, size < sizeof x->config ? size : sizeof x->config);
    x->size = size > sizeof x->config ? size : sizeof x->config;
    for (size_t i = sizeof x->config; i < size; i++) {
        if (((const char *)given)[i] == 0) continue;
        return kfk_error_set(err, KAFKA_EINVAL,
                             "byte %zu of the configuration is not 0, and this version of the library does not know "
                             "what it means",
                             i);
    }
    return 0;
}

static int check(source *x, kfk_error *err)
{
    if (!x->config.brokers)
        return kfk_error_set(err, KAFKA_EINVAL,
                             "kafka_writer_config.brokers is NULL; expected host:port, for example localhost:9092");
    int code = kfk_dialer_addresses(x->config.brokers, x->addresses, &x->address_count, err);
    if (code != 0) return kfk_error_prefix(err, "kafka_writer_config.brokers: ");
    if ((code = check_rest(&x->config, err)) != 0) return code;
    if ((code = fill_in_numbers(&x->config, err)) != 0) return code;
    if ((code = fill_in_acks(&x->config, err)) != 0) return code;
    if ((code = fill_in_compression(&x->config, err)) != 0) return code;
    if (x->config.dialer) x->dialer = *x->config.dialer;
    return fill_in_dialer(&x->dialer, x->client_id, sizeof x->client_id, &x->options, err);
}

int kfk_writer_settings_new(const kafka_writer_config *given, size_t size, kfk_writer_settings **out, kfk_error *err)
{
    source x = {0};
    int code = take_over(given, size, &x, err);
    if (code != 0) return code;
    x.addresses = kfk_mem_array(KFK_DIALER_ADDRESSES, sizeof *x.addresses);
    if (!x.addresses) return kfk_error_set(err, KAFKA_ENOMEM, "no memory for a writer");
    code = check(&x, err);
    if (code == 0) code = copy(&x, out, err);
    kfk_mem_free(x.addresses);
    return code;
}
