/* table.c: keeps the cells until the widths are known. The last column is not padded: no blanks at ends of lines. */
#include "table.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void kc_table_add(kc_table *t, const char *fmt, ...)
{
    if (t->cells == t->room) {
        t->room = t->room > 0 ? t->room * 2 : 64;
        t->texts = kc_resize(t->texts, t->room, sizeof *t->texts);
    }
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0) text = kc_copy_text("?");
    va_end(ap);
    t->texts[t->cells++] = text;
}

static int width(const kc_table *t, size_t column)
{
    size_t widest = 0;
    for (size_t i = column; i < t->cells; i += t->columns) {
        size_t len = strlen(t->texts[i]);
        if (len > widest) widest = len;
    }
    return (int)widest;
}

void kc_table_print(kc_table *t, size_t indent)
{
    int *widths = kc_zalloc(t->columns, sizeof *widths);
    for (size_t c = 0; c < t->columns; c++) widths[c] = width(t, c);
    size_t column = 0;
    for (size_t i = 0; i < t->cells; i++) {
        if (column == 0) printf("%*s", (int)indent, "");
        if (column + 1 < t->columns)
            printf("%-*s  ", widths[column], t->texts[i]);
        else
            printf("%s\n", t->texts[i]);
        free(t->texts[i]);
        column = column + 1 < t->columns ? column + 1 : 0;
    }
    free(widths);
    free(t->texts);
    *t = (kc_table){.columns = t->columns};
}
