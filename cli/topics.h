/* topics: what the files of kc topics share. */
#ifndef KC_TOPICS_H
#define KC_TOPICS_H
#include "options.h"
#include <kafka/kafka.h>

/* The verbs, with argv[0] the verb's name; they return an exit code. */
int kc_topics_list(int argc, char **argv);
int kc_topics_describe(int argc, char **argv);
int kc_topics_create(int argc, char **argv);
int kc_topics_delete(int argc, char **argv);

#endif
