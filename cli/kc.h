/* kc.h: what all parts of kc share: exit codes, the subcommands, and memory.
 *
 * kc is an application like any other: of the library it includes <kafka/...> only. */
#ifndef KC_H
#define KC_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Documented in `kc --help`. A signal that stops kc gives 128 + its number. */
enum { KC_OK = 0, KC_FAILED = 1, KC_USAGE = 2, KC_SIGNALLED = 128 };

/* The subcommands. argv[0] is the subcommand's own name; they return an exit code. */
int kc_produce(int argc, char **argv);
int kc_consume(int argc, char **argv);
int kc_topics(int argc, char **argv);
int kc_offsets(int argc, char **argv);
int kc_meta(int argc, char **argv);
int kc_broker(int argc, char **argv);

/* Memory or nothing: without memory kc says so and exits with KC_FAILED. `kc_zalloc` gives zeroed memory. */
void *kc_zalloc(size_t count, size_t size);
void *kc_resize(void *old, size_t count, size_t size);
char *kc_copy_text(const char *text);

/* kc_buf: bytes that grow. {0} is an empty one; free(b.data) releases it. */
typedef struct kc_buf {
    char *data;
    size_t len, cap;
} kc_buf;
/* Makes room for `more` bytes behind the end and returns where they go; the caller adds to b->len what it wrote. */
char *kc_buf_room(kc_buf *b, size_t more);
void kc_buf_add(kc_buf *b, const void *data, size_t len);
void kc_buf_add_int(kc_buf *b, int64_t n);

#endif
