/* input: messages out of standard input or files, cut at a delimiter. Binary safe: nothing else means anything. */
#ifndef KC_INPUT_H
#define KC_INPUT_H
#include "options.h"

typedef enum kc_input_state {
    KC_INPUT_MESSAGE, /* there is one */
    KC_INPUT_IDLE,    /* none at hand: kc_input_wait would have to wait */
    KC_INPUT_END,
    KC_INPUT_FAILED /* said */
} kc_input_state;

typedef struct kc_input kc_input;
/* Reads `count` files one after another, or standard input without any; "-" is standard input too. An empty delimiter
 * makes each file one message. The delimiter at the very end of a file may be missing. */
kc_input *kc_input_new(char *const *files, size_t count, const kc_text *delimiter);
void kc_input_free(kc_input *in);

/* The next message, valid until the next call. Never waits on a pipe or terminal; reading a file may. */
kc_input_state kc_input_next(kc_input *in, kc_text *message);
/* Waits until there is more to read. False when kc is to stop. */
bool kc_input_wait(kc_input *in);
/* Where the last message came from, for errors: "standard input" or a file's name, and its number in it, from 1. */
const char *kc_input_name(const kc_input *in);
uint64_t kc_input_number(const kc_input *in);

#endif
