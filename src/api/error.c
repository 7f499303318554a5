/* error.c: error codes as text, the thread's last failure, and what this build is.
 *
 * Texts of known codes are constants of the table (base/error_table.h). A broker newer than this library may send codes
 * that the table lacks; their text has to name the number and still live for ever. So the first few such codes each get
 * a slot that is written once and never again. Beyond these (no broker invents that many) the text is a constant
 * without the number. No lock: a slot is claimed by compare-and-swap, and readers use only slots that are finished. */
#include "kafka/error.h"
#include "base/error.h"
#include "base/thread.h"
#include <stdatomic.h>
#include <stdio.h>

enum { SLOT_FREE, SLOT_CLAIMED, SLOT_READY };
typedef struct unknown_slot {
    _Atomic int state;
    int code;
    char text[40];
} unknown_slot;
static unknown_slot unknown_slots[64];

static const char *unknown_text(int code)
{
    for (size_t i = 0; i < sizeof unknown_slots / sizeof unknown_slots[0]; i++) {
        unknown_slot *s = &unknown_slots[i];
        int state = SLOT_FREE;
        if (atomic_compare_exchange_strong(&s->state, &state, SLOT_CLAIMED)) {
            s->code = code;
            snprintf(s->text, sizeof s->text, "[%d] unknown error", code);
            atomic_store(&s->state, SLOT_READY);
            return s->text;
        }
        if (state == SLOT_READY && s->code == code) return s->text;
    }
    return "unknown error";
}

const char *kafka_err_name(int err)
{
    const kfk_error_info *row = kfk_error_find(err);
    return row != NULL ? row->name : "UNKNOWN_CODE";
}

const char *kafka_err_title(int err)
{
    const kfk_error_info *row = kfk_error_find(err);
    return row != NULL ? row->title : "";
}

const char *kafka_err_description(int err)
{
    const kfk_error_info *row = kfk_error_find(err);
    return row != NULL ? row->description : "";
}

const char *kafka_strerror(int err)
{
    const kfk_error_info *row = kfk_error_find(err);
    return row != NULL ? row->text : unknown_text(err);
}

bool kafka_err_is_temporary(int err)
{
    const kfk_error_info *row = kfk_error_find(err);
    return row != NULL && row->temporary;
}

bool kafka_err_is_timeout(int err)
{
    const kfk_error_info *row = kfk_error_find(err);
    return row != NULL && row->timeout;
}

const char *kafka_last_error(void)
{
    return kfk_thread_self()->last.text;
}

kafka_written kafka_last_written(void)
{
    return kfk_thread_self()->last_written;
}

const char *kafka_version(void)
{
    return KAFKA_VERSION_STRING;
}

/* Words separated by one space; each brings its own in front, and the first one is skipped. */
static const char features[] = ""
#ifdef KAFKA_HAVE_GZIP
                               " gzip"
#endif
#ifdef KAFKA_HAVE_LZ4
                               " lz4"
#endif
#ifdef KAFKA_HAVE_SNAPPY
                               " snappy"
#endif
#ifdef KAFKA_HAVE_ZSTD
                               " zstd"
#endif
    ;

const char *kafka_features(void)
{
    return features[0] == ' ' ? features + 1 : features;
}
