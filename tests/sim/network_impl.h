/* network_impl: what the files of the network share. Not for tests. */
#ifndef KAFKA_TESTS_SIM_NETWORK_IMPL_H
#define KAFKA_TESTS_SIM_NETWORK_IMPL_H
#include "sim/network.h"
#include "sim/sim_impl.h"

enum { MOST_ROUTES = 64 };

typedef enum chunk_kind { CHUNK_BYTES, CHUNK_TAKEN, CHUNK_END, CHUNK_RESET } chunk_kind;

typedef struct chunk {
    struct chunk *next;
    chunk_kind kind;
    int64_t at_us;
    size_t len; /* of the data, or bytes taken */
    uint8_t data[];
} chunk;

typedef struct sim_pipe {
    sim_link *link;
    const char *name;
    chunk *first, **last;
    sim_event event;
    int64_t free_at_us, last_at_us; /* the wire is busy until; the last chunk arrives at */
    int64_t cut_after, sent, delivered;
    bool ended, lost; /* the sender has put its end; all that follows is lost */
    /* at the receiver */
    uint8_t *in;
    size_t in_len, in_cap;
    bool in_ended, in_reset;
} sim_pipe;

typedef enum link_state { LINK_CONNECTING, LINK_REFUSED, LINK_OPEN } link_state;

/* The library's end. Its memory is the library's, so that a stream that is never closed shows as a leak. */
typedef struct sim_stream {
    kfk_stream stream;
    sim_link *link;
    sim_report edge;
    unsigned pending; /* events of the edge that waits to be reported */
    bool read_armed, write_armed, stalled;
    bool unheard; /* adopted, and nobody listens yet */
    sim_event stall;
} sim_stream;

struct sim_link {
    kfk_list node;
    sim *sim;
    int number;
    sim_route config; /* as it was when the connection was opened */
    link_state state;
    sim_stream *client; /* NULL once closed */
    sim_event connect;
    sim_pipe up, down;
    size_t outstanding; /* bytes sent up that the server has not taken yet, as the client knows */
    bool server_closed, accepted;
    bool unclaimed; /* an application's socket, which the library has not adopted */
    void *owner;
};

struct sim_network {
    sim_route *routes[MOST_ROUTES];
    size_t route_count;
    kfk_list links;
    int link_count, streams;
};

/* pipe.c: the sender's side */
void sim_pipe_init(sim_pipe *p, sim_link *k, const char *name, int64_t cut_after);
void sim_pipe_fini(sim_pipe *p);
/* When what is put now arrives. */
int64_t sim_pipe_arrival(sim_pipe *p, size_t bytes);
void sim_pipe_send(sim_pipe *p, const uint8_t *data, size_t len);
void sim_pipe_taken(sim_pipe *p, size_t len);
void sim_pipe_end(sim_pipe *p);
void sim_pipe_reset(sim_pipe *p);
/* and the receiver's: bytes that have arrived */
void sim_pipe_store(sim_pipe *p, const chunk *c);
void sim_pipe_drop(sim_pipe *p, size_t len);
/* network.c: something has come out of a pipe. */
void sim_link_arrived(sim_pipe *p, const chunk *c);

/* stream.c: NULL without memory, of the library's. */
sim_stream *sim_stream_new(void);
void sim_stream_attach(sim_stream *c, sim_link *k);
/* There is something to read, or room to write: an edge if one is owed, or the seed says so. `c` may be NULL. */
void sim_stream_readable(sim_stream *c);
void sim_stream_writable(sim_stream *c);
/* An edge in any case. */
void sim_stream_edge(sim_stream *c, unsigned events);

#endif
