/* golden_sets: the message sets of tests/golden/message_sets.txt, which Kafka's own classes made, and what their reader
 * finds in them. A test program loads them once, as the set-up of its group. */
#ifndef KAFKA_TESTS_WIRE_GOLDEN_SETS_H
#define KAFKA_TESTS_WIRE_GOLDEN_SETS_H
#include "support/memcheck.h"

#include "wire/record.h"

enum { GOLDEN_SETS = 64 };
typedef struct golden_set {
    char *name;
    uint8_t *bytes;
    size_t len;
    char *records; /* the lines of the file, "" where it has none */
} golden_set;

extern golden_set golden_sets[GOLDEN_SETS];
extern size_t golden_set_count;

/* Set-up and tear-down of a group of tests. */
int golden_sets_load(void **state);
int golden_sets_free(void **state);
/* Fails the test when there is none. */
const golden_set *golden_sets_find(const char *name);
/* Are its codecs built in? */
bool golden_set_readable(const golden_set *s);

/* Adds to `text` the records of the message or batch at `p`, a line each, as the golden file has them but for the
 * offsets where those are not wanted. `limit`: of what is inflated. Returns what the library does. */
int sets_print_unit(const uint8_t *p, size_t len, kfk_batch_header *h, size_t limit, bool offsets, kfk_buf *text,
                    kfk_error *err);
/* Prints all that lies there one behind the other, up to the first failure; the caller frees `text`, which ends in a
 * NUL that does not count. */
int sets_print_all(const uint8_t *p, size_t len, bool offsets, kfk_buf *text, kfk_error *err);

#endif
