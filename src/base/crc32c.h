/* crc32c: the Castagnoli CRC that covers a record batch, and the CRC of a concatenation from the CRCs of its parts.
 *
 * The fastest implementation the processor has is chosen at the first call: folding with carry-less products in 512-bit
 * registers (x86-64 with AVX-512 and VPCLMULQDQ), three interleaved streams of the CRC32 instruction (x86-64 with
 * SSE4.2, ARMv8 where the compiler targets it), tables (slicing by eight) elsewhere. All give the same result.
 *
 * Threads: all functions are safe from any thread, the first calls too. */
#ifndef KFK_BASE_CRC32C_H
#define KFK_BASE_CRC32C_H
#include <stddef.h>
#include <stdint.h>

/* Continues `crc`, which is 0 for the first bytes. */
uint32_t kfk_crc32c(uint32_t crc, const void *data, size_t len);
/* crc(a followed by b) from crc(a), crc(b) and the length of b. Takes 40 ns for each bit that is set in the length:
 * about 400 ns for lengths up to 1 MiB. */
uint32_t kfk_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b);

/* Every implementation that this machine can run, for tests and benchmarks. */
typedef struct kfk_crc32c_impl {
    const char *name;
    uint32_t (*update)(uint32_t crc, const void *data, size_t len);
} kfk_crc32c_impl;
/* Fills `out` with at most `cap` of them and returns how many there are; the first is the one in use. */
size_t kfk_crc32c_impls(kfk_crc32c_impl *out, size_t cap);

#endif
