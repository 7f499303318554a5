/* progress: one line on the terminal that says how far long work has got.
 *
 * It appears only when standard error is a terminal, was not switched off, and the work has taken a second. Safe to
 * call from several threads. */
#ifndef KC_PROGRESS_H
#define KC_PROGRESS_H
#include <stdbool.h>
#include <stdint.h>

/* `verb` as in "12,345 messages <verb>"; `wanted` = false: never show anything. Constant storage. */
void kc_progress_begin(const char *verb, bool wanted);
/* Tells the state now; draws at most ten times a second. */
void kc_progress_update(uint64_t messages, uint64_t bytes);
/* True when update would draw something at times, so it is worth being called regularly. */
bool kc_progress_wanted(void);
/* Removes the line, if there is one; the next update brings it back. */
void kc_progress_clear(void);
/* Removes the line for good; where one had been shown a summary takes its place. */
void kc_progress_end(uint64_t messages, uint64_t bytes);

/* 1234567 as "1,234,567", and 1234567 bytes as "1.2 MB". `text` holds 32 bytes; returned. */
const char *kc_count_text(uint64_t n, char *text);
const char *kc_bytes_text(uint64_t n, char *text);

#endif
