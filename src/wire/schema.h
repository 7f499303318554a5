/* schema: how a message looks, as constant data.
 *
 * tools/gen.py turns each file of schema/ into C structs and the tables below (src/wire/gen/); codec.h interprets them.
 * Nothing here allocates or runs.
 *
 * In a message's C struct
 *   a string or bytes   is a kafka_bytes: NULL data is null, data with length 0 is empty, and they differ;
 *   an array            is {items, count}; count -1 is null, count 0 is empty whatever `items` is;
 *   a struct            lies inside its owner, unless it may be null: then it is a pointer, NULL is null;
 *   a field             that a version does not have is there all the same and keeps its default in that version.
 * All pointers of a decoded message go into the decoded bytes or the arena; of a message to encode they are the
 * caller's and are only read. */
#ifndef KFK_WIRE_SCHEMA_H
#define KFK_WIRE_SCHEMA_H
#include "kafka/types.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

typedef struct kfk_uuid {
    uint8_t bytes[16]; /* all zero: none */
} kfk_uuid;

/* Record data. Decoded: `bytes` is a slice of the frame, null when its data is NULL. To encode: `parts` one after the
 * other when part_count > 0, by reference, nothing is copied (gather.h); else `bytes`, copied. */
typedef struct kfk_records {
    kafka_bytes bytes;
    const struct iovec *parts;
    int32_t part_count;
} kfk_records;

/* Arrays of what is not a struct. `kfk_array` is what the interpreter sees of any of them. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `type` is a type */
#define KFK_SCHEMA_ARRAY(name, type) \
    typedef struct name {            \
        type *items;                 \
        int32_t count;               \
    } name
/* NOLINTEND(bugprone-macro-parentheses) */
KFK_SCHEMA_ARRAY(kfk_array, void);
KFK_SCHEMA_ARRAY(kfk_bool_array, bool);
KFK_SCHEMA_ARRAY(kfk_int8_array, int8_t);
KFK_SCHEMA_ARRAY(kfk_int16_array, int16_t);
KFK_SCHEMA_ARRAY(kfk_uint16_array, uint16_t);
KFK_SCHEMA_ARRAY(kfk_int32_array, int32_t);
KFK_SCHEMA_ARRAY(kfk_uint32_array, uint32_t);
KFK_SCHEMA_ARRAY(kfk_int64_array, int64_t);
KFK_SCHEMA_ARRAY(kfk_float64_array, double);
KFK_SCHEMA_ARRAY(kfk_uuid_array, kfk_uuid);
KFK_SCHEMA_ARRAY(kfk_string_array, kafka_bytes);
KFK_SCHEMA_ARRAY(kfk_bytes_array, kafka_bytes);
KFK_SCHEMA_ARRAY(kfk_records_array, kfk_records);

typedef enum kfk_type {
    KFK_TYPE_BOOL,    /* bool */
    KFK_TYPE_INT8,    /* int8_t */
    KFK_TYPE_INT16,   /* int16_t */
    KFK_TYPE_UINT16,  /* uint16_t */
    KFK_TYPE_INT32,   /* int32_t */
    KFK_TYPE_UINT32,  /* uint32_t */
    KFK_TYPE_INT64,   /* int64_t */
    KFK_TYPE_FLOAT64, /* double */
    KFK_TYPE_UUID,    /* kfk_uuid */
    KFK_TYPE_STRING,  /* kafka_bytes */
    KFK_TYPE_BYTES,   /* kafka_bytes */
    KFK_TYPE_RECORDS, /* kfk_records */
    KFK_TYPE_STRUCT   /* see kfk_field.element */
} kfk_type;

enum {
    KFK_FIELD_ARRAY = 1,     /* of `type` */
    KFK_FIELD_IGNORABLE = 2, /* a version that lacks it drops its value in silence */
    KFK_FIELD_POINTER = 4,   /* a struct that may be null */
    KFK_FIELD_RIGID = 8      /* never compact, whatever the version */
};

/* From min to max, both included; min > max: no version. */
typedef struct kfk_versions {
    int16_t min, max;
} kfk_versions;

static inline bool kfk_versions_have(kfk_versions v, int16_t version)
{
    return version >= v.min && version <= v.max;
}

typedef struct kfk_schema kfk_schema;

typedef struct kfk_field {
    const char *name;
    uint8_t type;  /* kfk_type, of the elements if it is an array */
    uint8_t flags; /* KFK_FIELD_... */
    uint32_t offset;
    kfk_versions versions, nullable, tagged;
    int16_t tag;               /* -1 = never tagged */
    const kfk_schema *element; /* of a KFK_TYPE_STRUCT */
} kfk_field;

/* A message, or a struct inside of one. */
struct kfk_schema {
    const char *name; /* "Metadata response", or of a struct "topic" */
    uint32_t size;    /* of the C struct */
    uint16_t field_count, tagged_count;
    kfk_versions versions; /* those that can be encoded and decoded */
    int16_t flexible;      /* the first flexible version; INT16_MAX = none */
    const kfk_field *fields;
    const uint8_t *tagged;     /* indexes of the fields that have a tag, in the order of tags */
    const uint16_t *min_sizes; /* least encoded size in each version, from versions.min on */
    const void *defaults;      /* a C struct with every field at its default */
};

#endif
