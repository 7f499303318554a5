/* network: addresses, and the connections to them, in memory and virtual time.
 *
 * A route says what becomes of connections to an address and how the way there is. What listens there is either a
 * `sim_server`, which stands for another machine: its functions run as events, outside of the library, and it has its
 * end of a connection as a `sim_link`. Or it is a listener of the loop (kfk_loop_listen), such as a broker of an
 * in-memory cluster: then both ends are kfk_streams of the same loop, and everything that may happen to one may happen
 * to the other.
 *
 *     up: from the client to the server        down: from the server to the client
 *
 * Bytes are copied when they are sent, arrive in order after the latency, and are cut into pieces by the seed. */
#ifndef KAFKA_TESTS_SIM_NETWORK_H
#define KAFKA_TESTS_SIM_NETWORK_H
#include "sim/loop_sim.h"

typedef struct sim_link sim_link;
typedef struct sim_listener sim_listener;

typedef struct sim_server {
    void (*accepted)(void *arg, sim_link *);
    /* More bytes came, or the end, or a reset: see sim_link_data and sim_link_state. */
    void (*received)(void *arg, sim_link *);
    /* The link is about to go, at the end of the run at the latest. */
    void (*gone)(void *arg, sim_link *);
} sim_server;

typedef enum sim_reach { SIM_ANSWERS, SIM_REFUSES, SIM_BLACKHOLE } sim_reach;
typedef enum sim_cut {
    SIM_CUT_CLOSE,  /* the receiver sees the end of the stream */
    SIM_CUT_RESET,  /* both ends see a reset */
    SIM_CUT_SILENCE /* what follows is lost and nobody is told */
} sim_cut;

/* May be changed at any time; a connection goes by what stood here when it was opened, but for what says `now`. */
typedef struct sim_route {
    char address[KFK_ADDRESS_TEXT]; /* "10.0.0.1:9092" */
    sim_reach reach;                /* SIM_ANSWERS where nothing listens is a refusal, too */
    int64_t latency_us, jitter_us;  /* one way; defaults 200 and none */
    int64_t bytes_per_s;            /* in each direction; 0 = no limit */
    size_t window;                  /* most bytes that wait to be read by the other side; default 64 KiB. A sim_server's
                                       answers have no such limit */
    int64_t cut_up, cut_down;       /* cut behind so many bytes of the direction; -1 = never */
    sim_cut cut;                    /* how */
    int64_t flip_up, flip_down;     /* now: one bit in about so many bytes of the direction is wrong; 0 = none */
    bool held_up, held_down;        /* now: see sim_net_hold */
    bool frozen_up, frozen_down;    /* now: see sim_net_freeze */
    const sim_server *server;
    void *arg;
    sim_listener *listener; /* of the loop */
    int connects;           /* attempts so far */
} sim_route;

/* The route of an address, made on first use. */
sim_route *sim_net_route(sim *s, const char *address);
/* Something answers there from now on. */
sim_route *sim_net_listen(sim *s, const char *address, const sim_server *server, void *arg);

/* ---- what befalls an address, and all connections to it ---------------------------------------------------------- */

enum { SIM_UP = 1, SIM_DOWN = 2 };
/* The directions given are cut off (all others are not, or no longer): what is sent there arrives when the network is
 * whole again, as TCP sends it again then; connections are made with both directions only. 0 = whole. */
void sim_net_hold(sim *s, const char *address, unsigned directions);
/* The programs that read the directions given do nothing on these connections for now, as if they were stopped: buffers
 * fill up. 0 = they go on. */
void sim_net_freeze(sim *s, const char *address, unsigned directions);
/* The connections that are open now are slow from here on: what is under way on them in the directions given, and
 * whatever is sent there later, arrives in `ms` at the earliest, also when they were closed meanwhile. New ones are not
 * concerned. So a request that was given up with its connection comes behind the copy of it that was sent on the next
 * one. */
void sim_net_delay_open(sim *s, const char *address, unsigned directions, int64_t ms);
/* Every open connection is reset at both ends. Returns how many there were. */
int sim_net_reset(sim *s, const char *address);
/* The machine is gone without a word: its connections are silent for ever, new attempts get no answer until `reach` is
 * changed again. */
void sim_net_vanish(sim *s, const char *address);

/* A descriptor, as far as the library can see, of a socket that the application has connected to an address where
 * something listens: for kafka_conn_from_fd. */
int sim_net_socket(sim *s, const char *address);
/* Has the library taken it over? */
bool sim_net_owns_socket(sim *s, int fd);

/* ---- the server's end of a connection ---------------------------------------------------------------------------- */

typedef enum sim_link_state {
    SIM_LINK_OPEN,
    SIM_LINK_ENDED, /* the client sent all it will send, and it has arrived */
    SIM_LINK_RESET
} sim_link_state;
sim_link_state sim_link_state_of(const sim_link *k);
/* Numbers the connections of a run, from 1. */
int sim_link_number(const sim_link *k);
sim *sim_link_sim(const sim_link *k);
void sim_link_set_owner(sim_link *k, void *owner);
void *sim_link_owner(const sim_link *k);

/* What has arrived and was not consumed; valid until the next call. */
const uint8_t *sim_link_data(const sim_link *k, size_t *len);
/* Bytes that are not consumed fill the window, and in the end stop the client's writes. */
void sim_link_consume(sim_link *k, size_t len);
void sim_link_send(sim_link *k, const void *data, size_t len);
/* Sends no more: the client reads the end of the stream behind what was sent. It may still write. */
void sim_link_finish(sim_link *k);
/* Finish, and whatever the client sends from now on is answered by a reset. */
void sim_link_close(sim_link *k);
void sim_link_reset(sim_link *k);
/* From now on whatever either side sends is lost. */
void sim_link_silence(sim_link *k);

/* The direction is cut behind so many bytes from now on. */
void sim_link_cut_up(sim_link *k, int64_t bytes, sim_cut how);
void sim_link_cut_down(sim_link *k, int64_t bytes, sim_cut how);

/* Bytes that were delivered to either side so far. */
int64_t sim_link_delivered_up(const sim_link *k);
int64_t sim_link_delivered_down(const sim_link *k);
/* The connections of the run in the order of their making, whatever their state; NULL behind the last. */
sim_link *sim_net_link(sim *s, size_t index);
sim_link *sim_net_last_link(sim *s);
/* Streams that the library has open, connecting ones too. */
int sim_net_open_streams(const sim *s);

#endif
