/* fault: which requests are to meet which trouble (kafka_fault). */
#ifndef KFT_FAULT_H
#define KFT_FAULT_H
#include "base/list.h"
#include "kafka/testing.h"

enum { KFT_MOST_FAULTS = 1000, KFT_API_KEYS = 128 };

typedef struct kft_fault {
    kfk_list node;
    kafka_fault what; /* count counts down; topic is owned */
} kft_fault;

typedef struct kft_faults {
    kfk_list list; /* in the order in which they were added: the first that fits is met */
    int count;
    int64_t met;
} kft_faults;

struct kft_ask;

void kft_faults_init(kft_faults *f);
void kft_faults_clear(kft_faults *f);
/* 0, KAFKA_EINVAL (what cannot be) with *why, KAFKA_ENOMEM, KAFKA_EAGAIN (too many). */
int kft_faults_add(kft_faults *f, const kafka_fault *fault, const char **why);
/* The fault that this request meets, copied to *out (topic is NULL there); false = none. Counts it. */
bool kft_faults_meet(kft_faults *f, const struct kft_ask *ask, kafka_fault *out);

#endif
