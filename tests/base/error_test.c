/* error_test.c: the table of codes against the public header and against Kafka's own, and what sentences may look
 * like. */
#include "support/memcheck.h"

#include "base/error.h"
#include "base/error_table.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table --------------------------------------------------------------------------------------------------- */

#define CHECK_BROKER(name, value, ...) _Static_assert(KAFKA_ERR_##name == (value), #name);
#define CHECK_LOCAL(name, value, ...)  _Static_assert(KAFKA_##name == (value), #name);
KFK_ERROR_BROKER(CHECK_BROKER)
KFK_ERROR_LOCAL(CHECK_LOCAL)

static FILE *open_file(const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) fail_msg("cannot open %s", path);
    return f;
}

/* True when kafka/error.h has the constant with that value. */
static bool header_has(const char *constant, int value)
{
    char line[512], name[128];
    int v;
    bool found = false;
    FILE *f = open_file(KAFKA_INCLUDE_DIR "/kafka/error.h");
    while (!found && fgets(line, sizeof line, f) != NULL)
        found = sscanf(line, " KAFKA_%127[A-Z0-9_] = %d", name, &v) == 2 && v == value && strcmp(name, constant) == 0;
    fclose(f);
    return found;
}

static void every_constant_of_the_header_is_in_the_table(void **state)
{
    (void)state;
    char line[512], name[128];
    int value, seen = 0;
    FILE *f = open_file(KAFKA_INCLUDE_DIR "/kafka/error.h");
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, " KAFKA_%127[A-Z0-9_] = %d", name, &value) != 2) continue;
        if (strncmp(name, "WRITTEN_", 8) == 0) continue;
        if (kfk_error_find(value) == NULL) fail_msg("KAFKA_%s = %d is not in the table", name, value);
        seen++;
    }
    fclose(f);
    assert_true(seen > 160);
}

static void every_row_has_name_title_description_and_text(void **state)
{
    (void)state;
    for (size_t i = 0; kfk_error_row(i) != NULL; i++) {
        const kfk_error_info *row = kfk_error_row(i);
        char text[512];
        if (row->name == NULL) fail_msg("there is a hole at row %zu", i);
        assert_ptr_equal(kfk_error_find(row->code), row);
        assert_true(row->name[0] != 0 && row->title[0] != 0 && row->description[0] != 0);
        snprintf(text, sizeof text, "[%d] %s: %s", row->code, row->title, row->description);
        assert_string_equal(row->text, text);
        assert_int_equal(row->description[strlen(row->description) - 1] == '.' ||
                             row->description[strlen(row->description) - 1] == '?',
                         1);
    }
}

static void names_and_titles_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; kfk_error_row(i) != NULL; i++)
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(kfk_error_row(i)->name, kfk_error_row(k)->name);
            assert_string_not_equal(kfk_error_row(i)->title, kfk_error_row(k)->title);
        }
}

static void codes_beyond_both_ends_are_unknown(void **state)
{
    (void)state;
    static const int unknown[] = {INT32_MIN, -32768, -125, -99, -2, 137, 32767, INT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) assert_null(kfk_error_find(unknown[i]));
    assert_non_null(kfk_error_find(-1));
    assert_non_null(kfk_error_find(0));
    assert_non_null(kfk_error_find(136));
    assert_non_null(kfk_error_find(-100));
    assert_non_null(kfk_error_find(-124));
}

static void only_7_and_our_own_deadline_are_timeouts(void **state)
{
    (void)state;
    for (size_t i = 0; kfk_error_row(i) != NULL; i++) {
        int code = kfk_error_row(i)->code;
        assert_int_equal(kfk_error_row(i)->timeout, code == 7 || code == KAFKA_ETIMEDOUT);
    }
}

/* Where the table differs from Kafka's own on purpose. */
static const struct {
    int code;
    const char *field, *reason;
} deliberate[] = {
    {8, "retriable", "a broker that is down may come back: kafka-go retried it, and so do other clients"},
    {-1, "name", "kafka-go's name, kept; the protocol's exists as a second constant"},
    {0, "name", "ours is OK, the protocol's NONE: success needs no ERR_ constant"},
    {2, "name", "kafka-go's name, kept"},
    {4, "name", "kafka-go's name, kept"},
    {6, "name", "kafka-go's name, kept"},
    {10, "name", "kafka-go's name, kept"},
    {14, "name", "kafka-go's name, kept"},
    {15, "name", "kafka-go's name, kept"},
    {16, "name", "kafka-go's name, kept"},
    {17, "name", "kafka-go's name, kept"},
    {37, "name", "kafka-go's name, kept"},
    {40, "name", "kafka-go's name, kept"},
    {48, "name", "kafka-go's name, kept"},
};

static bool differs_on_purpose(int code, const char *field)
{
    for (size_t i = 0; i < sizeof deliberate / sizeof deliberate[0]; i++)
        if (deliberate[i].code == code && strcmp(deliberate[i].field, field) == 0) return true;
    return false;
}

