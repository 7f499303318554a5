/* Faults; see the header. */
#include "testing/fault.h"
#include "base/mem.h"
#include "testing/handler.h"
#include <string.h>

void kft_faults_init(kft_faults *f)
{
    *f = (kft_faults){0};
    kfk_list_init(&f->list);
}

static void fault_free(kft_faults *f, kft_fault *x)
{
    kfk_list_remove(&x->node);
    f->count--;
    kfk_mem_free((void *)(uintptr_t)x->what.topic);
    kfk_mem_free(x);
}

void kft_faults_clear(kft_faults *f)
{
    for (kfk_list *n; (n = kfk_list_first(&f->list)) != NULL;) fault_free(f, KFK_CONTAINER(n, kft_fault, node));
}

static const char *what_is_wrong(const kafka_fault *x)
{
    if (x->kind < KAFKA_FAULT_ERROR || x->kind > KAFKA_FAULT_TRUNCATE) return "kind is none of KAFKA_FAULT_...";
    if (x->count < 0 && x->count != KAFKA_NEVER) return "count is negative";
    if (x->delay_ms < 0) return "delay_ms is negative";
    if (x->bytes < 0) return "bytes is negative";
    if (x->error < INT16_MIN || x->error > INT16_MAX) return "error is no code that a broker could send";
    if (x->api < -1 || x->api >= KFT_API_KEYS) return "api is no API key";
    if (x->reserved != 0) return "reserved is not 0";
    return NULL;
}

int kft_faults_add(kft_faults *f, const kafka_fault *fault, const char **why)
{
    if ((*why = what_is_wrong(fault)) != NULL) return KAFKA_EINVAL;
    if (fault->count == 0) return 0;
    *why = "there are too many faults already";
    if (f->count >= KFT_MOST_FAULTS) return KAFKA_EAGAIN;
    *why = "no memory";
    kft_fault *x = kfk_mem_alloc(sizeof *x);
    if (!x) return KAFKA_ENOMEM;
    x->what = *fault;
    if (fault->topic && !(x->what.topic = kfk_mem_strdup(fault->topic))) {
        kfk_mem_free(x);
        return KAFKA_ENOMEM;
    }
    kfk_list_push_back(&f->list, &x->node);
    f->count++;
    return 0;
}

static bool fits(const kafka_fault *x, const kft_ask *ask)
{
    if (x->api != -1 && x->api != ask->api->key) return false;
    if (x->broker != -1 && x->broker != ask->node->id) return false;
    if (!x->topic && x->partition == -1) return true;
    return ask->handler->names && ask->handler->names(ask, kafka_str(x->topic), x->partition);
}

bool kft_faults_meet(kft_faults *f, const kft_ask *ask, kafka_fault *out)
{
    KFK_LIST_EACH (n, &f->list) {
        kft_fault *x = KFK_CONTAINER(n, kft_fault, node);
        if (!fits(&x->what, ask)) continue;
        *out = x->what;
        out->topic = NULL;
        f->met++;
        if (x->what.count != KAFKA_NEVER && --x->what.count == 0) fault_free(f, x);
        return true;
    }
    return false;
}
