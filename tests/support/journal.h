/* journal: what an application of a run was told about its records, and what is wrong with it. The same for
 * applications of the simulation (sim/journal.h) and of the chaos (chaos/): a host lends it a clock, and hears what is
 * wrong.
 *
 * Each record says where it comes from and where it belongs: run, topic, writer, partition, sequence, with a checksum.
 * The journal holds, for each record, how the attempts to write it ended, and for each offset, what readers saw there.
 * When all is over the logs are read into it and compared with that. The anomalies have the names of Jepsen-like
 * checkers:
 *
 *     lost-write             acknowledged, not in the log; where a leader alone acknowledged it (may_lose), not in the
 *                            log although nobody else came to lead
 *     failed-but-written     every attempt was said to be not written, and it is in the log
 *     duplicate              more often in the log than attempts that succeeded or may have
 *     nonmonotonic-send      an acknowledged record lies behind one that its writer sent later; of a writer that keeps
 *                            order (keeps_order), any record
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
 * A "writer" of the journal is one order of records in one partition. An application that writes from several threads
 * to several partitions has one for each pair of them.
 *
 * An anomaly is told to the host with its name and what is known of the record. Threads: one at a time. */
#ifndef KAFKA_TESTS_SUPPORT_JOURNAL_H
#define KAFKA_TESTS_SUPPORT_JOURNAL_H
#include "kafka/types.h"
#include <stdbool.h>

enum {
    JOURNAL_VALUE = 24,      /* bytes of a record at least, */
    JOURNAL_VALUE_MOST = 400 /* and at most */
};

/* How much fits in: memory is taken as it is used. Writers at most 65535. */
typedef struct journal_size {
    uint32_t writers, records; /* of each writer */
    int32_t partitions;
    int64_t offsets; /* of each partition */
} journal_size;

/* Whose run it is. */
typedef struct journal_host {
    void *arg;
    int64_t (*now_us)(void *arg);
    /* An anomaly, and where in the log: -1 = nowhere, or it is not known. */
    void (*fail)(void *arg, int32_t partition, int64_t offset, const char *text);
    void (*trace)(void *arg, const char *text); /* NULL: not wanted */
} journal_host;

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
    journal_host host;
    journal_size size;
    uint32_t run;
    char topic[32];
    journal_entry **records; /* by writer and sequence */
    uint32_t *counts;        /* of records that were attempted, by writer */
    int32_t *partition_of;   /* by writer */
    journal_place **seen;    /* by readers; by partition and offset, as all that follows */
    journal_place **log;
    bool **holes;           /* offsets that no record has, as it should be */
    int32_t **epochs;       /* of the leader that wrote what is there, + 1; 0 = it is not known (journal_epoch) */
    bool keeps_order;       /* nobody tries again behind the back of what promises order: an idempotent writer */
    bool any_order;         /* the application writes again behind others what failed */
    bool may_double;        /* the library tries again without idempotence */
    bool may_lose;          /* a leader may lose what it alone acknowledged; epochs are known */
    bool owes;              /* outcomes are announced by journal_owed */
    bool only_content;      /* the way between may damage anything but what the checksum of a batch covers */
    int64_t *starts, *ends; /* of the logs */
    int32_t *last_epochs;   /* of who leads now, as epochs */
    int64_t *deleted;       /* records in front of the logs that the check has not yet missed */
    int64_t valid_from_us;  /* what was acknowledged to an attempt that began before need not be there */
    int reads, acks, failures, maybes, losses; /* losses: that were allowed */
} journal;

/* False: there is no memory. */
bool journal_init(journal *j, const journal_host *, const journal_size *, uint32_t run, const char *topic);
void journal_done(journal *j);

/* Writes the value of a record of at least JOURNAL_VALUE bytes. A writer has one partition. */
void journal_fill(journal *j, uint16_t writer, int32_t partition, uint32_t sequence, uint8_t *value, size_t len);
/* The application is about to hand over these records: for each of them one outcome is owed, more than those before.
 * Said in front of the call, since outcomes may be told inside of it. Whoever never says so is not asked for it. */
void journal_owed(journal *j, uint16_t writer, uint32_t sequence, uint32_t count);
/* They were not accepted: no outcome is owed, and they must not be in the log. */
void journal_refused(journal *j, uint16_t writer, uint32_t sequence, uint32_t count);
/* For kafka_message.userdata: which record it is. NULL is none. */
void *journal_ticket(uint16_t writer, uint32_t sequence);
/* The outcome of a record that was owed, as a delivery callback tells it; the offset is compared with the log in the
 * end. */
void journal_delivered(journal *j, void *ticket, int32_t partition, int64_t offset, kafka_written outcome);
/* An attempt to write `count` records from this sequence on ended. */
void journal_written(journal *j, uint16_t writer, uint32_t sequence, uint32_t count, kafka_written outcome,
                     int64_t begun_us);
/* A reader got this value at an offset, where it expected `expected` (-1: it does not know). */
void journal_read(journal *j, int32_t partition, int64_t offset, int64_t expected, kafka_bytes value);
/* The offset that comes behind `at` (-1 = any) for a reader who is at `until`: offsets without a record are passed
 * over. */
int64_t journal_next(const journal *j, int32_t partition, int64_t at, int64_t until);
/* No record has these offsets. */
void journal_hole(journal *j, int32_t partition, int64_t from, int64_t end);
/* The topic is another one now: what was acknowledged and seen so far does not count any more. */
void journal_forget(journal *j);
/* The log of a partition goes from start to end, and holds this value at an offset. */
void journal_log_bounds(journal *j, int32_t partition, int64_t start, int64_t end);
void journal_log(journal *j, int32_t partition, int64_t offset, kafka_bytes value);
/* The leader that wrote what lies at an offset (at the end of the log: who leads now). Offsets are told in order. */
void journal_epoch(journal *j, int32_t partition, int64_t offset, int32_t epoch);
/* Compares. The logs are in the journal. */
void journal_check(journal *j, int32_t partitions);
/* What is known of a place of a log, or of a record, in a line. */
void journal_tell_place(const journal *j, int32_t partition, int64_t offset, char *out, size_t cap);
void journal_tell_record(const journal *j, uint16_t writer, uint32_t sequence, char *out, size_t cap);

#endif
