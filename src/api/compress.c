/* compress.c: the public side of compression: codecs that the application brought, and the buffer they write to.
 *
 * A registered codec becomes an object of wire/compress.h around the application's functions. Whoever compresses at
 * that moment holds no lock and no reference, so what was registered once stays: in a list that grows at its head and
 * never shrinks. Registering the same again finds it there; together with a limit that bounds the list. Two threads
 * that register the same at once may both enter it, which is harmless.
 *
 * Foreign functions are not trusted. They see of a buffer only where they may write. What they return is taken for what
 * it may mean where they were called, and a failure of the buffer counts whatever they say. */
#include "api/compress.h"
#include "api/fail.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/thread.h"
#include "kafka/compress.h"
#include "wire/compress_impl.h"
#include <limits.h>
#include <string.h>

enum { MOST_REGISTERED = 256 };

/* ---- output ------------------------------------------------------------------------------------------------------ */

static int misused(kafka_buf *b)
{
    b->promised = 0;
    if (b->err == 0) b->err = KAFKA_EINVAL;
    return b->err;
}

int kafka_buf_append(kafka_buf *b, const void *data, size_t len)
{
    if (b == NULL) return KAFKA_EINVAL;
    if (data == NULL && len > 0) return misused(b);
    b->promised = 0;
    return kfk_buf_append(b, data, len);
}

void *kafka_buf_reserve(kafka_buf *b, size_t len)
{
    if (b == NULL) return NULL;
    void *room = kfk_buf_reserve(b, len);
    b->promised = room != NULL ? len : 0;
    return room;
}

void kafka_buf_commit(kafka_buf *b, size_t used)
{
    if (b == NULL) return;
    if (used > b->promised) {
        misused(b);
    } else {
        b->promised -= used;
        kfk_buf_commit(b, used);
    }
}

/* ---- built-in codecs, as the application sees them --------------------------------------------------------------- */

static int codes[] = {0, KFK_CODEC_GZIP, KFK_CODEC_SNAPPY, KFK_CODEC_LZ4, KFK_CODEC_ZSTD};

static const kfk_codec *built_in(void *userdata)
{
    return kfk_compress_built_in(*(const int *)userdata);
}

static int encode_built_in(void *userdata, int level, const void *src, size_t len, kafka_buf *dst)
{
    const kfk_codec *c = built_in(userdata);
    struct iovec all = {(void *)(uintptr_t)src, len};
    if (dst == NULL || (src == NULL && len > 0)) return KAFKA_EINVAL;
    if (dst->err != 0) return dst->err;
    dst->promised = 0;
    return kfk_compress_with(c, level, &all, 1, dst, NULL);
}

static int decode_built_in(void *userdata, const void *src, size_t len, kafka_buf *dst)
{
    const kfk_codec *c = built_in(userdata);
    if (dst == NULL || (src == NULL && len > 0)) return KAFKA_EINVAL;
    if (dst->err != 0) return dst->err;
    dst->promised = 0;
    return c->decompress(c, src, len, dst, NULL);
}

#define BUILT_IN(NAME, CODE)                                                                                           \
    {                                                                                                                  \
        .name = (NAME), .userdata = &codes[CODE], .encode = encode_built_in, .decode = decode_built_in, .code = (CODE) \
    }
static const kafka_codec built_ins[] = {
    {0},
    BUILT_IN("gzip", KFK_CODEC_GZIP),
    BUILT_IN("snappy", KFK_CODEC_SNAPPY),
    BUILT_IN("lz4", KFK_CODEC_LZ4),
    BUILT_IN("zstd", KFK_CODEC_ZSTD),
};
enum { BUILT_INS = sizeof built_ins / sizeof built_ins[0] };

/* ---- codecs of the application ----------------------------------------------------------------------------------- */

typedef struct foreign {
    kafka_codec seen; /* by the application; its name is behind this struct */
    kfk_codec used;
    struct foreign *next;
    char name[];
} foreign;

