/* fuzz: what the fuzz targets share: taking an input apart, properties, and memory that is counted.
 *
 * A target is one file with LLVMFuzzerTestOneInput. It checks more than "it did not crash": FUZZ_REQUIRE states what
 * must hold whatever the bytes say, and ends the process when it does not, which libFuzzer and the driver (driver.c)
 * notice alike. A target keeps nothing from one input to the next, so that an input alone replays what it did.
 *
 * One thread. */
#ifndef KAFKA_FUZZ_FUZZ_H
#define KAFKA_FUZZ_FUZZ_H
#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* FUZZ_REQUIRE(used <= limit, "%zu bytes used, %zu allowed", used, limit) */
#define FUZZ_REQUIRE(condition, ...) ((condition) ? (void)0 : fuzz_broken(#condition, __FILE__, __LINE__, __VA_ARGS__))
_Noreturn void fuzz_broken(const char *condition, const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A failure that a caller can make something of: the code has a row in the table, the error has the same code, and a
 * sentence without control characters. */
void fuzz_require_error(int code, const kfk_error *err);

/* ---- the input --------------------------------------------------------------------------------------------------- */

/* What is left of an input. Numbers are big-endian; behind the end everything is 0. */
typedef struct fuzz_input {
    const uint8_t *at;
    size_t left;
} fuzz_input;

uint8_t fuzz_byte(fuzz_input *in);
uint16_t fuzz_u16(fuzz_input *in);
uint64_t fuzz_u64(fuzz_input *in);
/* At most `want` bytes of it, in malloc'ed memory of exactly that size, so that the address sanitizer sees the first
 * byte beyond. Never NULL. */
uint8_t *fuzz_copy(fuzz_input *in, size_t want, size_t *len);

/* Reads all of it, for a sanitizer to see, and folds it into a hash. NULL of length 0 is fine. */
uint64_t fuzz_touch(uint64_t hash, const void *data, size_t len);

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* From here to fuzz_memory_end the library's memory is counted. fail_at: number of the allocation that fails, from 1;
 * 0 = none. */
void fuzz_memory_begin(size_t fail_at);
/* Allocations for which this is true do not count among those that may fail. Until fuzz_memory_end. */
void fuzz_memory_spare(bool (*is_spared)(void));
/* Nothing fails any more. */
void fuzz_memory_stop_failing(void);
bool fuzz_memory_failed(void);
/* The most bytes that were alive at once since the last call of fuzz_memory_begin or of this. */
size_t fuzz_memory_peak(void);
/* Gives back what the library keeps for reuse; what is still alive then is a leak. */
void fuzz_memory_end(void);

#endif
