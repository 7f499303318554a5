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

char *sim_trace_around_failure(const sim *s, size_t before, size_t after)
{
    const char *text = sim_trace_text(s), *at = strstr(text, "  FAILED "), *from = at, *to = at;
    if (!at) return NULL;
    for (size_t lines = 0; from > text && (from[-1] != '\n' || lines++ < before);) from--;
    for (size_t lines = 0; *to && (*to != '\n' || lines++ < after);) to++;
    return strndup(from, (size_t)(to - from));
}

/* ---- planned faults ---------------------------------------------------------------------------------------------- */

uint64_t sim_plan_below(sim *s, uint64_t n)
{
    return kfk_rand_below(&s->plan, n);
}

bool sim_fault(sim *s, const char *fmt, ...)
{
    char text[SIM_FAULT_TEXT];
    size_t number = s->fault_count;
    bool wanted = number >= SIM_FAULTS || !(s->cfg.without >> number & 1);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sim_trace(s, "FAULT %zu: %s%s", number, text, wanted ? "" : " (left out)");
    if (number < SIM_FAULTS) memcpy(s->faults[s->fault_count++], text, sizeof text);
    return wanted;
}

size_t sim_faults(const sim *s)
{
    return s->fault_count;
}

const char *sim_fault_text(const sim *s, size_t index)
{
    return s->faults[index];
}

bool sim_is_verbose(const sim *s)
{
    return s->cfg.verbose;
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