static _Atomic(foreign *) registered;
static atomic_int registered_count;

/* What a foreign function did, as an error of the codec. `meant`: codes it may return as what they are, 0 behind the
 * last; anything else is `otherwise`. */
static int outcome(const kfk_codec *self, int rc, const char *doing, const int *meant, int otherwise, kfk_buf *dst,
                   kfk_error *err)
{
    if (dst->err == KAFKA_EINVAL)
        return kfk_error_set(err, KAFKA_ECODEC, "%s (codec %d): %s, it misused its kafka_buf", self->name, self->code,
                             doing);
    if (dst->err != 0) return kfk_compress_failed(self, dst->err, dst, err);
    if (rc == 0) return 0;
    while (*meant != 0 && *meant != rc) meant++;
    return kfk_error_set(err, *meant != 0 ? rc : otherwise, "%s (codec %d): %s, it failed with %d (%s)", self->name,
                         self->code, doing, rc, kafka_strerror(rc));
}

/* The chunks one behind the other: the only one as it is, or a copy, which is the caller's to free. NULL: no memory. */
static const void *gather(const struct iovec *src, int src_count, size_t len, uint8_t **copy)
{
    size_t at = 0;
    *copy = NULL;
    if (src_count == 1 && src[0].iov_base != NULL) return src[0].iov_base;
    if (len == 0) return "";
    *copy = kfk_mem_alloc(len);
    for (int i = 0; *copy != NULL && i < src_count; i++) {
        if (src[i].iov_base == NULL) continue;
        memcpy(*copy + at, src[i].iov_base, src[i].iov_len);
        at += src[i].iov_len;
    }
    return *copy;
}

static int encode_foreign(const kfk_codec *self, int level, const struct iovec *src, int src_count, kfk_buf *dst,
                          kfk_error *err)
{
    static const int meant[] = {KAFKA_EINVAL, KAFKA_ENOMEM, KAFKA_ETOOBIG, 0};
    const foreign *f = self->userdata;
    size_t len = kfk_compress_total(src, src_count);
    uint8_t *copy;
    const void *all = gather(src, src_count, len, &copy);
    if (all == NULL) return kfk_compress_no_memory(self, err);
    kfk_thread saved;
    kfk_thread_callback_begin(&saved, NULL);
    int rc = f->seen.encode(f->seen.userdata, level, all, len, dst);
    kfk_thread_callback_end(&saved);
    kfk_mem_free(copy);
    return outcome(self, rc, "compressing", meant, KAFKA_ECODEC, dst, err);
}

static int decode_foreign(const kfk_codec *self, const void *src, size_t len, kfk_buf *dst, kfk_error *err)
{
    static const int meant[] = {KAFKA_ENOMEM, KAFKA_ETOOBIG, 0};
    const foreign *f = self->userdata;
    kfk_thread saved;
    kfk_thread_callback_begin(&saved, NULL);
    int rc = f->seen.decode(f->seen.userdata, src, len, dst);
    kfk_thread_callback_end(&saved);
    return outcome(self, rc, "decompressing", meant, KAFKA_ECORRUPT, dst, err);
}

/* ---- registering ------------------------------------------------------------------------------------------------- */

static bool is_same(const kafka_codec *a, const kafka_codec *b)
{
    return a->code == b->code && a->userdata == b->userdata && a->encode == b->encode && a->decode == b->decode &&
           strcmp(a->name, b->name) == 0;
}

static foreign *find_registered(const kafka_codec *c)
{
    foreign *f = atomic_load_explicit(&registered, memory_order_acquire);
    while (f != NULL && !is_same(&f->seen, c)) f = f->next;
    return f;
}

