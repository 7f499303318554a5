/* dlopen_program LIBRARY HOW HOST:PORT: uses a library that it was not linked with. Exit code 0, or 1 and a line that
 * says what was wrong. HOW: "freed" = everything is freed before dlclose, "left" = nothing is, "fork" = a child is
 * forked after it. */
#include <dlfcn.h>
#include <kafka/kafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 30 };

static struct {
    int (*dial_leader)(const kafka_dialer *, const kafka_ctx *, const char *, const char *, int32_t, kafka_conn **);
    int (*write)(kafka_conn *, const void *, size_t);
    int (*read_message)(kafka_conn *, int32_t, kafka_message **);
    void (*message_free)(kafka_message *);
    void (*conn_free)(kafka_conn *);
    int64_t (*deadline_in)(int64_t);
    const char *(*last_error)(void);
} kafka;

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, kafka.last_error ? kafka.last_error() : "");
    exit(1);
}

/* The address of a function; ISO C has no cast for that. */
static void find(void *library, const char *name, void *out)
{
    void *address = dlsym(library, name);
    if (address == NULL) fail(dlerror());
    memcpy(out, &address, sizeof address);
}

static void *load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) fail(dlerror());
    find(library, "kafka_dial_leader", &kafka.dial_leader);
    find(library, "kafka_conn_write", &kafka.write);
    find(library, "kafka_conn_read_message", &kafka.read_message);
    find(library, "kafka_message_free", &kafka.message_free);
    find(library, "kafka_conn_free", &kafka.conn_free);
    find(library, "kafka_deadline_in", &kafka.deadline_in);
    find(library, "kafka_last_error", &kafka.last_error);
    return library;
}

static kafka_conn *use(const char *address)
{
    kafka_conn *c = NULL;
    kafka_message *m = NULL;
    const kafka_ctx ctx = {.deadline = kafka.deadline_in(20000)};
    if (kafka.dial_leader(NULL, &ctx, address, "t", 0, &c) != 0) fail("dial");
    if (kafka.write(c, "value", 5) != 0) fail("write");
    if (kafka.read_message(c, 0, &m) != 0 || m->value.len != 5) fail("read");
    kafka.message_free(m);
    return c;
}

static void forked(const char *path, const char *address)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(SECONDS);
        load(path);
        kafka.conn_free(use(address));
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) fail("the child");
}

int main(int argc, char **argv)
{
    static kafka_conn *left[3]; /* reachable at the end */
    if (argc != 4) return 1;
    const char *path = argv[1], *how = argv[2], *address = argv[3];
    alarm(SECONDS);
    for (int i = 0; i < 3; i++) {
        void *library = load(path);
        left[i] = use(address);
        if (strcmp(how, "freed") == 0) {
            kafka.conn_free(left[i]);
            left[i] = NULL;
        }
        if (dlclose(library) != 0) fail(dlerror());
        void *still = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
        if (still == NULL) fail("it was unloaded, under the feet of its threads");
        dlclose(still);
        if (left[i] != NULL && kafka.write(left[i], "value", 5) != 0) fail("a write after dlclose");
    }
    if (strcmp(how, "fork") == 0) forked(path, address);
    return 0;
}
