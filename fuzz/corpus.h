/* corpus: inputs of a target in one text file, `name hex` in each line; # begins a comment. */
#ifndef KAFKA_FUZZ_CORPUS_H
#define KAFKA_FUZZ_CORPUS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct corpus_entry {
    char name[64];
    uint8_t *data;
    size_t len;
} corpus_entry;

typedef struct corpus {
    corpus_entry *entries;
    size_t count;
} corpus;

/* Adds a copy. Ends the process when there is no memory. */
void corpus_add(corpus *c, const char *name, const void *data, size_t len);
/* Adds the entries of a file. False, with a message on stderr: it cannot be read. */
bool corpus_read(corpus *c, const char *path);
/* Bytes of a hex string up to its end or a blank; malloc'ed. NULL: it is not one. */
uint8_t *corpus_hex(const char *hex, size_t *len);
void corpus_free(corpus *c);

#endif
