/* batches.c: reads tests/golden/batches.txt; DumpBatches.java beside it says what its lines mean. */
#include "wire/batches.h"
#include "wire/compress.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const kafka_bytes null = {NULL, 0};

golden_batch *golden;
size_t golden_count;

static kafka_bytes unhex(const char *s, size_t len)
{
    uint8_t *out = malloc(len / 2 + 1);
    for (size_t i = 0; i < len / 2; i++) {
        unsigned byte;
        assert_int_equal(sscanf(s + 2 * i, "%2x", &byte), 1);
        out[i] = (uint8_t)byte;
    }
    return (kafka_bytes){out, len / 2};
}

/* The next word of a line: - is null, ' begins bytes. */
static kafka_bytes next_bytes(char **save)
{
    char *word = strtok_r(NULL, " \n", save);
    assert_non_null(word);
    return *word == '-' ? null : unhex(word + 1, strlen(word + 1));
}

static int64_t next_number(char **save)
{
    char *word = strtok_r(NULL, " \n", save);
    assert_non_null(word);
    return strtoll(word, NULL, 10);
}

static void load_batch(char **save)
{
    golden = realloc(golden, (golden_count + 1) * sizeof *golden);
    golden_batch *b = &golden[golden_count++];
    *b = (golden_batch){.name = strdup(strtok_r(NULL, " ", save)), .horizon = -1};
    char *hex = strtok_r(NULL, " \n", save);
    kafka_bytes bytes = unhex(hex, strlen(hex));
    b->bytes = malloc(bytes.len);
    memcpy(b->bytes, bytes.data, b->len = bytes.len);
    free((void *)(uintptr_t)bytes.data);
}

static void load_record(golden_batch *b, char **save)
{
    golden_record *r = &b->records[b->record_count++];
    b->has_records = true;
    r->offset = next_number(save);
    r->timestamp = next_number(save);
    r->key = next_bytes(save);
    r->value = next_bytes(save);
    while (*save != NULL && **save != '\0' && **save != '\n') {
        r->headers[2 * r->header_count] = next_bytes(save);
        r->headers[2 * r->header_count++ + 1] = next_bytes(save);
    }
}

int golden_load(void **state)
{
    (void)state;
    FILE *f = fopen(KAFKA_GOLDEN_DIR "/batches.txt", "r");
    char *line = NULL;
    size_t cap = 0;

    assert_non_null(f);
    while (getline(&line, &cap, f) > 0) {
        char *save = NULL, *kind = strtok_r(line, " ", &save);
        golden_batch *b = golden_count > 0 ? &golden[golden_count - 1] : NULL;
        if (strcmp(kind, "batch") == 0) load_batch(&save);
        if (strcmp(kind, "record") == 0) load_record(b, &save);
        if (strcmp(kind, "horizon") == 0) b->horizon = next_number(&save);
        if (strcmp(kind, "control") == 0) {
            b->records[b->record_count - 1].control_type = (int)next_number(&save);
            b->records[b->record_count - 1].coordinator_epoch = (int)next_number(&save);
        }
    }
    free(line);
    fclose(f);
    assert_true(golden_count > 30);
    return 0;
}

static void free_bytes(kafka_bytes b)
{
    free((void *)(uintptr_t)b.data);
}

int golden_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < golden_count; i++) {
        for (size_t j = 0; j < golden[i].record_count; j++) {
            golden_record *r = &golden[i].records[j];
            free_bytes(r->key);
            free_bytes(r->value);
            for (size_t k = 0; k < 2 * r->header_count; k++) free_bytes(r->headers[k]);
        }
        free(golden[i].name);
        free(golden[i].bytes);
    }
    free(golden);
    return 0;
}

const golden_batch *golden_find(const char *name, size_t len)
{
    for (size_t i = 0; i < golden_count; i++)
        if (strlen(golden[i].name) == len && memcmp(golden[i].name, name, len) == 0) return &golden[i];
    fail_msg("no golden batch %s", name);
    return NULL;
}

const golden_batch *golden_get(const char *name)
{
    return golden_find(name, strlen(name));
}

kfk_batch_header header_of(const golden_batch *b)
{
    kfk_batch_header h;
    kfk_error err = {0};
    int rc = kfk_record_header_parse(b->bytes, b->len, &h, &err);
    if (rc != 0) fail_msg("%s: %s", b->name, err.text);
    assert_int_equal(kfk_batch_size(&h), b->len);
    return h;
}

bool readable(const golden_batch *b)
{
    kfk_batch_header h = header_of(b);
    if (kfk_compress_find(kfk_batch_codec(&h)) != NULL) return true;
    print_message("%s: its codec is not built in\n", b->name);
    return false;
}

void assert_bytes_equal(kafka_bytes a, kafka_bytes b)
{
    assert_int_equal(a.data == NULL, b.data == NULL);
    assert_int_equal(a.len, b.len);
    if (a.len > 0) assert_memory_equal(a.data, b.data, a.len);
}

kfk_record_iter open_batch(const golden_batch *b, kfk_buf *scratch)
{
    kfk_batch_header h = header_of(b);
    kfk_record_iter it;
    kfk_error err = {0};
    int rc = kfk_record_open(&h, b->bytes, scratch, &it, &err);
    if (rc != 0) fail_msg("%s: %s", b->name, err.text);
    return it;
}
