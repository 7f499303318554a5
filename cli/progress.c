/* progress.c: the progress line.
 *
 * The line is redrawn in place: carriage return, text, erase to the end. Everything that is said elsewhere wipes it out
 * first (say.c), so messages never land in the middle of it. One lock; drawing is rare. */
#include "progress.h"
#include "say.h"
#include <kafka/types.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_MS = 1000, EVERY_MS = 100 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    const char *verb;
    bool wanted, visible, shown; /* visible: on the screen now; shown: it has been */
    int64_t began, drawn;
} line;

void kc_progress_begin(const char *verb, bool wanted)
{
    pthread_mutex_lock(&lock);
    line.verb = verb;
    line.wanted = wanted && kc_say_on_terminal();
    line.visible = line.shown = false;
    line.began = kafka_now_ms();
    line.drawn = line.began + FIRST_MS - EVERY_MS;
    pthread_mutex_unlock(&lock);
}

bool kc_progress_wanted(void)
{
    pthread_mutex_lock(&lock);
    bool wanted = line.wanted;
    pthread_mutex_unlock(&lock);
    return wanted;
}

const char *kc_count_text(uint64_t n, char *text)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), out = 0;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}

const char *kc_bytes_text(uint64_t n, char *text)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)n;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1000;
        unit++;
    }
    snprintf(text, 32, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

/* "12,345 messages sent, 1.2 MB, 0.4 MB/s" */
static void describe(char *text, size_t cap, uint64_t messages, uint64_t bytes, int64_t ms)
{
    char count[32], size[32], rate[32];
    uint64_t per_second = ms > 0 ? (uint64_t)((double)bytes * 1000 / (double)ms) : 0;
    snprintf(text, cap, "%s %s %s, %s, %s/s", kc_count_text(messages, count), messages == 1 ? "message" : "messages",
             line.verb, kc_bytes_text(bytes, size), kc_bytes_text(per_second, rate));
}

static void wipe(void)
{
    if (!line.visible) return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    line.visible = false;
}

void kc_progress_clear(void)
{
    pthread_mutex_lock(&lock);
    wipe();
    pthread_mutex_unlock(&lock);
}

void kc_progress_update(uint64_t messages, uint64_t bytes)
{
    pthread_mutex_lock(&lock);
    int64_t now = line.wanted ? kafka_now_ms() : 0;
    if (line.wanted && now - line.drawn >= EVERY_MS) {
        char text[160];
        describe(text, sizeof text, messages, bytes, now - line.began);
        fprintf(stderr, "\r%s\033[K", text);
        fflush(stderr);
        line.visible = line.shown = true;
        line.drawn = now;
    }
    pthread_mutex_unlock(&lock);
}

void kc_progress_end(uint64_t messages, uint64_t bytes)
{
    pthread_mutex_lock(&lock);
    wipe();
    bool summary = line.wanted && line.shown;
    line.wanted = false;
    char text[160] = "";
    int64_t ms = kafka_now_ms() - line.began;
    if (summary) describe(text, sizeof text, messages, bytes, ms);
    pthread_mutex_unlock(&lock);
    if (summary) kc_say("%s, %.1f s", text, (double)ms / 1000);
}
