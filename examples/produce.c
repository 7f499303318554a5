#include <kafka/kafka.h>
#include <stdio.h>

int main(void)
{
    kafka_conn *conn;
    kafka_message greeting = {.key = KAFKA_LIT("en"), .value = KAFKA_LIT("hello")};
    int err = kafka_dial_leader(NULL, KAFKA_WITHIN(5000), "localhost:9092", "greetings", 0, &conn);
    if (err == 0) {
        err = kafka_conn_write_messages(conn, &greeting, 1, KAFKA_COMPRESSION_NONE, NULL);
        kafka_conn_free(conn);
    }
    if (err != 0) fprintf(stderr, "%s\n", kafka_last_error());
    return err != 0;
}
