/* seal: what becomes of a batch that takes no more records: its body for ever.
 *
 * Without a codec that is the CRC of the slots as they are. With one the slots are compressed, as one stream, into a
 * buffer that is kept for the purpose, and what came out is copied into slots of the right size: the copy costs a
 * hundredth of the compression, and no memory is fresh. The batch carries the codec that it was configured with, also
 * when that makes it larger, by 1/256 and 1 KiB at most.
 *
 * Threads: any; the batch belongs to the caller. This computes and never waits. */
#ifndef KFK_ENGINE_SEAL_H
#define KFK_ENGINE_SEAL_H
#include "engine/produce_batch.h"

/* Seals a batch that is SEALING and has a record. Its state is not touched: that is for who may (kfk_accum_seal). The
 * slots of a compressed batch are given back: `*wanted` becomes true if somebody waits for them, else stays as it is.
 *
 * On failure the batch is as it was, and may be tried again: KAFKA_ENOMEM; KAFKA_ECODEC, KAFKA_ETOOBIG, and what else
 * the codec fails with. */
int kfk_seal(kfk_produce_batch *b, bool *wanted, kfk_error *err);

/* Makes b->set, beside b->body, for brokers before 0.11 (Produce below version 3): the records as a message set of
 * `magic` 0 or 1, compressed by the batch's codec. A set of that format that is there already is kept. The memory
 * counts and may exceed the budget. Computes: a job for a helper thread, except for small batches without a codec.
 *
 *  KAFKA_EVERSION  a record has headers: see kfk_produce_batch_part_headers. Or the codec is zstd. Nothing changed.
 *  KAFKA_ENOMEM and what the codec fails with: nothing changed. */
int kfk_seal_set(kfk_produce_batch *b, int8_t magic, kfk_error *err);

#endif
