#include "support/memcheck.h"

#include "suggest.h"

static const char *closest(const char *word)
{
    static const char *const words[] = {"produce", "consume", "topics", "list", "describe", "create", "delete", "end"};
    kc_suggestion s = {.word = word};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) kc_suggest_offer(&s, words[i]);
    return s.best;
}

static void a_slip_finds_the_word(void **state)
{
    (void)state;
    assert_string_equal(closest("prodcue"), "produce");  /* swapped */
    assert_string_equal(closest("consumer"), "consume"); /* one more */
    assert_string_equal(closest("topic"), "topics");     /* one less */
    assert_string_equal(closest("lsit"), "list");
    assert_string_equal(closest("crate"), "create");
    assert_string_equal(closest("desribe"), "describe");
}

static void a_beginning_finds_the_word(void **state)
{
    (void)state;
    assert_string_equal(closest("desc"), "describe");
    assert_string_equal(closest("prod"), "produce");
}

static void far_words_are_not_offered(void **state)
{
    (void)state;
    assert_null(closest("banana"));
    assert_null(closest(""));
    assert_null(closest("x"));
    assert_null(closest("produceproduceproduceproduceproduceproduce"));
}

static void the_nearest_of_several_wins(void **state)
{
    (void)state;
    kc_suggestion s = {.word = "partitoin"};
    kc_suggest_offer(&s, "partitions");
    kc_suggest_offer(&s, "partition");
    assert_string_equal(s.best, "partition");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_finds_the_word),
        cmocka_unit_test(a_beginning_finds_the_word),
        cmocka_unit_test(far_words_are_not_offered),
        cmocka_unit_test(the_nearest_of_several_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
