/* libc_alloc: malloc and its kin in front of libc's own, for a whole program: the library's allocations, those of libc,
 * of the codecs, of C++. It counts them, fails some, and knows which are still there.
 *
 * It is for programs that fail the n-th allocation, whoever makes it. memcheck knows the library's own alone, but works
 * under the sanitizers, which have a malloc of their own.
 *
 * Who is counted: every thread that did not say otherwise, so that the loop's and the helper threads are. The test's
 * own thread is counted between libc_alloc_enter and _leave alone; the threads of a peer call libc_alloc_exempt first.
 *
 * What is tracked: blocks that counted threads allocate between _begin and _end, until they are freed, by whomever.
 * What pthread_create allocates may fail but is not tracked: libc keeps a thread's stack and what belongs to it for the
 * next one (a program that wants this is linked with --wrap=pthread_create). */
#ifndef KAFKA_TESTS_SUPPORT_LIBC_ALLOC_H
#define KAFKA_TESTS_SUPPORT_LIBC_ALLOC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The calling thread is counted from now on, is not, for ever is not. */
void libc_alloc_enter(void);
void libc_alloc_leave(void);
void libc_alloc_exempt(void);

/* Forgets all blocks and counts from 0. */
void libc_alloc_begin(void);
/* Nothing is counted, tracked or failed any more; frees of tracked blocks still are noticed. */
void libc_alloc_end(void);
/* Makes one allocation fail: n = 1 is the next that is counted, 0 none any more. */
void libc_alloc_fail_at(size_t n);
/* Makes one in `one_in` fail, by chance; 0 none any more. */
void libc_alloc_fail_randomly(uint32_t one_in, uint64_t seed);
/* How many were made to fail since the last call of either. */
size_t libc_alloc_failures(void);

/* Tracked blocks alive: those that this program's own code asked for (the library is linked into it), and all
 * others. */
size_t libc_alloc_own_blocks(void);
size_t libc_alloc_other_blocks(void);
/* Writes to stderr who asked for the blocks that are alive, `most` at most, and where the last failure was. */
void libc_alloc_report(size_t most);

#endif
