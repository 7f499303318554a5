/* Writes events of some users: those of one user stay in order.
 *
 *     write_keyed [BROKERS [TOPIC]]
 *
 * Order holds within a partition, so all messages of a key have to go to the same one. The balancer sees to that: this
 * one puts keys where Java's clients put them. */
#include <kafka/kafka.h>
#include <stdio.h>

static const char *const users[] = {"ann", "bob", "cleo"};
static const char *const events[] = {"signed in", "bought a ticket", "signed out"};
enum { USERS = 3, EVENTS = 3 };

/* All events of all users, in one call: messages of a call keep their order, too. */
static int write_events(kafka_writer *w)
{
    kafka_header source = {"source", KAFKA_LIT("example")};
    kafka_message messages[USERS * EVENTS];
    size_t count = 0;
    for (int e = 0; e < EVENTS; e++) {
        for (int u = 0; u < USERS; u++)
            messages[count++] = (kafka_message){
                .key = kafka_str(users[u]), .value = kafka_str(events[e]), .headers = &source, .header_count = 1};
    }
    return kafka_writer_write_messages(w, KAFKA_WITHIN(30000), messages, count, NULL);
}

/* A null value deletes a key in a compacted topic. */
static int forget(kafka_writer *w, const char *user)
{
    kafka_message m = {.key = kafka_str(user)};
    return kafka_writer_write_messages(w, KAFKA_WITHIN(30000), &m, 1, NULL);
}

int main(int argc, char **argv)
{
    kafka_writer *w = NULL;
    kafka_balancer *by_key = kafka_balancer_murmur2(false);
    int err = kafka_writer_new(&(kafka_writer_config){.brokers = argc > 1 ? argv[1] : "localhost:9092",
                                                      .topic = argc > 2 ? argv[2] : "events",
                                                      .balancer = by_key},
                               &w);
    kafka_balancer_free(by_key); /* the writer has a reference of its own */
    if (err == 0) err = write_events(w);
    if (err == 0) err = forget(w, "bob");
    if (err != 0) fprintf(stderr, "%s\n", kafka_last_error());
    kafka_writer_free(w);
    return err != 0;
}
