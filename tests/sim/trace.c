/* The trace is one growing text. When it is too long its older half goes; the hash has seen it already (FNV-1a, which
 * is enough: the lines do not come from an adversary). */
#include "sim/trace.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 64 * 1024, MOST_BYTES = 4 * 1024 * 1024, LINE_BYTES = 512 };

#define FNV_BASIS UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

void trace_init(trace *t)
{
    *t = (trace){.hash = FNV_BASIS};
}

void trace_fini(trace *t)
{
    free(t->text);
    t->text = NULL;
}

static void drop_older_half(trace *t)
{
    char *half = t->text + t->len / 2;
    char *line = memchr(half, '\n', t->len / 2);
    char *from = line ? line + 1 : half;
    t->len -= (size_t)(from - t->text);
    memmove(t->text, from, t->len + 1);
}

static void make_room(trace *t, size_t bytes)
{
    if (t->len + bytes < t->cap) return;
    if (t->cap >= MOST_BYTES) {
        drop_older_half(t);
        return;
    }
    size_t cap = t->cap ? t->cap * 2 : FIRST_BYTES;
    char *text = realloc(t->text, cap);
    if (!text) {
        perror("trace");
        exit(2);
    }
    t->text = text;
    t->cap = cap;
}

/* "   1234.567  " without printf: every line has one, and they are many. Returns the length. */
static int put_time(char *out, int64_t now_us)
{
    char digits[24];
    int n = 0, len = 0;
    for (int64_t left = now_us; n < 4 || left > 0; left /= 10) {
        digits[n++] = (char)('0' + left % 10);
        if (n == 3) digits[n++] = '.';
        if (n == 4) digits[n++] = (char)('0' + (left /= 10) % 10);
    }
    for (int i = n; i < 11; i++) out[len++] = ' ';
    while (n > 0) out[len++] = digits[--n];
    out[len++] = ' ';
    out[len++] = ' ';
    return len;
}

void trace_add(trace *t, int64_t now_us, const char *fmt, va_list ap)
{
    make_room(t, LINE_BYTES);
    char *line = t->text + t->len;
    int n = put_time(line, now_us);
    int more = vsnprintf(line + n, (size_t)(LINE_BYTES - 1 - n), fmt, ap);
    n += more < LINE_BYTES - 1 - n ? more : LINE_BYTES - 2 - n;
    line[n++] = '\n';
    line[n] = '\0';
    for (int i = 0; i < n; i++) t->hash = (t->hash ^ (uint8_t)line[i]) * FNV_PRIME;
    t->len += (size_t)n;
    t->lines++;
}

const char *trace_tail(const trace *t, size_t lines)
{
    if (!t->text) return "";
    size_t at = t->len;
    while (at > 0) {
        if (t->text[at - 1] == '\n' && at < t->len && --lines == 0) break;
        at--;
    }
    return t->text + at;
}
