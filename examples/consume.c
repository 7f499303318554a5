#include <kafka/kafka.h>
#include <stdio.h>

int main(void)
{
    kafka_conn *conn;
    kafka_batch *batch;
    kafka_message m;
    int err = kafka_dial_leader(NULL, KAFKA_WITHIN(5000), "localhost:9092", "greetings", 0, &conn);
    if (err == 0) {
        while ((err = kafka_conn_read_batch(conn, NULL, &batch)) == 0) { /* waits for messages */
            while (kafka_batch_read_message(batch, &m) == 0)
                printf("%lld: %.*s\n", (long long)m.offset, (int)m.value.len, (const char *)m.value.data);
            if ((err = kafka_batch_close(batch)) != 0) break;
        }
        kafka_conn_free(conn);
    }
    fprintf(stderr, "%s\n", kafka_last_error());
    return err != 0;
}
