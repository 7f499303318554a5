/* hostile: tables of what hostile brokers send over real sockets, and what must hold for all of it.
 *
 *     static void H02_a_length_that_cannot_be_is_refused(void **state)
 *     {
 *         (void)state;
 *         HOSTILE({.what = "-5", .call = HOSTILE_METADATA, .rule = {TCP_RAW("\xff\xff\xff\xfb")}, .part = "-5 bytes"},
 *                 ...);
 *     }
 *
 * Of each row is checked: the code; that the sentence names API and broker and contains `part`; that the library took
 * no more than 1 MiB of memory for it; that the connection is closed on both sides, at once, and later calls end with
 * the same code; or, where it stays open, that it works. A second, honest broker is used by another thread during each
 * call and after it.
 *
 * HOSTILE_TEST also checks for leaks. hostile_main runs a program's tests, with a limit of memory if there is to be one
 * (hostile/limit.h). */
#ifndef KAFKA_TESTS_HOSTILE_HOSTILE_H
#define KAFKA_TESTS_HOSTILE_HOSTILE_H
#include "api/calls.h"
#include "hostile/limit.h"

/* What the client calls; the rule applies to the request that it makes. */
typedef enum hostile_call {
    HOSTILE_DIAL,     /* kafka_dial: ApiVersions */
    HOSTILE_METADATA, /* kafka_conn_read_partitions of all topics */
    HOSTILE_OFFSETS,  /* kafka_conn_read_first_offset: ListOffsets */
    HOSTILE_WRITE,    /* kafka_conn_write: Produce */
    HOSTILE_READ      /* kafka_conn_read_message: Fetch */
} hostile_call;

typedef struct hostile_case {
    const char *what; /* is sent: for the text of a failure */
    hostile_call call;
    tcp_rule rule;
    int16_t version;  /* the newest that the broker has of the API; 0 = any */
    int code;         /* 0 = KAFKA_EPROTO */
    const char *part; /* of the sentence */
    size_t memory;    /* bytes beside the 1 MiB */
    bool stays_open;
} hostile_case;

void hostile_run(const hostile_case *cases, size_t count);
#define HOSTILE(...) \
    hostile_run((const hostile_case[]){__VA_ARGS__}, sizeof((const hostile_case[]){__VA_ARGS__}) / sizeof(hostile_case))

/* The call, on a connection that stands at offset 0; its code. */
int hostile_do(hostile_call call, kafka_conn *c);
/* The API that it uses, by name. */
const char *hostile_api_name(hostile_call call);
/* The honest broker is to be used now, beside what the test does. */
void hostile_witness_begin(void);
/* It was, and could be; and it can be once more. */
void hostile_witness_end(void);

int hostile_setup(void **state);
int hostile_teardown(void **state);
#define HOSTILE_TEST(function) cmocka_unit_test_setup_teardown(function, hostile_setup, hostile_teardown)
#define hostile_main(tests)    (hostile_limit_memory(), cmocka_run_group_tests(tests, NULL, NULL))

#endif
