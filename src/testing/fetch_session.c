/* Fetch sessions; see the header. */
#include "testing/fetch_session.h"

void kft_fetch_sessions_init(kft_fetch_sessions *s, uint64_t seed)
{
    kfk_map_init(&s->by_id, seed);
    s->next_id = 1;
}

void kft_fetch_sessions_clear(kft_fetch_sessions *s)
{
    kfk_map_fini(&s->by_id);
}
