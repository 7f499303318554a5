/* delivery.c: counting outcomes.
 *
 * Two kinds of failure are told apart. A message may be refused for itself, as one that is too large: the others are
 * none the worse for it, and go on. Anything else (nobody leads, nobody answers, not allowed, no such topic) meets the
 * next message as well, so kc stops reading instead of failing at length.
 *
 * The report is printed by whoever reads the input: the library's thread, which brings the outcomes, must not wait for
 * somebody who reads slowly. */
#include "delivery.h"
#include "output.h"
#include <kafka/error.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kc_delivery {
    pthread_mutex_t lock; /* around all that follows */
    kc_counts counts;
    kc_failed first, last_straw; /* last_straw: the first that bodes ill for all; err 0 = there is none */
    bool first_asked, last_straw_asked;
    bool reports;
    kc_buf lines, printing;
};

kc_delivery *kc_delivery_new(bool report)
{
    kc_delivery *d = kc_zalloc(1, sizeof *d);
    pthread_mutex_init(&d->lock, NULL);
    d->reports = report;
    return d;
}

void kc_delivery_free(kc_delivery *d)
{
    pthread_mutex_destroy(&d->lock);
    free(d->lines.data);
    free(d->printing.data);
    free(d);
}

/* ---- outcomes ---------------------------------------------------------------------------------------------------- */

static bool is_the_messages_own(int err)
{
    switch (err) {
    case KAFKA_ERR_MESSAGE_TOO_LARGE:
    case KAFKA_ERR_RECORD_LIST_TOO_LARGE:
    case KAFKA_ERR_INVALID_RECORD:
    case KAFKA_ERR_INVALID_TIMESTAMP:
    case KAFKA_ETOOBIG: return true;
    default: return false;
    }
}

static void note_failure(kc_delivery *d, const kafka_message *m, int err)
{
    kc_failed failed = {.err = err, .written = m->written, .partition = m->partition, .number = (uintptr_t)m->userdata};
    bool is_last_straw = d->last_straw.err == 0 && !is_the_messages_own(err);
    if (d->first.err != 0 && !is_last_straw) return;
    snprintf(failed.why, sizeof failed.why, "%s", kafka_last_error());
    if (is_last_straw) d->last_straw = failed;
    if (is_last_straw && d->first.err == 0) d->last_straw_asked = true; /* it is told as the first */
    if (d->first.err == 0) d->first = failed;
}

static void add_word(kc_buf *lines, const char *word, char end)
{
    kc_buf_add(lines, word, strlen(word));
    kc_buf_add(lines, &end, 1);
}

static void add_number(kc_buf *lines, int64_t n)
{
    if (n < 0)
        add_word(lines, "-", ' ');
    else {
        kc_buf_add_int(lines, n);
        kc_buf_add(lines, " ", 1);
    }
}

static void add_line(kc_buf *lines, const kafka_message *m, int err)
{
    const char *in_log = m->written == KAFKA_WRITTEN_YES ? "yes" : m->written == KAFKA_WRITTEN_NO ? "no" : "maybe";
    kc_buf_add_int(lines, (int64_t)(intptr_t)m->userdata);
    kc_buf_add(lines, " ", 1);
    add_number(lines, m->partition);
    add_number(lines, err == 0 ? m->offset : -1);
    add_word(lines, in_log, ' ');
    add_word(lines, kafka_err_name(err), '\n');
}

void kc_delivery_told(void *delivery, const kafka_message *msgs, size_t count, int err)
{
    kc_delivery *d = delivery;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < count; i++) {
        if (err == 0)
            d->counts.acknowledged++;
        else if (msgs[i].written == KAFKA_WRITTEN_NO)
            d->counts.failed++;
        else
            d->counts.unknown++;
        if (err != 0) note_failure(d, &msgs[i], err);
        if (d->reports) add_line(&d->lines, &msgs[i], err);
    }
    pthread_mutex_unlock(&d->lock);
}

void kc_delivery_refused(kc_delivery *d, uint64_t number, int err)
{
    const kafka_message m = {.userdata = (void *)(uintptr_t)number, .partition = -1, .written = KAFKA_WRITTEN_NO};
    kc_delivery_told(d, &m, 1, err);
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

kc_counts kc_delivery_counts(kc_delivery *d)
{
    pthread_mutex_lock(&d->lock);
    kc_counts counts = d->counts;
    pthread_mutex_unlock(&d->lock);
    return counts;
}

bool kc_delivery_next_failure(kc_delivery *d, kc_failed *out)
{
    pthread_mutex_lock(&d->lock);
    const kc_failed *next = NULL;
    if (d->first.err != 0 && !d->first_asked) {
        next = &d->first;
        d->first_asked = true;
    } else if (d->last_straw.err != 0 && !d->last_straw_asked) {
        next = &d->last_straw;
        d->last_straw_asked = true;
    }
    if (next != NULL) *out = *next;
    pthread_mutex_unlock(&d->lock);
    return next != NULL;
}

bool kc_delivery_is_hopeless(kc_delivery *d)
{
    pthread_mutex_lock(&d->lock);
    bool hopeless = d->last_straw.err != 0;
    pthread_mutex_unlock(&d->lock);
    return hopeless;
}

void kc_delivery_report(kc_delivery *d)
{
    pthread_mutex_lock(&d->lock);
    kc_buf ready = d->lines;
    d->lines = d->printing;
    d->lines.len = 0;
    d->printing = ready;
    pthread_mutex_unlock(&d->lock);
    if (ready.len > 0)
        kc_output_write_stoppable(ready.data, ready.len); /* when nobody reads it any more there is no report */
}