static foreign *new_foreign(const kafka_codec *c)
{
    size_t name_size = strlen(c->name) + 1;
    foreign *f = kfk_mem_alloc(sizeof *f + name_size);
    if (f == NULL) return NULL;
    memcpy(f->name, c->name, name_size);
    f->seen = *c;
    f->seen.name = f->name;
    f->used = (kfk_codec){.name = f->name,
                          .code = c->code,
                          .min_level = INT_MIN,
                          .max_level = INT_MAX,
                          .compress = encode_foreign,
                          .decompress = decode_foreign,
                          .userdata = f};
    f->next = atomic_load_explicit(&registered, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&registered, &f->next, f, memory_order_release, memory_order_relaxed))
        continue;
    return f;
}

static int check(const kafka_codec *c)
{
    static const char call[] = "kafka_codec_register";
    if (c == NULL) return kfk_failf(NULL, KAFKA_EINVAL, "%s: the codec is NULL", call);
    if (c->name == NULL || c->encode == NULL || c->decode == NULL)
        return kfk_failf(NULL, KAFKA_EINVAL, "%s: a codec needs a name, encode and decode", call);
    if (c->code < 1 || c->code > KFK_CODEC_MAX)
        return kfk_failf(NULL, KAFKA_EINVAL, "%s: %s has code %d, codes are 1 to %d", call, c->name, (int)c->code,
                         KFK_CODEC_MAX);
    if (c->reserved != 0 || c->reserved2[0] != 0 || c->reserved2[1] != 0)
        return kfk_failf(NULL, KAFKA_EINVAL, "%s: a reserved field of %s is not 0", call, c->name);
    return 0;
}

int kafka_codec_register(const kafka_codec *c)
{
    int err = check(c);
    if (err != 0) return err;
    if (c->code < BUILT_INS && kfk_compress_built_in(c->code) != NULL && is_same(c, &built_ins[c->code])) {
        kfk_compress_replace(c->code, NULL);
        return 0;
    }
    foreign *f = find_registered(c);
    if (f == NULL && atomic_fetch_add(&registered_count, 1) >= MOST_REGISTERED) {
        atomic_fetch_sub(&registered_count, 1);
        return kfk_failf(NULL, KAFKA_ETOOBIG,
                         "kafka_codec_register: %d codecs were registered, there is no room for %s", MOST_REGISTERED,
                         c->name);
    }
    if (f == NULL && (f = new_foreign(c)) == NULL) {
        atomic_fetch_sub(&registered_count, 1);
        return kfk_failf(NULL, KAFKA_ENOMEM, "kafka_codec_register: no memory for %s", c->name);
    }
    kfk_compress_replace(c->code, &f->used);
    return 0;
}

const kafka_codec *kafka_codec_find(int32_t code)
{
    if (code < 1 || code > KFK_CODEC_MAX) return NULL;
    const kfk_codec *c = kfk_compress_find(code);
    if (c == NULL) return NULL;
    return c->compress == encode_foreign ? &((const foreign *)c->userdata)->seen : &built_ins[code];
}

void kfk_api_compress_forget(void)
{
    for (int code = 1; code <= KFK_CODEC_MAX; code++) kfk_compress_replace(code, NULL);
    foreign *next, *f = atomic_exchange(&registered, NULL);
    for (; f != NULL; f = next) {
        next = f->next;
        kfk_mem_free(f);
    }
    atomic_store(&registered_count, 0);
}

int kfk_api_check_codec(kafka_compression codec, kfk_error *err)
{
    if (codec == KAFKA_COMPRESSION_NONE || codec == KAFKA_COMPRESSION_DEFAULT) return 0;
    if (kfk_compress_find(codec) && codec <= KFK_CODEC_MAX) return 0;
    if (codec < KAFKA_COMPRESSION_GZIP || codec > KAFKA_COMPRESSION_ZSTD)
        return kfk_error_set(err, KAFKA_EINVAL, "compression %d is none of KAFKA_COMPRESSION_..., nor registered",
                             (int)codec);
    return kfk_error_set(err, KAFKA_ECODEC, "%s is not built in", kfk_compress_name(codec));
}
