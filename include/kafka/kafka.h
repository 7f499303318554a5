#ifndef KAFKA_H
#define KAFKA_H
#include <kafka/error.h>
#include <kafka/types.h>
#include <kafka/ctx.h>
#include <kafka/log.h>
#include <kafka/loop.h>
#include <kafka/tls.h>
#include <kafka/sasl.h>
#include <kafka/dialer.h>
#include <kafka/batch.h>
#include <kafka/conn.h>
#endif
