/* crc32c.c: CRC-32C (Castagnoli) by the fastest means the processor has, and arithmetic on CRCs.
 *
 * A CRC is a polynomial over GF(2) modulo P, here kept in reflected form: bit 31 is the coefficient of x^0. Appending n
 * zero bits multiplies by x^n, and CRCs add with XOR. All of this file follows from these two facts:
 *
 *   combine   crc(a b) = crc(a) * x^(8 |b|) + crc(b). The inversions at both ends of a CRC cancel out. A product of two
 *             CRCs is a carry-less product, and as the CRC instruction reduces what it is given times x^32, one factor
 *             is kept divided by that: two instructions, where shifting and adding takes two hundred.
 *   streams   One CRC instruction takes 3 cycles, and 3 are in flight when they do not depend on each other. So a
 *             stretch is cut into three blocks whose CRCs are computed side by side and combined. Their length is
 *             fixed, thus the multiplication by x^(8 length) is a table of four lookups. Long blocks amortise it, short
 *             ones keep buffers of a kilobyte fast.
 *   folding   Sixteen registers of 128 bits hold a polynomial congruent to all that was read. Multiplied by x^2048,
 *             which takes two carry-less products each, they line up with the next 256 bytes and are added to them. At
 *             the end these 256 bytes go through the CRC instruction.
 *   tables    Eight bytes a step through eight tables of 256 entries (slicing by eight), for any other processor.
 *
 * Tables are computed once, by whoever comes first; `chosen` is stored after them and read in front of them. */
#include "base/crc32c.h"
#include "base/crc_slices.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_CRC_INSTRUCTION 1
#define CRC_TARGET           __attribute__((target("sse4.2")))
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#include <arm_acle.h>
#define HAVE_CRC_INSTRUCTION 1
#define CRC_TARGET
#else
#define HAVE_CRC_INSTRUCTION 0
#endif

typedef uint32_t (*update_fn)(uint32_t crc, const void *data, size_t len);

enum { MAX_IMPLS = 3 };
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic(update_fn) chosen; /* NULL until everything below is filled */
static kfk_crc32c_impl impls[MAX_IMPLS];
static size_t impl_count;

/* ---- polynomials ------------------------------------------------------------------------------------------------- */

static const uint32_t polynomial = 0x82f63b78;
static const uint32_t one = UINT32_C(1) << 31; /* x^0 */
static uint32_t powers[64 + 3];                /* x^(2^i): enough for the bits of 2^64 - 1 bytes */

static uint32_t times_x(uint32_t a)
{
    return a >> 1 ^ (polynomial & (0 - (a & 1)));
}

static uint32_t multiply(uint32_t a, uint32_t b)
{
    uint32_t product = 0;
    for (int bit = 31; bit >= 0; bit--) {
        product ^= b & (0 - (a >> bit & 1));
        b = times_x(b);
    }
    return product;
}

/* x^(n 2^scale); scale 0 counts bits, 3 counts bytes. */
static uint32_t power(uint64_t n, unsigned scale)
{
    uint32_t result = one;
    for (; n != 0; n >>= 1, scale++) {
        if (n & 1) result = multiply(result, powers[scale]);
    }
    return result;
}

static void fill_powers(void)
{
    powers[0] = times_x(one);
    for (size_t i = 1; i < sizeof powers / sizeof powers[0]; i++) powers[i] = multiply(powers[i - 1], powers[i - 1]);
}

static uint32_t move_by_shifting(uint32_t crc, uint64_t bytes)
{
    return multiply(crc, power(bytes, 3));
}

/* A CRC times x^(8 bytes). Set with `chosen`. */
static uint32_t (*move)(uint32_t crc, uint64_t bytes) = move_by_shifting;

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static kfk_crc_slices slices;

static uint32_t update_tables(uint32_t crc, const void *data, size_t len)
{
    return kfk_crc_slices_update(slices, crc, data, len);
}

/* ---- the CRC instruction, three streams -------------------------------------------------------------------------- */

#if HAVE_CRC_INSTRUCTION

enum { LONG_BLOCK = 4096, SHORT_BLOCK = 256 };
typedef uint32_t shift_table[4][256]; /* [i][b]: byte i of a CRC is b; the CRC after a block of zeros */
static shift_table long_shift, short_shift;

