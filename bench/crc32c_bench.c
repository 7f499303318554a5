/* crc32c_bench: GB/s of every CRC32C implementation this machine has, by the size of the buffer, and what combining two
 * CRCs costs.
 *
 * Each figure is the best of several rounds of about 20 ms: the best is what the code can do, the rest is what else the
 * machine did. A call continues the CRC of the one before, as the parts of a batch do. */
#include "base/crc32c.h"
#include "base/rand.h"
#include "base/time.h"
#include <stdio.h>
#include <stdlib.h>

enum { LARGEST = 1024 * 1024, ROUNDS = 7, ROUND_NS = 20 * 1000 * 1000 };
static volatile uint32_t sink; /* keeps the work from being optimised away */

static double gb_per_s(const kfk_crc32c_impl *impl, const uint8_t *data, size_t size)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = kfk_time_now_ns(), elapsed;
        uint64_t calls = 0;
        uint32_t crc = 0;
        do {
            for (size_t bytes = 0; bytes < LARGEST; bytes += size, calls++) crc = impl->update(crc, data, size);
            elapsed = kfk_time_now_ns() - start;
        } while (elapsed < ROUND_NS);
        sink = crc;
        double rate = (double)calls * (double)size / (double)elapsed;
        if (rate > best) best = rate;
    }
    return best;
}

static double combine_ns(void)
{
    enum { CALLS = 1000 * 1000 };
    kfk_rand r;
    uint32_t crc = 1;

    kfk_rand_seed(&r, 1);
    int64_t start = kfk_time_now_ns();
    for (int i = 0; i < CALLS; i++) crc = kfk_crc32c_combine(crc, 12345, kfk_rand_next(&r) % LARGEST);
    sink = crc;
    return (double)(kfk_time_now_ns() - start) / CALLS;
}

int main(void)
{
    static const size_t sizes[] = {64, 1024, 64 * 1024, LARGEST};
    kfk_crc32c_impl impls[8];
    size_t count = kfk_crc32c_impls(impls, sizeof impls / sizeof impls[0]);
    uint8_t *data = malloc(LARGEST);
    kfk_rand r;

    if (data == NULL) return EXIT_FAILURE;
    kfk_rand_seed(&r, 1);
    for (size_t i = 0; i < LARGEST; i++) data[i] = (uint8_t)kfk_rand_next(&r);

    printf("CRC32C, GB/s       %10s %10s %10s %10s\n", "64 B", "1 KiB", "64 KiB", "1 MiB");
    for (size_t i = 0; i < count; i++) {
        printf("%-20s", impls[i].name);
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            printf(" %9.1f ", gb_per_s(&impls[i], data, sizes[s]));
        printf("%s\n", i == 0 ? " in use" : "");
    }
    printf("combining two CRCs, parts up to 1 MiB: %.0f ns\n", combine_ns());
    free(data);
    return EXIT_SUCCESS;
}
