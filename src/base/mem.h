/* mem: the one seam through which the library allocates.
 *
 * Every allocation of the library, and of the third-party libraries that let us pass an allocator, goes through these
 * functions. Tests replace the three operations (`kfk_mem_set_ops`) to count what is alive and to fail the n-th call.
 * Any of them may return NULL; nothing in the library aborts because of it.
 *
 * Threads: all functions but kfk_mem_set_ops are safe from any thread. */
#ifndef KFK_BASE_MEM_H
#define KFK_BASE_MEM_H
#include <stddef.h>

/* Uninitialised memory of `size` bytes (at least 1), or NULL. */
void *kfk_mem_alloc(size_t size);
/* Zeroed memory, or NULL. */
void *kfk_mem_zalloc(size_t size);
/* A zeroed array of `count` elements of `size` bytes; NULL when the product overflows or there is no memory. */
void *kfk_mem_array(size_t count, size_t size);
/* As realloc: NULL leaves `p` valid. */
void *kfk_mem_realloc(void *p, size_t size);
/* NULL is fine. */
void kfk_mem_free(void *p);
/* A copy of a C string (which must not be NULL), or NULL without memory. */
char *kfk_mem_strdup(const char *s);
/* A NUL-terminated copy of `len` bytes, or NULL without memory. */
char *kfk_mem_strndup(const void *s, size_t len);

/* What tests put in place of malloc, realloc and free. */
typedef struct kfk_mem_ops {
    void *(*alloc)(size_t size);
    void *(*realloc)(void *p, size_t size);
    void (*free)(void *p);
} kfk_mem_ops;
/* Replaces the operations, NULL restores libc's. Only while no other thread uses the library. */
void kfk_mem_set_ops(const kfk_mem_ops *ops);

#endif
