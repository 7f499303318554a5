/* suggest.c: the distance between two words, counted in letters to add, remove, change, or swap with their neighbour.
 *
 * A slip in a short word may be one letter, in a longer one two or three. What was typed may also be the beginning of
 * the word: people shorten. Beginnings count as one slip, so that a real near miss wins against them. */
#include "suggest.h"
#include <string.h>

enum { LONGEST = 32 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Optimal string alignment; three rows of the table are alive at a time. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][LONGEST + 1];
    for (size_t j = 0; j <= m; j++) rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t change = last[j - 1] + (a[i - 1] != b[j - 1]);
            now[j] = least(change, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

void kc_suggest_offer(kc_suggestion *s, const char *candidate)
{
    size_t n = strlen(s->word), m = strlen(candidate);
    if (n == 0 || m == 0 || n > LONGEST || m > LONGEST) return;
    size_t far = n >= 2 && n < m && strncmp(s->word, candidate, n) == 0 ? 1 : distance(s->word, n, candidate, m);
    size_t allowed = m <= 3 ? 1 : m <= 7 ? 2 : 3;
    if (far > allowed || far >= m) return;
    if (s->best == NULL || far < s->distance) {
        s->best = candidate;
        s->distance = far;
    }
}
