/* json: one JSON object per line (https://jsonlines.org). */
#ifndef KC_JSON_H
#define KC_JSON_H
#include "kc.h"
#include <jansson.h>
#include <kafka/types.h>

/* Appends a message as one line:
 *
 *   {"topic":"t","partition":0,"offset":7,"timestamp":1700000000000,"timestamp_type":"create",
 *    "headers":[{"name":"h","value":"v"}],"key":null,"value":"text"}
 *
 * timestamp is null when the record has none, timestamp_type is "create" or "append" (the broker's time). Keys and
 * values that are not UTF-8 are in base64, and a member "key_encoding", "value_encoding" (in a header: "encoding")
 * with the value "base64" says so. Names of headers that are not UTF-8 have the bad bytes replaced by U+FFFD. */
void kc_json_message(const kafka_message *m, kc_buf *out);

/* Appends a value as one line and frees it. */
void kc_json_line(json_t *value, kc_buf *out);
/* Prints it as one line with stdio, and frees it. */
void kc_json_print(json_t *value);
/* A string, or the memory error as kc_zalloc has it. Bytes that are not UTF-8 are replaced. */
json_t *kc_json_text(const char *text);
/* object[name] = value, which is freed with the object. */
void kc_json_set(json_t *object, const char *name, json_t *value);

#endif
