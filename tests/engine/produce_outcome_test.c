/* What an answer says about a copy of a batch, and that docs/errors.md says the same. */
#include "support/memcheck.h"

#include "engine/produce_outcome.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {
    [KFK_PRODUCE_DONE] = "done",
    [KFK_PRODUCE_RETRY] = "retry",
    [KFK_PRODUCE_UNKNOWN] = "unknown",
    [KFK_PRODUCE_UNTOLD] = "untold",
    [KFK_PRODUCE_OUT_OF_LINE] = "out of line",
    [KFK_PRODUCE_DUPLICATE] = "duplicate",
    [KFK_PRODUCE_TOO_LARGE] = "too large",
    [KFK_PRODUCE_BAD_RECORDS] = "bad records",
    [KFK_PRODUCE_FENCED] = "fenced",
    [KFK_PRODUCE_FATAL] = "fatal",
};

/* The next row that begins with a number, up to its fourth column. */
static bool next_row(FILE *page, char *row, size_t room)
{
    char line[1024];
    while (fgets(line, sizeof line, page)) {
        char *end = line;
        if (strncmp(line, "| ", 2) != 0 || strspn(line + 2, "-0123456789") == 0 ||
            line[2 + strspn(line + 2, "-")] == '|')
            continue;
        for (int bars = 0; *end && bars < 5; end++) bars += *end == '|';
        assert_true(strlen(end) > 20); /* why */
        snprintf(row, room, "%.*s", (int)(end - line), line);
        return true;
    }
    return false;
}

static void the_page_has_the_same_rows_as_the_table(void **state)
{
    FILE *page = fopen(KAFKA_DOCS_DIR "/errors.md", "r");
    size_t count;
    const kfk_produce_outcome *rows = kfk_produce_outcome_table(&count);
    char row[256], expected[256];
    (void)state;
    assert_non_null(page);
    for (size_t i = 0; i < count; i++) {
        snprintf(expected, sizeof expected, "| %d | %s | %s | %s |", rows[i].code, kafka_err_name(rows[i].code),
                 words[rows[i].kind], rows[i].refresh ? "yes" : "no");
        assert_true(next_row(page, row, sizeof row));
        assert_string_equal(row, expected);
    }
    assert_false(next_row(page, row, sizeof row));
    fclose(page);
}

static void codes_ascend_and_are_known(void **state)
{
    size_t count;
    const kfk_produce_outcome *rows = kfk_produce_outcome_table(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || rows[i - 1].code < rows[i].code);
        assert_string_not_equal(kafka_err_name(rows[i].code), "UNKNOWN_CODE");
        assert_int_equal(kfk_produce_outcome_of(rows[i].code).kind, rows[i].kind);
    }
}

static void an_unknown_code_is_fatal(void **state)
{
    (void)state;
    assert_int_equal(kfk_produce_outcome_of(9999).kind, KFK_PRODUCE_FATAL);
    assert_int_equal(kfk_produce_outcome_of(9999).code, 9999);
    assert_int_equal(kfk_produce_outcome_of(INT16_MIN).kind, KFK_PRODUCE_FATAL);
}

static void a_refusal_with_an_offset_came_after_the_append(void **state)
{
    static const int16_t codes[] = {KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(kfk_produce_outcome_read(codes[i], 0, -1, true).kind, KFK_PRODUCE_UNKNOWN);
        assert_int_equal(kfk_produce_outcome_read(codes[i], 7, -1, false).kind, KFK_PRODUCE_UNKNOWN);
        assert_int_equal(kfk_produce_outcome_read(codes[i], -1, -1, true).kind, KFK_PRODUCE_RETRY);
        assert_int_equal(kfk_produce_outcome_read(codes[i], 7, 1, false).kind, KFK_PRODUCE_RETRY);
    }
}

static void without_idempotence_nothing_is_said_about_sequences(void **state)
{
    static const int16_t codes[] = {KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, KAFKA_ERR_DUPLICATE_SEQUENCE_NUMBER,
                                    KAFKA_ERR_INVALID_PRODUCER_EPOCH, KAFKA_ERR_UNKNOWN_PRODUCER_ID};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(kfk_produce_outcome_read(codes[i], -1, -1, false).kind, KFK_PRODUCE_FATAL);
        assert_int_not_equal(kfk_produce_outcome_read(codes[i], -1, -1, true).kind, KFK_PRODUCE_FATAL);
    }
}

static void what_may_have_been_appended_is_called_so(void **state)
{
    (void)state;
    assert_int_equal(kfk_produce_outcome_written(KFK_PRODUCE_DONE), KAFKA_WRITTEN_YES);
    for (int kind = KFK_PRODUCE_RETRY; kind <= KFK_PRODUCE_FATAL; kind++) {
        bool maybe = kind == KFK_PRODUCE_UNKNOWN || kind == KFK_PRODUCE_UNTOLD || kind == KFK_PRODUCE_DUPLICATE;
        assert_int_equal(kfk_produce_outcome_written((kfk_produce_class)kind),
                         maybe ? KAFKA_WRITTEN_MAYBE : KAFKA_WRITTEN_NO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MEMCHECK_TEST(the_page_has_the_same_rows_as_the_table),
        MEMCHECK_TEST(codes_ascend_and_are_known),
        MEMCHECK_TEST(an_unknown_code_is_fatal),
        MEMCHECK_TEST(a_refusal_with_an_offset_came_after_the_append),
        MEMCHECK_TEST(without_idempotence_nothing_is_said_about_sequences),
        MEMCHECK_TEST(what_may_have_been_appended_is_called_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
