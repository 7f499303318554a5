/* table: columns that line up. */
#ifndef KC_TABLE_H
#define KC_TABLE_H
#include "kc.h"

/* {.columns = n} is an empty one. Cells are added row by row, left to right. */
typedef struct kc_table {
    size_t columns, cells, room;
    char **texts;
} kc_table;
void kc_table_add(kc_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Prints it, `indent` spaces from the left, two between columns, and empties it. */
void kc_table_print(kc_table *t, size_t indent);

#endif