static void codes_names_and_retriable_flags_are_those_of_kafka(void **state)
{
    (void)state;
    char line[512], name[128], kind[16], constant[160];
    int code, differences = 0;
    size_t rows = 0;
    FILE *f = open_file(KAFKA_GOLDEN_DIR "/errors.txt");
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] == '#') continue;
        assert_int_equal(sscanf(line, "%d %127s %15s", &code, name, kind), 3);
        const kfk_error_info *row = kfk_error_find(code);
        if (row == NULL) fail_msg("%d %s is not in the table", code, name);
        bool same_name = strcmp(row->name, name) == 0, same_kind = row->temporary == (strcmp(kind, "retriable") == 0);
        if (same_name == differs_on_purpose(code, "name"))
            fail_msg("%d is %s here and %s there", code, row->name, name);
        if (same_kind == differs_on_purpose(code, "retriable")) fail_msg("%d %s is %s there", code, name, kind);
        snprintf(constant, sizeof constant, "ERR_%s", name);
        if (code != 0 && !header_has(constant, code)) fail_msg("kafka/error.h lacks KAFKA_%s = %d", constant, code);
        differences += !same_name + !same_kind;
        rows++;
    }
    fclose(f);
    assert_int_equal(differences, sizeof deliberate / sizeof deliberate[0]);
    for (size_t i = 0; i < rows; i++) assert_true(kfk_error_row(i)->code >= -1);
    assert_true(kfk_error_row(rows)->code <= KAFKA_EINVAL); /* so the table has no code that Kafka lacks */
}

static void fifty_five_has_kafka_gos_name_too(void **state)
{
    (void)state;
    assert_int_equal(KAFKA_ERR_BROKER_AUTHORIZATION_FAILED, KAFKA_ERR_OPERATION_NOT_ATTEMPTED);
    assert_true(header_has("ERR_BROKER_AUTHORIZATION_FAILED", 55));
    assert_string_equal(kfk_error_find(55)->name, "OPERATION_NOT_ATTEMPTED");
}

/* ---- sentences --------------------------------------------------------------------------------------------------- */

static void a_sentence_keeps_its_code_and_text(void **state)
{
    (void)state;
    kfk_error e = {.code = 0};
    assert_int_equal(kfk_error_set(&e, KAFKA_EIO, "connecting to %s: %d", "b:9092", 111), KAFKA_EIO);
    assert_int_equal(e.code, KAFKA_EIO);
    assert_string_equal(e.text, "connecting to b:9092: 111");
    assert_int_equal(kfk_error_set(NULL, KAFKA_EIO, "nobody %s", "listens"), KAFKA_EIO);
}

static void a_prefix_goes_in_front(void **state)
{
    (void)state;
    kfk_error e = {.code = 0};
    kfk_error_set(&e, 3, "no such topic");
    assert_int_equal(kfk_error_prefix(&e, "reading topic %s: ", "t"), 3);
    assert_string_equal(e.text, "reading topic t: no such topic");
    kfk_error none = {.code = 0};
    assert_int_equal(kfk_error_prefix(&none, "reading: "), 0);
    assert_string_equal(none.text, "");
}

static void the_old_text_may_be_an_argument(void **state)
{
    (void)state;
    kfk_error e = {.code = 0};
    kfk_error_set(&e, 3, "cause");
    kfk_error_set(&e, 5, "wrapped: %s", e.text);
    assert_string_equal(e.text, "wrapped: cause");
}

static void control_characters_and_broken_utf8_become_question_marks(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"a\nb\r\tc\x1b[2J\x7f", "a?b??c?[2J?"},
        {"Zürich, 日本, 🎈", "Zürich, 日本, 🎈"},
        {"c1 \xc2\x9b"
         "2J, no-break space \xc2\xa0",
         "c1 ??2J, no-break space \xc2\xa0"},
        {"lone \x80 \xbf", "lone ? ?"},
        {"overlong \xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf", "overlong ?? ??? ????"},
        {"surrogate \xed\xa0\x80, last before \xed\x9f\xbf", "surrogate ???, last before \xed\x9f\xbf"},
        {"beyond \xf4\x90\x80\x80, last \xf4\x8f\xbf\xbf", "beyond ????, last \xf4\x8f\xbf\xbf"},
        {"never \xf5\xfe\xff", "never ???"},
        {"cut \xe2\x82", "cut ??"},
        {"cut \xf0\x9f\x8e", "cut ???"},
        {"cut then text \xe2\x82x", "cut then text ??x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        kfk_error e = {.code = 0};
        kfk_error_set(&e, KAFKA_EPROTO, "%s", cases[i].from);
        assert_string_equal(e.text, cases[i].to);
    }
}

/* A text of `len` bytes that consists of copies of `unit`, after `shift` letters. */
static void fill(char *text, size_t len, const char *unit, size_t shift)
{
    size_t n = strlen(unit), at = shift;
    memset(text, 'x', len);
    for (; at + n <= len; at += n) memcpy(text + at, unit, n);
    text[len] = 0;
}

