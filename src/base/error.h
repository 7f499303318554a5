/* error: an error code with its sentence, and the table of all codes.
 *
 * An operation that fails fills a `kfk_error`: the code, and one sentence that says phase, peer, topic, cause and,
 * where there is one, a hint. It travels by value with the operation until a blocking call publishes it to its thread
 * (base/thread.h), where kafka_last_error() finds it. */
#ifndef KFK_BASE_ERROR_H
#define KFK_BASE_ERROR_H
#include "kafka/error.h"
#include <stdarg.h>
#include <stddef.h>

#define KFK_ERROR_TEXT 640 /* longest sentence, with its NUL */

typedef struct kfk_error {
    int code; /* 0 = none */
    char text[KFK_ERROR_TEXT];
} kfk_error;

/* Sets code and sentence; text that does not fit ends in "...". Control characters and what is not UTF-8 become '?', so
 * that what a peer sent cannot forge log lines. `e` may be NULL; its old text may be an argument. Returns `code`, for
 * `return kfk_error_set(...)`. */
int kfk_error_set(kfk_error *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int kfk_error_setv(kfk_error *e, int code, const char *fmt, va_list ap);
/* A system call failed: "what: the errno's text", and what to do where the system has run out of descriptors. */
int kfk_error_set_system(kfk_error *e, int code, const char *what, int number);
/* Puts a context in front of a sentence that is there already: "reading topic t: " + what it said. Returns e->code;
 * a code of 0 has no sentence and stays as it is. */
int kfk_error_prefix(kfk_error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Makes a NUL-terminated text safe to show: control characters and bytes that are not UTF-8 become '?', in place. */
void kfk_error_clean(char *text);
/* The same for a text that was cut to fit `cap` bytes (as snprintf does): it ends in "..." then, on a whole
 * character. */
void kfk_error_clean_cut(char *text, size_t cap);

/* Adds what happened next: "what it said; the new sentence". Without an earlier error it is kfk_error_set. The code is
 * the new one. Returns `code`. */
int kfk_error_append(kfk_error *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* One row of the table of codes. */
typedef struct kfk_error_info {
    int code;
    bool temporary; /* the same request may succeed later */
    bool timeout;
    const char *name, *title, *description;
    const char *text; /* "[code] Title: description" */
} kfk_error_info;
/* The code of an answer as a result. Codes below -1 are the library's own, with a meaning that no broker can give: they
 * become KAFKA_ERR_UNKNOWN. */
static inline int16_t kfk_error_of_broker(int16_t code)
{
    return code < KAFKA_ERR_UNKNOWN ? KAFKA_ERR_UNKNOWN : code;
}
/* The row of a code, or NULL; 0 has one as well. Constant storage. */
const kfk_error_info *kfk_error_find(int code);
/* The i-th row, NULL behind the last: for tests and documentation. */
const kfk_error_info *kfk_error_row(size_t i);

/* Static analysis sees one file at a time, and would follow failures that return 0: it is told that they do not. */
#ifdef __clang_analyzer__
#define kfk_error_set(e, code, ...)    ((void)(kfk_error_set)((e), (code), __VA_ARGS__), (code))
#define kfk_error_append(e, code, ...) ((void)(kfk_error_append)((e), (code), __VA_ARGS__), (code))
#endif

#endif
