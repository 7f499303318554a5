/* control: commands to a running `kc broker`, one per line, over a unix socket.
 *
 * Each line gets one line back: "ok", perhaps with values behind it, or "error CODE SENTENCE". `help` lists the
 * commands. So a test in any language can make the cluster fail in the ways that C programs can (kafka/testing.h). */
#ifndef KC_CONTROL_H
#define KC_CONTROL_H
#include "kc.h"
#include <kafka/testing.h>

/* Does what the line says; the answer, without a newline, is appended to `out`. */
void kc_control_line(kafka_cluster *c, char *line, kc_buf *out);
/* Sends the words as one command to the broker that serves the socket at `path`, and prints its answer without the
 * "ok". An exit code; an error has been said. */
int kc_control_tell(const char *path, char *const *words, size_t count);
/* Listens at the socket at `path`, then prints the cluster's address, so that whoever has read it finds the socket; and
 * serves it until kc is to stop. `path` NULL = prints and waits. The socket is removed at the end. An exit code; what
 * went wrong has been said. */
int kc_control_serve(kafka_cluster *c, const char *path);

#endif
