/* See the header. */
#include "sim/journal.h"
#include <stdlib.h>

static int64_t now_us(void *arg)
{
    return sim_now_us(arg);
}

static void fail(void *arg, int32_t partition, int64_t offset, const char *text)
{
    (void)partition;
    (void)offset;
    sim_fail((sim *)arg, "%s", text);
}

static void trace(void *arg, const char *text)
{
    sim_trace(arg, "%s", text);
}

static void done(void *arg)
{
    journal_done(arg);
}

void sim_journal_init(journal *j, sim *s, uint32_t run, const char *topic)
{
    const journal_host host = {.arg = s, .now_us = now_us, .fail = fail, .trace = trace};
    const journal_size size = {.writers = JOURNAL_WRITERS,
                               .records = JOURNAL_RECORDS,
                               .partitions = JOURNAL_PARTITIONS,
                               .offsets = JOURNAL_OFFSETS};
    if (!journal_init(j, &host, &size, run, topic)) abort();
    sim_own(s, done, j);
}

sim *sim_journal_run(const journal *j)
{
    return j->host.arg;
}
