/* See corpus.h. */
#include "corpus.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

void corpus_add(corpus *c, const char *name, const void *data, size_t len)
{
    c->entries = realloc(c->entries, (c->count + 1) * sizeof *c->entries);
    uint8_t *copy = malloc(len > 0 ? len : 1);
    if (c->entries == NULL || copy == NULL) exit(2);
    if (len > 0) memcpy(copy, data, len);
    corpus_entry *e = &c->entries[c->count++];
    *e = (corpus_entry){.data = copy, .len = len};
    snprintf(e->name, sizeof e->name, "%s", name);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

uint8_t *corpus_hex(const char *hex, size_t *len)
{
    size_t digits = strcspn(hex, " \n");
    uint8_t *out = malloc(digits / 2 + 1);
    if (out == NULL) exit(2);
    *len = digits / 2;
    bool ok = digits % 2 == 0;
    for (size_t i = 0; i < *len && ok; i++) {
        int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);
        ok = high >= 0 && low >= 0;
        if (ok) out[i] = (uint8_t)(high << 4 | low);
    }
    if (ok) return out;
    free(out);
    return NULL;
}

bool corpus_read(corpus *c, const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL, name[64];
    size_t cap = 0, len, number = 0;
    bool ok = f != NULL;
    if (!ok) perror(path);
    while (ok && getline(&line, &cap, f) >= 0) {
        int used = 0;
        number++;
        if (line[0] == '#' || line[0] == '\n') continue;
        uint8_t *data = sscanf(line, "%63s %n", name, &used) == 1 && used > 0 ? corpus_hex(line + used, &len) : NULL;
        ok = data != NULL;
        if (ok) corpus_add(c, name, data, len);
        if (!ok) fprintf(stderr, "%s:%zu: neither a comment nor \"name hex\"\n", path, number);
        free(data);
    }
    free(line);
    if (f != NULL) fclose(f);
    return ok;
}

void corpus_free(corpus *c)
{
    for (size_t i = 0; i < c->count; i++) free(c->entries[i].data);
    free(c->entries);
    *c = (corpus){0};
}
