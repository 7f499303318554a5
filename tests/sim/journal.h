/* journal: what an application of a run was told about its records, and what is wrong with it.
 *
 * Each record says where it comes from and where it belongs: run, topic, writer, partition, sequence, with a checksum. The
 * journal holds, for each record, how the attempts to write it ended, and for each offset, what readers saw there. When all
 * is over the logs are read into it and compared with that. The anomalies have the names of Jepsen-like checkers:
 *
 *     lost-write             acknowledged, not in the log
 *     failed-but-written     every attempt was said to be not written, and it is in the log
 *     duplicate              more often in the log than attempts that succeeded or may have
 *     nonmonotonic-send      an acknowledged record lies behind one that its writer sent later; of a writer that keeps order
 *                            (keeps_order), any record
 *     wrong-offset           it was acknowledged with an offset where another record lies, or none
 *     callback-missing       an outcome was owed (journal_owed) and never told
 *     callback-extra         more outcomes were told than were owed
 *     wrong-topic-partition  it lies where it does not belong
 *     corrupt                no record of this run, or not as it was written
 *     poll-skip              a reader was given a later offset than the one behind its last
 *     nonmonotonic-poll      a reader was given an earlier one
 *     unseen-after-drain     it is in the log, and cannot be read there at the end
 *     nonsense               a call failed with what cannot be (world_tasks.c)
 *     stale-metadata         the library went back to what it had known before, or stays behind (world_metadata.c)
 *     phantom-read           a reader saw what the log does not have at that offset, or behind its end
 *
 * A "writer" of the journal is one order of records in one partition. An application that writes from several threads to
 * several partitions has one for each pair of them.
 *
 * An anomaly fails the run with its name and what is known of the record. */
#ifndef KAFKA_TESTS_SIM_JOURNAL_H
#define KAFKA_TESTS_SIM_JOURNAL_H
#include "kafka/types.h"
#include "sim/loop_sim.h"

enum {
    JOURNAL_WRITERS = 16,
    JOURNAL_RECORDS = 400, /* of a writer */
    JOURNAL_PARTITIONS = 16,
    JOURNAL_OFFSETS = 1200,
    JOURNAL_VALUE = 24,      /* of a record at least, */
    JOURNAL_VALUE_MOST = 400 /* and at most */
};

/* What a record says. */
typedef struct record_id {
    uint32_t run, topic;
    uint16_t writer, partition;
    uint32_t sequence; /* the writer's, from 0; 0 is no record in tables: they hold sequence + 1 */
} record_id;

typedef struct journal_entry {
    uint16_t yes, maybe, no; /* attempts that ended so */
    uint16_t owed;           /* outcomes that must be told, of a journal to which they are announced */
    uint16_t copies;         /* in the log */
    int64_t first_at;        /* offset of the first copy */
    int64_t told_at1;        /* the offset that was acknowledged, + 1; 0 = none was told */
    int64_t owed_us;         /* when it was handed over last */
    int64_t acked_begun_us;  /* when the attempt began that succeeded */
} journal_entry;

/* A place in a log: which record, as the writer's number and its sequence + 1. */
typedef struct journal_place {
    uint16_t writer;
    uint32_t sequence1; /* 0 = nothing */
} journal_place;

typedef struct journal {
    sim *sim;
    uint32_t run;
    char topic[32];
    journal_entry records[JOURNAL_WRITERS][JOURNAL_RECORDS];
    uint32_t counts[JOURNAL_WRITERS]; /* of records that were attempted */
    int32_t partition_of[JOURNAL_WRITERS];
    journal_place seen[JOURNAL_PARTITIONS][JOURNAL_OFFSETS]; /* by readers */
    journal_place log[JOURNAL_PARTITIONS][JOURNAL_OFFSETS];
    bool holes[JOURNAL_PARTITIONS][JOURNAL_OFFSETS]; /* offsets that no record has, as it should be */
    bool keeps_order;  /* nobody tries again behind the back of what promises order: an idempotent writer */
    bool any_order;    /* the application writes again behind others what failed */
    bool may_double;   /* the library tries again without idempotence */
    bool owes;         /* outcomes are announced by journal_owed */
    bool only_content; /* the way between may damage anything but what the checksum of a batch covers */
    int64_t starts[JOURNAL_PARTITIONS], ends[JOURNAL_PARTITIONS]; /* of the logs */
    int64_t valid_from_us; /* what was acknowledged to an attempt that began before need not be there */
    int reads, acks, failures, maybes;
} journal;

/* `j` is zeroed memory. */
void journal_init(journal *j, sim *s, uint32_t run, const char *topic);

/* Writes the value of a record of at least JOURNAL_VALUE bytes. A writer has one partition. */
void journal_fill(journal *j, uint16_t writer, int32_t partition, uint32_t sequence, uint8_t *value, size_t len);
/* The application is about to hand over these records: for each of them one outcome is owed, more than those before. Said in
 * front of the call, since outcomes may be told inside of it. Whoever never says so is not asked for it. */
void journal_owed(journal *j, uint16_t writer, uint32_t sequence, uint32_t count);
/* They were not accepted: no outcome is owed, and they must not be in the log. */
void journal_refused(journal *j, uint16_t writer, uint32_t sequence, uint32_t count);
/* For kafka_message.userdata: which record it is. NULL is none. */
void *journal_ticket(uint16_t writer, uint32_t sequence);
/* The outcome of a record that was owed, as a delivery callback tells it; the offset is compared with the log in the end. */
void journal_delivered(journal *j, void *ticket, int32_t partition, int64_t offset, kafka_written outcome);
/* An attempt to write `count` records from this sequence on ended. */
void journal_written(journal *j, uint16_t writer, uint32_t sequence, uint32_t count, kafka_written outcome,
                     int64_t begun_us);
/* A reader got this value at an offset, where it expected `expected` (-1: it does not know). */
void journal_read(journal *j, int32_t partition, int64_t offset, int64_t expected, kafka_bytes value);
/* The offset that comes behind `at` (-1 = any) for a reader who is at `until`: offsets without a record are passed over. */
int64_t journal_next(const journal *j, int32_t partition, int64_t at, int64_t until);
/* No record has these offsets. */
void journal_hole(journal *j, int32_t partition, int64_t from, int64_t end);
/* The topic is another one now: what was acknowledged and seen so far does not count any more. */
void journal_forget(journal *j);
/* The log of a partition goes from start to end, and holds this value at an offset. */
void journal_log_bounds(journal *j, int32_t partition, int64_t start, int64_t end);
void journal_log(journal *j, int32_t partition, int64_t offset, kafka_bytes value);
/* Compares. The logs are in the journal. */
void journal_check(journal *j, int32_t partitions);

#endif
