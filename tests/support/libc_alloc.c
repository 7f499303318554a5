/* libc_alloc.c: the program's malloc, on top of glibc's under its second names.
 *
 * A table of its own holds the tracked blocks, so that blocks look as glibc makes them and may cross the border between
 * tracked and not in both directions. It has a fixed size: what looks after allocations must not allocate. While a
 * thread is inside, what it allocates itself (backtrace) goes straight through. */
#include "support/libc_alloc.h"
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* glibc's, which has these names for programs like this one. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

extern char __executable_start, etext; /* the linker's: where this program's code lies */

enum { SLOTS = 1 << 16, DEPTH = 24, SKIPPED = 2 };

typedef struct block {
    void *at; /* NULL = the slot is free */
    bool own;
    int depth;
    void *callers[DEPTH];
} block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* all that follows */
static block blocks[SLOTS];
static size_t own_blocks, other_blocks;
static block last_failure;

static atomic_bool counting;
static atomic_size_t calls, fail_call, failures;
static _Atomic uint32_t fail_one_in;
static _Atomic uint64_t random_state;

static _Thread_local bool exempt, inside, untracked;

__attribute__((constructor)) static void exempt_the_first_thread(void)
{
    exempt = true;
}

void libc_alloc_enter(void)
{
    exempt = false;
}

void libc_alloc_leave(void)
{
    exempt = true;
}