static void fill_shift(shift_table table, uint64_t bytes)
{
    uint32_t factor = power(bytes, 3);
    for (unsigned i = 0; i < 4; i++) {
        for (uint32_t byte = 0; byte < 256; byte++) table[i][byte] = multiply(byte << (8 * i), factor);
    }
}

static uint32_t shift(shift_table table, uint32_t crc)
{
    return table[0][crc & 0xff] ^ table[1][crc >> 8 & 0xff] ^ table[2][crc >> 16 & 0xff] ^ table[3][crc >> 24];
}

/* A CRC in 64 bits, as the instruction has it: making 32 of them after each step would take longer than the step. */
CRC_TARGET static inline uint64_t step8(uint64_t crc, const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
#if defined(__x86_64__)
    return _mm_crc32_u64(crc, word);
#else
    return __crc32cd((uint32_t)crc, word);
#endif
}

CRC_TARGET static inline uint32_t step1(uint32_t crc, uint8_t byte)
{
#if defined(__x86_64__)
    return _mm_crc32_u8(crc, byte);
#else
    return __crc32cb(crc, byte);
#endif
}

/* From here on CRCs are without the inversions at their ends. */
CRC_TARGET static uint32_t one_stream(uint32_t crc, const uint8_t *p, size_t len)
{
    uint64_t wide = crc;
    for (; len >= 8; len -= 8, p += 8) wide = step8(wide, p);
    crc = (uint32_t)wide;
    for (; len > 0; len--, p++) crc = step1(crc, *p);
    return crc;
}

CRC_TARGET static inline uint64_t step32(uint64_t crc, const uint8_t *p)
{
    return step8(step8(step8(step8(crc, p), p + 8), p + 16), p + 24);
}

/* A block is a multiple of 64 bytes. */
CRC_TARGET static inline uint32_t three_blocks(uint32_t crc, const uint8_t *p, size_t block, shift_table table)
{
    uint64_t crc0 = crc, crc1 = 0, crc2 = 0;
    for (const uint8_t *end = p + block; p < end; p += 64) {
        crc0 = step32(crc0, p);
        crc1 = step32(crc1, p + block);
        crc2 = step32(crc2, p + 2 * block);
        crc0 = step32(crc0, p + 32);
        crc1 = step32(crc1, p + block + 32);
        crc2 = step32(crc2, p + 2 * block + 32);
    }
    return shift(table, shift(table, (uint32_t)crc0) ^ (uint32_t)crc1) ^ (uint32_t)crc2;
}

CRC_TARGET static uint32_t three_streams(uint32_t crc, const uint8_t *p, size_t len)
{
    for (; len >= (size_t)3 * LONG_BLOCK; len -= (size_t)3 * LONG_BLOCK, p += (size_t)3 * LONG_BLOCK)
        crc = three_blocks(crc, p, LONG_BLOCK, long_shift);
    for (; len >= (size_t)3 * SHORT_BLOCK; len -= (size_t)3 * SHORT_BLOCK, p += (size_t)3 * SHORT_BLOCK)
        crc = three_blocks(crc, p, SHORT_BLOCK, short_shift);
    return one_stream(crc, p, len);
}

CRC_TARGET static uint32_t update_instruction(uint32_t crc, const void *data, size_t len)
{
    return ~three_streams(~crc, data, len);
}

#endif

/* ---- moving by carry-less products ------------------------------------------------------------------------------- */

#if defined(__x86_64__)

#define PRODUCT_TARGET __attribute__((target("pclmul,sse4.2")))
static uint32_t lowered[64]; /* x^(8 2^i - 32) */

static uint32_t divide_by_x(uint32_t a)
{
    return (a & one) != 0 ? (a ^ polynomial) << 1 | 1 : a << 1;
}

static void fill_lowered(void)
{
    uint32_t below = one; /* x^-32 */
    for (int i = 0; i < 32; i++) below = divide_by_x(below);
    for (size_t i = 0; i < sizeof lowered / sizeof lowered[0]; i++) lowered[i] = multiply(powers[i + 3], below);
}

/* The product comes out one bit off, as below. */
PRODUCT_TARGET static uint32_t move_by_products(uint32_t crc, uint64_t bytes)
{
    for (; bytes != 0; bytes &= bytes - 1) {
        __m128i factor = _mm_cvtsi32_si128((int)lowered[__builtin_ctzll(bytes)]);
        __m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), factor, 0x00);
        crc = (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product) << 1);
    }
    return crc;
}

