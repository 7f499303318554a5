/* See the header. */
#include "chaos/report.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_SHOWN = 20, MOST_DETAILS = 200000 };

static struct {
    pthread_mutex_t lock;
    char dir[512];
    FILE *file;
    int64_t begin_us;
    int anomalies, details;
} report = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void report_open(const char *dir)
{
    char path[600];
    snprintf(report.dir, sizeof report.dir, "%s", dir);
    snprintf(path, sizeof path, "%s/timeline.txt", dir);
    report.begin_us = clock_us();
    report.file = fopen(path, "we");
    if (!report.file) {
        fprintf(stderr, "chaos: cannot write to %s\n", path);
        exit(2);
    }
}

const char *report_dir(void)
{
    return report.dir;
}

int64_t report_now_us(void)
{
    return clock_us() - report.begin_us;
}

static void line(bool shown, const char *kind, const char *text)
{
    double at = (double)report_now_us() / 1e6;
    if (shown) {
        printf("%8.2f s  %s%s\n", at, kind, text);
        fflush(stdout);
    }
    fprintf(report.file, "%8.2f s  %s%s\n", at, kind, text);
    fflush(report.file);
}

#define TEXT_OF(fmt)                         \
    char text[1024];                         \
    va_list args;                            \
    va_start(args, fmt);                     \
    vsnprintf(text, sizeof text, fmt, args); \
    va_end(args)

void report_event(const char *fmt, ...)
{
    TEXT_OF(fmt);
    pthread_mutex_lock(&report.lock);
    line(true, "", text);
    pthread_mutex_unlock(&report.lock);
}

void report_detail(const char *fmt, ...)
{
    TEXT_OF(fmt);
    pthread_mutex_lock(&report.lock);
    if (report.details++ < MOST_DETAILS) line(false, "", text);
    pthread_mutex_unlock(&report.lock);
}

void report_anomaly(const char *fmt, ...)
{
    TEXT_OF(fmt);
    pthread_mutex_lock(&report.lock);
    line(report.anomalies++ < MOST_SHOWN, "ANOMALY ", text);
    pthread_mutex_unlock(&report.lock);
}

int report_anomalies(void)
{
    pthread_mutex_lock(&report.lock);
    int n = report.anomalies;
    pthread_mutex_unlock(&report.lock);
    return n;
}

void report_close(void)
{
    fclose(report.file);
}
