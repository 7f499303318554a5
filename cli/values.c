/* values.c: the kinds of values that options take (options.h).
 *
 * Each reader takes the whole text or refuses it with the end of a sentence that says what would have been right: no
 * number is read from the front of something else, and nothing is clamped. */
#include "options.h"
#include "suggest.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool refuse(kc_why *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool refuse(kc_why *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return false;
}

bool kc_read_int(const char *text, int64_t least, int64_t most, int64_t *out)
{
    if (*text != '-' && (*text < '0' || *text > '9')) return false;
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < least || n > most) return false;
    *out = n;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool kc_unescape(const char **p, char *out)
{
    char c = *(*p)++;
    switch (c) {
    case 'n': *out = '\n'; return true;
    case 'r': *out = '\r'; return true;
    case 't': *out = '\t'; return true;
    case '0': *out = '\0'; return true;
    case '\\': *out = '\\'; return true;
    case 'x': {
        int high = hex_digit(**p), low = high >= 0 ? hex_digit((*p)[1]) : -1;
        if (low < 0) return false;
        *out = (char)(high << 4 | low);
        *p += 2;
        return true;
    }
    default: return false;
    }
}

bool kc_take_flag(void *into, const char *text, kc_why *why)
{
    (void)text;
    (void)why;
    *(bool *)into = true;
    return true;
}

bool kc_take_text(void *into, const char *text, kc_why *why)
{
    if (*text == '\0') return refuse(why, "is empty");
    *(const char **)into = text;
    return true;
}

bool kc_take_string(void *into, const char *text, kc_why *why)
{
    (void)why;
    kc_strings *list = into;
    list->items = kc_resize(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = text;
    return true;
}

bool kc_take_seconds(void *into, const char *text, kc_why *why)
{
    char *end = NULL;
    errno = 0;
    double seconds = *text >= '0' && *text <= '9' ? strtod(text, &end) : -1;
    if (end == NULL || *end != '\0' || errno != 0 || seconds < 0.001 || seconds > 1e9) {
        return refuse(why, "is not a number of seconds, such as 5 or 0.5");
    }
    *(int64_t *)into = (int64_t)(seconds * 1000);
    return true;
}

bool kc_take_count(void *into, const char *text, kc_why *why)
{
    return kc_read_int(text, 1, INT64_MAX, into) || refuse(why, "is not a number from 1");
}

bool kc_take_small_count(void *into, const char *text, kc_why *why)
{
    int64_t n;
    if (!kc_read_int(text, 1, INT16_MAX, &n)) return refuse(why, "is not a number from 1 to %d", INT16_MAX);
    *(int32_t *)into = (int32_t)n;
    return true;
}

bool kc_take_partition(void *into, const char *text, kc_why *why)
{
    int64_t n;
    if (!kc_read_int(text, 0, INT32_MAX - 1, &n)) return refuse(why, "is not a partition's number; the first is 0");
    *(int32_t *)into = (int32_t)n;
    return true;
}

static void add_partition(kc_partitions *list, int32_t id)
{
    size_t at = list->count;
    while (at > 0 && list->ids[at - 1] >= id) at--;
    if (at < list->count && list->ids[at] == id) return;
    list->ids = kc_resize(list->ids, list->count + 1, sizeof *list->ids);
    memmove(list->ids + at + 1, list->ids + at, (list->count - at) * sizeof *list->ids);
    list->ids[at] = id;
    list->count++;
}

bool kc_take_partitions(void *into, const char *text, kc_why *why)
{
    enum { WIDEST = 10000 };
    char part[32];
    for (const char *p = text;; p++) {
        size_t len = strcspn(p, ",");
        if (len >= sizeof part) return refuse(why, "is not a list of partitions, such as 0 or 0,3,5-7");
        memcpy(part, p, len);
        part[len] = '\0';
        char *dash = strchr(part, '-');
        if (dash != NULL) *dash = '\0';
        int64_t from, to;
        if (!kc_read_int(part, 0, INT32_MAX - 1, &from))
            return refuse(why, "is not a list of partitions, such as 0 or 0,3,5-7");
        to = from;
        if (dash != NULL && !kc_read_int(dash + 1, 0, INT32_MAX - 1, &to))
            return refuse(why, "is not a list of partitions, such as 0 or 0,3,5-7");
        if (to < from) return refuse(why, "holds a range that does not go upwards; one looks like 5-7");
        if (to - from >= WIDEST) return refuse(why, "holds a range of more than %d partitions", WIDEST);
        for (; from <= to; from++) add_partition(into, (int32_t)from);
        p += len;
        if (*p == '\0') return true;
    }
}

bool kc_take_bytes(void *into, const char *text, kc_why *why)
{
    kc_text *bytes = into;
    char *data = kc_zalloc(strlen(text) + 1, 1);
    size_t len = 0;
    for (const char *p = text; *p != '\0';) {
        if (*p != '\\') {
            data[len++] = *p++;
            continue;
        }
        p++;
        if (!kc_unescape(&p, &data[len++])) {
            free(data);
            return refuse(why, "holds an unknown escape; there are \\n \\r \\t \\0 \\\\ and \\xHH");
        }
    }
    free(bytes->data);
    *bytes = (kc_text){data, len};
    return true;
}

bool kc_take_output(void *into, const char *text, kc_why *why)
{
    bool json = strcmp(text, "json") == 0;
    if (!json && strcmp(text, "text") != 0) return refuse(why, "is no kind of output; there are text and json");
    *(bool *)into = json;
    return true;
}

static bool built_in(const char *codec)
{
    size_t len = strlen(codec);
    for (const char *p = kafka_features(); *p != '\0'; p += *p == ' ') {
        size_t word = strcspn(p, " ");
        if (word == len && memcmp(p, codec, len) == 0) return true;
        p += word;
    }
    return false;
}

bool kc_take_codec(void *into, const char *text, kc_why *why)
{
    static const struct {
        const char *name;
        kafka_compression codec;
    } codecs[] = {{"none", KAFKA_COMPRESSION_NONE},
                  {"gzip", KAFKA_COMPRESSION_GZIP},
                  {"snappy", KAFKA_COMPRESSION_SNAPPY},
                  {"lz4", KAFKA_COMPRESSION_LZ4},
                  {"zstd", KAFKA_COMPRESSION_ZSTD}};
    kc_suggestion s = {.word = text};
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        if (strcmp(text, codecs[i].name) == 0) {
            *(kafka_compression *)into = codecs[i].codec;
            return i == 0 || built_in(text) || refuse(why, "is not built in; kc --version says what is");
        }
        kc_suggest_offer(&s, codecs[i].name);
    }
    if (s.best != NULL) return refuse(why, "is no codec; did you mean %s?", s.best);
    return refuse(why, "is no codec; there are none, gzip, snappy, lz4 and zstd");
}

bool kc_take_acks(void *into, const char *text, kc_why *why)
{
    static const struct {
        const char *name, *number; /* the number is what producers' settings have */
        kafka_acks acks;
    } kinds[] = {{"all", "-1", KAFKA_ACKS_ALL}, {"one", "1", KAFKA_ACKS_ONE}, {"none", "0", KAFKA_ACKS_NONE}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(text, kinds[i].name) != 0 && strcmp(text, kinds[i].number) != 0) continue;
        *(kafka_acks *)into = kinds[i].acks;
        return true;
    }
    return refuse(why, "is no kind of acknowledgement; there are all, one and none");
}
