/* position.c: reads the value of -o.
 *
 * Times follow ISO 8601: without a zone they are local. Only calendar dates are read, no week or ordinal dates; what
 * is left out at the end counts as zero. The fields are checked by hand, since timegm quietly turns April 31 into May
 * 1. */
#include "position.h"
#include "suggest.h"
#include <stdio.h>
#include <string.h>
#include <time.h>

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
    time_t seconds = local ? mktime(&tm) : timegm(&tm);
    *out = ((int64_t)seconds - (int64_t)east * 60) * 1000 + ms;
    return true;
}

static bool read_word(const char *text, kc_position *into)
{
    static const struct {
        const char *word;
        kc_from from;
    } words[] = {{"beginning", KC_FROM_BEGINNING},
                 {"earliest", KC_FROM_BEGINNING},
                 {"end", KC_FROM_END},
                 {"latest", KC_FROM_END}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(text, words[i].word) != 0) continue;
        *into = (kc_position){.from = words[i].from};
        return true;
    }
    return false;
}

bool kc_take_position(void *into, const char *text, kc_why *why)
{
    kc_position *at = into;
    int64_t n;
    if (read_word(text, at)) return true;
    if (kc_read_int(text, 0, INT64_MAX, &n) && *text != '-') {
        *at = (kc_position){KC_FROM_OFFSET, n};
        return true;
    }
    if (*text == '-' && kc_read_int(text + 1, 1, INT64_MAX, &n)) {
        *at = (kc_position){KC_FROM_BEFORE_END, n};
        return true;
    }
    const char *time_text = text[0] == 's' && text[1] == '@' ? text + 2 : text[0] == '@' ? text + 1 : text;
    if (read_iso(time_text, &n) || (time_text != text && kc_read_int(time_text, 0, INT64_MAX, &n))) {
        *at = (kc_position){KC_FROM_TIME, n};
        return true;
    }
    kc_suggestion s = {.word = text};
    kc_suggest_offer(&s, "beginning");
    kc_suggest_offer(&s, "end");
    if (strcmp(text, "stored") == 0)
        snprintf(why->text, sizeof why->text, "needs a consumer group, and kc consume reads without one");
    else if (s.best != NULL)
        snprintf(why->text, sizeof why->text, "is no position; did you mean %s?", s.best);
    else
        snprintf(why->text, sizeof why->text,
                 "is no position; it is beginning, end, N, -N (before the end), @UNIX-MS or @2024-05-01T12:30:00Z");
    return false;
}
