/* What a run has to say: its trace, its first failure, what happened in it.
 *
 * Checks never jump, since they run in fibers. The first failure is kept, what follows is mostly its consequence. */
#include "sim/sim_impl.h"
#include <stdio.h>
#include <string.h>

void sim_trace(sim *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    trace_add(&s->trace, s->now_us - s->start_us, fmt, ap);
    va_end(ap);
}

const char *sim_trace_text(const sim *s)
{
    return s->trace.text ? s->trace.text : "";
}

const char *sim_trace_tail(const sim *s, size_t lines)
{
    return trace_tail(&s->trace, lines);
}

uint64_t sim_trace_hash(const sim *s)
{
    return s->trace.hash;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void sim_fail_at(sim *s, const char *file, int line, const char *fmt, ...)
{
    char what[SIM_FAILURE_TEXT / 2];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    sim_trace(s, "FAILED %s:%d: %s", base_name(file), line, what);
    if (s->failure[0] == '\0') snprintf(s->failure, sizeof s->failure, "%s:%d: %s", base_name(file), line, what);
}

bool sim_failed(const sim *s)
{
    return s->failure[0] != '\0';
}

const char *sim_failure(const sim *s)
{
    return s->failure;
}

bool sim_check_that(sim *s, bool holds, const char *what, const char *file, int line)
{
    if (!holds) sim_fail_at(s, file, line, "%s", what);
    return holds;
}

bool sim_check_integers(sim *s, int64_t actual, int64_t expected, const char *what, const char *file, int line)
{
    if (actual != expected)
        sim_fail_at(s, file, line, "%s is %lld, not %lld", what, (long long)actual, (long long)expected);
    return actual == expected;
}

bool sim_check_contains(sim *s, const char *text, const char *part, const char *file, int line)
{
    bool found = strstr(text, part) != NULL;
    if (!found) sim_fail_at(s, file, line, "\"%s\" does not say \"%s\"", text, part);
    return found;
}

bool sim_has_happened(const sim *s, const char *what)
{
    for (size_t i = 0; i < s->happened_count; i++) {
        if (strcmp(s->happened[i], what) == 0) return true;
    }
    return false;
}

void sim_sometimes(sim *s, const char *what)
{
    if (sim_has_happened(s, what)) return;
    if (s->happened_count == SIM_HAPPENINGS) {
        sim_fail(s, "more than %d things may happen: \"%s\"", (int)SIM_HAPPENINGS, what);
        return;
    }
    s->happened[s->happened_count++] = what;
}
