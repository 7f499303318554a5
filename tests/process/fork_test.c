/* Forks: what a child may do with what it inherited, that its own objects work, and that its parent notices nothing. */
#include "process/child.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <spawn.h>

extern char **environ;

/* What a child inherits. */
typedef struct family {
    tcp_peer *peer;
    kafka_conn *conn;
    kafka_batch *batch;
    kafka_loop *loop;
    kafka_cancel *token;
} family;

static void family_start(family *f, kafka_loop *loop)
{
    kafka_dialer d = {.loop = loop};
    *f = (family){.peer = calls_peer_with(4, NULL, 0), .loop = loop};
    assert_works(kafka_dial_leader(&d, KAFKA_WITHIN(10000), tcp_peer_address(f->peer), "t", 0, &f->conn));
    assert_works(kafka_cancel_new(&f->token));
    kafka_conn_set_cancel(f->conn, f->token);
    kafka_conn_set_deadline(f->conn, kafka_deadline_in(20000));
}

/* The parent's connection works as if nothing had been. */
static void family_end(family *f)
{
    int64_t first, last;
    assert_works(kafka_conn_read_offsets(f->conn, &first, &last));
    assert_works(kafka_conn_write(f->conn, "after", 5));
    kafka_batch_close(f->batch);
    kafka_conn_free(f->conn);
    kafka_loop_free(f->loop);
    kafka_cancel_free(f->token);
    tcp_peer_free(f->peer);
}

/* ---- what the child inherits ------------------------------------------------------------------------------------- */

#define FORKED(call)                                         \
    do {                                                     \
        CHECK((call) == KAFKA_EFORKED);                      \
        CHECK(strstr(kafka_last_error(), "parent") != NULL); \
        CHECK(strstr(kafka_last_error(), "kafka_") != NULL); \
    } while (0)

static void use_connection(void *arg)
{
    family *f = arg;
    kafka_conn *c = f->conn;
    kafka_message *m = NULL, out = {.value = KAFKA_LIT("v")};
    kafka_batch *b = NULL;
    kafka_partitions *partitions = NULL;
    kafka_brokers *brokers = NULL;
    kafka_broker *broker = NULL;
    kafka_topic_config topic = {.topic = "new"};
    const char *name = "t";
    struct sockaddr_storage at;
    socklen_t at_len = sizeof at;
    size_t len;
    int64_t x, y;
    int whence = -1;
    char buf[8];
    FORKED(kafka_conn_read(c, buf, sizeof buf, &len));
    FORKED(kafka_conn_read_message(c, 0, &m));
    FORKED(kafka_conn_read_batch(c, NULL, &b));
    FORKED(kafka_conn_read_first_offset(c, &x));
    FORKED(kafka_conn_read_last_offset(c, &x));
    FORKED(kafka_conn_read_offsets(c, &x, &y));
    FORKED(kafka_conn_read_offset(c, 1, &x));
    FORKED(kafka_conn_seek(c, 0, KAFKA_SEEK_ABSOLUTE | KAFKA_SEEK_DONT_CHECK, NULL));
    FORKED(kafka_conn_write(c, "v", 1));
    FORKED(kafka_conn_write_messages(c, &out, 1, KAFKA_COMPRESSION_NONE, NULL));
    CHECK(kafka_last_written() == KAFKA_WRITTEN_NO);
    FORKED(kafka_conn_read_partitions(c, NULL, 0, &partitions));
    FORKED(kafka_conn_brokers(c, &brokers));
    FORKED(kafka_conn_controller(c, &broker));
    FORKED(kafka_conn_create_topics(c, &topic, 1, NULL));
    FORKED(kafka_conn_delete_topics(c, &name, 1, NULL));
    FORKED(kafka_conn_set_required_acks(c, KAFKA_ACKS_ONE));
    FORKED(kafka_conn_local_addr(c, (struct sockaddr *)&at, &at_len));
    FORKED(kafka_conn_remote_addr(c, (struct sockaddr *)&at, &at_len));
    FORKED(kafka_conn_close(c));
    kafka_conn_set_deadline(c, 1);
    kafka_conn_set_cancel(c, NULL);
    CHECK(kafka_conn_offset(c, &whence) == 0 && whence == KAFKA_SEEK_START);
}

