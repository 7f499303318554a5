/* produce_answer: which part of an answer to Produce speaks of which partition of its request.
 *
 * Brokers answer in an order of their own (Java's in that of a hash table), may leave something out, and a broken one
 * may name what it was not asked, or the same twice. What was not asked is passed over, and of two words about the same
 * the first counts. The time it takes grows with the sizes of request and answer, never with their product, whatever is
 * in them. Pure functions, nothing is allocated. */
#ifndef KFK_ENGINE_PRODUCE_ANSWER_H
#define KFK_ENGINE_PRODUCE_ANSWER_H
#include "wire/gen/produce.h"
#include <stdbool.h>
#include <stddef.h>

/* One partition of a request. */
typedef struct kfk_produce_match {
    const kfk_produce_response_partition *answer; /* what was found, NULL = the answer lacks it */
    int32_t topic;                                /* its place in the request's topics */
    int32_t index;                                /* of the partition */
    /* Of the function below: two tables by hash, whose heads and links stand here. */
    int32_t head, next, topic_head, topic_next;
} kfk_produce_match;

/* Fills in `answer` of all. `topics` are the request's, there are not more of them than matches. */
void kfk_produce_answer_match(const kfk_produce_request_topic *topics, int32_t topic_count, bool by_id,
                              const kfk_produce_response *answer, kfk_produce_match *matches, int32_t count);

#endif