void libc_alloc_exempt(void)
{
    exempt = true;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

static size_t slot_of(const void *p)
{
    return ((uintptr_t)p >> 4) * 0x9e3779b1u % SLOTS;
}

static void note_callers(block *b, bool deep)
{
    inside = true;
    b->depth = deep ? backtrace(b->callers, DEPTH) : 0;
    inside = false;
}

static bool is_own(const void *caller)
{
    return (const char *)caller >= &__executable_start && (const char *)caller < &etext;
}

static void track(void *p, const void *caller)
{
    if (p == NULL || untracked) return;
    block b = {.at = p, .own = is_own(caller)};
    note_callers(&b, true);
    pthread_mutex_lock(&lock);
    size_t i = slot_of(p), tried = 0;
    while (blocks[i].at != NULL && tried++ < SLOTS) i = (i + 1) % SLOTS;
    if (blocks[i].at != NULL) abort(); /* a test that holds so much is not one for this */
    blocks[i] = b;
    if (b.own)
        own_blocks++;
    else
        other_blocks++;
    pthread_mutex_unlock(&lock);
}

/* Closes the gap that a removal leaves, so that a search may end at the first free slot. */
static void remove_slot(size_t gap)
{
    blocks[gap].at = NULL;
    for (size_t i = (gap + 1) % SLOTS; blocks[i].at != NULL; i = (i + 1) % SLOTS) {
        size_t home = slot_of(blocks[i].at);
        if ((i - home) % SLOTS < (i - gap) % SLOTS) continue;
        blocks[gap] = blocks[i];
        blocks[i].at = NULL;
        gap = i;
    }
}

static void forget(const void *p)
{
    if (p == NULL) return;
    pthread_mutex_lock(&lock);
    for (size_t i = slot_of(p); own_blocks + other_blocks > 0 && blocks[i].at != NULL; i = (i + 1) % SLOTS) {
        if (blocks[i].at != p) continue;
        if (blocks[i].own)
            own_blocks--;
        else
            other_blocks--;
        remove_slot(i);
        break;
    }
    pthread_mutex_unlock(&lock);
}

/* ---- failing ----------------------------------------------------------------------------------------------------- */

static uint64_t next_random(void)
{
    uint64_t z = atomic_fetch_add(&random_state, 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool is_counted(void)
{
    return atomic_load(&counting) && !exempt && !inside;
}

/* Of an allocation that is counted. */
static bool must_fail(void)
{
    uint32_t one_in = atomic_load(&fail_one_in);
    size_t number = atomic_fetch_add(&calls, 1) + 1;
    if (number != atomic_load(&fail_call) && (one_in == 0 || next_random() % one_in != 0)) return false;
    atomic_fetch_add(&failures, 1);
    block b = {.at = &last_failure};
    note_callers(&b, true);
    pthread_mutex_lock(&lock);
    last_failure = b;
    pthread_mutex_unlock(&lock);
    errno = ENOMEM;
    return true;
}

void libc_alloc_fail_at(size_t n)
{
    atomic_store(&fail_call, 0);
    atomic_store(&fail_one_in, 0);
    atomic_store(&failures, 0);
    if (n > 0) atomic_store(&fail_call, atomic_load(&calls) + n);
}

void libc_alloc_fail_randomly(uint32_t one_in, uint64_t seed)
{
    libc_alloc_fail_at(0);
    atomic_store(&random_state, seed);
    atomic_store(&fail_one_in, one_in);
}

size_t libc_alloc_failures(void)
{
    return atomic_load(&failures);
}

void libc_alloc_begin(void)
{
    void *unused[1];
    backtrace(unused, 1); /* loads what it needs, once */
    libc_alloc_fail_at(0);
    pthread_mutex_lock(&lock);
    memset(blocks, 0, sizeof blocks);
    own_blocks = other_blocks = 0;
    pthread_mutex_unlock(&lock);
    atomic_store(&calls, 0);
    atomic_store(&counting, true);
}

void libc_alloc_end(void)
{
    atomic_store(&counting, false);
    libc_alloc_fail_at(0);
}

size_t libc_alloc_own_blocks(void)
{
    pthread_mutex_lock(&lock);
    size_t n = own_blocks;
    pthread_mutex_unlock(&lock);
    return n;
}

size_t libc_alloc_other_blocks(void)
{
    pthread_mutex_lock(&lock);
    size_t n = other_blocks;
    pthread_mutex_unlock(&lock);
    return n;
}

static void report(const char *title, const block *b)
{
    ssize_t n = write(STDERR_FILENO, title, strlen(title));
    (void)n;
    if (b->depth > SKIPPED)
        backtrace_symbols_fd((void *const *)b->callers + SKIPPED, b->depth - SKIPPED, STDERR_FILENO);
}

void libc_alloc_report(size_t most)
{
    report("the last allocation that failed:\n", &last_failure);
    for (size_t i = 0; i < SLOTS && most > 0; i++) {
        if (blocks[i].at == NULL) continue;
        report(blocks[i].own ? "not freed, this program's own:\n" : "not freed, somebody else's:\n", &blocks[i]);
        most--;
    }
}

/* ---- malloc ------------------------------------------------------------------------------------------------------ */

#define CALLER   __builtin_return_address(0)
#define EXPORTED __attribute__((visibility("default")))

EXPORTED void *malloc(size_t size)
{
    if (!is_counted()) return __libc_malloc(size);
    void *p = must_fail() ? NULL : __libc_malloc(size);
    track(p, CALLER);
    return p;
}

EXPORTED void *calloc(size_t count, size_t size)
{
    if (!is_counted()) return __libc_calloc(count, size);
    void *p = must_fail() ? NULL : __libc_calloc(count, size);
    track(p, CALLER);
    return p;
}

/* Other threads must not get the address of a block that is forgotten too late. */
EXPORTED void *realloc(void *old, size_t size)
{
    if (!is_counted()) {
        forget(old);
        return __libc_realloc(old, size);
    }
    if (must_fail()) return NULL;
    forget(old);
    void *p = __libc_realloc(old, size);
    track(p, CALLER);
    return p;
}

EXPORTED void *reallocarray(void *old, size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, count * size);
}

static void *aligned(size_t alignment, size_t size, const void *caller)
{
    if (!is_counted()) return __libc_memalign(alignment, size);
    void *p = must_fail() ? NULL : __libc_memalign(alignment, size);
    track(p, caller);
    return p;
}

EXPORTED void *memalign(size_t alignment, size_t size)
{
    return aligned(alignment, size, CALLER);
}

EXPORTED void *aligned_alloc(size_t alignment, size_t size)
{
    return aligned(alignment, size, CALLER);
}

EXPORTED int posix_memalign(void **out, size_t alignment, size_t size)
{
    void *p = aligned(alignment, size, CALLER);
    if (p == NULL) return ENOMEM;
    *out = p;
    return 0;
}

EXPORTED void free(void *p)
{
    int before = errno;
    if (!inside) forget(p);
    __libc_free(p);
    errno = before;
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
    bool before = untracked;
    untracked = true;
    int err = __real_pthread_create(thread, attr, run, arg);
    untracked = before;
    return err;
}
