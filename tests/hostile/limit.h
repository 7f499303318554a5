/* limit: the whole of a test program under a limit of memory (H45).
 *
 * KFK_TEST_LIMIT_MIB in the environment: so many MiB more than the program has after its start, as its address space.
 * What cannot be allocated then must be an error code. */
#ifndef KAFKA_TESTS_HOSTILE_LIMIT_H
#define KAFKA_TESTS_HOSTILE_LIMIT_H

/* First thing in main. Without the variable it does nothing. Ends the program when the limit cannot be set. */
void hostile_limit_memory(void);

#endif
