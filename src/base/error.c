/* error.c: sentences about failures, and the table of codes.
 *
 * Two properties hold for every sentence, whatever a peer or a caller put into it: it is valid UTF-8 without control
 * characters (so it cannot forge log lines, steer a terminal, or break a language binding that decodes it), and it is
 * shorter than KFK_ERROR_TEXT, its cut shown as "..." and never in the middle of a character. That is why all writers
 * go through `store`, which formats apart from the destination: an argument may well be the old text itself.
 *
 * The rows are two arrays indexed by the code, filled by designated initialisers from error_table.h, so that finding a
 * row is one comparison and the order of the table does not matter. A hole (a code that the protocol skipped) would be
 * a row without a name and counts as unknown. */
#include "base/error.h"
#include "base/error_table.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#undef kfk_error_set /* what static analysis is told of them in the header */
#undef kfk_error_append

#define TITLE_TEXT(value, title, description) "[" #value "] " title ": " description
#define ROW(name, value, temporary, timeout, title, description)                                   \
    {                                                                                              \
        value, temporary, timeout, name, title, description, TITLE_TEXT(value, title, description) \
    }
#define BROKER_ROW(name, value, temporary, timeout, title, description) \
    [(value) + 1] = ROW(#name, value, temporary, timeout, title, description),
#define LOCAL_ROW(name, value, temporary, timeout, title, description) \
    [KAFKA_EINVAL - (value)] = ROW(#name, value, temporary, timeout, title, description),

/* [0] is -1, [1] is 0: "no error" is a row as well, so that every code a call can return has a text. */
static const kfk_error_info broker_rows[] = {[1] = ROW("OK", 0, false, false, "OK", "No error."),
                                             KFK_ERROR_BROKER(BROKER_ROW)};
/* [0] is KAFKA_EINVAL, then downwards. */
static const kfk_error_info local_rows[] = {KFK_ERROR_LOCAL(LOCAL_ROW)};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const kfk_error_info *kfk_error_find(int code)
{
    const kfk_error_info *row = NULL;
    if (code >= -1 && code < (int)COUNT(broker_rows) - 1)
        row = &broker_rows[code + 1];
    else if (code <= KAFKA_EINVAL && code > KAFKA_EINVAL - (int)COUNT(local_rows))
        row = &local_rows[KAFKA_EINVAL - code];
    return row != NULL && row->name != NULL ? row : NULL;
}

const kfk_error_info *kfk_error_row(size_t i)
{
    if (i < COUNT(broker_rows)) return &broker_rows[i];
    i -= COUNT(broker_rows);
    return i < COUNT(local_rows) ? &local_rows[i] : NULL;
}

/* Length of the UTF-8 character at `s` (which ends in NUL), 0 when there is no valid one. Overlong forms, surrogates
 * and what lies beyond U+10FFFF are not valid (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
    if (s[0] < 0x80) return 1;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    if ((s[1] & 0xc0) != 0x80) return 0;
    if (s[0] < 0xe0) return 2;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)) return 0;
    if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) return 0;
    if ((s[2] & 0xc0) != 0x80) return 0;
    if (s[0] < 0xf0) return 3;
    return (s[3] & 0xc0) == 0x80 ? 4 : 0;
}

void kfk_error_clean(char *text)
{
    unsigned char *s = (unsigned char *)text;
    while (*s != 0) {
        size_t n = utf8_length(s);
        bool control = *s < 0x20 || *s == 0x7f || (n == 2 && s[0] == 0xc2 && s[1] < 0xa0);
        if (n == 0) n = 1, control = true;
        if (control) memset(s, '?', n);
        s += n;
    }
}

void kfk_error_clean_cut(char *text, size_t cap)
{
    kfk_error_clean(text);
    size_t len = cap - sizeof "...";
    while (((unsigned char)text[len] & 0xc0) == 0x80) len--;
    memcpy(text + len, "...", sizeof "...");
}

/* e's sentence becomes `from`, which was meant to have `len` bytes and was cut if these were too many. */
static void store(kfk_error *e, char *from, size_t len)
{
    if (len < sizeof e->text)
        kfk_error_clean(from);
    else
        kfk_error_clean_cut(from, sizeof e->text);
    memcpy(e->text, from, strlen(from) + 1);
}

int kfk_error_setv(kfk_error *e, int code, const char *fmt, va_list ap)
{
    char text[KFK_ERROR_TEXT];
    if (e == NULL) return code;
    int len = vsnprintf(text, sizeof text, fmt, ap);
    if (len < 0) text[0] = 0;
    e->code = code;
    store(e, text, len < 0 ? 0 : (size_t)len);
    return code;
}

int kfk_error_set(kfk_error *e, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    kfk_error_setv(e, code, fmt, ap);
    va_end(ap);
    return code;
}

int kfk_error_set_system(kfk_error *e, int code, const char *what, int number)
{
    char text[128];
    const char *hint = number == EMFILE
                           ? ": the process has no more descriptors; raise the limit on open files (ulimit -n)"
                       : number == ENFILE ? ": the system has no more descriptors; raise fs.file-max"
                                          : "";
    return kfk_error_set(e, code, "%s: %s%s", what, strerror_r(number, text, sizeof text), hint);
}

int kfk_error_prefix(kfk_error *e, const char *fmt, ...)
{
    char text[2 * KFK_ERROR_TEXT];
    if (e->code == 0) return 0;
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, KFK_ERROR_TEXT, fmt, ap);
    va_end(ap);
    size_t used = len < 0 ? 0 : (size_t)len < KFK_ERROR_TEXT ? (size_t)len : KFK_ERROR_TEXT - 1;
    size_t rest = strlen(e->text);
    memcpy(text + used, e->text, rest + 1);
    store(e, text, used + rest);
    return e->code;
}

int kfk_error_append(kfk_error *e, int code, const char *fmt, ...)
{
    char text[2 * KFK_ERROR_TEXT];
    size_t used = e->code == 0 ? 0 : strlen(e->text);
    if (used > 0) {
        memcpy(text, e->text, used);
        memcpy(text + used, "; ", 3);
        used += 2;
    }
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text + used, sizeof text - used, fmt, ap);
    va_end(ap);
    if (len < 0) len = 0;
    used += (size_t)len;
    e->code = code;
    store(e, text, used < sizeof text ? used : sizeof text - 1);
    return code;
}