static void every_call_on_the_parents_connection_is_refused(void **state)
{
    (void)state;
    family f;
    family_start(&f, NULL);
    int asked = tcp_peer_requests(f.peer, TCP_ANY);
    child_run(use_connection, &f);
    assert_int_equal(tcp_peer_requests(f.peer, TCP_ANY), asked);
    family_end(&f);
}

static void use_batch(void *arg)
{
    family *f = arg;
    kafka_message m;
    char buf[8];
    size_t len;
    FORKED(kafka_batch_read_message(f->batch, &m));
    FORKED(kafka_batch_read(f->batch, buf, sizeof buf, &len));
    CHECK(strcmp(kafka_batch_topic(f->batch), "t") == 0 && kafka_batch_partition(f->batch) == 0);
    CHECK(kafka_batch_offset(f->batch) == 1 && kafka_batch_high_watermark(f->batch) == 4);
    CHECK(kafka_batch_error(f->batch) == 0);
    FORKED(kafka_batch_close(f->batch));
    kafka_conn_free(f->conn);
}

static void the_parents_batch_can_only_be_closed(void **state)
{
    (void)state;
    family f;
    family_start(&f, NULL);
    assert_works(kafka_conn_read_batch(f.conn, NULL, &f.batch));
    calls_expect_next(f.batch, 0);
    child_run(use_batch, &f);
    calls_expect_next(f.batch, 1);
    family_end(&f);
}

typedef struct values {
    family f;
    kafka_message *message, view;
    kafka_partitions *partitions;
} values;

static void look_at_values(void *arg)
{
    values *v = arg;
    kafka_conn_free(v->f.conn);
    CHECK(v->message->value.len == 2 && memcmp(v->message->value.data, "v0", 2) == 0);
    CHECK(strcmp(v->message->topic, "t") == 0);
    CHECK(v->partitions->count == 2 && v->partitions->items[1].id == 1);
    CHECK(v->view.offset == 1 && memcmp(v->view.value.data, "v1", 2) == 0 && strcmp(v->view.topic, "t") == 0);
    kafka_message *copy = NULL;
    CHECK(kafka_message_dup(v->message, &copy) == 0);
    kafka_message_free(copy);
    kafka_message_free(v->message);
    kafka_partitions_free(v->partitions);
}

static void values_handed_out_before_can_be_read_and_freed(void **state)
{
    (void)state;
    values v;
    family_start(&v.f, NULL);
    assert_works(kafka_conn_read_message(v.f.conn, 0, &v.message));
    assert_works(kafka_conn_read_partitions(v.f.conn, NULL, 0, &v.partitions));
    assert_works(kafka_conn_read_batch(v.f.conn, NULL, &v.f.batch));
    assert_works(kafka_batch_read_message(v.f.batch, &v.view));
    child_run(look_at_values, &v);
    kafka_message_free(v.message);
    kafka_partitions_free(v.partitions);
    family_end(&v.f);
}

static void use_loop(void *arg)
{
    family *f = arg;
    kafka_dialer d = {.loop = f->loop};
    kafka_conn *c = NULL;
    FORKED(kafka_loop_fd(f->loop));
    FORKED(kafka_loop_run(f->loop));
    CHECK(kafka_loop_timeout_ms(f->loop) == -1);
    CHECK(kafka_dial(&d, NULL, tcp_peer_address(f->peer), &c) == KAFKA_EFORKED && c == NULL);
    CHECK(strstr(kafka_last_error(), "the loop is the parent process's") != NULL);
}

