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

static bool verbose, terminal, colour; /* set while there is one thread only */

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

static void emit(const char *prefix, const char *paint, const char *fmt, va_list ap)
{
    char text[2048], line[sizeof text + 64];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    if (n < 0) snprintf(text, sizeof text, "%s", fmt);
    if (n >= (int)sizeof text) memcpy(text + sizeof text - 4, "...", 4);
    clean(text);
    const char *stop = *paint != '\0' ? PLAIN : "";
    int len = snprintf(line, sizeof line, "%s%s%s%s\n", paint, prefix, stop, text);
    kc_progress_clear();
    if (len > 0) fwrite(line, 1, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1, stderr);
    fflush(stderr);
}

#define EMIT(prefix, paint)           \
    va_list ap;                       \
    va_start(ap, fmt);                \
    emit((prefix), (paint), fmt, ap); \
    va_end(ap)

void kc_say_error(const char *fmt, ...)
{
    EMIT("kc: ", colour ? RED : "");
}

void kc_say(const char *fmt, ...)
{
    EMIT("kc: ", "");
}

void kc_say_detail(const char *fmt, ...)
{
    if (!verbose) return;
    EMIT("kc: ", colour ? FAINT : "");
}

void kc_say_try(const char *fmt, ...)
{
    EMIT("    ", "");
}
