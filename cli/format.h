/* format: how kc consume prints a message: by a format string, as a line, or as a JSON object. */
#ifndef KC_FORMAT_H
#define KC_FORMAT_H
#include "kc.h"
#include "options.h"
#include <kafka/types.h>

typedef struct kc_format_step kc_format_step;
typedef struct kc_format {
    kc_format_step *steps;
    size_t count;
    kc_buf literals;
    const char *null; /* what stands for a null key, value or header value; "" unless set */
    bool json;
} kc_format;

/* Directives: %t topic, %p partition, %o offset, %k key, %s value, %K and %S their lengths (-1 = null), %R the value's
 * length as four bytes, big endian, %T timestamp in Unix ms (-1 = none), %h headers "name=value,name=value", %% a
 * percent sign; escapes as kc_unescape reads them. False: `why` says what is wrong. */
bool kc_format_parse(kc_format *f, const char *text, kc_why *why);
/* [headers TAB] [key key_delimiter] value delimiter; a key is printed when there is a delimiter for it. */
void kc_format_line(kc_format *f, bool headers, const kc_text *key_delimiter, const kc_text *delimiter);
void kc_format_json(kc_format *f);
void kc_format_free(kc_format *f);

/* Appends a message. JSON needs memory per message, the others do not once `out` has grown. */
void kc_format_write(const kc_format *f, const kafka_message *m, kc_buf *out);

#endif
