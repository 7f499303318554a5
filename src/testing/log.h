/* log: the records of one partition: batches as they came, one behind the other.
 *
 * A batch is kept as the bytes that the producer sent: base offset and leader epoch, which lie outside of the CRC, are
 * patched in place before it becomes visible and never again, so that fetch answers may refer to it while it is written
 * to a socket. With LogAppendTime the 40 header bytes that the CRC covers are rewritten and the CRC is combined.
 *
 * A batch is part of a frame, and keeps all of it alive: that is what it counts for in kft_memory. One that is smaller
 * than a quarter of its frame is copied instead. Over the limit of the cluster the oldest batches go, whichever
 * partition they are in; a batch that is larger than the limit by itself is refused. */
#ifndef KFT_LOG_H
#define KFT_LOG_H
#include "base/buf.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/list.h"
#include "wire/record.h"

typedef struct kft_log kft_log;

enum { KFT_BATCH_OVERHEAD = 160 }; /* bytes that a batch counts for beside its block */

/* What all logs of a cluster hold together. */
typedef struct kft_memory {
    size_t bytes, limit; /* limit: default 256 MiB */
    kfk_heap oldest;     /* logs by the age of their first batch */
    int64_t next_age;
    /* blocks that have left their logs while an answer that is being written refers to them */
    kfk_block **leaving;
    size_t leaving_count, leaving_cap, leaving_bytes;
} kft_memory;

void kft_memory_init(kft_memory *m, size_t limit);
/* Another limit from now on: what is over it goes. */
void kft_memory_set_limit(kft_memory *m, size_t limit);
void kft_memory_fini(kft_memory *m);
/* Do slow readers keep alive more than a quarter of the limit of what has left the logs? Looks again at each block. */
bool kft_memory_is_strained(kft_memory *m);

/* A batch in a log. */
typedef struct kft_batch {
    kfk_block *block; /* a reference: holds the bytes */
    uint8_t *data;
    uint32_t len;
    uint32_t charge; /* bytes that it counts for */
    int64_t base_offset, last_offset;
    int64_t max_time;
    int64_t appended_wall_ms; /* for retention.ms when max_time is -1 */
    int64_t age;
    int32_t leader_epoch;
} kft_batch;

/* Where a leader epoch began (KIP-101). */
typedef struct kft_epoch {
    int64_t start_offset;
    int32_t epoch;
} kft_epoch;

struct kft_log {
    kft_memory *memory;
    kfk_heap_node node; /* in memory->oldest, by the first batch's age; not queued when empty */
    kft_batch *batches; /* a ring: `count` of them from `first` on, of `cap` */
    size_t first, count, cap;
    size_t bytes;           /* of its batches' data */
    int64_t start, end;     /* log start offset; that of the next record */
    int64_t high_watermark; /* start ... end: below it readers see */
    kft_epoch *epochs;
    size_t epoch_count, epoch_cap;
};

void kft_log_init(kft_log *l, kft_memory *m);
void kft_log_fini(kft_log *l);

/* Appends a batch of magic 2 whose header was parsed and whose CRC was checked: `data` points to its
 * header->batch_length + 12 bytes inside `frame`. Gives it offsets from `l->end` on and this leader epoch;
 * append_time_ms >= 0 makes it LogAppendTime with that time. `*base` is its first offset. The high watermark stays
 * where it is. May evict old batches of any log. 0, KAFKA_ENOMEM, or KAFKA_ETOOBIG when the limit is smaller than the
 * batch; nothing has changed then. */
int kft_log_append(kft_log *l, kfk_block *frame, uint8_t *data, const kfk_batch_header *header, int32_t leader_epoch,
                   int64_t append_time_ms, int64_t now_wall_ms, int64_t *base);

/* Gives a batch whose header was parsed another largest time, that of its records or the broker's (append_time):
 * attributes, largest time and checksum change. Not once it is visible. */
void kft_log_stamp(uint8_t *data, const kfk_batch_header *h, bool append_time, int64_t time_ms);

/* The i-th batch, from 0. */
const kft_batch *kft_log_at(const kft_log *l, size_t i);
/* The index of the batch that holds `offset`, or of the first behind it; l->count = none. */
size_t kft_log_find(const kft_log *l, int64_t offset);
/* Drops whole batches in front of `offset` and moves the start there (DeleteRecords, retention). */
void kft_log_advance_start(kft_log *l, int64_t offset);
/* Drops batches from the one that holds `offset` on: `offset` must be the first of a batch or the end. Producers' state
 * is not the log's. The high watermark goes along. */
void kft_log_truncate(kft_log *l, int64_t offset);
/* Retention by time and size, as topics have it; -1 = none. Keeps what is not below the high watermark. */
void kft_log_retain(kft_log *l, int64_t retention_ms, int64_t retention_bytes, int64_t now_wall_ms);

/* The first offset whose record has a time of `time_ms` or more, and that time; -1, -1 when there is none below
 * `limit`. 0, or KAFKA_ENOMEM, KAFKA_ECORRUPT when the batch cannot be read. */
int kft_log_offset_for_time(const kft_log *l, int64_t time_ms, int64_t limit, int64_t *offset, int64_t *found_time,
                            int32_t *epoch);
/* The record with the greatest time below `limit` (KIP-734). */
int kft_log_offset_of_max_time(const kft_log *l, int64_t limit, int64_t *offset, int64_t *found_time, int32_t *epoch);

/* A new leader epoch begins at the end of the log. Of very many the oldest is forgotten. 0 or KAFKA_ENOMEM. */
int kft_log_begin_epoch(kft_log *l, int32_t epoch);
/* The largest epoch that is known and <= `epoch`, and where it ends (KIP-320). An epoch older than all ends where the
 * first begins; *end = -1 for one that is newer than all. */
void kft_log_end_of_epoch(const kft_log *l, int32_t epoch, int32_t *found, int64_t *end);

#endif
