/* A program that tests itself against the in-memory cluster of an installed libkafka-testing; C and C++.
 *
 * Shared, the two libraries have parts of the code twice. What must hold for both together is tried here: one loop, one
 * last error, callbacks that are known to either, forks. */
#define _POSIX_C_SOURCE 200809L /* fork */
#include <kafka/testing.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                                                  \
    do {                                                                                                  \
        if (!(condition)) {                                                                               \
            fprintf(stderr, "line %d: %s does not hold: %s\n", __LINE__, #condition, kafka_last_error()); \
            return 1;                                                                                     \
        }                                                                                                 \
    } while (0)

typedef struct tried {
    kafka_cluster *cluster;
    int dial, create;
} tried;

/* Both libraries know that this is a callback. */
static void try_to_wait(void *userdata, const kafka_cluster_event *event)
{
    tried *t = (tried *)userdata;
    kafka_conn *conn = NULL;
    (void)event;
    t->dial = kafka_dial(NULL, KAFKA_WITHIN(100), kafka_cluster_bootstrap(t->cluster), &conn);
    t->create = kafka_cluster_create_topic(t->cluster, "u", 1);
}

static int talk(kafka_cluster *cluster, kafka_loop *loop)
{
    kafka_dialer dialer;
    kafka_conn *conn = NULL;
    kafka_message *message = NULL;
    kafka_fault fault = kafka_fault_on(KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE);
    memset(&dialer, 0, sizeof dialer);
    dialer.loop = loop;
    fault.error = KAFKA_ERR_NOT_ENOUGH_REPLICAS;
    CHECK(kafka_cluster_create_topic(cluster, "t", 1) == 0);
    CHECK(kafka_dial_leader(&dialer, KAFKA_WITHIN(60000), kafka_cluster_bootstrap(cluster), "t", 0, &conn) == 0);
    kafka_conn_set_deadline(conn, kafka_deadline_in(60000));
    CHECK(kafka_cluster_add_fault(cluster, &fault) == 0);
    CHECK(kafka_conn_write(conn, "v", 1) == KAFKA_ERR_NOT_ENOUGH_REPLICAS);
    CHECK(kafka_conn_write(conn, "v", 1) == 0);
    CHECK(kafka_conn_read_message(conn, 0, &message) == 0);
    CHECK(message->value.len == 1);
    kafka_message_free(message);
    CHECK(kafka_cluster_delete_topic(cluster, "no-such-topic") == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    CHECK(strstr(kafka_last_error(), "no-such-topic") != NULL);
    kafka_conn_free(conn);
    return 0;
}

static int callbacks(kafka_cluster *cluster)
{
    tried t;
    kafka_cluster_listener listener;
    kafka_conn *conn = NULL;
    t.cluster = cluster;
    t.dial = t.create = 0;
    listener.heard = try_to_wait;
    listener.userdata = &t;
    CHECK(kafka_cluster_set_listener(cluster, &listener) == 0);
    CHECK(kafka_dial(NULL, KAFKA_WITHIN(60000), kafka_cluster_bootstrap(cluster), &conn) == 0);
    CHECK(kafka_cluster_set_listener(cluster, NULL) == 0);
    CHECK(t.dial == KAFKA_EAGAIN);
    CHECK(t.create == KAFKA_EAGAIN);
    kafka_conn_free(conn);
    return 0;
}

static int child(kafka_cluster *cluster)
{
    int status = 1;
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        int code = kafka_cluster_create_topic(cluster, "u", 1);
        kafka_cluster_free(cluster);
        _exit(code == KAFKA_EFORKED ? 0 : 2);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return 0;
}

/* With a loop of the application's, threaded or manual, or NULL. */
static int embed(kafka_loop *loop, int manual)
{
    kafka_cluster_config config;
    kafka_cluster *cluster = NULL;
    memset(&config, 0, sizeof config);
    config.loop = loop;
    config.brokers = 2;
    CHECK(kafka_cluster_new(&config, &cluster) == 0);
    CHECK(talk(cluster, loop) == 0);
    if (!manual) CHECK(callbacks(cluster) == 0);
    CHECK(child(cluster) == 0);
    kafka_cluster_free(cluster);
    return 0;
}

int main(int argc, char **argv)
{
    kafka_loop *loop = NULL;
    kafka_loop_config manual;
    if (argc > 1 && strcmp(argv[1], "refused") == 0) { /* beside another version of libkafka */
        kafka_cluster *cluster = NULL;
        CHECK(kafka_cluster_new(NULL, &cluster) == KAFKA_EVERSION);
        CHECK(cluster == NULL && strstr(kafka_last_error(), "same version") != NULL);
        puts(kafka_last_error());
        return 0;
    }
    CHECK(embed(NULL, 0) == 0);
    CHECK(kafka_loop_new(NULL, &loop) == 0);
    CHECK(embed(loop, 0) == 0);
    kafka_loop_free(loop);
    memset(&manual, 0, sizeof manual);
    manual.manual = 1;
    CHECK(kafka_loop_new(&manual, &loop) == 0);
    CHECK(embed(loop, 1) == 0);
    kafka_loop_free(loop);
    printf("kafka-c %s: %s\n", kafka_version(), "a cluster in the process");
    return 0;
}
