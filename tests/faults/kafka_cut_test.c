/* Cuts between this library and a real Kafka: of a dial, a write and a read, at every byte; under a sanitizer, where
 * that takes long, at every fifth, beginning with another in each run. */
#include "faults/cuts.h"
#include "kafka/peers.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { EVERY = 5 };
#else
enum { EVERY = 1 };
#endif
enum { MESSAGES = 6 };

/* The first of the brokers that are there. */
static const char *broker(void)
{
    static char first[64];
    snprintf(first, sizeof first, "%.*s", (int)strcspn(peers_brokers(), ","), peers_brokers());
    return first;
}

static cuts cuts_in(const char *topic)
{
    int first = cuts_some_first(EVERY);
    print_message("at %d, %d ...\n", first, first + EVERY);
    return (cuts){.broker = broker(), .topic = topic, .every = EVERY, .first = first};
}

static void a_dial_to_kafka_that_is_cut_is_told_as_such(void **state)
{
    (void)state;
    cuts k = cuts_in(peers_topic("cut-dial", 1, NULL));
    cuts_of_a_dial(&k);
}

static void a_write_to_kafka_that_is_cut_is_a_maybe_and_never_there_twice(void **state)
{
    (void)state;
    cuts k = cuts_in(peers_topic("cut-write", 1, NULL));
    cuts_of_a_write(&k);
}

static void a_read_from_kafka_that_is_cut_gives_nothing_torn(void **state)
{
    (void)state;
    cuts k = cuts_in(peers_topic("cut-read", 1, NULL));
    kafka_message list[MESSAGES];
    char values[MESSAGES][8];
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(values[i], sizeof values[i], "v%d", i);
        list[i] = (kafka_message){.value = kafka_str(values[i])};
    }
    peers_write(k.topic, 0, list, MESSAGES, KAFKA_COMPRESSION_NONE);
    cuts_of_a_read(&k, MESSAGES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dial_to_kafka_that_is_cut_is_told_as_such),
        cmocka_unit_test(a_write_to_kafka_that_is_cut_is_a_maybe_and_never_there_twice),
        cmocka_unit_test(a_read_from_kafka_that_is_cut_gives_nothing_torn),
    };
    return cmocka_run_group_tests(tests, peers_setup, peers_teardown);
}
