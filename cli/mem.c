/* mem.c: memory that is there or ends the program, and the growing buffer.
 *
 * A command line tool that is out of memory has nothing better to do than to say so; callers need no error path.
 * Buffers double, so appending is cheap, and what grew for one giant message is reused for all that follow. */
#include "kc.h"
#include "say.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *p)
{
    if (p == NULL) {
        kc_say_error("out of memory");
        _Exit(KC_FAILED); /* other threads may be at work: no atexit, no flushing behind their backs */
    }
    return p;
}

void *kc_zalloc(size_t count, size_t size)
{
    return or_die(calloc(count > 0 ? count : 1, size));
}

void *kc_resize(void *old, size_t count, size_t size)
{
    return or_die(reallocarray(old, count > 0 ? count : 1, size));
}

char *kc_copy_text(const char *text)
{
    return or_die(strdup(text));
}

char *kc_buf_room(kc_buf *b, size_t more)
{
    if (b->cap - b->len < more) {
        size_t cap = b->cap > 0 ? b->cap : 256;
        while (cap - b->len < more) {
            if (cap > SIZE_MAX / 2) or_die(NULL);
            cap *= 2;
        }
        b->data = kc_resize(b->data, cap, 1);
        b->cap = cap;
    }
    return b->data + b->len;
}

void kc_buf_add(kc_buf *b, const void *data, size_t len)
{
    if (len == 0) return;
    memcpy(kc_buf_room(b, len), data, len);
    b->len += len;
}

void kc_buf_add_int(kc_buf *b, int64_t n)
{
    char digits[24], *end = digits + sizeof digits, *p = end;
    uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    do *--p = (char)('0' + u % 10);
    while ((u /= 10) != 0);
    if (n < 0) *--p = '-';
    kc_buf_add(b, p, (size_t)(end - p));
}