static void the_parents_loop_is_refused(void **state)
{
    (void)state;
    for (int manual = 0; manual < 2; manual++) {
        family f;
        kafka_loop *loop;
        assert_works(kafka_loop_new(&(kafka_loop_config){.manual = manual}, &loop));
        family_start(&f, loop);
        child_run(use_loop, &f);
        family_end(&f);
    }
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static bool leads_to(int fd, int port)
{
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && ntohs(peer.sin_port) == port;
}

/* The descriptors that only the library has: epoll sets, eventfds, connections to the peer. -1: cannot tell. */
static int library_descriptors(const tcp_peer *p)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;
    if (d == NULL) return -1;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        char path[300], to[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%s", e->d_name);
        if (readlink(path, to, sizeof to - 1) < 0) continue;
        n += strstr(to, "[eventpoll]") != NULL || strstr(to, "[eventfd]") != NULL ||
             leads_to(atoi(e->d_name), tcp_peer_port(p));
    }
    closedir(d);
    return n;
}

static void free_everything(void *arg)
{
    family *f = arg;
    CHECK(library_descriptors(f->peer) >= 2); /* those of the default loop went with the fork */
    kafka_conn_free(f->conn);
    kafka_loop_free(f->loop);
    kafka_cancel_free(f->token);
    CHECK(library_descriptors(f->peer) == 0);
}

static void free_closes_the_inherited_descriptors_and_the_parent_goes_on(void **state)
{
    (void)state;
    enum { DEFAULT_LOOP, OWN_LOOP, MANUAL_LOOP, LOOPS };
    for (int kind = DEFAULT_LOOP; kind < LOOPS; kind++) {
        family f;
        kafka_loop *loop = NULL;
        const kafka_loop_config cfg = {.manual = kind == MANUAL_LOOP};
        if (kind != DEFAULT_LOOP) assert_works(kafka_loop_new(&cfg, &loop));
        family_start(&f, loop);
        assert_works(kafka_conn_write(f.conn, "before", 6)); /* the token is watched from here on */
        int before = library_descriptors(f.peer);
        assert_int_equal(before, 4); /* an epoll set, an eventfd to wake it, the socket, the token's eventfd */
        child_run(free_everything, &f);
        assert_int_equal(library_descriptors(f.peer), before);
        family_end(&f);
    }
}

/* ---- objects of the child's own ---------------------------------------------------------------------------------- */

/* The peer's address with a name in it, which a helper thread resolves. */
static const char *by_name(const family *f)
{
    static char address[32];
    snprintf(address, sizeof address, "localhost:%d", tcp_peer_port(f->peer));
    return address;
}

static void dial_anew(void *arg)
{
    family *f = arg;
    kafka_conn *c = NULL;
    kafka_message *m = NULL;
    kafka_ctx ctx = {.deadline = kafka_deadline_in(20000), .cancel = f->token};
    CHECK(kafka_dial_leader(NULL, &ctx, by_name(f), "t", 0, &c) == 0);
    kafka_conn_set_deadline(c, ctx.deadline);
    kafka_conn_set_cancel(c, f->token);
    CHECK(kafka_conn_read_message(c, 0, &m) == 0 && m->offset == 0);
    kafka_message_free(m);
    CHECK(kafka_conn_write(c, "of the child", 12) == 0);
    kafka_cancel_fire(f->token);
    CHECK(kafka_conn_write(c, "of the child", 12) == KAFKA_ECANCELED);
    kafka_conn_free(c);
    kafka_conn_free(f->conn);
    kafka_cancel_free(f->token);
}

static void the_child_dials_anew_and_uses_its_copy_of_a_token(void **state)
{
    (void)state;
    family f;
    CHILD_SKIP_UNLESS(CHILD_MAY_START_THREADS);
    kafka_conn *c = NULL;
    family_start(&f, NULL);
    assert_works(kafka_dial(NULL, KAFKA_WITHIN(10000), by_name(&f), &c)); /* a helper thread waits for work, here */
    kafka_conn_free(c);
    child_run(dial_anew, &f);
    assert_int_equal(tcp_peer_end(f.peer, 0), 5);
    family_end(&f); /* the parent's token has not fired */
}

static void use_of_grandparent(void *arg)
{
    int64_t x;
    FORKED(kafka_conn_read_first_offset(arg, &x));
}

