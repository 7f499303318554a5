/* Bytes that Kafka's own classes wrote, read and written again: tests/golden/messages.txt with messages made by hand
 * and what they must read as, tests/golden/versions.txt with a random message of every version of every API. */
#include "support/memcheck.h"

#include "wire/api.h"
#include "wire/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A decoded line of a golden file: "Metadata request 12 0a0b..." */
typedef struct golden {
    const kfk_schema *s;
    int16_t version;
    uint8_t *data;
    size_t len;
    void *msg;
    kfk_arena arena;
} golden;

static char *text_of(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", KAFKA_GOLDEN_DIR, name);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("cannot open %s", path);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    size_t size = (size_t)ftell(f);
    rewind(f);
    char *text = malloc(size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, size, f), size);
    text[size] = 0;
    fclose(f);
    return text;
}

static const kfk_schema *find(const char *name)
{
    const kfk_schema *s;
    for (size_t i = 0; (s = message_row(i)) && strcmp(s->name, name) != 0; i++) {}
    if (!s) fail_msg("no message named %s", name);
    return s;
}

static void golden_open(golden *g, char *line)
{
    char *hex = strrchr(line, ' ');
    *hex++ = 0;
    char *version = strrchr(line, ' ');
    *version++ = 0;
    g->s = find(line);
    g->version = (int16_t)atoi(version);
    g->data = message_hex(hex, &g->len);
    g->msg = malloc(g->s->size);
    kfk_arena_init(&g->arena, 1 << 20);
    kfk_error err = {0};
    if (kfk_codec_decode(g->s, g->version, &g->arena, g->data, g->len, g->msg, &err) != 0)
        message_fail("Java's bytes are refused", g->s, g->version, 0, &err);
    size_t len;
    uint8_t *again = message_encode(g->s, g->version, g->msg, &len);
    if (len != g->len || memcmp(again, g->data, len) != 0)
        message_fail("written again the bytes differ from Java's", g->s, g->version, 0, NULL);
    free(again);
}

static void golden_close(golden *g)
{
    kfk_arena_fini(&g->arena);
    free(g->msg);
    free(g->data);
}

static void assert_prints(const golden *g, const char *text)
{
    kfk_buf out;
    kfk_buf_init(&out, 1 << 20);
    assert_int_equal(kfk_codec_print(g->s, g->version, g->msg, &out), 0);
    assert_int_equal(kfk_buf_append(&out, "", 1), 0);
    assert_string_equal((const char *)out.data, text);
    kfk_buf_fini(&out);
}

static void what_java_wrote_reads_as_it_should_and_is_written_the_same(void **state)
{
    (void)state;
    char *text = text_of("messages.txt"), *save = NULL;
    size_t count = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (*line == '#') continue;
        golden g;
        golden_open(&g, line);
        char *expected = strtok_r(NULL, "\n", &save);
        assert_non_null(expected);
        assert_prints(&g, expected + strlen("= "));
        golden_close(&g);
        count++;
    }
    assert_int_equal(count, 99);
    free(text);
}

/* How many versions all messages have. */
static size_t version_count(void)
{
    const kfk_schema *s;
    size_t count = 0;
    for (size_t i = 0; (s = message_row(i)); i++) {
        if (strcmp(s->name, "Specimen") != 0) count += (size_t)(s->versions.max - s->versions.min + 1);
    }
    return count;
}

static void every_version_of_every_message_is_read_and_written_as_java_does(void **state)
{
    (void)state;
    char *text = text_of("versions.txt"), *save = NULL;
    size_t count = 0;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (*line == '#') continue;
        golden g;
        golden_open(&g, line);
        golden_close(&g);
        count++;
    }
    assert_int_equal(count, version_count());
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(what_java_wrote_reads_as_it_should_and_is_written_the_same),
        MEMCHECK_TEST(every_version_of_every_message_is_read_and_written_as_java_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
