/* control.c: the commands of `kc broker --control`; see the header.
 *
 * One thread, poll(2) over the listening socket and a few clients. A command takes no time: it waits for the cluster's
 * loop alone. */
#include "control.h"
#include "options.h"
#include "output.h"
#include "say.h"
#include "stop.h"
#include "suggest.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_CLIENTS = 64, MOST_LINE = 4096, MOST_WORDS = 16 };

/* A command's words, and where its answer goes. */
typedef struct command {
    kafka_cluster *cluster;
    char *words[MOST_WORDS];
    int count;
    kc_buf *out;
} command;

static void say(kc_buf *out, const char *text)
{
    kc_buf_add(out, text, strlen(text));
}

static void say_number(kc_buf *out, int64_t n)
{
    kc_buf_add(out, " ", 1);
    kc_buf_add_int(out, n);
}

static void refuse(command *x, const char *why)
{
    char line[512];
    snprintf(line, sizeof line, "error %d %s", KAFKA_EINVAL, why);
    say(x->out, line);
}

/* The answer to a call that has no values. */
static void answer(command *x, int code)
{
    char line[1024];
    if (code == 0) {
        say(x->out, "ok");
    } else {
        snprintf(line, sizeof line, "error %d %s", code, kafka_last_error());
        say(x->out, line);
    }
}

/* The i-th word as a number; false: it was refused. */
static bool number(command *x, int i, int64_t least, int64_t most, int64_t *out)
{
    char why[128];
    if (i < x->count && kc_read_int(x->words[i], least, most, out)) return true;
    if (i >= x->count)
        snprintf(why, sizeof why, "%s needs more words, see help", x->words[0]);
    else
        snprintf(why, sizeof why, "'%.40s' is no number from %" PRId64 " to %" PRId64, x->words[i], least, most);
    refuse(x, why);
    return false;
}

/* ---- the commands ------------------------------------------------------------------------------------------------ */

static void do_topic(command *x)
{
    int64_t partitions = 0;
    if (x->count > 2 && !number(x, 2, 1, INT32_MAX, &partitions)) return;
    answer(x, kafka_cluster_create_topic(x->cluster, x->words[1], (int32_t)partitions));
}

static void do_delete(command *x)
{
    answer(x, kafka_cluster_delete_topic(x->cluster, x->words[1]));
}

static void do_leader(command *x)
{
    int64_t partition;
    int32_t broker = -1;
    if (!number(x, 2, 0, INT32_MAX, &partition)) return;
    int code = kafka_cluster_leader(x->cluster, x->words[1], (int32_t)partition, &broker);
    answer(x, code);
    if (code == 0) say_number(x->out, broker);
}

static void do_move(command *x)
{
    int64_t partition, broker;
    if (number(x, 2, 0, INT32_MAX, &partition) && number(x, 3, 1, INT32_MAX, &broker))
        answer(x, kafka_cluster_move_leader(x->cluster, x->words[1], (int32_t)partition, (int32_t)broker));
}

static void do_size(command *x)
{
    int64_t partition, start = 0, end = 0;
    if (!number(x, 2, 0, INT32_MAX, &partition)) return;
    int code = kafka_cluster_log_size(x->cluster, x->words[1], (int32_t)partition, &start, &end);
    answer(x, code);
    if (code != 0) return;
    say_number(x->out, start);
    say_number(x->out, end);
}

static void do_stop(command *x)
{
    int64_t broker;
    if (number(x, 1, 1, INT32_MAX, &broker)) answer(x, kafka_cluster_stop_broker(x->cluster, (int32_t)broker));
}

static void do_start(command *x)
{
    int64_t broker;
    if (number(x, 1, 1, INT32_MAX, &broker)) answer(x, kafka_cluster_start_broker(x->cluster, (int32_t)broker));
}

static void do_expire(command *x)
{
    int64_t partition, id = -1;
    if (!number(x, 2, 0, INT32_MAX, &partition)) return;
    if (x->count > 3 && !number(x, 3, -1, INT64_MAX, &id)) return;
    answer(x, kafka_cluster_expire_producers(x->cluster, x->words[1], (int32_t)partition, id));
}

