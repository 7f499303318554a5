/* golden_sets.c: reads tests/golden/message_sets.txt; DumpMessageSets.java beside it says what its lines mean. */
#include "wire/golden_sets.h"
#include "wire/compress.h"
#include "wire/record_v1.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what Java made ---------------------------------------------------------------------------------------------- */

golden_set golden_sets[GOLDEN_SETS];
size_t golden_set_count;

static void load_set(char **save)
{
    golden_set *s = &golden_sets[golden_set_count++];
    assert_in_range(golden_set_count, 1, GOLDEN_SETS);
    s->name = strdup(strtok_r(NULL, " ", save));
    char *hex = strtok_r(NULL, " \n", save);
    s->len = strlen(hex) / 2;
    s->bytes = malloc(s->len);
    s->records = strdup("");
    for (size_t i = 0; i < s->len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        s->bytes[i] = (uint8_t)byte;
    }
}

static void add_line(golden_set *s, const char *line)
{
    size_t len = strlen(s->records);
    s->records = realloc(s->records, len + strlen(line) + 1);
    strcpy(s->records + len, line);
}

int golden_sets_load(void **state)
{
    (void)state;
    FILE *f = fopen(KAFKA_GOLDEN_DIR "/message_sets.txt", "r");
    char *line = NULL;
    size_t cap = 0;
    assert_non_null(f);
    while (getline(&line, &cap, f) > 0) {
        char *save = line;
        if (strncmp(line, "set ", 4) == 0) {
            strtok_r(line, " ", &save);
            load_set(&save);
        }
        if (strncmp(line, "record ", 7) == 0) add_line(&golden_sets[golden_set_count - 1], line + 7);
    }
    free(line);
    fclose(f);
    assert_true(golden_set_count > 30);
    return 0;
}

int golden_sets_free(void **state)
{
    (void)state;
    for (size_t i = 0; i < golden_set_count; i++) {
        free(golden_sets[i].name);
        free(golden_sets[i].bytes);
        free(golden_sets[i].records);
    }
    return 0;
}

const golden_set *golden_sets_find(const char *name)
{
    for (size_t i = 0; i < golden_set_count; i++)
        if (strcmp(golden_sets[i].name, name) == 0) return &golden_sets[i];
    fail_msg("no golden set %s", name);
    return NULL;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void print_bytes(kfk_buf *text, kafka_bytes b)
{
    kfk_buf_printf(text, b.data == NULL ? " -" : " '");
    for (size_t i = 0; i < b.len; i++) kfk_buf_printf(text, "%02x", ((const uint8_t *)b.data)[i]);
}

int sets_print_unit(const uint8_t *p, size_t len, kfk_batch_header *h, size_t limit, bool offsets, kfk_buf *text,
                    kfk_error *err)
{
    bool old = kfk_record_v1_is(p, len);
    kfk_record_iter it;
    kfk_record r;
    kfk_buf inflated;
    int rc = old ? kfk_record_v1_parse(p, len, h, err) : kfk_record_header_parse(p, len, h, err);
    if (rc != 0) return rc;
    kfk_buf_init(&inflated, limit);
    rc = old ? kfk_record_v1_open(h, p, &inflated, &it, err) : kfk_record_open(h, p, &inflated, &it, err);
    while (rc == 0 && (old ? kfk_record_v1_next(&it, &r) : kfk_record_iter_next(&it, &r))) {
        if (offsets) kfk_buf_printf(text, "%" PRId64 " ", r.offset);
        kfk_buf_printf(text, "%" PRId64 " %d", r.timestamp, h->magic == 0 ? -1 : kfk_batch_is_append_time(h));
        print_bytes(text, r.key);
        print_bytes(text, r.value);
        kfk_buf_printf(text, "\n");
        assert_int_equal(r.header_count, 0);
    }
    if (rc == 0) assert_int_equal(it.left, 0);
    kfk_buf_fini(&inflated);
    return rc;
}

int sets_print_all(const uint8_t *p, size_t len, bool offsets, kfk_buf *text, kfk_error *err)
{
    kfk_batch_header h;
    kfk_buf_init(text, SIZE_MAX);
    int rc = 0;
    while (len > 0 && (rc = sets_print_unit(p, len, &h, SIZE_MAX, offsets, text, err)) == 0) {
        p += kfk_batch_size(&h);
        len -= kfk_batch_size(&h);
    }
    ((char *)kfk_buf_reserve(text, 1))[0] = '\0';
    return rc;
}

bool golden_set_readable(const golden_set *s)
{
    for (int code = KFK_CODEC_GZIP; code <= KFK_CODEC_ZSTD; code++)
        if (kfk_compress_find(code) == NULL && strstr(s->name, kfk_compress_name(code)) != NULL) return false;
    return strcmp(s->name, "mixed") != 0 || kfk_compress_find(KFK_CODEC_GZIP) != NULL;
}
