/* driver: runs a target over its corpora and over mutations of them, without libFuzzer, with any compiler.
 *
 *   fuzz_response input.bin                                        this input
 *   fuzz_response [--runs N] [--seed S] [--only I] corpus.txt...   the entries, then N mutations from seed S
 *
 * 10 000 from seed 1 unless told.
 *
 * All of it runs in a child. The input that runs lies in memory that the parent sees as well, so whatever ends the
 * child, a failed property, a sanitizer, a signal, or twenty seconds of processor time for one input, the parent still
 * has the input: it writes it to a file and prints the commands that run it again. The n-th mutation comes from seed
 * and n alone.
 *
 * Exit status: 0, or 1 when an input failed, 2 when the driver itself did. */
#include "corpus.h"
#include "fuzz.h"
#include "mutate.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_BYTES = 1 << 17, SECONDS_PER_INPUT = 20 };

typedef struct shared {
    int64_t mutation; /* its number, -1 = an entry of the corpus */
    char name[64];
    size_t len;
    uint8_t data[MOST_BYTES];
} shared;

typedef struct options {
    int64_t runs, only;
    uint64_t seed;
    char **files;
    int file_count;
} options;

/* ---- the child --------------------------------------------------------------------------------------------------- */

static void run_input(shared *now)
{
    struct itimerval limit = {.it_value.tv_sec = SECONDS_PER_INPUT};
    setitimer(ITIMER_PROF, &limit, NULL);
    LLVMFuzzerTestOneInput(now->data, now->len);
}

static void run_entry(shared *now, const corpus_entry *e)
{
    now->mutation = -1;
    snprintf(now->name, sizeof now->name, "%s", e->name);
    now->len = e->len < MOST_BYTES ? e->len : MOST_BYTES;
    memcpy(now->data, e->data, now->len);
    run_input(now);
}

static void run_mutation(shared *now, const corpus *c, uint64_t seed, int64_t number)
{
    kfk_rand r;
    kfk_rand_seed(&r, seed * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)number);
    now->mutation = number;
    now->name[0] = '\0';
    now->len = mutate(&r, c, now->data, MOST_BYTES);
    run_input(now);
}

static bool is_packed(const char *path)
{
    size_t len = strlen(path);
    return len > 4 && strcmp(path + len - 4, ".txt") == 0;
}

static bool read_raw(corpus *c, const char *path)
{
    static uint8_t bytes[MOST_BYTES];
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return false;
    }
    size_t len = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    corpus_add(c, "input", bytes, len);
    return true;
}

static int child(const options *o, shared *now)
{
    corpus c = {0};
    int64_t runs = o->runs;
    for (int i = 0; i < o->file_count; i++) {
        if (!is_packed(o->files[i])) runs = 0;
        if (!(is_packed(o->files[i]) ? corpus_read : read_raw)(&c, o->files[i])) return 2;
    }
    if (c.count == 0) {
        fprintf(stderr, "there is no input in these files\n");
        return 2;
    }
    for (size_t i = 0; i < c.count && o->only < 0; i++) run_entry(now, &c.entries[i]);
    for (int64_t i = 0; i < runs; i++)
        if (o->only < 0 || o->only == i) run_mutation(now, &c, o->seed, i);
    printf("%zu inputs and %" PRId64 " mutations of them, seed %" PRIu64 ", %.1f s of processor time\n", c.count, runs,
           o->seed, (double)clock() / CLOCKS_PER_SEC);
    corpus_free(&c);
    return 0;
}

/* ---- the parent -------------------------------------------------------------------------------------------------- */

static void report(const options *o, const shared *now, int status)
{
    char path[128];
    uint64_t hash = fuzz_touch(0, now->data, now->len);
    snprintf(path, sizeof path, "%s-failed-%08" PRIx32 ".bin", program_invocation_short_name, (uint32_t)(hash >> 32));
    FILE *f = fopen(path, "wb");
    bool written = f != NULL && fwrite(now->data, 1, now->len, f) == now->len;
    if (f != NULL && fclose(f) != 0) written = false;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
        fprintf(stderr, "\nthe input takes more than %d s\n", SECONDS_PER_INPUT);
    if (now->mutation < 0) {
        fprintf(stderr, "\nfailed: entry \"%s\" of the corpus\n", now->name);
    } else {
        fprintf(stderr, "\nfailed: mutation %" PRId64 "; replay: %s --seed %" PRIu64 " --only %" PRId64, now->mutation,
                program_invocation_name, o->seed, now->mutation);
        for (int i = 0; i < o->file_count; i++) fprintf(stderr, " %s", o->files[i]);
        fprintf(stderr, "\n");
    }
    if (written) fprintf(stderr, "the input alone: %s %s\n", program_invocation_name, path);
    fprintf(stderr, "to run it always, add to fuzz/corpus/%s.found.txt: ", program_invocation_short_name + 5);
    for (size_t i = 0; i < now->len && i < 4096; i++) fprintf(stderr, "%02x", now->data[i]);
    fprintf(stderr, "%s\n", now->len > 4096 ? "... (see the file)" : "");
}

static bool parse(options *o, int argc, char **argv)
{
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--runs") == 0)
            o->runs = strtoll(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            o->seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--only") == 0)
            o->only = strtoll(argv[i + 1], NULL, 10);
        else
            return false;
    }
    if (o->only >= o->runs) o->runs = o->only + 1;
    o->files = argv + i;
    o->file_count = argc - i;
    return o->file_count > 0;
}

int main(int argc, char **argv)
{
    options o = {.runs = 10000, .only = -1, .seed = 1};
    int status = 0;
    if (!parse(&o, argc, argv)) {
        fprintf(stderr, "usage: %s [--runs N] [--seed S] [--only I] corpus.txt... | input.bin...\n", argv[0]);
        return 2;
    }
    shared *now = mmap(NULL, sizeof *now, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = now != MAP_FAILED ? fork() : -1;
    if (pid < 0) {
        perror("fuzz driver");
        return 2;
    }
    if (pid == 0) exit(child(&o, now));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2)) return WEXITSTATUS(status);
    report(&o, now, status);
    return 1;
}
