/* Four threads, one writer: they share its batches, its connections and its memory.
 *
 *     write_threads [BROKERS [TOPIC]]
 *
 * Each thread writes synchronously and is told what became of its own messages. What they write at the same time
 * travels together. */
#include <kafka/kafka.h>
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4, CALLS = 200, EACH = 10 };

typedef struct worker {
    kafka_writer *writer;
    int id;
    int err;
    char why[200]; /* the last error of a thread is that thread's: it takes its own along */
} worker;

static void *work(void *arg)
{
    worker *x = arg;
    char values[EACH][32];
    kafka_ctx ctx = {.error = x->why, .error_cap = sizeof x->why};
    for (int call = 0; call < CALLS && x->err == 0; call++) {
        kafka_message messages[EACH] = {0};
        for (int i = 0; i < EACH; i++) {
            snprintf(values[i], sizeof values[i], "thread %d, message %d", x->id, call * EACH + i);
            messages[i].value = kafka_str(values[i]);
        }
        ctx.deadline = kafka_deadline_in(30000);
        x->err = kafka_writer_write_messages(x->writer, &ctx, messages, EACH, NULL);
    }
    return NULL;
}

static void print_stats(kafka_writer *w)
{
    kafka_writer_stats s;
    kafka_writer_stats_snapshot(w, &s);
    printf(
        "%lld messages in %lld batches, %lld at most in one; a call took %lld us, one in a hundred %lld us or more\n",
        (long long)s.messages, (long long)s.writes, (long long)s.batch_size.max, (long long)s.write_time.p50 / 1000,
        (long long)s.write_time.p99 / 1000);
}

int main(int argc, char **argv)
{
    kafka_writer *w;
    worker workers[THREADS];
    pthread_t threads[THREADS];
    int failed = 0, started = 0;
    if (kafka_writer_new(&(kafka_writer_config){.brokers = argc > 1 ? argv[1] : "localhost:9092",
                                                .topic = argc > 2 ? argv[2] : "threads"},
                         &w) != 0) {
        fprintf(stderr, "%s\n", kafka_last_error());
        return 1;
    }
    for (; started < THREADS; started++) {
        workers[started] = (worker){.writer = w, .id = started};
        if (pthread_create(&threads[started], NULL, work, &workers[started]) != 0) break;
    }
    for (int i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
        if (workers[i].err == 0) continue;
        fprintf(stderr, "thread %d: %s\n", i, workers[i].why);
        failed++;
    }
    print_stats(w);
    kafka_writer_free(w);
    return failed > 0 || started < THREADS;
}
