/* say.c: messages on standard error.
 *
 * A message is put together in memory and written with one call. A progress line may stand on the terminal at that
 * moment; it is wiped out first and comes back with the next update. */
#include "say.h"
#include "progress.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool verbose, terminal, colour; /* set while there is one thread only, as is `command` */
static const char *command = "kc";

#define RED   "\033[31;1m"
#define FAINT "\033[2m"
#define PLAIN "\033[0m"

void kc_say_init(void)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    terminal = isatty(STDERR_FILENO) == 1;
    colour = terminal && (no_colour == NULL || *no_colour == '\0') && term != NULL && strcmp(term, "dumb") != 0;
}

void kc_say_set_verbose(bool on)
{
    verbose = on;
}

void kc_say_set_command(const char *name)
{
    command = name;
}

bool kc_say_on_terminal(void)
{
    return terminal;
}

/* Texts end up on a terminal: nothing in them may move the cursor or change the colour. */
static void clean(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) *text = '?';
    }
}

/* `who` NULL: a line that goes with the one before it. */
static void emit(const char *who, const char *paint, const char *fmt, va_list ap)
{
    char text[2048], line[sizeof text + 64];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    if (n < 0) snprintf(text, sizeof text, "%s", fmt);
    if (n >= (int)sizeof text) memcpy(text + sizeof text - 4, "...", 4);
    clean(text);
    const char *stop = *paint != '\0' ? PLAIN : "";
    int len = who != NULL ? snprintf(line, sizeof line, "%s%s:%s %s\n", paint, who, stop, text)
                          : snprintf(line, sizeof line, "    %s\n", text);
    kc_progress_clear();
    if (len > 0) fwrite(line, 1, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1, stderr);
    fflush(stderr);
}

#define EMIT(who, paint)           \
    va_list ap;                    \
    va_start(ap, fmt);             \
    emit((who), (paint), fmt, ap); \
    va_end(ap)

void kc_say_error(const char *fmt, ...)
{
    EMIT(command, colour ? RED : "");
}

void kc_say(const char *fmt, ...)
{
    EMIT(command, "");
}

void kc_say_detail(const char *fmt, ...)
{
    if (!verbose) return;
    EMIT(command, colour ? FAINT : "");
}

void kc_say_try(const char *fmt, ...)
{
    EMIT(NULL, "");
}
