/* See fuzz.h. Blocks are plain malloc blocks, so the address sanitizer sees their true edges. */
#include "fuzz.h"
#include "base/mem.h"
#include "wire/compress.h"
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_broken(const char *condition, const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "%s:%d: it does not hold that %s: ", file, line, condition);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    abort();
}

void fuzz_require_error(int code, const kfk_error *err)
{
    FUZZ_REQUIRE(kfk_error_find(code) != NULL, "%d", code);
    FUZZ_REQUIRE(err->code == code, "returned %d, the error has %d: %s", code, err->code, err->text);
    size_t len = strnlen(err->text, sizeof err->text);
    FUZZ_REQUIRE(len > 10 && len < sizeof err->text, "%d: %.*s", code, (int)len, err->text);
    for (size_t i = 0; i < len; i++)
        FUZZ_REQUIRE((uint8_t)err->text[i] >= 0x20 && err->text[i] != 0x7f, "%d: byte %zu", code, i);
}

/* ---- the input --------------------------------------------------------------------------------------------------- */

uint8_t fuzz_byte(fuzz_input *in)
{
    if (in->left == 0) return 0;
    in->left--;
    return *in->at++;
}

uint16_t fuzz_u16(fuzz_input *in)
{
    unsigned high = fuzz_byte(in);
    return (uint16_t)(high << 8 | fuzz_byte(in));
}

uint64_t fuzz_u64(fuzz_input *in)
{
    uint64_t v = 0;
    for (int i = 0; i < 4; i++) v = v << 16 | fuzz_u16(in);
    return v;
}

uint8_t *fuzz_copy(fuzz_input *in, size_t want, size_t *len)
{
    *len = want < in->left ? want : in->left;
    uint8_t *copy = malloc(*len > 0 ? *len : 1);
    if (copy == NULL) exit(2);
    if (*len > 0) memcpy(copy, in->at, *len);
    in->at += *len;
    in->left -= *len;
    return copy;
}

uint64_t fuzz_touch(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) hash = (hash ^ p[i]) * UINT64_C(1099511628211);
    return (hash ^ len ^ (data == NULL)) * UINT64_C(1099511628211);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static struct {
    size_t calls, fail_at, blocks, bytes, peak;
    bool failed;
    bool (*is_spared)(void);
} memory;

static void *allocate(size_t size)
{
    bool spared = memory.is_spared != NULL && memory.is_spared();
    if (!spared && ++memory.calls == memory.fail_at) {
        memory.failed = true;
        return NULL;
    }
    void *p = malloc(size);
    if (p == NULL) return NULL;
    memory.blocks++;
    memory.bytes += malloc_usable_size(p);
    if (memory.bytes > memory.peak) memory.peak = memory.bytes;
    return p;
}

static void release(void *p)
{
    memory.blocks--;
    memory.bytes -= malloc_usable_size(p);
    free(p);
}

static void *reallocate(void *p, size_t size)
{
    void *moved = allocate(size);
    if (moved == NULL || p == NULL) return moved;
    size_t old = malloc_usable_size(p);
    memcpy(moved, p, old < size ? old : size);
    release(p);
    return moved;
}

void fuzz_memory_begin(size_t fail_at)
{
    static const kfk_mem_ops ops = {.alloc = allocate, .realloc = reallocate, .free = release};
    memset(&memory, 0, sizeof memory);
    memory.fail_at = fail_at;
    kfk_mem_set_ops(&ops);
}

void fuzz_memory_spare(bool (*is_spared)(void))
{
    memory.is_spared = is_spared;
}

void fuzz_memory_stop_failing(void)
{
    memory.fail_at = 0;
}

bool fuzz_memory_failed(void)
{
    return memory.failed;
}

size_t fuzz_memory_peak(void)
{
    size_t peak = memory.peak;
    memory.peak = memory.bytes;
    return peak;
}

void fuzz_memory_end(void)
{
    kfk_compress_trim();
    kfk_mem_set_ops(NULL);
    FUZZ_REQUIRE(memory.blocks == 0, "%zu blocks with %zu bytes were not freed", memory.blocks, memory.bytes);
}
