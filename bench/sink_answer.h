/* sink_answer: what the sink says to each request. Private to the sink. */
#ifndef KAFKA_BENCH_SINK_ANSWER_H
#define KAFKA_BENCH_SINK_ANSWER_H
#include "sink.h"
#include "wire/gather.h"
#include <stdbool.h>
#include <stddef.h>

/* Once, before the first answer. `config->port` is the port that it listens on. */
void sink_answer_init(const sink_config *config, sink_counts *counts);

/* Appends the answer to a request, without its four bytes of length, to `out`: nothing, when it wants none. False when
 * the request is not understood. What `out` refers to lives until the next call. */
bool sink_answer(const uint8_t *frame, size_t len, kfk_gather *out);

#endif
