/* memcheck.c: malloc with counters.
 *
 * Blocks carry no header of ours, and malloc_usable_size tells what a free gives back. So a block may cross the border
 * between memcheck and libc in both directions, which objects that live longer than one test do, and the address
 * sanitizer sees the true edges of each block.
 *
 * Allocations are numbered from memcheck_begin on; those from fail_first to fail_last fail. */
#include "support/memcheck.h"
#include "base/mem.h"
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_size_t calls, failures, fail_first, fail_last;
static atomic_size_t blocks, bytes; /* wrap below 0 when older blocks are freed; differences stay right */
static atomic_llong peak;           /* of bytes, signed for that reason */
static atomic_bool plain;

static bool must_fail(void)
{
    size_t number = atomic_fetch_add(&calls, 1) + 1;
    if (number < atomic_load(&fail_first) || number > atomic_load(&fail_last)) return false;
    atomic_fetch_add(&failures, 1);
    return true;
}

static void count(void *p)
{
    atomic_fetch_add(&blocks, 1);
    long long now = (long long)(atomic_fetch_add(&bytes, malloc_usable_size(p)) + malloc_usable_size(p));
    for (long long most = atomic_load(&peak); now > most && !atomic_compare_exchange_weak(&peak, &most, now);) {}
}

static void release(void *p)
{
    atomic_fetch_sub(&blocks, 1);
    atomic_fetch_sub(&bytes, malloc_usable_size(p));
    free(p);
}

static void *allocate(size_t size)
{
    if (must_fail()) return NULL;
    void *p = malloc(size);
    if (p == NULL) return NULL;
    count(p);
    return atomic_load(&plain) ? p : memset(p, 0xa5, size);
}

/* Not in two steps, or the block would be alive twice for a moment. */
static void *reallocate_plain(void *p, size_t size)
{
    if (must_fail()) return NULL;
    size_t old = p != NULL ? malloc_usable_size(p) : 0;
    void *moved = realloc(p, size);
    if (moved == NULL) return NULL;
    if (p != NULL) atomic_fetch_sub(&blocks, 1);
    atomic_fetch_sub(&bytes, old);
    count(moved);
    return moved;
}

static void *reallocate(void *p, size_t size)
{
    if (atomic_load(&plain)) return reallocate_plain(p, size);
    void *moved = allocate(size);
    if (moved == NULL || p == NULL) return moved;
    size_t old = malloc_usable_size(p);
    memcpy(moved, p, old < size ? old : size);
    release(p);
    return moved;
}

static void fail_between(size_t first, size_t last)
{
    atomic_store(&fail_first, SIZE_MAX); /* nothing fails while only one of the two is new */
    atomic_store(&fail_last, last);
    atomic_store(&failures, 0);
    atomic_store(&fail_first, first);
}

void memcheck_fail_at(size_t n)
{
    size_t number = n > 0 ? atomic_load(&calls) + n : 0;
    fail_between(number, number);
}

void memcheck_fail_from(size_t n)
{
    fail_between(atomic_load(&calls) + n, SIZE_MAX);
}

bool memcheck_failed(void)
{
    return atomic_load(&failures) > 0;
}

bool memcheck_next_failure(size_t n)
{
    bool more = n == 1 || memcheck_failed();
    memcheck_fail_at(more ? n : 0);
    return more;
}

size_t memcheck_calls(void)
{
    return atomic_load(&calls);
}

size_t memcheck_blocks(void)
{
    return atomic_load(&blocks);
}

size_t memcheck_bytes(void)
{
    return atomic_load(&bytes);
}

void memcheck_set_plain(bool on)
{
    atomic_store(&plain, on);
}

void memcheck_peak_begin(void)
{
    atomic_store(&peak, (long long)atomic_load(&bytes));
}

size_t memcheck_peak(void)
{
    return (size_t)atomic_load(&peak);
}

void memcheck_begin(void)
{
    static const kfk_mem_ops ops = {.alloc = allocate, .realloc = reallocate, .free = release};

    atomic_store(&calls, 0);
    atomic_store(&blocks, 0);
    atomic_store(&bytes, 0);
    memcheck_peak_begin();
    memcheck_set_plain(false);
    memcheck_fail_at(0);
    kfk_mem_set_ops(&ops);
}

void memcheck_end(void)
{
    size_t left = memcheck_blocks();

    kfk_mem_set_ops(NULL);
    memcheck_fail_at(0);
    if (left != 0) fail_msg("%zd blocks with %zd bytes were not freed", (ssize_t)left, (ssize_t)memcheck_bytes());
}

int memcheck_setup(void **state)
{
    (void)state;
    memcheck_begin();
    return 0;
}

int memcheck_teardown(void **state)
{
    (void)state;
    memcheck_end();
    return 0;
}
