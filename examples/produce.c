#include <kafka/kafka.h>
#include <stdio.h>

int main(void)
{
    kafka_writer *writer;
    kafka_message greeting = {.key = KAFKA_LIT("en"), .value = KAFKA_LIT("hello")};
    int err = kafka_writer_new(&(kafka_writer_config){.brokers = "localhost:9092", .topic = "greetings"}, &writer);
    if (err == 0) {
        err = kafka_writer_write_messages(writer, KAFKA_WITHIN(5000), &greeting, 1, NULL); /* until it is in the log */
        kafka_writer_free(writer);
    }
    if (err != 0) fprintf(stderr, "%s\n", kafka_last_error());
    return err != 0;
}
