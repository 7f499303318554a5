/* Writes a hundred thousand messages as fast as it can, and counts what became of them.
 *
 *     write_async [BROKERS [TOPIC]]
 *
 * A call returns as soon as the message is accepted; outcomes come to `delivered`, on a thread of the library's. When
 * the writer's memory is full a call waits, so the program is never faster than the brokers for long. */
#include <kafka/kafka.h>
#include <stdio.h>

enum { MESSAGES = 100000 };

/* Only one thread calls back; it is read after close, when no callback runs any more. */
typedef struct outcomes {
    long written, failed;
} outcomes;

static void delivered(void *userdata, const kafka_message *msgs, size_t count, int err)
{
    outcomes *o = userdata;
    if (err == 0) {
        o->written += (long)count;
        return;
    }
    if (o->failed == 0)
        fprintf(stderr, "partition %d: %s\n", (int)msgs[0].partition, kafka_last_error()); /* once is enough */
    o->failed += (long)count;
}

static int write_all(kafka_writer *w)
{
    char value[64];
    for (int i = 0; i < MESSAGES; i++) {
        int len = snprintf(value, sizeof value, "message %d", i);
        kafka_message m = {.value = {value, (size_t)len}};
        int err = kafka_writer_write_messages(w, KAFKA_WITHIN(10000), &m, 1, NULL); /* copies it */
        if (err != 0) return err; /* not accepted: no room within ten seconds, for example */
    }
    return 0;
}

int main(int argc, char **argv)
{
    outcomes o = {0};
    kafka_writer *w;
    int err = kafka_writer_new(&(kafka_writer_config){.brokers = argc > 1 ? argv[1] : "localhost:9092",
                                                      .topic = argc > 2 ? argv[2] : "numbers",
                                                      .async = 1,
                                                      .on_delivery = delivered,
                                                      .on_delivery_userdata = &o},
                               &w);
    if (err != 0) {
        fprintf(stderr, "%s\n", kafka_last_error());
        return 1;
    }
    if (write_all(w) != 0) fprintf(stderr, "%s\n", kafka_last_error());
    err = kafka_writer_close(w, KAFKA_WITHIN(30000)); /* delivers what is left; then every callback has run */
    if (err != 0) fprintf(stderr, "%s\n", kafka_last_error());
    kafka_writer_free(w);
    printf("%ld written, %ld failed\n", o.written, o.failed);
    return o.written != MESSAGES;
}