static void do_hold(command *x)
{
    int64_t partition, hold;
    if (number(x, 2, 0, INT32_MAX, &partition) && number(x, 3, 0, 1, &hold))
        answer(x, kafka_cluster_hold_replication(x->cluster, x->words[1], (int32_t)partition, (int32_t)hold));
}

static void do_disk(command *x)
{
    int64_t broker, ms;
    if (number(x, 1, 1, INT32_MAX, &broker) && number(x, 2, 0, INT32_MAX, &ms))
        answer(x, kafka_cluster_set_disk_delay(x->cluster, (int32_t)broker, ms));
}

static void do_memory(command *x)
{
    int64_t bytes;
    if (number(x, 1, 1, INT64_MAX, &bytes)) answer(x, kafka_cluster_set_memory_limit(x->cluster, bytes));
}

static void do_clear(command *x)
{
    kafka_cluster_clear_faults(x->cluster);
    answer(x, 0);
}

static void do_met(command *x)
{
    answer(x, 0);
    say_number(x->out, kafka_cluster_faults_met(x->cluster));
}

static void do_bootstrap(command *x)
{
    say(x->out, "ok ");
    say(x->out, kafka_cluster_bootstrap(x->cluster));
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

typedef struct word_number {
    const char *word;
    int32_t number;
} word_number;

static const word_number kinds[] = {
    {"error", KAFKA_FAULT_ERROR},       {"apply-then-error", KAFKA_FAULT_APPLY_THEN_ERROR},
    {"drop", KAFKA_FAULT_DROP},         {"apply-then-drop", KAFKA_FAULT_APPLY_THEN_DROP},
    {"delay", KAFKA_FAULT_DELAY},       {"silence", KAFKA_FAULT_SILENCE},
    {"truncate", KAFKA_FAULT_TRUNCATE}, {NULL, 0}};

static const word_number apis[] = {{"any", -1},
                                   {"produce", KAFKA_REQUEST_PRODUCE},
                                   {"fetch", KAFKA_REQUEST_FETCH},
                                   {"list-offsets", KAFKA_REQUEST_LIST_OFFSETS},
                                   {"metadata", KAFKA_REQUEST_METADATA},
                                   {"find-coordinator", KAFKA_REQUEST_FIND_COORDINATOR},
                                   {"api-versions", KAFKA_REQUEST_API_VERSIONS},
                                   {"create-topics", KAFKA_REQUEST_CREATE_TOPICS},
                                   {"delete-topics", KAFKA_REQUEST_DELETE_TOPICS},
                                   {"delete-records", KAFKA_REQUEST_DELETE_RECORDS},
                                   {"init-producer-id", KAFKA_REQUEST_INIT_PRODUCER_ID},
                                   {"offset-for-leader-epoch", KAFKA_REQUEST_OFFSET_FOR_LEADER_EPOCH},
                                   {"describe-configs", KAFKA_REQUEST_DESCRIBE_CONFIGS},
                                   {"create-partitions", KAFKA_REQUEST_CREATE_PARTITIONS},
                                   {"incremental-alter-configs", KAFKA_REQUEST_INCREMENTAL_ALTER_CONFIGS},
                                   {"describe-cluster", KAFKA_REQUEST_DESCRIBE_CLUSTER},
                                   {NULL, 0}};

/* A word of the table, or a number. False: neither; it was refused. */
static bool word_in(command *x, const word_number *table, const char *what, const char *word, int64_t *out)
{
    char why[160];
    kc_suggestion s = {.word = word};
    for (const word_number *w = table; w->word; w++) {
        if (strcmp(w->word, word) == 0) {
            *out = w->number;
            return true;
        }
        kc_suggest_offer(&s, w->word);
    }
    if (kc_read_int(word, -1, INT16_MAX, out)) return true;
    snprintf(why, sizeof why, "there is no %s '%.40s'%s%s%s", what, word, s.best ? "; did you mean " : "",
             s.best ? s.best : "", s.best ? "?" : "");
    refuse(x, why);
    return false;
}

/* One "name=value" of a fault. False: it was refused. */
static bool take_setting(command *x, char *word, kafka_fault *f)
{
    char why[128];
    char *value = strchr(word, '=');
    int64_t n = 0;
    if (value) *value++ = '\0';
    bool is_number = value && kc_read_int(value, INT32_MIN, INT32_MAX, &n);
    if (value && strcmp(word, "topic") == 0)
        f->topic = value;
    else if (value && strcmp(word, "api") == 0) {
        if (!word_in(x, apis, "API", value, &n)) return false;
        f->api = (int32_t)n;
    } else if (value && strcmp(word, "count") == 0 && (is_number || strcmp(value, "forever") == 0))
        f->count = is_number ? n : KAFKA_NEVER;
    else if (is_number && strcmp(word, "error") == 0)
        f->error = (int32_t)n;
    else if (is_number && strcmp(word, "delay") == 0)
        f->delay_ms = n;
    else if (is_number && strcmp(word, "bytes") == 0)
        f->bytes = n;
    else if (is_number && strcmp(word, "broker") == 0)
        f->broker = (int32_t)n;
    else if (is_number && strcmp(word, "partition") == 0)
        f->partition = (int32_t)n;
    else {
        snprintf(why, sizeof why, "'%.40s%s%.40s' is no setting of a fault", word, value ? "=" : "",
                 value ? value : "");
        refuse(x, why);
        return false;
    }
    return true;
}

static void do_fault(command *x)
{
    int64_t kind;
    if (!word_in(x, kinds, "kind of fault", x->words[1], &kind)) return;
    kafka_fault f = kafka_fault_on((kafka_fault_kind)kind, -1);
    for (int i = 2; i < x->count; i++) {
        if (!take_setting(x, x->words[i], &f)) return;
    }
    answer(x, kafka_cluster_add_fault(x->cluster, &f));
}

static void do_requests(command *x)
{
    int64_t api = -1;
    if (x->count > 1 && !word_in(x, apis, "API", x->words[1], &api)) return;
    int64_t n = kafka_cluster_requests(x->cluster, (int32_t)api);
    answer(x, n < 0 ? KAFKA_EINVAL : 0);
    if (n >= 0) say_number(x->out, n);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static const struct verb {
    const char *name;
    int words; /* at least, the verb included */
    void (*run)(command *);
    const char *usage;
} verbs[] = {
    {"bootstrap", 1, do_bootstrap, "bootstrap"},
    {"topic", 2, do_topic, "topic NAME [PARTITIONS]"},
    {"delete", 2, do_delete, "delete NAME"},
    {"size", 3, do_size, "size TOPIC PARTITION: first offset, next offset"},
    {"leader", 3, do_leader, "leader TOPIC PARTITION"},
    {"move", 4, do_move, "move TOPIC PARTITION BROKER"},
    {"stop", 2, do_stop, "stop BROKER"},
    {"start", 2, do_start, "start BROKER"},
    {"expire", 3, do_expire, "expire TOPIC PARTITION [PRODUCER-ID]"},
    {"hold", 4, do_hold, "hold TOPIC PARTITION 1|0: replication stands still, goes on"},
    {"disk", 3, do_disk, "disk BROKER MS: each write takes that long"},
    {"memory", 2, do_memory, "memory BYTES: the oldest messages go when all take more"},
    {"fault", 2, do_fault,
     "fault KIND [api=..] [count=N|forever] [error=N] [delay=MS] [bytes=N] [topic=..] [partition=N] [broker=N]"},
    {"clear", 1, do_clear, "clear: no more faults"},
    {"met", 1, do_met, "met: how many requests met a fault"},
    {"requests", 1, do_requests, "requests [API]: how many have come"},
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

static void help(kc_buf *out)
{
    say(out, "ok");
    for (size_t i = 0; i < VERBS; i++) {
        say(out, i == 0 ? " " : " | ");
        say(out, verbs[i].usage);
    }
}

static const struct verb *find_verb(const char *word, const char **meant)
{
    kc_suggestion s = {.word = word};
    for (size_t i = 0; i < VERBS; i++) {
        if (strcmp(verbs[i].name, word) == 0) return &verbs[i];
        kc_suggest_offer(&s, verbs[i].name);
    }
    *meant = s.best;
    return NULL;
}

void kc_control_line(kafka_cluster *c, char *line, kc_buf *out)
{
    command x = {.cluster = c, .out = out};
    char why[160], *rest = NULL;
    const char *meant = NULL;
    for (char *w = strtok_r(line, " \t\r", &rest); w; w = strtok_r(NULL, " \t\r", &rest)) {
        if (x.count < MOST_WORDS) x.words[x.count++] = w;
    }
    const struct verb *v = x.count > 0 ? find_verb(x.words[0], &meant) : NULL;
    if (x.count == 0) {
        refuse(&x, "an empty line; help lists the commands");
    } else if (strcmp(x.words[0], "help") == 0) {
        help(out);
    } else if (!v) {
        snprintf(why, sizeof why, "there is no command '%.40s'%s%s%s", x.words[0], meant ? "; did you mean " : "",
                 meant ? meant : "", meant ? "?" : "; help lists them");
        refuse(&x, why);
    } else if (x.count < v->words) {
        snprintf(why, sizeof why, "usage: %s", v->usage);
        refuse(&x, why);
    } else {
        v->run(&x);
    }
}

/* ---- the socket -------------------------------------------------------------------------------------------------- */

typedef struct client {
    int fd; /* -1 = free */
    size_t len;
    char line[MOST_LINE];
} client;

static void drop(client *k)
{
    close(k->fd);
    k->fd = -1;
    k->len = 0;
}

/* Writes all of it; a client that does not read its answers is dropped. */
static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static void serve_lines(kafka_cluster *c, client *k)
{
    char *end;
    while (k->fd >= 0 && (end = memchr(k->line, '\n', k->len)) != NULL) {
        kc_buf out = {0};
        size_t used = (size_t)(end - k->line) + 1;
        *end = '\0';
        kc_control_line(c, k->line, &out);
        kc_buf_add(&out, "\n", 1);
        bool written = write_all(k->fd, out.data, out.len);
        free(out.data);
        if (!written) {
            drop(k);
            return;
        }
        memmove(k->line, k->line + used, k->len - used);
        k->len -= used;
    }
    if (k->fd >= 0 && k->len == sizeof k->line) drop(k); /* no line is that long */
}

static void receive(kafka_cluster *c, client *k)
{
    ssize_t n = recv(k->fd, k->line + k->len, sizeof k->line - k->len, MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) {
        drop(k);
    } else {
        k->len += (size_t)n;
        serve_lines(c, k);
    }
}

static void accept_one(int listener, client *clients)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (int i = 0; fd >= 0 && i < MOST_CLIENTS; i++) {
        if (clients[i].fd >= 0) continue;
        clients[i].fd = fd;
        return;
    }
    if (fd >= 0) close(fd);
}

/* False: the path is too long, said. */
static bool is_address(const char *path, struct sockaddr_un *at)
{
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) < sizeof at->sun_path) {
        memcpy(at->sun_path, path, strlen(path) + 1);
        return true;
    }
    kc_say_error("--control %s: the path is longer than %zu characters", path, sizeof at->sun_path - 1);
    return false;
}

