/* when.c: reads times.
 *
 * Dates follow ISO 8601, of which RFC 3339 is a part: without a zone they are local. Only calendar dates are read, no
 * week or ordinal dates; what is left out at the end counts as zero. The fields are checked by hand, since timegm
 * quietly turns April 31 into May 1. Spans of time ("1h30m ago") have fixed lengths: a day is 24 hours, and there are
 * no months or years, which have none. */
#include "when.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t kc_when_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- dates ------------------------------------------------------------------------------------------------------- */

/* Exactly n digits, from least to most. */
static bool field(const char **p, int n, int least, int most, int *out)
{
    int value = 0;
    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9') return false;
        value = value * 10 + (**p - '0');
    }
    *out = value;
    return value >= least && value <= most;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* HH:MM[:SS[.fraction]] */
static bool clock_time(const char **p, struct tm *tm, int *ms)
{
    if (!field(p, 2, 0, 23, &tm->tm_hour) || *(*p)++ != ':' || !field(p, 2, 0, 59, &tm->tm_min)) return false;
    if (**p != ':') return true;
    (*p)++;
    if (!field(p, 2, 0, 60, &tm->tm_sec)) return false;
    if (**p != '.' && **p != ',') return true;
    (*p)++;
    int digits = 0;
    for (; **p >= '0' && **p <= '9'; (*p)++, digits++) {
        if (digits < 3) *ms = *ms * 10 + (**p - '0');
    }
    for (int i = digits; i < 3; i++) *ms *= 10;
    return digits > 0;
}

/* Z, +HH, +HH:MM or +HHMM: minutes east of Greenwich. */
static bool zone(const char **p, int *minutes)
{
    *minutes = 0;
    if (**p == 'Z' || **p == 'z') {
        (*p)++;
        return true;
    }
    int sign = **p == '-' ? -1 : 1, hours = 0, rest = 0;
    if (*(*p)++ == '\0' || !field(p, 2, 0, 23, &hours)) return false;
    if (**p == ':') (*p)++;
    if (**p != '\0' && !field(p, 2, 0, 59, &rest)) return false;
    *minutes = sign * (hours * 60 + rest);
    return true;
}

static bool read_iso(const char *p, int64_t *out)
{
    struct tm tm = {.tm_isdst = -1, .tm_mday = 1};
    int year = 0, month = 0, ms = 0, east = 0;
    if (!field(&p, 4, 1, 9999, &year) || *p++ != '-' || !field(&p, 2, 1, 12, &month) || *p++ != '-') return false;
    if (!field(&p, 2, 1, days_in(year, month), &tm.tm_mday)) return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    if (*p == 'T' || *p == 't' || *p == ' ') {
        p++;
        if (!clock_time(&p, &tm, &ms)) return false;
    }
    bool local = *p == '\0';
    if (!local && (strchr("Zz+-", *p) == NULL || !zone(&p, &east) || *p != '\0')) return false;
    int64_t seconds = (int64_t)(local ? mktime(&tm) : timegm(&tm)) - (int64_t)east * 60;
    if (seconds < 0) return false; /* before 1970 there is no message, and small negative times mean something else */
    *out = seconds * 1000 + ms;
    return true;
}

/* ---- so long ago ------------------------------------------------------------------------------------------------- */

/* The length of a unit of time in ms, 0 = there is no such unit. */
static int64_t unit_ms(const char *name, size_t len)
{
    static const struct {
        const char *names[4];
        int64_t ms;
    } units[] = {{{"ms", "millisecond", "milliseconds"}, 1},
                 {{"s", "sec", "second", "seconds"}, 1000},
                 {{"m", "min", "minute", "minutes"}, INT64_C(60) * 1000},
                 {{"h", "hour", "hours"}, INT64_C(3600) * 1000},
                 {{"d", "day", "days"}, INT64_C(24) * 3600 * 1000},
                 {{"w", "week", "weeks"}, INT64_C(7) * 24 * 3600 * 1000}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        for (size_t j = 0; j < 4 && units[i].names[j] != NULL; j++) {
            const char *candidate = units[i].names[j];
            if (strlen(candidate) == len && memcmp(candidate, name, len) == 0) return units[i].ms;
        }
    }
    return 0;
}

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " ");
}

/* Numbers with units, and then "ago". */
static bool read_ago(const char *p, int64_t now_ms, int64_t *out)
{
    enum { DIGITS = 12 }; /* with the longest unit that still fits into 64 bits */
    int64_t back = 0;
    for (int parts = 0;; parts++) {
        p = skip_blanks(p);
        if (parts > 0 && strcmp(p, "ago") == 0) break;
        size_t digits = strspn(p, "0123456789");
        if (digits == 0 || digits > DIGITS) return false;
        int64_t n = 0;
        for (; digits > 0; digits--) n = n * 10 + (*p++ - '0');
        p = skip_blanks(p);
        size_t len = strspn(p, "abcdefghijklmnopqrstuvwxyz");
        int64_t ms = unit_ms(p, len);
        if (ms == 0 || n > now_ms / ms) return false; /* before 1970 there is no message */
        back += n * ms;
        if (back > now_ms) return false;
        p += len;
    }
    *out = now_ms - back;
    return true;
}

bool kc_when_read(const char *text, int64_t now_ms, int64_t *out)
{
    if (strcmp(text, "now") == 0) {
        *out = now_ms;
        return true;
    }
    return read_iso(text, out) || read_ago(text, now_ms, out);
}

bool kc_take_time(void *into, const char *text, kc_why *why)
{
    int64_t *at = into;
    const char *time_text = text[0] == '@' ? text + 1 : text;
    if (kc_read_int(time_text, 0, INT64_MAX, at) || kc_when_read(time_text, kc_when_now_ms(), at)) return true;
    snprintf(why->text, sizeof why->text, "is no time; one is 2024-05-01T12:30:00Z, Unix milliseconds, or '1h30m ago'");
    return false;
}
