#include "support/memcheck.h"

#include "input.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file with these bytes; its name is in `path`. */
static void make_file(char *path, const char *data, size_t len)
{
    strcpy(path, "/tmp/kc-input-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        assert_true(n > 0);
        data += n;
        len -= (size_t)n;
    }
    close(fd);
}

static void expect_message(kc_input *in, const char *want, size_t len)
{
    kc_text m;
    assert_int_equal(kc_input_next(in, &m), KC_INPUT_MESSAGE);
    assert_int_equal(m.len, len);
    assert_memory_equal(m.data, want, len);
}
#define EXPECT(in, want) expect_message((in), "" want, sizeof(want) - 1)

static void expect_state(kc_input *in, kc_input_state want)
{
    kc_text m;
    assert_int_equal(kc_input_next(in, &m), want);
}

static kc_input *open_bytes(char *path, const char *data, size_t len, const char *delimiter, size_t delimiter_len)
{
    static char *files[1];
    make_file(path, data, len);
    files[0] = path;
    kc_text d = {(char *)delimiter, delimiter_len};
    return kc_input_new(files, 1, &d);
}
#define OPEN(path, data, delimiter) open_bytes((path), "" data, sizeof(data) - 1, "" delimiter, sizeof(delimiter) - 1)

static void close_input(kc_input *in, const char *path)
{
    kc_input_free(in);
    unlink(path);
}

static void lines_may_hold_anything(void **state)
{
    (void)state;
    char path[32];
    kc_input *in = OPEN(path, "one\n\nt\0wo\r\n\xff", "\n");
    EXPECT(in, "one");
    EXPECT(in, "");
    EXPECT(in, "t\0wo\r");
    assert_int_equal(kc_input_number(in), 3);
    EXPECT(in, "\xff"); /* the last newline may be missing */
    expect_state(in, KC_INPUT_END);
    expect_state(in, KC_INPUT_END);
    close_input(in, path);
}

static void an_empty_file_has_no_messages(void **state)
{
    (void)state;
    char path[32];
    kc_input *in = OPEN(path, "", "\n");
    expect_state(in, KC_INPUT_END);
    close_input(in, path);
}

static void delimiters_may_be_longer_than_a_byte(void **state)
{
    (void)state;
    char path[32];
    kc_input *in = OPEN(path, "a--b-c----d-", "--");
    EXPECT(in, "a");
    EXPECT(in, "b-c");
    EXPECT(in, "");
    EXPECT(in, "d-");
    expect_state(in, KC_INPUT_END);
    close_input(in, path);
}

static void without_a_delimiter_a_file_is_one_message(void **state)
{
    (void)state;
    char path[32];
    kc_input *in = OPEN(path, "a\nb\0c\n", "");
    EXPECT(in, "a\nb\0c\n");
    expect_state(in, KC_INPUT_END);
    close_input(in, path);
    in = OPEN(path, "", "");
    EXPECT(in, "");
    expect_state(in, KC_INPUT_END);
    close_input(in, path);
}

static void files_are_read_one_after_another(void **state)
{
    (void)state;
    char first[32], second[32];
    make_file(first, "a\nb", 3);
    make_file(second, "c\n", 2);
    char *files[] = {first, second};
    kc_input *in = kc_input_new(files, 2, &(kc_text){(char[]){'\n'}, 1});
    EXPECT(in, "a");
    EXPECT(in, "b"); /* the end of a file ends the line */
    assert_string_equal(kc_input_name(in), first);
    EXPECT(in, "c");
    assert_string_equal(kc_input_name(in), second);
    assert_int_equal(kc_input_number(in), 1);
    expect_state(in, KC_INPUT_END);
    kc_input_free(in);
    unlink(first);
    unlink(second);
}

static void a_missing_file_is_a_failure(void **state)
{
    (void)state;
    char *files[] = {(char *)"/nonexistent/file"};
    kc_input *in = kc_input_new(files, 1, &(kc_text){(char[]){'\n'}, 1});
    expect_state(in, KC_INPUT_FAILED);
    kc_input_free(in);
}

/* Lines of all lengths up to several blocks, so that every kind of cut at a block's end happens. */
static void lines_are_whole_across_blocks(void **state)
{
    (void)state;
    kc_buf all = {0};
    size_t lengths[400], count = sizeof lengths / sizeof lengths[0];
    for (size_t i = 0; i < count; i++) {
        lengths[i] = i == 200 ? (size_t)5 << 20 : (i * 7919) % 30011;
        for (size_t j = 0; j < lengths[i]; j++) kc_buf_add(&all, &(char){(char)('a' + (i + j) % 26)}, 1);
        kc_buf_add(&all, "\r\n", 2);
    }
    char path[32];
    kc_input *in = open_bytes(path, all.data, all.len, "\r\n", 2);
    const char *expected = all.data;
    for (size_t i = 0; i < count; i++) {
        expect_message(in, expected, lengths[i]);
        expected += lengths[i] + 2;
    }
    expect_state(in, KC_INPUT_END);
    close_input(in, path);
    free(all.data);
}

/* Puts the reading end of a pipe in the place of standard input. */
static int pipe_stdin(int *saved)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    *saved = dup(STDIN_FILENO);
    dup2(fds[0], STDIN_FILENO);
    close(fds[0]);
    return fds[1];
}

static void a_pipe_that_pauses_is_idle_not_waited_for(void **state)
{
    (void)state;
    int saved, to = pipe_stdin(&saved);
    kc_input *in = kc_input_new(NULL, 0, &(kc_text){(char[]){'\n'}, 1});
    expect_state(in, KC_INPUT_IDLE);
    assert_int_equal(write(to, "one\ntw", 6), 6);
    EXPECT(in, "one");
    expect_state(in, KC_INPUT_IDLE);
    assert_int_equal(write(to, "o\n", 2), 2);
    EXPECT(in, "two");
    assert_string_equal(kc_input_name(in), "standard input");
    expect_state(in, KC_INPUT_IDLE);
    assert_int_equal(write(to, "rest", 4), 4);
    expect_state(in, KC_INPUT_IDLE);
    close(to);
    EXPECT(in, "rest");
    expect_state(in, KC_INPUT_END);
    kc_input_free(in);
    dup2(saved, STDIN_FILENO);
    close(saved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_may_hold_anything),
        cmocka_unit_test(an_empty_file_has_no_messages),
        cmocka_unit_test(delimiters_may_be_longer_than_a_byte),
        cmocka_unit_test(without_a_delimiter_a_file_is_one_message),
        cmocka_unit_test(files_are_read_one_after_another),
        cmocka_unit_test(a_missing_file_is_a_failure),
        cmocka_unit_test(lines_are_whole_across_blocks),
        cmocka_unit_test(a_pipe_that_pauses_is_idle_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
