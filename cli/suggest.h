/* suggest: finds the word that somebody meant who mistyped it. */
#ifndef KC_SUGGEST_H
#define KC_SUGGEST_H
#include <stddef.h>

/* The closest word so far. Start with {.word = what was typed}, offer all words, then look at `best`: NULL when none is
 * close enough to be worth a question. */
typedef struct kc_suggestion {
    const char *word, *best;
    size_t distance;
} kc_suggestion;
void kc_suggest_offer(kc_suggestion *s, const char *candidate);

#endif
