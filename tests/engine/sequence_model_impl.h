/* sequence_model_impl: what the files of the model share. */
#ifndef KFK_TESTS_SEQUENCE_MODEL_IMPL_H
#define KFK_TESTS_SEQUENCE_MODEL_IMPL_H
#include "sequence_model.h"

enum { MINUTE = 60 * 1000, DAY = 24 * 60 * MINUTE };

static inline uint32_t kfk_model_bits(int first, int count)
{
    return ((1u << count) - 1) << first;
}

/* The first complaint is kept. */
void kfk_model_failed(kfk_model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- sequence_model_brokers.c ------------------------------------------------------------------------------------ */

int kfk_model_append(kfk_model *m, kfk_model_broker *k, const kfk_model_entry *e);
int64_t kfk_model_next_offset(const kfk_model_broker *k);
void kfk_model_handle(kfk_model *m, kfk_model_connection *c, int instead);
void kfk_model_answer_first(kfk_model *m, kfk_model_connection *c, int code, int64_t base, int bad);
void kfk_model_replicate(kfk_model *m);
void kfk_model_step_down(kfk_model *m, int broker);
void kfk_model_elect(kfk_model *m, bool unnoticed);
void kfk_model_restart(kfk_model *m, int broker, bool forgets);

#endif
