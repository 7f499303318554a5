/* The codecs under a malloc that fails: libc's own, since libzstd, liblz4 and libsnappy do not allocate through
 * base/mem.h.
 *
 * The program defines malloc and its family, on top of glibc's names for them, so that every library in the process
 * gets these. Where that cannot be (a sanitizer brings its own, another libc has no such names) there is nothing to
 * run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/compress.h"
#include "wire/helpers.h"
#include <errno.h>
#include <stdatomic.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OWN_MALLOC 0
#endif
#endif
#if !defined(OWN_MALLOC) && defined(__GLIBC__)
#define OWN_MALLOC 1
#endif

#if OWN_MALLOC
#pragma GCC visibility push(default) /* seen by the shared libraries, whatever this is compiled with */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);

static struct {
    bool on;             /* counting; the rest is 0 when it begins */
    size_t calls, alive; /* blocks alive that were allocated since */
    size_t fail_at;      /* this call fails, 0 = none */
    bool and_all_behind;
    bool failed;
} counting;

/* Counts a call, and says whether it fails. */
static bool fails(void)
{
    if (!counting.on) return false;
    counting.calls++;
    if (counting.fail_at == 0) return false;
    if (counting.calls != counting.fail_at && !(counting.and_all_behind && counting.calls > counting.fail_at))
        return false;
    counting.failed = true;
    errno = ENOMEM;
    return true;
}

static void *counted(void *p)
{
    if (counting.on && p != NULL) counting.alive++;
    return p;
}

void *malloc(size_t size)
{
    return fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(count, size));
}

void *realloc(void *p, size_t size)
{
    if (fails()) return NULL;
    void *q = __libc_realloc(p, size);
    return p == NULL ? counted(q) : q;
}

void free(void *p)
{
    if (counting.on && p != NULL) counting.alive--;
    __libc_free(p);
}

#pragma GCC visibility pop

static void count_from_here(size_t fail_at, bool and_all_behind)
{
    counting.calls = counting.alive = 0;
    counting.fail_at = fail_at;
    counting.and_all_behind = and_all_behind;
    counting.failed = false;
    counting.on = true;
}

enum { LEN = 100000 };
static uint8_t plain[LEN];

static int compress_plain(int code, int level, kfk_buf *dst, kfk_error *err)
{
    struct iovec chunks[] = {{plain, 1000}, {plain + 1000, LEN - 1000}};
    return kfk_compress(code, level, chunks, 2, dst, err);
}

/* One operation of a codec whose n-th allocation fails. False once there was none left to fail. */
static bool run_failing(int code, const kfk_buf *packed, size_t n, bool and_all_behind)
{
    kfk_buf b;
    kfk_error err = {0};

    kfk_buf_init(&b, SIZE_MAX);
    count_from_here(n, and_all_behind);
    int rc = packed ? kfk_decompress(code, packed->data, packed->len, &b, &err) : compress_plain(code, 0, &b, &err);
    bool same = rc == 0 && packed != NULL ? b.len == LEN && memcmp(b.data, plain, LEN) == 0 : true;
    kfk_buf_fini(&b);
    kfk_compress_trim();
    counting.on = false;

    assert_true(same);
    assert_int_equal(rc, err.code);
    assert_true(rc == 0 || rc == KAFKA_ENOMEM);
    if (!counting.failed) assert_int_equal(rc, 0);
    assert_int_equal(counting.alive, 0);
    return counting.failed;
}

static void run_all(bool and_all_behind)
{
    for (int code = KFK_CODEC_GZIP; code <= KFK_CODEC_ZSTD; code++) {
        kfk_buf packed;
        kfk_error err = {0};
        size_t n, m;
        if (kfk_compress_find(code) == NULL) continue;
        kfk_buf_init(&packed, SIZE_MAX);
        assert_int_equal(compress_plain(code, 0, &packed, &err), 0);
        kfk_compress_trim();
        for (n = 1; run_failing(code, NULL, n, and_all_behind); n++) assert_in_range(n, 1, 1000);
        for (m = 1; run_failing(code, &packed, m, and_all_behind); m++) assert_in_range(m, 1, 1000);
        print_message("%s: %zu allocations compressing, %zu decompressing\n", kfk_compress_name(code), n - 1, m - 1);
        kfk_buf_fini(&packed);
    }
}

static void each_failing_malloc_is_reported_and_nothing_leaks(void **state)
{
    (void)state;
    run_all(false);
}

static void without_any_memory_left_nothing_leaks_either(void **state)
{
    (void)state;
    run_all(true);
}

static void a_warm_codec_allocates_nothing_but_snappy_its_table(void **state)
{
    (void)state;
    for (int code = KFK_CODEC_GZIP; code <= KFK_CODEC_ZSTD; code++) {
        kfk_buf packed, out;
        kfk_error err;
        size_t calls[2] = {0, 0};
        if (kfk_compress_find(code) == NULL) continue;
        kfk_buf_init(&packed, SIZE_MAX);
        kfk_buf_init(&out, SIZE_MAX);
        for (int round = 0; round < 3; round++) {
            kfk_buf_clear(&packed);
            kfk_buf_clear(&out);
            count_from_here(0, false);
            int rc = compress_plain(code, 0, &packed, &err);
            calls[0] = counting.calls;
            if (rc == 0) rc = kfk_decompress(code, packed.data, packed.len, &out, &err);
            calls[1] = counting.calls - calls[0];
            counting.on = false;
            assert_int_equal(rc, 0);
        }
        print_message("%s: %zu allocations compressing again, %zu decompressing\n", kfk_compress_name(code), calls[0],
                      calls[1]);
        /* libsnappy keeps no context: one block of memory for each block of a stream. */
        assert_int_equal(calls[0], code == KFK_CODEC_SNAPPY ? (LEN + 32767) / 32768 : 0);
        assert_int_equal(calls[1], 0);
        kfk_buf_fini(&packed);
        kfk_buf_fini(&out);
    }
    kfk_compress_trim();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failing_malloc_is_reported_and_nothing_leaks),
        cmocka_unit_test(without_any_memory_left_nothing_leaks_either),
        cmocka_unit_test(a_warm_codec_allocates_nothing_but_snappy_its_table),
    };
    for (size_t i = 0; i < LEN; i++) plain[i] = (uint8_t)("a text that repeats itself, "[i % 28] + (i % 97 == 0));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void)
{
    print_message("malloc cannot be replaced in this build\n");
    return 0;
}
#endif