static void a_long_text_is_cut_between_characters_and_ends_in_dots(void **state)
{
    (void)state;
    static const char *const units[] = {"a", "ü", "日", "🎈"};
    char text[2 * KFK_ERROR_TEXT];
    for (size_t u = 0; u < 4; u++)
        for (size_t shift = 0; shift < 4; shift++)
            for (size_t len = KFK_ERROR_TEXT - 8; len < KFK_ERROR_TEXT + 8; len++) {
                kfk_error e = {.code = 0};
                fill(text, len, units[u], shift);
                kfk_error_set(&e, KAFKA_EPROTO, "%s", text);
                size_t got = strlen(e.text);
                if (len < KFK_ERROR_TEXT) {
                    assert_string_equal(e.text, text);
                    continue;
                }
                assert_true(got < KFK_ERROR_TEXT && got >= KFK_ERROR_TEXT - 4);
                assert_string_equal(e.text + got - 3, "...");
                assert_memory_equal(e.text, text, got - 3);
                assert_null(strchr(e.text, '?'));
            }
}

static void a_long_prefix_is_cut_as_well(void **state)
{
    (void)state;
    char text[3 * KFK_ERROR_TEXT];
    for (size_t len = 0; len < sizeof text - 1; len += 7) {
        kfk_error e = {.code = 0};
        fill(text, len, "日", 0);
        kfk_error_set(&e, 3, "%s", "0123456789");
        kfk_error_prefix(&e, "%s", text);
        assert_true(strlen(e.text) < KFK_ERROR_TEXT);
        if (len + 10 < KFK_ERROR_TEXT)
            assert_string_equal(e.text + len, "0123456789");
        else
            assert_string_equal(e.text + strlen(e.text) - 3, "...");
        kfk_error_prefix(&e, "again: ");
        assert_memory_equal(e.text, "again: ", 7);
    }
}

static void a_text_of_garbage_is_cut_without_looking_in_front_of_it(void **state)
{
    (void)state;
    char text[2 * KFK_ERROR_TEXT];
    kfk_error e = {.code = 0};
    fill(text, sizeof text - 1, "\x80", 0);
    kfk_error_set(&e, KAFKA_EPROTO, "%s", text);
    assert_int_equal(strlen(e.text), KFK_ERROR_TEXT - 1);
    assert_int_equal(strspn(e.text, "?"), KFK_ERROR_TEXT - 4);
}

static void what_happened_next_is_appended(void **state)
{
    (void)state;
    kfk_error e = {.code = 0};
    assert_int_equal(kfk_error_append(&e, KAFKA_EIO, "%s refused", "a:1"), KAFKA_EIO);
    assert_string_equal(e.text, "a:1 refused");
    assert_int_equal(kfk_error_append(&e, KAFKA_ERESOLVE, "b is unknown"), KAFKA_ERESOLVE);
    assert_int_equal(e.code, KAFKA_ERESOLVE);
    assert_string_equal(e.text, "a:1 refused; b is unknown");
    for (int i = 0; i < 100; i++) kfk_error_append(&e, KAFKA_EIO, "and again");
    assert_true(strlen(e.text) < KFK_ERROR_TEXT);
    assert_string_equal(e.text + strlen(e.text) - 3, "...");
}

static void a_system_call_that_found_no_descriptor_comes_with_a_hint(void **state)
{
    (void)state;
    kfk_error e = {0};
    assert_int_equal(kfk_error_set_system(&e, KAFKA_EIO, "socket", EMFILE), KAFKA_EIO);
    assert_int_equal(e.code, KAFKA_EIO);
    assert_non_null(strstr(e.text, "socket: Too many open files: the process has no more descriptors"));
    assert_non_null(strstr(e.text, "ulimit -n"));
    kfk_error_set_system(&e, KAFKA_EIO, "eventfd", ENFILE);
    assert_non_null(strstr(e.text, "fs.file-max"));
    kfk_error_set_system(&e, KAFKA_EIO, "connect", ECONNREFUSED);
    assert_string_equal(e.text, "connect: Connection refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(every_constant_of_the_header_is_in_the_table),
        MEMCHECK_TEST(every_row_has_name_title_description_and_text),
        MEMCHECK_TEST(names_and_titles_are_unique),
        MEMCHECK_TEST(codes_beyond_both_ends_are_unknown),
        MEMCHECK_TEST(only_7_and_our_own_deadline_are_timeouts),
        MEMCHECK_TEST(codes_names_and_retriable_flags_are_those_of_kafka),
        MEMCHECK_TEST(fifty_five_has_kafka_gos_name_too),
        MEMCHECK_TEST(a_sentence_keeps_its_code_and_text),
        MEMCHECK_TEST(a_prefix_goes_in_front),
        MEMCHECK_TEST(what_happened_next_is_appended),
        MEMCHECK_TEST(the_old_text_may_be_an_argument),
        MEMCHECK_TEST(control_characters_and_broken_utf8_become_question_marks),
        MEMCHECK_TEST(a_long_text_is_cut_between_characters_and_ends_in_dots),
        MEMCHECK_TEST(a_long_prefix_is_cut_as_well),
        MEMCHECK_TEST(a_text_of_garbage_is_cut_without_looking_in_front_of_it),
        MEMCHECK_TEST(a_system_call_that_found_no_descriptor_comes_with_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
