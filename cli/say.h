/* say: everything that kc tells the person who runs it, on standard error.
 *
 * One call is one message, written at once, so that lines of several threads do not mix. Errors are red on a terminal,
 * unless NO_COLOR is set (https://no-color.org) or the terminal is dumb. Control characters in a message become '?':
 * file and topic names cannot play tricks on the terminal. */
#ifndef KC_SAY_H
#define KC_SAY_H
#include <stdbool.h>

/* Looks at the terminal and at NO_COLOR; before anything else is said. */
void kc_say_init(void);
void kc_say_set_verbose(bool on);
/* What messages begin with: "kc consume". Constant storage. */
void kc_say_set_command(const char *name);

/* "kc consume: ...", the command in red. */
void kc_say_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same without the colour. */
void kc_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* With -v only. */
void kc_say_detail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* An indented line that belongs to the message before it: the next step to take. */
void kc_say_try(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* True when standard error is a terminal. */
bool kc_say_on_terminal(void);

#endif
