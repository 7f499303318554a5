/* handler: a request on its way to its answer, and the functions that answer.
 *
 * Each API is one file, handle_<api>.c, that opens with the versions it serves and its known gaps. A handler gets the
 * decoded request and an answer at its defaults, and fills it from the ask's arena. It may run several times for one
 * request: a handler that has to wait says on which partitions and until when, and is called again, with a fresh
 * answer, when one of them has news or the time is up. So what it did before it waited must show in `done`. */
#ifndef KFT_HANDLER_H
#define KFT_HANDLER_H
#include "base/arena.h"
#include "testing/cluster.h"
#include "testing/node.h"
#include "wire/api.h"

typedef struct kft_ask kft_ask;
typedef struct kft_session kft_session;

typedef enum kft_outcome {
    KFT_ANSWER,    /* the answer is complete */
    KFT_NO_ANSWER, /* acks = 0 */
    KFT_WAIT,      /* kft_ask_wait was called, kft_ask_wait_on perhaps too */
    KFT_HANG_UP    /* nonsense that a broker closes the connection for, or no memory */
} kft_outcome;

typedef struct kft_handler {
    int16_t api, min_version, max_version;
    kft_outcome (*handle)(kft_ask *);
    /* Optional: does the request name this topic and partition (NULL, -1: any)? For faults. NULL = it names none. */
    bool (*names)(const kft_ask *, kafka_bytes topic, int32_t partition);
} kft_handler;

/* The handler of an API, or NULL. */
const kft_handler *kft_handler_find(int16_t api);
/* The i-th by API key, NULL behind the last. */
const kft_handler *kft_handler_row(size_t i);

struct kft_ask {
    kafka_cluster *cluster;
    kft_node *node; /* that was asked */
    kft_session *session;
    const kft_handler *handler;
    const kfk_api *api;
    int16_t version;
    int32_t correlation_id;
    kafka_bytes client_id;
    kfk_block *frame; /* the request's bytes; batches in it may be kept by reference */
    void *request;    /* a struct of api->request, its arrays in `asked` */
    void *answer;     /* a struct of api->response */
    kfk_arena asked;  /* the request's memory */
    kfk_arena arena;  /* the answer's */
    int64_t arrived_ms;
    bool dry;   /* change nothing: the answer's codes will be overwritten (KAFKA_FAULT_ERROR) */
    bool late;  /* called again because the time is up */
    void *done; /* the handler's own, NULL at first, in `asked`: what it did before it waited */
    int64_t until_ms;
    kfk_list waits; /* kft_wait.mine */
    struct kft_hold *holds;
};

/* `count` structs at their defaults for an array of the answer, which `path` names from the response on, such as
 * "topics.partitions": KFT_ARRAY(ask, &topic->partitions, "topics.partitions", n). False without memory: return
 * KFT_HANG_UP then. */
bool kft_ask_array(kft_ask *ask, kfk_array *array, const char *path, int32_t count);
#define KFT_ARRAY(ask, array, path, count) kft_ask_array((ask), (kfk_array *)(void *)(array), (path), (count))
/* The answer refers to bytes of this block: it lives until they were written. False without memory. */
bool kft_ask_hold(kft_ask *ask, kfk_block *block);
/* A copy of a text in the answer's arena, null for NULL or without memory. */
kafka_bytes kft_ask_text(kft_ask *ask, const char *text);

/* The partition, when this broker leads it in that epoch (-1 = any); otherwise NULL and a code: 3, 6, 74, 75. */
kft_partition *kft_ask_led(kft_ask *ask, kafka_bytes topic, int32_t index, int32_t current_epoch, int16_t *code);

/* What a request names, to see what it names twice; marked in order of n log n, since it may name a million. */
typedef struct kft_key {
    kafka_bytes name;
    int32_t number;
    int32_t index, first;     /* its place, and that of the first one like it; set by kft_keys_mark like the rest */
    bool again, later, twice; /* named before; named behind it; one of these */
} kft_key;
void kft_keys_mark(kft_key *keys, int32_t count);
/* The key of a partition of a topic that is named by name or id (zero: by name). */
kft_key kft_key_of(kafka_bytes topic, const kfk_uuid *id, int32_t partition);

/* For faults: is the topic that a request names by name or id (zero: by name) the one called `wanted`? */
bool kft_ask_names_topic(const kft_ask *ask, kafka_bytes wanted, kafka_bytes name, const kfk_uuid *id);

/* To be called again at that time of the loop's clock at the latest, */
void kft_ask_wait(kft_ask *ask, int64_t until_ms);
/* and when that partition has news. False without memory. */
bool kft_ask_wait_on(kft_ask *ask, kft_partition *p);

/* Sets every field called error_code of an answer (and empties records next to one), whatever the API. */
void kft_answer_set_error(const kfk_schema *s, int16_t version, void *answer, int16_t code);

#endif