#endif

/* ---- folding with 512-bit registers ------------------------------------------------------------------------------ */

#if defined(__x86_64__)

#define FOLD_TARGET __attribute__((target("avx512f,vpclmulqdq,pclmul,sse4.2")))
enum { FOLD = 256, FOLD_FROM = 1024 }; /* bytes a step; shorter buffers do not earn back the end of it */
static uint64_t fold_factors[2];

/* A register of 128 bits is low x^64 + high, where `low` are the bytes that came first. Moving it on by n bits takes
 * low * x^(n + 64) + high * x^n. The product of two reflected numbers of 64 bits comes out one bit off, that is times
 * x, hence the 1 less in the exponents. */
static void fill_fold_factors(void)
{
    fold_factors[0] = (uint64_t)power(8 * FOLD + 64 - 1, 0) << 32;
    fold_factors[1] = (uint64_t)power(8 * FOLD - 1, 0) << 32;
}

FOLD_TARGET static inline __m512i fold(__m512i sum, __m512i factors, const uint8_t *next)
{
    __m512i low = _mm512_clmulepi64_epi128(sum, factors, 0x00);
    __m512i high = _mm512_clmulepi64_epi128(sum, factors, 0x11);
    return _mm512_xor_si512(_mm512_xor_si512(low, high), _mm512_loadu_si512(next));
}

FOLD_TARGET static uint32_t update_folding(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint8_t rest[FOLD];

    if (len < FOLD_FROM) return update_instruction(crc, data, len);
    __m512i factors = _mm512_broadcast_i32x4(_mm_set_epi64x((long long)fold_factors[1], (long long)fold_factors[0]));
    __m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 64);
    __m512i c = _mm512_loadu_si512(p + 128), d = _mm512_loadu_si512(p + 192);

    a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)~crc)));
    for (p += FOLD, len -= FOLD; len >= FOLD; p += FOLD, len -= FOLD) {
        a = fold(a, factors, p);
        b = fold(b, factors, p + 64);
        c = fold(c, factors, p + 128);
        d = fold(d, factors, p + 192);
    }
    _mm512_storeu_si512(rest, a);
    _mm512_storeu_si512(rest + 64, b);
    _mm512_storeu_si512(rest + 128, c);
    _mm512_storeu_si512(rest + 192, d);
    return ~one_stream(one_stream(0, rest, FOLD), p, len);
}

#endif

/* ---- choice ------------------------------------------------------------------------------------------------------ */

static void add_impl(const char *name, update_fn update)
{
    impls[impl_count++] = (kfk_crc32c_impl){name, update};
}

static void setup(void)
{
    fill_powers();
    kfk_crc_slices_fill(slices, polynomial);
#if HAVE_CRC_INSTRUCTION
    fill_shift(long_shift, LONG_BLOCK);
    fill_shift(short_shift, SHORT_BLOCK);
#endif
#if defined(__x86_64__)
    fill_fold_factors();
    fill_lowered();
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2")) move = move_by_products;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("sse4.2"))
        add_impl("avx512 folding", update_folding);
    if (__builtin_cpu_supports("sse4.2")) add_impl("sse4.2 three streams", update_instruction);
#elif HAVE_CRC_INSTRUCTION
    add_impl("armv8 three streams", update_instruction);
#endif
    add_impl("tables", update_tables);
    atomic_store_explicit(&chosen, impls[0].update, memory_order_release);
}

/* The implementation in use. After it returned all tables may be read. */
static update_fn ready(void)
{
    update_fn update = atomic_load_explicit(&chosen, memory_order_acquire);
    if (update == NULL) {
        pthread_once(&once, setup);
        update = atomic_load_explicit(&chosen, memory_order_acquire);
    }
    return update;
}

uint32_t kfk_crc32c(uint32_t crc, const void *data, size_t len)
{
    return ready()(crc, data, len);
}

uint32_t kfk_crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t len_b)
{
    (void)ready();
    return move(crc_a, len_b) ^ crc_b;
}

size_t kfk_crc32c_impls(kfk_crc32c_impl *out, size_t cap)
{
    (void)ready();
    for (size_t i = 0; i < impl_count && i < cap; i++) out[i] = impls[i];
    return impl_count;
}
