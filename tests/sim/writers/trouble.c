/* See the header. */
#include "trouble.h"

/* No INVALID_PRODUCER_EPOCH: it says that the log has a newer epoch of the producer, so that copies of a batch that
 * come late are refused. Where the network holds copies back, a made-up one is a lie that costs the order of
 * messages: the writer goes on with another producer id, and the log takes the late copies of the old one all the
 * same. */
static void fault_a_produce(world *w, sim *s, unsigned kinds)
{
    static const int32_t codes[] = {KAFKA_ERR_NOT_LEADER_OR_FOLLOWER, KAFKA_ERR_REQUEST_TIMED_OUT,
                                    KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE, KAFKA_ERR_INVALID_RECORD,
                                    KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED};
    static const kafka_fault_kind kinds_of[] = {KAFKA_FAULT_DROP, KAFKA_FAULT_APPLY_THEN_DROP, KAFKA_FAULT_TRUNCATE,
                                                KAFKA_FAULT_SILENCE, KAFKA_FAULT_DELAY};
    int32_t code = codes[sim_plan_below(s, kinds & TROUBLE_REFUSES ? 5 : 2)];
    int64_t count = 1 + (int64_t)sim_plan_below(s, 2);
    size_t kind = sim_plan_below(s, 6);
    if (kind == 5)
        world_fault(w, KAFKA_FAULT_ERROR, KAFKA_REQUEST_PRODUCE, code, count, 0);
    else
        world_fault(w, kinds_of[kind], KAFKA_REQUEST_PRODUCE, 0, count, 20);
}

void trouble(world *w, unsigned kinds)
{
    sim *s = sim_journal_run(world_journal(w));
    int64_t ms = (int64_t)sim_plan_below(s, 100);
    switch (sim_plan_below(s, 10)) {
    case 0: world_stop_broker(w, 0, ms); break;
    case 1: world_move_leader(w, (int32_t)sim_plan_below(s, 2)); break;
    case 2: world_freeze_broker(w, world_some_broker(w), ms * 3); break;
    case 3: world_partition(w, world_some_broker(w), 1 + (unsigned)sim_plan_below(s, 3), ms * 3); break;
    case 4: world_reset(w, 0); break;
    case 5: world_delay_open(w, 0, 1 + (unsigned)sim_plan_below(s, 3), ms * 3); break;
    case 6:
        world_hold_replication(w, (int32_t)sim_plan_below(s, 2), ms, (kinds & TROUBLE_LOSES) && sim_plan_below(s, 2));
        break;
    case 7: world_slow_disk(w, 0, ms, ms); break;
    default: fault_a_produce(w, s, kinds);
    }
    sim_sleep_ms(s, (int64_t)sim_plan_below(s, 40));
}
