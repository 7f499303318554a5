/* output: standard output, shared by several threads, and what happens when nobody reads it any more. */
#ifndef KC_OUTPUT_H
#define KC_OUTPUT_H
#include <stdbool.h>
#include <stddef.h>

/* Writes all of it, in one piece among other threads' pieces. False: the output is gone, stop. A failure has been said;
 * a reader that went away (`| head`) has not, since that is how such pipelines end. */
bool kc_output_write(const char *data, size_t len);
/* The same for the thread that a signal has to stop: whoever does not read cannot keep it. In pieces of a page. */
bool kc_output_write_stoppable(const char *data, size_t len);
/* True once the output's reader has gone, found by a write or told by kc_output_mark_closed. */
bool kc_output_closed(void);
void kc_output_mark_closed(void);
/* True when nothing can be written any more, for whatever reason. */
bool kc_output_gone(void);
/* True when somebody is looking: tables get headings then, and none in a file or pipe. */
bool kc_output_on_terminal(void);
/* Flushes stdio's standard output at the end of a subcommand that prints with printf. Returns the exit code: `code`, or
 * KC_FAILED if the output could not be written. */
int kc_output_finish(int code);

#endif
