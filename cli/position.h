/* position: where to begin reading (-o). */
#ifndef KC_POSITION_H
#define KC_POSITION_H
#include "options.h"

typedef enum kc_from { KC_FROM_BEGINNING, KC_FROM_END, KC_FROM_OFFSET, KC_FROM_BEFORE_END, KC_FROM_TIME } kc_from;
typedef struct kc_position {
    kc_from from;
    int64_t value; /* the offset, how many before the end, or Unix ms */
} kc_position;

/* kc_position from: beginning, end, N, -N, @UNIX-MS, or a time that when.h reads, with @ or without. */
kc_take kc_take_position;

#endif
