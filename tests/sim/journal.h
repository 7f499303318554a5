/* journal: support/journal.h for an application in the simulation: time is the scheduler's, an anomaly fails the run,
 * and what was told stands in its trace. */
#ifndef KAFKA_TESTS_SIM_JOURNAL_H
#define KAFKA_TESTS_SIM_JOURNAL_H
#include "sim/loop_sim.h"
#include "support/journal.h"

enum {
    JOURNAL_WRITERS = 16,
    JOURNAL_RECORDS = 400, /* of a writer */
    JOURNAL_PARTITIONS = 16,
    JOURNAL_OFFSETS = 1200
};

/* It ends with the run. */
void sim_journal_init(journal *j, sim *s, uint32_t run, const char *topic);
/* The run that it belongs to. */
sim *sim_journal_run(const journal *j);

#endif
