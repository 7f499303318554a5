/* Calls of the public interface that many scenarios make. */
#include "sim/client.h"
#include <stdio.h>
#include <string.h>

kafka_dialer client_dialer(int64_t timeout_ms)
{
    return (kafka_dialer){.client_id = "sim", .timeout_ms = timeout_ms};
}

kafka_conn *client_dial(sim *s, const char *address)
{
    kafka_dialer d = client_dialer(0);
    kafka_conn *c = NULL;
    if (kafka_dial_leader(&d, NULL, address, "t", 0, &c) != 0) sim_fail(s, "no connection: %s", kafka_last_error());
    return c;
}

bool client_expect_message(sim *s, kafka_conn *c, int64_t offset, const char *value)
{
    kafka_message *m = NULL;
    char text[256];
    int code = kafka_conn_read_message(c, 1024 * 1024, &m);
    if (code != 0) {
        sim_fail(s, "no message at offset %lld: %s", (long long)offset, kafka_last_error());
        return false;
    }
    snprintf(text, sizeof text, "%.*s", (int)m->value.len, m->value.len ? (const char *)m->value.data : "");
    bool ok = sim_check_equal(s, m->offset, offset) && strcmp(text, value) == 0;
    if (!ok) sim_fail(s, "at offset %lld stands \"%s\", not \"%s\"", (long long)offset, text, value);
    kafka_message_free(m);
    return ok;
}

void client_check_failed(sim *s, int actual, int expected, const char *part, const char *what, const char *file,
                         int line)
{
    if (actual != expected)
        sim_fail_at(s, file, line, "%s is %d (%s), not %d", what, actual, actual ? kafka_last_error() : "success",
                    expected);
    else
        sim_check_contains(s, kafka_last_error(), part, file, line);
}
