/* log.c: one line at a time to the application's function.
 *
 * The line is built on the stack: logging allocates nothing, so it also works when memory is short, and it takes no
 * lock, so the application's function may be called from any of the library's threads at once. A line is cleaned as an
 * error's sentence is (base/error.h), because much of it comes from peers.
 *
 * A limit is one point in time, up to which lines are paid for: each costs an interval, and may be paid in advance as
 * far as the burst reaches. So it needs no timer and no lock, and zero is a limit of which nothing was used. */
#include "base/log.h"
#include "base/thread.h"
#include "base/time.h"
#include <stdio.h>
#include <string.h>

#define LINE_CAP 4096 /* longest line, with its NUL */
#define NOTE_CAP 48   /* what says how many were left out, with its NUL */

void kfk_log_init(kfk_log *l, const kafka_logger *logger)
{
    static const kafka_logger silence;
    l->to = logger != NULL ? *logger : silence;
}

/* Builds the line and hands it over; the level was looked at. */
static void write_line(const kfk_log *l, kafka_log_level level, uint32_t left_out, const char *fmt, va_list ap)
{
    char line[LINE_CAP];
    size_t cap = left_out > 0 ? sizeof line - NOTE_CAP : sizeof line;
    int len = vsnprintf(line, cap, fmt, ap);
    if (len < 0) return;
    if ((size_t)len < cap)
        kfk_error_clean(line);
    else
        kfk_error_clean_cut(line, cap);
    if (left_out > 0) snprintf(line + strlen(line), NOTE_CAP, " (%u more like it were left out)", (unsigned)left_out);
    kfk_thread saved;
    kfk_thread_callback_begin(&saved, NULL);
    l->to.log(l->to.userdata, level, line);
    kfk_thread_callback_end(&saved);
}

void kfk_log_write(const kfk_log *l, kafka_log_level level, const char *fmt, ...)
{
    if (!kfk_log_wants(l, level)) return;
    va_list ap;
    va_start(ap, fmt);
    write_line(l, level, 0, fmt, ap);
    va_end(ap);
}

/* Takes the price of one line; false: there is no credit left. */
static bool pay(kfk_log_limit *limit)
{
    int64_t now = kfk_time_now_ms(), paid = atomic_load(&limit->paid_until_ms), next;
    do {
        int64_t from = paid > now ? paid : now;
        if (from - now > (int64_t)(KFK_LOG_BURST - 1) * KFK_LOG_INTERVAL_MS) return false;
        next = from + KFK_LOG_INTERVAL_MS;
    } while (!atomic_compare_exchange_weak(&limit->paid_until_ms, &paid, next));
    return true;
}

void kfk_log_write_limited(const kfk_log *l, kfk_log_limit *limit, kafka_log_level level, const char *fmt, ...)
{
    if (!kfk_log_wants(l, level)) return;
    if (!pay(limit)) {
        atomic_fetch_add(&limit->left_out, 1);
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    write_line(l, level, atomic_exchange(&limit->left_out, 0), fmt, ap);
    va_end(ap);
}
