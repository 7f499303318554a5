/* message_check: what must hold of a message that the decoder took. */
#ifndef KAFKA_FUZZ_MESSAGE_CHECK_H
#define KAFKA_FUZZ_MESSAGE_CHECK_H
#include "wire/codec.h"

/* It prints as ASCII on one line; it encodes, decodes to the same, and then encodes to the same bytes. */
void message_check(const kfk_schema *s, int16_t version, const void *msg);

/* How much memory a decoded message of `len` bytes may take: what the engine allows (engine/broker.c), or a budget that
 * is soon used up. */
size_t message_budget(size_t len, bool tight);
/* What decoding allocated stays within the budget: what is handed out exactly, the blocks it is cut from but for the
 * unused ends of chunks. */
void message_check_memory(const kfk_arena *arena);

#endif
