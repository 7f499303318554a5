/* The table of what brokers answer to Produce. docs/errors.md explains each row; a test compares the two.
 *
 * Rows of KFK_PRODUCE_UNKNOWN are those in which a broker may have appended before it failed: it ran out of time, lost
 * replicas, or an error came up while it flushed (56 has been seen with base offset -1 for a batch that was in the
 * log). A code that is not here comes with transactions, from another request, or from a broker newer than this table:
 * such a batch was not appended, and there is no reason to think that the same would be taken later. */
#include "engine/produce_outcome.h"

static const kfk_produce_outcome table[] = {
    {KFK_PRODUCE_UNTOLD, KAFKA_ERR_UNKNOWN, true},
    {KFK_PRODUCE_DONE, KAFKA_OK, false},
    {KFK_PRODUCE_RETRY, KAFKA_ERR_CORRUPT_MESSAGE, true},
    {KFK_PRODUCE_RETRY, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, true},
    {KFK_PRODUCE_RETRY, KAFKA_ERR_LEADER_NOT_AVAILABLE, true},
    {KFK_PRODUCE_RETRY, KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, true},
    {KFK_PRODUCE_UNKNOWN, KAFKA_ERR_REQUEST_TIMED_OUT, true},
    {KFK_PRODUCE_TOO_LARGE, KAFKA_ERR_MESSAGE_TOO_LARGE, false},
    {KFK_PRODUCE_UNKNOWN, KAFKA_ERR_NETWORK_EXCEPTION, true},
    {KFK_PRODUCE_FATAL, KAFKA_ERR_INVALID_TOPIC_EXCEPTION, false},
    {KFK_PRODUCE_TOO_LARGE, KAFKA_ERR_RECORD_LIST_TOO_LARGE, false},
    {KFK_PRODUCE_RETRY, KAFKA_ERR_NOT_ENOUGH_REPLICAS, true},
    {KFK_PRODUCE_UNKNOWN, KAFKA_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND, true},
    {KFK_PRODUCE_FATAL, KAFKA_ERR_INVALID_REQUIRED_ACKS, false},
    {KFK_PRODUCE_FATAL, KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED, false},
    {KFK_PRODUCE_FATAL, KAFKA_ERR_CLUSTER_AUTHORIZATION_FAILED, false},
    {KFK_PRODUCE_BAD_RECORDS, KAFKA_ERR_INVALID_TIMESTAMP, false},
    {KFK_PRODUCE_FATAL, KAFKA_ERR_UNSUPPORTED_VERSION, false},
    {KFK_PRODUCE_FATAL, KAFKA_ERR_INVALID_REQUEST, false},
    {KFK_PRODUCE_FATAL, KAFKA_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT, false},
    {KFK_PRODUCE_FATAL, KAFKA_ERR_POLICY_VIOLATION, false},
    {KFK_PRODUCE_OUT_OF_LINE, KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, false},
    {KFK_PRODUCE_DUPLICATE, KAFKA_ERR_DUPLICATE_SEQUENCE_NUMBER, false},
    {KFK_PRODUCE_FENCED, KAFKA_ERR_INVALID_PRODUCER_EPOCH, false},
    {KFK_PRODUCE_FATAL, KAFKA_ERR_SECURITY_DISABLED, false},
    {KFK_PRODUCE_UNKNOWN, KAFKA_ERR_KAFKA_STORAGE_ERROR, true},
    {KFK_PRODUCE_OUT_OF_LINE, KAFKA_ERR_UNKNOWN_PRODUCER_ID, false},
    {KFK_PRODUCE_RETRY, KAFKA_ERR_FENCED_LEADER_EPOCH, true},
    {KFK_PRODUCE_RETRY, KAFKA_ERR_UNKNOWN_LEADER_EPOCH, true},
    {KFK_PRODUCE_FATAL, KAFKA_ERR_UNSUPPORTED_COMPRESSION_TYPE, false},
    {KFK_PRODUCE_BAD_RECORDS, KAFKA_ERR_INVALID_RECORD, false},
    {KFK_PRODUCE_RETRY, KAFKA_ERR_UNKNOWN_TOPIC_ID, true},
    {KFK_PRODUCE_RETRY, KAFKA_ERR_INCONSISTENT_TOPIC_ID, true},
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
    return (kfk_produce_outcome){KFK_PRODUCE_FATAL, code, false};
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
