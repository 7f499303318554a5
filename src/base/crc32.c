/* crc32.c: by tables, which are computed once, by whoever comes first.
 *
 * zlib has this function as well, but the library can be built without zlib and must read old messages all the same:
 * one implementation is simpler than a choice. */
#include "base/crc32.h"
#include "base/crc_slices.h"
#include <pthread.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static kfk_crc_slices slices;

static void fill_slices(void)
{
    kfk_crc_slices_fill(slices, 0xedb88320);
}

uint32_t kfk_crc32(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&once, fill_slices);
    return kfk_crc_slices_update(slices, crc, data, len);
}
