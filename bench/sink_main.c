/* bench_sink: the sink as a program, for clients in any language.
 *
 *     bench_sink [--port N] [--delay-us N] [--message-bytes N] [--batch-bytes N]
 *
 * Prints "127.0.0.1:PORT", then, for every line it reads, what came in since the line before, as in
 * "requests=12 batches=40 records=4000 bytes=442440 fetches=0". Ends with its input. */
#include "sink.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sink_counts now(const sink *s)
{
    return (sink_counts){s->counts->requests, s->counts->batches, s->counts->records, s->counts->bytes,
                         s->counts->fetches};
}

int main(int argc, char **argv)
{
    sink_config config = {0};
    const struct {
        const char *name;
        int *value;
    } options[] = {{"--port", &config.port},
                   {"--delay-us", &config.delay_us},
                   {"--message-bytes", &config.message_bytes},
                   {"--batch-bytes", &config.batch_bytes}};
    for (int i = 1; i < argc; i += 2) {
        size_t o = 0;
        while (o < sizeof options / sizeof options[0] && strcmp(argv[i], options[o].name) != 0) o++;
        if (o == sizeof options / sizeof options[0] || i + 1 == argc) {
            fprintf(stderr, "usage: bench_sink [--port N] [--delay-us N] [--message-bytes N] [--batch-bytes N]\n");
            return 2;
        }
        *options[o].value = atoi(argv[i + 1]);
    }
    sink s = sink_start(&config);
    sink_counts before = {0};
    char line[64];
    printf("127.0.0.1:%d\n", s.port);
    while (fflush(stdout) == 0 && fgets(line, sizeof line, stdin)) {
        sink_counts c = now(&s);
        printf("requests=%lld batches=%lld records=%lld bytes=%lld fetches=%lld\n",
               (long long)(c.requests - before.requests), (long long)(c.batches - before.batches),
               (long long)(c.records - before.records), (long long)(c.bytes - before.bytes),
               (long long)(c.fetches - before.fetches));
        before = c;
    }
    sink_stop(&s);
    return 0;
}
