/* Forks beside an in-memory cluster: the parent's is not the child's, which can let go of it and have its own. */
#include "process/child.h"

#include "kafka/testing.h"

static kafka_cluster *cluster_with_topic(kafka_loop *loop)
{
    kafka_cluster *c = NULL;
    assert_works(kafka_cluster_new(&(kafka_cluster_config){.loop = loop}, &c));
    assert_works(kafka_cluster_create_topic(c, "t", 1));
    return c;
}

static void use_the_parents(void *arg)
{
    kafka_cluster *c = arg;
    kafka_fault f = kafka_fault_on(KAFKA_FAULT_DROP, -1);
    CHECK(kafka_cluster_create_topic(c, "u", 1) == KAFKA_EFORKED);
    CHECK(strstr(kafka_last_error(), "parent") != NULL);
    CHECK(kafka_cluster_stop_broker(c, 1) == KAFKA_EFORKED);
    CHECK(kafka_cluster_add_fault(c, &f) == KAFKA_EFORKED);
    CHECK(kafka_cluster_requests(c, -1) == -1);
    kafka_cluster_clear_faults(c);
    CHECK(strncmp(kafka_cluster_bootstrap(c), "127.0.0.1:", 10) == 0);
    kafka_cluster_free(c);
}

static void have_an_own(void *arg)
{
    kafka_cluster *own = NULL;
    kafka_conn *conn = NULL;
    kafka_cluster_free(arg);
    CHECK(kafka_cluster_new(NULL, &own) == 0);
    CHECK(kafka_cluster_create_topic(own, "t", 1) == 0);
    CHECK(kafka_dial_leader(NULL, KAFKA_WITHIN(10000), kafka_cluster_bootstrap(own), "t", 0, &conn) == 0);
    CHECK(kafka_conn_write(conn, "v", 1) == 0);
    kafka_conn_free(conn);
    kafka_cluster_free(own);
}

static void expect_alive(kafka_cluster *c)
{
    kafka_conn *conn = NULL;
    assert_works(kafka_dial_leader(NULL, KAFKA_WITHIN(10000), kafka_cluster_bootstrap(c), "t", 0, &conn));
    assert_works(kafka_conn_write(conn, "v", 1));
    kafka_conn_free(conn);
}

static void a_child_is_told_that_the_cluster_is_its_parents(void **state)
{
    (void)state;
    kafka_cluster *c = cluster_with_topic(NULL);
    expect_alive(c);
    child_run(use_the_parents, c);
    expect_alive(c);
    kafka_cluster_free(c);
}

static void a_child_is_told_so_too_when_the_loop_is_the_applications(void **state)
{
    (void)state;
    kafka_loop *loop;
    assert_works(kafka_loop_new(NULL, &loop));
    kafka_cluster *c = cluster_with_topic(loop);
    child_run(use_the_parents, c);
    expect_alive(c);
    kafka_cluster_free(c);
    kafka_loop_free(loop);
}

static void a_child_has_a_cluster_of_its_own(void **state)
{
    (void)state;
    CHILD_SKIP_UNLESS(CHILD_MAY_START_THREADS);
    CHILD_SKIP_UNLESS(CHILD_MAY_ALLOCATE);
    kafka_cluster *c = cluster_with_topic(NULL);
    child_run(have_an_own, c);
    expect_alive(c);
    kafka_cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(a_child_is_told_that_the_cluster_is_its_parents),
        API_TEST(a_child_is_told_so_too_when_the_loop_is_the_applications),
        API_TEST(a_child_has_a_cluster_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
