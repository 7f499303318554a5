/* The smallest program that uses an installed libkafka; C and C++. */
#include <kafka/kafka.h>
#include <stdio.h>

int main(void)
{
    kafka_conn *conn = NULL;
    int err = kafka_dial(NULL, KAFKA_WITHIN(60000), "127.0.0.1:1", &conn); /* nobody listens there */
    if (err != KAFKA_EIO) {
        fprintf(stderr, "dialling a refusing port gives %d: %s\n", err, kafka_last_error());
        return 1;
    }
    printf("kafka-c %s: %s\n", kafka_version(), kafka_features());
    return 0;
}
