/* position.c: reads the value of -o. Times are read by when.c. */
#include "position.h"
#include "suggest.h"
#include "when.h"
#include <stdio.h>
#include <string.h>

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
    if (kc_when_read(time_text, kc_when_now_ms(), &n) ||
        (time_text != text && kc_read_int(time_text, 0, INT64_MAX, &n))) {
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
                 "is no position; it is beginning, end, N, -N (before the end), @UNIX-MS, @2024-05-01T12:30:00Z or "
                 "'1h ago'");
    return false;
}
