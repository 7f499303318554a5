/* format.c: messages as text.
 *
 * A format is compiled once into steps, so that printing a message is a walk over a short array and nothing else: with
 * a million messages a second nobody wants to look at '%' again. The plain output of kc consume is such a list of
 * steps too, which keeps one path for all. JSON goes its own way (json.c), since it has to look at every byte. */
#include "format.h"
#include "json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum step_kind {
    LITERAL,
    TOPIC,
    PARTITION,
    OFFSET,
    KEY,
    VALUE,
    KEY_LENGTH,
    VALUE_LENGTH,
    VALUE_LENGTH_BINARY,
    TIMESTAMP,
    HEADERS
} step_kind;
struct kc_format_step {
    step_kind kind;
    size_t at, len; /* of a literal */
};

static const struct {
    char letter;
    step_kind kind;
} directives[] = {{'t', TOPIC},     {'p', PARTITION},  {'o', OFFSET},       {'k', KEY},
                  {'s', VALUE},     {'K', KEY_LENGTH}, {'S', VALUE_LENGTH}, {'R', VALUE_LENGTH_BINARY},
                  {'T', TIMESTAMP}, {'h', HEADERS}};

/* ---- compiling --------------------------------------------------------------------------------------------------- */

static void add_step(kc_format *f, step_kind kind)
{
    f->steps = kc_resize(f->steps, f->count + 1, sizeof *f->steps);
    f->steps[f->count++] = (kc_format_step){.kind = kind};
}

static void add_literal(kc_format *f, const char *data, size_t len)
{
    if (len == 0) return;
    if (f->count == 0 || f->steps[f->count - 1].kind != LITERAL) {
        add_step(f, LITERAL);
        f->steps[f->count - 1].at = f->literals.len;
    }
    kc_buf_add(&f->literals, data, len);
    f->steps[f->count - 1].len += len;
}

static bool add_directive(kc_format *f, char letter, kc_why *why)
{
    if (letter == '%') {
        add_literal(f, "%", 1);
        return true;
    }
    for (size_t i = 0; i < sizeof directives / sizeof directives[0]; i++) {
        if (directives[i].letter != letter) continue;
        add_step(f, directives[i].kind);
        return true;
    }
    if (letter == '\0')
        snprintf(why->text, sizeof why->text, "ends in a single %%; write %%%% for a percent sign");
    else
        snprintf(why->text, sizeof why->text,
                 "has an unknown directive %%%c; there are %%t %%p %%o %%k %%s %%K %%S %%R %%T %%h %%%%", letter);
    return false;
}

bool kc_format_parse(kc_format *f, const char *text, kc_why *why)
{
    *f = (kc_format){.null = ""};
    for (const char *p = text; *p != '\0';) {
        size_t plain = strcspn(p, "%\\");
        add_literal(f, p, plain);
        p += plain;
        char c;
        if (*p == '%') {
            if (!add_directive(f, p[1], why)) goto refused;
            p += 2;
        } else if (*p == '\\') {
            p++;
            if (!kc_unescape(&p, &c)) {
                snprintf(why->text, sizeof why->text,
                         "has an unknown escape; there are \\n \\r \\t \\0 \\\\ and \\xHH");
                goto refused;
            }
            add_literal(f, &c, 1);
        }
    }
    return true;
refused:
    kc_format_free(f);
    return false;
}

void kc_format_line(kc_format *f, bool headers, const kc_text *key_delimiter, const kc_text *delimiter)
{
    *f = (kc_format){.null = ""};
    if (headers) {
        add_step(f, HEADERS);
        add_literal(f, "\t", 1);
    }
    if (key_delimiter->data != NULL) {
        add_step(f, KEY);
        add_literal(f, key_delimiter->data, key_delimiter->len);
    }
    add_step(f, VALUE);
    add_literal(f, delimiter->data, delimiter->len);
}

void kc_format_json(kc_format *f)
{
    *f = (kc_format){.null = "", .json = true};
}

void kc_format_free(kc_format *f)
{
    free(f->steps);
    free(f->literals.data);
    *f = (kc_format){.null = ""};
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void write_bytes(const kc_format *f, const kafka_bytes *b, kc_buf *out)
{
    if (b->data != NULL)
        kc_buf_add(out, b->data, b->len);
    else
        kc_buf_add(out, f->null, strlen(f->null));
}

static void write_length(const kafka_bytes *b, kc_buf *out)
{
    kc_buf_add_int(out, b->data != NULL ? (int64_t)b->len : -1);
}

static void write_binary_length(const kafka_bytes *b, kc_buf *out)
{
    uint32_t n = b->data != NULL ? (uint32_t)b->len : UINT32_MAX;
    const unsigned char bytes[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
                                    (unsigned char)n};
    kc_buf_add(out, bytes, sizeof bytes);
}

static void write_headers(const kc_format *f, const kafka_message *m, kc_buf *out)
{
    for (size_t i = 0; i < m->header_count; i++) {
        if (i > 0) kc_buf_add(out, ",", 1);
        kc_buf_add(out, m->headers[i].key, strlen(m->headers[i].key));
        kc_buf_add(out, "=", 1);
        write_bytes(f, &m->headers[i].value, out);
    }
}

void kc_format_write(const kc_format *f, const kafka_message *m, kc_buf *out)
{
    if (f->json) {
        kc_json_message(m, out);
        return;
    }
    for (const kc_format_step *s = f->steps, *end = s + f->count; s < end; s++) {
        switch (s->kind) {
        case LITERAL: kc_buf_add(out, f->literals.data + s->at, s->len); break;
        case TOPIC: kc_buf_add(out, m->topic, strlen(m->topic)); break;
        case PARTITION: kc_buf_add_int(out, m->partition); break;
        case OFFSET: kc_buf_add_int(out, m->offset); break;
        case KEY: write_bytes(f, &m->key, out); break;
        case VALUE: write_bytes(f, &m->value, out); break;
        case KEY_LENGTH: write_length(&m->key, out); break;
        case VALUE_LENGTH: write_length(&m->value, out); break;
        case VALUE_LENGTH_BINARY: write_binary_length(&m->value, out); break;
        case TIMESTAMP: kc_buf_add_int(out, m->time_ms); break;
        case HEADERS: write_headers(f, m, out); break;
        }
    }
}
