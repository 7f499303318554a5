/* The table of what brokers answer to Produce. docs/errors.md explains each row; a test compares the two.
 *
 * Rows of KFK_PRODUCE_UNKNOWN are those in which a broker may have appended before it failed: it ran out of time, lost
 * replicas, or an error came up while it flushed (56 has been seen with base offset -1 for a batch that was in the
 * log). A code that is not here comes with transactions, from another request, or from a broker newer than this table:
 * such a batch was not appended, and there is no reason to think that the same would be taken later. */
#include "engine/produce_outcome.h"

static const kfk_produce_outcome table[] = {
    {KAFKA_ERR_UNKNOWN, KFK_PRODUCE_UNTOLD, true},
    {KAFKA_OK, KFK_PRODUCE_DONE, false},
    {KAFKA_ERR_CORRUPT_MESSAGE, KFK_PRODUCE_RETRY, true},
    {KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, KFK_PRODUCE_RETRY, true},
    {KAFKA_ERR_LEADER_NOT_AVAILABLE, KFK_PRODUCE_RETRY, true},
    {KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, KFK_PRODUCE_RETRY, true},
    {KAFKA_ERR_REQUEST_TIMED_OUT, KFK_PRODUCE_UNKNOWN, true},
    {KAFKA_ERR_MESSAGE_TOO_LARGE, KFK_PRODUCE_TOO_LARGE, false},
    {KAFKA_ERR_NETWORK_EXCEPTION, KFK_PRODUCE_UNKNOWN, true},
    {KAFKA_ERR_INVALID_TOPIC_EXCEPTION, KFK_PRODUCE_FATAL, false},
    {KAFKA_ERR_RECORD_LIST_TOO_LARGE, KFK_PRODUCE_TOO_LARGE, false},
    {KAFKA_ERR_NOT_ENOUGH_REPLICAS, KFK_PRODUCE_RETRY, true},
    {KAFKA_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, KFK_PRODUCE_UNKNOWN, true},
    {KAFKA_ERR_INVALID_REQUIRED_ACKS, KFK_PRODUCE_FATAL, false},
    {KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, KFK_PRODUCE_FATAL, false},
    {KAFKA_ERR_CLUSTER_AUTHORIZATION_FAILED, KFK_PRODUCE_FATAL, false},
    {KAFKA_ERR_INVALID_TIMESTAMP, KFK_PRODUCE_BAD_RECORDS, false},
    {KAFKA_ERR_UNSUPPORTED_VERSION, KFK_PRODUCE_FATAL, false},
    {KAFKA_ERR_INVALID_REQUEST, KFK_PRODUCE_FATAL, false},
    {KAFKA_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, KFK_PRODUCE_FATAL, false},
    {KAFKA_ERR_POLICY_VIOLATION, KFK_PRODUCE_FATAL, false},
    {KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, KFK_PRODUCE_OUT_OF_LINE, false},
    {KAFKA_ERR_DUPLICATE_SEQUENCE_NUMBER, KFK_PRODUCE_DUPLICATE, false},
    {KAFKA_ERR_INVALID_PRODUCER_EPOCH, KFK_PRODUCE_FENCED, false},
    {KAFKA_ERR_SECURITY_DISABLED, KFK_PRODUCE_FATAL, false},
    {KAFKA_ERR_KAFKA_STORAGE_ERROR, KFK_PRODUCE_UNKNOWN, true},
    {KAFKA_ERR_UNKNOWN_PRODUCER_ID, KFK_PRODUCE_OUT_OF_LINE, false},
    {KAFKA_ERR_FENCED_LEADER_EPOCH, KFK_PRODUCE_RETRY, true},
    {KAFKA_ERR_UNKNOWN_LEADER_EPOCH, KFK_PRODUCE_RETRY, true},
    {KAFKA_ERR_UNSUPPORTED_COMPRESSION_TYPE, KFK_PRODUCE_FATAL, false},
    {KAFKA_ERR_INVALID_RECORD, KFK_PRODUCE_BAD_RECORDS, false},
    {KAFKA_ERR_UNKNOWN_TOPIC_ID, KFK_PRODUCE_RETRY, true},
    {KAFKA_ERR_INCONSISTENT_TOPIC_ID, KFK_PRODUCE_RETRY, true},
};

const kfk_produce_outcome *kfk_produce_outcome_table(size_t *count)
{
    *count = sizeof table / sizeof *table;
    return table;
}

kfk_produce_outcome kfk_produce_outcome_of(int16_t code)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].code == code) return table[i];
    }
    return (kfk_produce_outcome){code, KFK_PRODUCE_FATAL, false};
}

kfk_produce_outcome kfk_produce_outcome_read(int16_t code, int64_t base_offset, int16_t acks, bool idempotence)
{
    kfk_produce_outcome o = kfk_produce_outcome_of(code);
    bool about_sequences =
        o.kind == KFK_PRODUCE_OUT_OF_LINE || o.kind == KFK_PRODUCE_DUPLICATE || o.kind == KFK_PRODUCE_FENCED;
    if (about_sequences && !idempotence) o.kind = KFK_PRODUCE_FATAL;
    if (o.kind == KFK_PRODUCE_RETRY && base_offset >= 0 && acks == -1) o.kind = KFK_PRODUCE_UNKNOWN;
    return o;
}

kafka_written kfk_produce_outcome_written(kfk_produce_class kind)
{
    switch (kind) {
    case KFK_PRODUCE_DONE: return KAFKA_WRITTEN_YES;
    case KFK_PRODUCE_UNKNOWN:
    case KFK_PRODUCE_UNTOLD:
    case KFK_PRODUCE_DUPLICATE: return KAFKA_WRITTEN_MAYBE;
    default: return KAFKA_WRITTEN_NO;
    }
}
