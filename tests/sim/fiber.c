/* Fibers over ucontext.
 *
 * Stacks are mapped, with a page below each that faults, and kept for the next fiber: a test runs thousands of short
 * ones. Their size is that of the library's own helper threads, so what needs more shows here.
 *
 * The address sanitizer must know on which stack the program runs: it is told before each switch where we go, and after
 * it that we have arrived. A fiber that ends says so with NULL, and its fake frames go. Its own wrapper around
 * swapcontext knows nothing of this and warns, so libc's is called. */
#include "sim/fiber.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#ifndef FIBER_ASAN
#define FIBER_ASAN 0
#endif
#if FIBER_ASAN
#include <dlfcn.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <string.h>
#endif

enum { STACK_BYTES = (FIBER_ASAN ? 1024 : 256) * 1024, STACKS_KEPT = 64 };

struct fiber {
    ucontext_t context, back;
    void (*run)(void *);
    void *arg;
    char *stack;
    bool ended;
    void *fake_stack;       /* the sanitizer's, while the fiber is suspended */
    const void *back_stack; /* where it was resumed from */
    size_t back_size;
};

static fiber *running;
static char *kept[STACKS_KEPT];
static size_t kept_count;

static void die(const char *what)
{
    perror(what);
    exit(2);
}

static char *stack_take(void)
{
    if (kept_count > 0) return kept[--kept_count];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = mmap(NULL, page + STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (p == MAP_FAILED || mprotect(p, page, PROT_NONE) != 0) die("stack of a fiber");
    return p + page;
}

static void stack_give(char *stack)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
#if FIBER_ASAN
    __asan_unpoison_memory_region(stack, STACK_BYTES); /* frames that were never left have poisoned their edges */
#endif
    if (kept_count < STACKS_KEPT)
        kept[kept_count++] = stack;
    else
        munmap(stack - page, page + STACK_BYTES);
}

/* Around every switch: `save` is NULL when this stack will not run again. */
static void leaving(void **save, const void *stack, size_t size)
{
#if FIBER_ASAN
    __sanitizer_start_switch_fiber(save, stack, size);
#else
    (void)save;
    (void)stack;
    (void)size;
#endif
}

static void arrived(void *saved, const void **from, size_t *size)
{
#if FIBER_ASAN
    __sanitizer_finish_switch_fiber(saved, from, size);
#else
    (void)saved;
    (void)from;
    (void)size;
#endif
}

static void switch_context(ucontext_t *from, const ucontext_t *to)
{
    int (*swap)(ucontext_t *, const ucontext_t *) = swapcontext;
#if FIBER_ASAN
    static void *libc;
    if (!libc) libc = dlopen("libc.so.6", RTLD_LAZY);
    void *address = libc ? dlsym(libc, "swapcontext") : NULL;
    if (address) memcpy(&swap, &address, sizeof swap);
#endif
    swap(from, to);
}

static void start(void)
{
    fiber *f = running;
    arrived(NULL, &f->back_stack, &f->back_size);
    f->run(f->arg);
    f->ended = true;
    leaving(NULL, f->back_stack, f->back_size);
    setcontext(&f->back);
}

fiber *fiber_new(void (*run)(void *), void *arg)
{
    fiber *f = calloc(1, sizeof *f);
    if (!f || getcontext(&f->context) != 0) die("fiber");
    f->run = run;
    f->arg = arg;
    f->stack = stack_take();
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&f->context, start, 0);
    return f;
}

void fiber_resume(fiber *f)
{
    void *fake_stack = NULL;
    running = f;
    leaving(&fake_stack, f->stack, STACK_BYTES);
    switch_context(&f->back, &f->context);
    arrived(fake_stack, NULL, NULL);
    running = NULL;
}

void fiber_suspend(void)
{
    fiber *f = running;
    leaving(&f->fake_stack, f->back_stack, f->back_size);
    switch_context(&f->context, &f->back);
    arrived(f->fake_stack, &f->back_stack, &f->back_size);
}

bool fiber_has_ended(const fiber *f)
{
    return f->ended;
}

void fiber_free(fiber *f)
{
    stack_give(f->stack);
    free(f);
}
