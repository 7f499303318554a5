/* See the header. The limit counts addresses, not pages: each thread's stack and each arena of malloc takes some, so
 * there is one arena, and threads get small stacks. */
#include "hostile/limit.h"
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%zu", &pages) != 1) pages = 0;
    if (f != NULL) fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

void hostile_limit_memory(void)
{
    const char *mib = getenv("KFK_TEST_LIMIT_MIB");
    if (mib == NULL) return;
    size_t limit = address_space() + strtoul(mib, NULL, 10) * 1024 * 1024;
    pthread_attr_t attr;
    mallopt(M_ARENA_MAX, 1);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 512 * 1024);
    int err = pthread_setattr_default_np(&attr);
    pthread_attr_destroy(&attr);
    if (err != 0 || setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit}) != 0) {
        fprintf(stderr, "the limit of %s MiB cannot be set\n", mib);
        exit(1);
    }
    printf("with %s MiB of memory\n", mib);
}
