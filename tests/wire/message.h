/* message: what the tests of the codec share: random messages, equality, bytes. */
#ifndef KAFKA_TESTS_WIRE_MESSAGE_H
#define KAFKA_TESTS_WIRE_MESSAGE_H
#include "base/arena.h"
#include "base/rand.h"
#include "wire/codec.h"

/* A random message of a version: fields that the version lacks stay at their defaults. Memory comes from the arena. */
void message_random(kfk_rand *r, kfk_arena *arena, const kfk_schema *s, int16_t version, void *msg);
/* The same content? Records compare by content, whether in parts or not; doubles by their bits. */
bool message_equal(const kfk_schema *s, const void *a, const void *b);

/* A gather's content in one malloc'ed block of exactly its size, so that the address sanitizer sees the first byte
 * beyond; never NULL. */
uint8_t *message_bytes(const kfk_gather *g, size_t *len);
/* Encodes; fails the test when that fails. malloc'ed. */
uint8_t *message_encode(const kfk_schema *s, int16_t version, const void *msg, size_t *len);
/* The bytes of a hex string, spaces ignored; malloc'ed, exactly sized. */
uint8_t *message_hex(const char *hex, size_t *len);
/* Fails the test unless the bytes are those of the hex string. */
void message_assert_hex(const uint8_t *data, size_t len, const char *hex);

/* The seed of this run: KFK_SEED, or a constant. */
uint64_t message_seed(void);
/* Fails the test, saying which message it was and how to run it again. */
void message_fail(const char *what, const kfk_schema *s, int16_t version, uint64_t seed, const kfk_error *err);

/* Every message of the library and of the tests, requests, responses, headers; NULL behind the last. */
const kfk_schema *message_row(size_t i);

#endif
