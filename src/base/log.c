/* log.c: one line at a time to the application's function.
 *
 * The line is built on the stack: logging allocates nothing, so it also works when memory is short, and it takes no
 * lock, so the application's function may be called from any of the library's threads at once. A line is cleaned as an
 * error's sentence is (base/error.h), because much of it comes from peers. */
#include "base/log.h"
#include "base/thread.h"
#include <stdio.h>

#define LINE_CAP 4096 /* longest line, with its NUL */

void kfk_log_init(kfk_log *l, const kafka_logger *logger)
{
    static const kafka_logger silence;
    l->to = logger != NULL ? *logger : silence;
}

void kfk_log_write(const kfk_log *l, kafka_log_level level, const char *fmt, ...)
{
    char line[LINE_CAP];
    if (!kfk_log_wants(l, level)) return;
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (len < 0) return;
    if ((size_t)len < sizeof line)
        kfk_error_clean(line);
    else
        kfk_error_clean_cut(line, sizeof line);
    kfk_thread saved;
    kfk_thread_callback_begin(&saved, NULL);
    l->to.log(l->to.userdata, level, line);
    kfk_thread_callback_end(&saved);
}
