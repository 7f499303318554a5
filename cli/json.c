/* json.c: JSON through jansson.
 *
 * Jansson takes strings only if they are UTF-8, which is just the question whether a key or value has to be encoded;
 * NUL bytes are fine and come out as \u0000. Its failures are failures of memory and end the program (kc_zalloc). */
#include "json.h"
#include "base64.h"
#include "say.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *or_die(json_t *value)
{
    if (value == NULL) {
        kc_say_error("out of memory");
        _Exit(KC_FAILED);
    }
    return value;
}

void kc_json_set(json_t *object, const char *name, json_t *value)
{
    if (json_object_set_new(object, name, or_die(value)) != 0) or_die(NULL);
}

/* object[name] = the bytes, and object[marker] = "base64" if they had to be encoded. */
static void set_bytes(json_t *object, const char *name, const char *marker, const kafka_bytes *b)
{
    if (b->data == NULL) {
        kc_json_set(object, name, json_null());
        return;
    }
    json_t *text = json_stringn(b->data, b->len);
    if (text != NULL) {
        kc_json_set(object, name, text);
        return;
    }
    kc_buf encoded = {0};
    kc_base64(b->data, b->len, false, &encoded);
    kc_json_set(object, name, json_stringn_nocheck(encoded.data, encoded.len));
    kc_json_set(object, marker, json_string("base64"));
    free(encoded.data);
}

json_t *kc_json_text(const char *text)
{
    json_t *whole = json_string(text);
    if (whole != NULL) return whole;
    kc_buf clean = {0};
    for (const char *p = text; *p != '\0';) {
        size_t len = strnlen(p, 4); /* the shortest piece that is UTF-8 is one character */
        json_t *piece = NULL;
        for (size_t n = 1; n <= len && piece == NULL; n++) {
            if ((piece = json_stringn(p, n)) != NULL) kc_buf_add(&clean, p, n), p += n;
        }
        if (piece == NULL) kc_buf_add(&clean, "\xef\xbf\xbd", 3), p++;
        json_decref(piece);
    }
    whole = json_stringn(clean.data, clean.len);
    free(clean.data);
    return or_die(whole);
}

static json_t *headers(const kafka_message *m)
{
    json_t *list = or_die(json_array());
    for (size_t i = 0; i < m->header_count; i++) {
        json_t *header = or_die(json_object());
        kc_json_set(header, "name", kc_json_text(m->headers[i].key));
        set_bytes(header, "value", "encoding", &m->headers[i].value);
        if (json_array_append_new(list, header) != 0) or_die(NULL);
    }
    return list;
}

void kc_json_message(const kafka_message *m, kc_buf *out)
{
    json_t *object = or_die(json_object());
    kc_json_set(object, "topic", kc_json_text(m->topic));
    kc_json_set(object, "partition", json_integer(m->partition));
    kc_json_set(object, "offset", json_integer(m->offset));
    bool timed = m->time_ms != -1;
    kc_json_set(object, "timestamp", timed ? json_integer(m->time_ms) : json_null());
    if (timed) kc_json_set(object, "timestamp_type", json_string(m->time_type == 1 ? "append" : "create"));
    kc_json_set(object, "headers", headers(m));
    set_bytes(object, "key", "key_encoding", &m->key);
    set_bytes(object, "value", "value_encoding", &m->value);
    kc_json_line(object, out);
}

static int append(const char *text, size_t len, void *out)
{
    kc_buf_add(out, text, len);
    return 0;
}

void kc_json_line(json_t *value, kc_buf *out)
{
    if (json_dump_callback(value, append, out, JSON_COMPACT) != 0) or_die(NULL);
    kc_buf_add(out, "\n", 1);
    json_decref(value);
}

void kc_json_print(json_t *value)
{
    kc_buf line = {0};
    kc_json_line(value, &line);
    fwrite(line.data, 1, line.len, stdout);
    free(line.data);
}
