/* mem.c: one table of three operations, libc's unless a test put its own in place.
 *
 * Everything else is built on these three, so that a test which fails the n-th operation reaches every allocation there
 * is, and each of them counts once.
 *
 * A size of 0 becomes 1: malloc(0) may return NULL, and callers could not tell that from having no memory, and realloc
 * to 0 may even free. The table is a plain variable: it changes only while no other thread uses the library, and an
 * atomic in front of each malloc would buy nothing. */
#include "base/mem.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const kfk_mem_ops libc_ops = {.alloc = malloc, .realloc = realloc, .free = free};
static kfk_mem_ops current = {.alloc = malloc, .realloc = realloc, .free = free};

void kfk_mem_set_ops(const kfk_mem_ops *ops)
{
    current = ops != NULL ? *ops : libc_ops;
}

void *kfk_mem_alloc(size_t size)
{
    return current.alloc(size > 0 ? size : 1);
}

void *kfk_mem_zalloc(size_t size)
{
    void *p = kfk_mem_alloc(size);
    if (p != NULL) memset(p, 0, size);
    return p;
}

void *kfk_mem_array(size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) return NULL;
    return kfk_mem_zalloc(count * size);
}

void *kfk_mem_realloc(void *p, size_t size)
{
    return current.realloc(p, size > 0 ? size : 1);
}

void kfk_mem_free(void *p)
{
    if (p != NULL) current.free(p);
}

char *kfk_mem_strdup(const char *s)
{
    return kfk_mem_strndup(s, strlen(s));
}

char *kfk_mem_strndup(const void *s, size_t len)
{
    char *copy = len < SIZE_MAX ? kfk_mem_alloc(len + 1) : NULL;
    if (copy == NULL) return NULL;
    if (len > 0) memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}