/* Does a program still serve the socket that is there? */
static bool is_served(const struct sockaddr_un *at)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool served = fd >= 0 && (connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 || errno == EAGAIN);
    if (fd >= 0) close(fd);
    return served;
}

/* -1: said why. */
static int listen_at(const char *path)
{
    struct sockaddr_un at;
    struct stat there;
    if (!is_address(path, &at)) return -1;
    if (lstat(path, &there) == 0 && S_ISSOCK(there.st_mode)) {
        if (is_served(&at)) {
            kc_say_error("--control %s: another program listens there", path);
            return -1;
        }
        unlink(path); /* of one that ended badly */
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && chmod(path, 0600) == 0 && listen(fd, 16) == 0)
        return fd;
    kc_say_error("--control %s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return -1;
}

static void serve(kafka_cluster *c, int listener)
{
    client *clients = kc_zalloc(MOST_CLIENTS, sizeof *clients);
    for (int i = 0; i < MOST_CLIENTS; i++) clients[i].fd = -1;
    while (kc_stop_signal() == 0) {
        struct pollfd fds[MOST_CLIENTS + 2] = {{.fd = kc_stop_fd(), .events = POLLIN},
                                               {.fd = listener, .events = POLLIN}};
        for (int i = 0; i < MOST_CLIENTS; i++) fds[i + 2] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
        if (poll(fds, MOST_CLIENTS + 2, -1) < 0) continue; /* EINTR: a signal */
        for (int i = 0; i < MOST_CLIENTS; i++) {
            if (fds[i + 2].revents != 0) receive(c, &clients[i]);
        }
        if (fds[1].revents != 0) accept_one(listener, clients);
    }
    for (int i = 0; i < MOST_CLIENTS; i++) {
        if (clients[i].fd >= 0) drop(&clients[i]);
    }
    free(clients);
}

/* False: nobody reads it, or it has been said why not. */
static bool print_address(kafka_cluster *c)
{
    kc_buf line = {0};
    const char *address = kafka_cluster_bootstrap(c);
    kc_buf_add(&line, address, strlen(address));
    kc_buf_add(&line, "\n", 1);
    bool printed = kc_output_write_stoppable(line.data, line.len);
    free(line.data);
    return printed;
}

int kc_control_serve(kafka_cluster *c, const char *path)
{
    int listener = path ? listen_at(path) : -1;
    if (path && listener < 0) return KC_FAILED;
    bool printed = print_address(c);
    if (printed) serve(c, listener);
    if (listener >= 0) {
        close(listener);
        unlink(path);
    }
    return printed || kc_output_closed() ? KC_OK : KC_FAILED;
}

/* ---- the other side ---------------------------------------------------------------------------------------------- */

/* Reads one line, without its end, into `line`. False: none came in time. */
static bool read_line(int fd, char *line, size_t cap)
{
    for (size_t len = 0; len + 1 < cap;) {
        ssize_t n = recv(fd, line + len, cap - len - 1, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        len += (size_t)n;
        line[len] = '\0';
        char *end = strchr(line, '\n');
        if (end) *end = '\0';
        if (end) return true;
    }
    return false;
}

/* A code: the answer's. */
static int show_answer(const char *line)
{
    char *sentence = NULL;
    if (strncmp(line, "ok", 2) == 0) {
        if (line[2] == ' ') puts(line + 3);
        return fflush(stdout) == 0 ? KC_OK : KC_FAILED;
    }
    if (strncmp(line, "error ", 6) == 0) strtol(line + 6, &sentence, 10);
    kc_say_error("%s", sentence && *sentence == ' ' ? sentence + 1 : line);
    return KC_FAILED;
}

int kc_control_tell(const char *path, char *const *words, size_t count)
{
    struct sockaddr_un at;
    struct timeval patience = {.tv_sec = 30};
    char answer_line[MOST_LINE] = "";
    kc_buf line = {0};
    if (!is_address(path, &at)) return KC_USAGE;
    for (size_t i = 0; i < count; i++) {
        say(&line, words[i]);
        say(&line, i + 1 < count ? " " : "\n");
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), code = KC_FAILED;
    if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof at) != 0) {
        kc_say_error("--control %s: %s", path, strerror(errno));
        kc_say_try("is kc broker running there?");
    } else if (!write_all(fd, line.data, line.len) || !read_line(fd, answer_line, sizeof answer_line)) {
        kc_say_error("--control %s: no answer came", path);
    } else {
        code = show_answer(answer_line);
    }
    if (fd >= 0) close(fd);
    free(line.data);
    return code;
}
