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
    int64_t not_before_us;          /* nothing arrives earlier: sim_net_delay_open */
    int64_t free_at_us, last_at_us; /* the wire is busy until; the last chunk arrives at */
    int64_t cut_after, sent, delivered;
    size_t outstanding; /* bytes that the receiver has not taken yet, as the sender knows */
    bool ended, lost;   /* the sender has put its end; all that follows is lost */
    /* at the receiver */
    uint8_t *in;
    size_t in_len, in_cap, untold; /* untold: taken, and the sender does not know yet */
    bool in_ended, in_reset;
} sim_pipe;

typedef enum link_state { LINK_CONNECTING, LINK_REFUSED, LINK_OPEN } link_state;

/* One end of a connection, as the code that runs on the simulation's loop has it: the client's, or, of a connection
 * that was accepted by a listener on that loop, the server's. Its memory is the library's, so that a stream that is
 * never closed shows as a leak. */
typedef struct sim_stream {
    kfk_stream stream;
    sim_link *link;
    sim_pipe *in, *out;
    kfk_list backlog; /* server: waits to be accepted */
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
    sim_route *route; /* as it is now */
    link_state state;
    sim_stream *client, *server; /* NULL once closed; server: also when a sim_server is there */
    sim_event connect;
    int64_t connect_again_us; /* how long after a lost attempt to connect the next one is made */
    sim_pipe up, down;
    bool server_closed, accepted;
    bool paired;    /* the server's end is a stream, too */
    bool unclaimed; /* an application's socket, which the library has not adopted */
    void *owner;
};

struct sim_network {
    sim_route *routes[MOST_ROUTES];
    size_t route_count;
    kfk_list links;
    int link_count, streams, server_streams;
    int listener_count; /* so far */
};

/* pipe.c: the sender's side */
void sim_pipe_init(sim_pipe *p, sim_link *k, const char *name, int64_t cut_after);
void sim_pipe_fini(sim_pipe *p);
/* When what is put now arrives. */
int64_t sim_pipe_arrival(sim_pipe *p, size_t bytes);
void sim_pipe_send(sim_pipe *p, const uint8_t *data, size_t len);
/* The receiver of the other direction has taken bytes. */
void sim_pipe_taken(sim_pipe *p, size_t len);
/* What was held back goes on, a moment later: packets are sent again. */
void sim_pipe_go_on(sim_pipe *p);
void sim_pipe_end(sim_pipe *p);
void sim_pipe_reset(sim_pipe *p);
/* and the receiver's: bytes that have arrived */
void sim_pipe_store(sim_pipe *p, const chunk *c);
void sim_pipe_drop(sim_pipe *p, size_t len);
/* network.c: something has come out of a pipe. */
void sim_link_arrived(sim_pipe *p, const chunk *c);

/* stream.c: NULL without memory, of the library's. */
sim_stream *sim_stream_new(void);
/* As an end of the link: it reads from `in`. */
void sim_stream_attach(sim_stream *c, sim_link *k, sim_pipe *in);
/* The program at this end does nothing for now. */
bool sim_stream_is_frozen(const sim_stream *c);
void sim_stream_thaw(sim_stream *c);
/* There is something to read, or room to write: an edge if one is owed, or the seed says so. `c` may be NULL. */
void sim_stream_readable(sim_stream *c);
void sim_stream_writable(sim_stream *c);
/* An edge in any case. */
void sim_stream_edge(sim_stream *c, unsigned events);

/* listen.c: a connection has come in. Without memory it is reset. */
void sim_listener_takes(sim_listener *l, sim_link *k);
/* The program that listens goes on. */
void sim_listener_thaw(sim_listener *l);

#endif
