/* input.c: large blocks in, messages out.
 *
 * The block is read with read(2) into one buffer and messages are pointers into it: no copy, no allocation per
 * message. What is left of a message at the end of the block moves to the front before the next read; the search for
 * the delimiter goes on where it had stopped, so that a message of a gigabyte is not searched a thousand times. A pipe
 * that has nothing at the moment is reported instead of waited for: then the caller sends what it has. The pipe is
 * made as large as the block, so that its writer can go on while a batch is on its way. */
#include "input.h"
#include "say.h"
#include "stop.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 20, LONGEST = 1 << 30 };

struct kc_input {
    char *const *files;
    size_t count, next;
    kc_text delimiter;
    int fd; /* -1: none open */
    bool pollable, eof;
    char *data;
    size_t begin, searched, end, cap; /* begin: of the current message; searched: no delimiter begins before it */
    const char *name;
    uint64_t number;
};

kc_input *kc_input_new(char *const *files, size_t count, const kc_text *delimiter)
{
    kc_input *in = kc_zalloc(1, sizeof *in);
    in->files = files;
    in->count = count;
    in->delimiter = *delimiter;
    in->fd = -1;
    in->cap = BLOCK;
    in->data = kc_resize(NULL, in->cap, 1);
    return in;
}

static void close_file(kc_input *in)
{
    if (in->fd > STDIN_FILENO) close(in->fd);
    in->fd = -1;
}

void kc_input_free(kc_input *in)
{
    close_file(in);
    free(in->data);
    free(in);
}

static kc_input_state complain(const kc_input *in)
{
    kc_say_error("cannot read %s: %s", in->name, strerror(errno));
    return KC_INPUT_FAILED;
}

static kc_input_state open_next(kc_input *in)
{
    bool standard = in->count == 0 || strcmp(in->files[in->next], "-") == 0;
    in->name = standard ? "standard input" : in->files[in->next];
    in->next++;
    in->number = 0;
    in->begin = in->searched = in->end = 0;
    in->eof = false;
    in->fd = standard ? STDIN_FILENO : open(in->name, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (in->fd < 0 || fstat(in->fd, &st) != 0) return complain(in);
    in->pollable = !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);
    if (S_ISFIFO(st.st_mode)) (void)fcntl(in->fd, F_SETPIPE_SZ, BLOCK); /* refused beyond the user's limit: no harm */
    return KC_INPUT_MESSAGE;
}

static bool ready(const kc_input *in)
{
    struct pollfd p = {.fd = in->fd, .events = POLLIN};
    return !in->pollable || poll(&p, 1, 0) != 0;
}

/* Reads another block behind what is there. */
static kc_input_state fill(kc_input *in)
{
    if (!ready(in)) return KC_INPUT_IDLE;
    if (in->begin > 0) {
        memmove(in->data, in->data + in->begin, in->end - in->begin);
        in->end -= in->begin;
        in->searched -= in->begin;
        in->begin = 0;
    }
    if (in->end == in->cap) {
        if (in->cap >= LONGEST) {
            kc_say_error("message %llu of %s is longer than 1 GiB; is -D the right delimiter?",
                         (unsigned long long)in->number + 1, in->name);
            return KC_INPUT_FAILED;
        }
        in->cap *= 2;
        in->data = kc_resize(in->data, in->cap, 1);
    }
    ssize_t n = read(in->fd, in->data + in->end, in->cap - in->end);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return KC_INPUT_IDLE;
    if (n < 0) return complain(in);
    if (n == 0) in->eof = true;
    in->end += (size_t)n;
    return KC_INPUT_MESSAGE;
}

static char *find_delimiter(const kc_input *in)
{
    char *from = in->data + in->searched;
    size_t len = in->end - in->searched;
    if (in->delimiter.len == 1) return memchr(from, in->delimiter.data[0], len);
    return in->delimiter.len > 0 ? memmem(from, len, in->delimiter.data, in->delimiter.len) : NULL;
}

/* Hands out [begin, stop) and goes on at `next`. */
static kc_input_state hand_out(kc_input *in, size_t stop, size_t next, kc_text *message)
{
    *message = (kc_text){in->data + in->begin, stop - in->begin};
    in->begin = in->searched = next;
    in->number++;
    return KC_INPUT_MESSAGE;
}

kc_input_state kc_input_next(kc_input *in, kc_text *message)
{
    for (;;) {
        kc_input_state state;
        if (in->fd < 0) {
            if (in->next > 0 && in->next >= in->count) return KC_INPUT_END;
            if ((state = open_next(in)) != KC_INPUT_MESSAGE) return state;
        }
        char *delimiter = find_delimiter(in);
        if (delimiter != NULL) {
            size_t at = (size_t)(delimiter - in->data);
            return hand_out(in, at, at + in->delimiter.len, message);
        }
        if (in->eof) {
            bool rest = in->end > in->begin || (in->delimiter.len == 0 && in->number == 0);
            if (rest) return hand_out(in, in->end, in->end, message);
            close_file(in);
            continue;
        }
        size_t keep = in->delimiter.len > 0 ? in->delimiter.len - 1 : 0; /* a delimiter may have begun there */
        if (in->end - in->searched > keep) in->searched = in->end - keep;
        if ((state = fill(in)) != KC_INPUT_MESSAGE) return state;
    }
}

bool kc_input_wait(kc_input *in)
{
    struct pollfd p[] = {{.fd = kc_stop_fd(), .events = POLLIN}, {.fd = in->fd, .events = POLLIN}};
    while (poll(p, 2, -1) < 0) {
        if (errno != EINTR) break;
    }
    return p[0].revents == 0;
}

const char *kc_input_name(const kc_input *in)
{
    return in->name;
}

uint64_t kc_input_number(const kc_input *in)
{
    return in->number;
}