static void fork_again(void *arg)
{
    family *f = arg;
    kafka_conn *c = NULL;
    int64_t x;
    CHECK(kafka_dial_leader(NULL, KAFKA_WITHIN(20000), tcp_peer_address(f->peer), "t", 0, &c) == 0);
    for (int i = 0; i < 2; i++) {
        int status = -1;
        pid_t pid = child_fork();
        if (pid == 0) {
            use_of_grandparent(i ? c : f->conn);
            _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    CHECK(kafka_conn_read_first_offset(c, &x) == 0);
    kafka_conn_free(c);
}

static void a_grandchild_is_refused_the_handles_of_both(void **state)
{
    (void)state;
    family f;
    CHILD_SKIP_UNLESS(CHILD_MAY_START_THREADS);
    family_start(&f, NULL);
    child_run(fork_again, &f);
    family_end(&f);
}

/* ---- balancers --------------------------------------------------------------------------------------------------- */

static pid_t balancers_owner;
static int destroyed;

static int32_t take_first(void *userdata, const kafka_message *m, const int32_t *partitions, size_t count)
{
    (void)userdata;
    (void)m;
    return count > 0 ? partitions[0] : -1;
}

/* In a child the function may have been interrupted anywhere: there nothing is destroyed. */
static void destroy_in_parent(void *userdata)
{
    (void)userdata;
    CHECK(getpid() == balancers_owner);
    destroyed++;
}

static void use_balancers(void *arg)
{
    kafka_balancer **b = arg;
    static const int32_t partitions[] = {0, 1};
    const kafka_message m = {.topic = "t", .key = {"k", 1}};
    for (int i = 0; i < 3; i++) {
        FORKED(kafka_balancer_balance(b[i], &m, partitions, 2));
        kafka_balancer_free(b[i]);
    }
    if (!CHILD_MAY_ALLOCATE) return;
    kafka_balancer *own = kafka_balancer_least_bytes();
    CHECK(own != NULL && kafka_balancer_balance(own, &m, partitions, 2) == 0);
    kafka_balancer_free(own);
}

static void the_parents_balancers_can_only_be_freed(void **state)
{
    (void)state;
    balancers_owner = getpid();
    kafka_balancer *b[] = {kafka_balancer_murmur2(true), kafka_balancer_least_bytes(),
                           kafka_balancer_func(take_first, NULL, destroy_in_parent)};
    child_run(use_balancers, b);
    for (int i = 0; i < 3; i++) kafka_balancer_free(b[i]);
    assert_int_equal(destroyed, 1);
}

/* ---- other ways to start a process ------------------------------------------------------------------------------- */

static void vfork_and_posix_spawn_are_harmless(void **state)
{
    (void)state;
    family f;
    char *args[] = {"true", NULL};
    family_start(&f, NULL);
    for (int i = 0; i < 20; i++) {
        pid_t pid;
        assert_int_equal(posix_spawnp(&pid, "true", NULL, NULL, args, environ), 0);
        assert_works(kafka_conn_write(f.conn, "meanwhile", 9));
        child_expect(pid, 0);
        pid = vfork();
        if (pid == 0) {
            execvp("true", args);
            _exit(99);
        }
        child_expect(pid, 0);
        assert_works(kafka_conn_write(f.conn, "meanwhile", 9));
    }
    family_end(&f);
}

/* In a child that a callback forked. */
static pid_t forked_in_callback;
static void fork_in_callback(void)
{
    forked_in_callback = child_fork();
    if (forked_in_callback == 0) _exit(7);
}

static void a_callback_may_fork(void **state)
{
    (void)state;
    family f;
    family_start(&f, NULL);
    calls_in_callback(fork_in_callback);
    child_expect(forked_in_callback, 7);
    family_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(every_call_on_the_parents_connection_is_refused),
        API_TEST(the_parents_batch_can_only_be_closed),
        API_TEST(values_handed_out_before_can_be_read_and_freed),
        API_TEST(the_parents_loop_is_refused),
        API_TEST(free_closes_the_inherited_descriptors_and_the_parent_goes_on),
        API_TEST(the_child_dials_anew_and_uses_its_copy_of_a_token),
        API_TEST(a_grandchild_is_refused_the_handles_of_both),
        API_TEST(the_parents_balancers_can_only_be_freed),
        API_TEST(vfork_and_posix_spawn_are_harmless),
        API_TEST(a_callback_may_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
