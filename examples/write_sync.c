/* Writes the lines of standard input to a topic, a hundred at a time, and knows of each what became of it.
 *
 *     write_sync [BROKERS [TOPIC]]
 *
 * A call returns when all of its messages have their outcome. Many messages in one call are one round trip. */
#include <kafka/kafka.h>
#include <stdio.h>
#include <string.h>

enum { LINES = 100, LINE = 1000 };

/* Writes some lines; says which of them failed, and whether it is worth going on. */
static int write_lines(kafka_writer *w, char lines[][LINE], size_t count)
{
    kafka_message messages[LINES] = {0};
    int results[LINES];
    for (size_t i = 0; i < count; i++) messages[i].value = kafka_str(lines[i]);
    int err = kafka_writer_write_messages(w, KAFKA_WITHIN(30000), messages, count, results);
    if (err == 0) return 0;
    fprintf(stderr, "%s\n", kafka_last_error());
    if (kafka_last_written() == KAFKA_WRITTEN_MAYBE) fprintf(stderr, "some of them may be in the log all the same\n");
    for (size_t i = 0; i < count; i++) {
        if (results[i] != 0) fprintf(stderr, "  \"%s\": %s\n", lines[i], kafka_err_title(results[i]));
    }
    return err;
}

int main(int argc, char **argv)
{
    static char lines[LINES][LINE];
    kafka_writer *w;
    size_t count = 0;
    int err = kafka_writer_new(
        &(kafka_writer_config){.brokers = argc > 1 ? argv[1] : "localhost:9092", .topic = argc > 2 ? argv[2] : "lines"},
        &w);
    if (err != 0) {
        fprintf(stderr, "%s\n", kafka_last_error());
        return 1;
    }
    while (err == 0 && fgets(lines[count], LINE, stdin)) {
        lines[count][strcspn(lines[count], "\n")] = '\0';
        if (++count < LINES) continue;
        err = write_lines(w, lines, count);
        count = 0;
    }
    if (err == 0 && count > 0) err = write_lines(w, lines, count);
    kafka_writer_free(w); /* nothing is outstanding: it does not wait */
    return err != 0;
}
