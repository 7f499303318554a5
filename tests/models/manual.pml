/* Manual loops: src/net/loop_manual.c, on top of the baton, in every schedule. What baton.pml shows is taken for granted here:
 * stores are seen at once, and a submission is run by its thread or by a holder.
 *
 * The cast: `caller` made the loop and makes blocking calls; if it turned the loop last it turns it in them. `finisher` ends
 * these operations, by a submission. `waiter` has operations that only a timer ends, their deadline. `application` polls the
 * descriptor for as long as it was told, and runs the loop. With -DSTOP the caller gives up the last use when all is done.
 *
 * What is checked:
 *
 *   - every call ends, though the application only comes when the descriptor is readable or the time it was told is over;
 *   - there is never more than one thread inside;
 *   - with -DSTOP: what only a turn does, closing, was done in the end, though nobody runs the loop any more.
 *
 * run.sh checks this file as it is, and then with one rule left out at a time: each of these must fail.
 *
 *   here                there (loop_manual.c unless it says so)
 *   ------------------  ----------------------------------------------------------------------------------------------------
 *   begin, let_go       begin, end; one atomic word
 *   turn                turn: kfk_loop_epoll_turn, and kfk_baton_look_after
 *   release, unpark     loop.c before_release, after_release; unpark
 *   blocking_call       loop.c kfk_op_wait; park and turn_while
 *   leave_off           leave_off, stop
 *   application, "ask"  kfk_loop_manual_timeout_ms */
#ifndef CALLS
#define CALLS 2
#endif

#ifndef WAITS
#define WAITS 1
#endif

#define NEVER 3 /* times; before it one for each wait */
/* an operation's word */
#define PENDING 0
#define PARKED 1
#define DONE 2
/* threads; `runner` is one of the first two */
#define CALLER 0
#define APPLICATION 1
#define FINISHER 2
#define WAITER 3

bool locked, wants;
bool pushed_finish, pushed_timer, pushed_close; /* the mailbox */
#define MAILBOX_EMPTY (!pushed_finish && !pushed_timer && !pushed_close)

#ifdef AWAKE_AT_FIRST
bool asleep;
#else
bool asleep = true;
#endif
bool poke, deferred, closed;
byte timer = NEVER, wake_at = NEVER, told = NEVER, now;
bool event; /* the eventfd was written, and no turn has taken it: the descriptor is readable */

byte runner = CALLER;
bool inside, stopping;
bool waits_for; /* the caller's word is what the thread inside waits for */

byte word[2]; /* the operations of CALLER, and of the waiter (1) */
bool sleeps[2]; /* in the futex */
bool begun, ended; /* the caller's operation: waits to be finished; is to be woken */
bool waiters_ended;
byte left = 3; /* of caller, finisher, waiter */

inline set_timer(at) {
  timer = at;
  if
  :: asleep && at < wake_at -> wake_at = at; poke = true
  :: else
  fi
}

/* what is in the mailbox */
inline drain() {
  if :: pushed_finish -> pushed_finish = false; ended = true :: else fi;
  if :: pushed_timer -> pushed_timer = false; set_timer(now + 1) :: else fi;
  if :: pushed_close -> pushed_close = false; deferred = true; poke = true :: else fi
}

/* the word has become DONE, and its thread had parked */
inline unpark(which) {
  if
#ifndef NO_WAKE_OF_WHO_TURNS
  :: which == 0 && waits_for -> if :: inside && runner == me :: else -> event = true fi
#endif
  :: else -> sleeps[which] = false
  fi
}

inline release(by_loop) {
  atomic {
    if :: !by_loop && poke && asleep -> event = true :: else fi;
    poke = false;
    wake_a = ended; ended = false;
    wake_w = waiters_ended; waiters_ended = false;
    locked = false
  };
  if
  :: wake_a ->
#ifdef LOOKS_BEFORE_IT_FINISHES
     looked = waits_for;
     atomic { was = word[0]; word[0] = DONE };
     if :: was == PARKED && looked -> event = true :: was == PARKED && !looked -> sleeps[0] = false :: else fi;
#else
     atomic { was = word[0]; word[0] = DONE };
     if :: was == PARKED -> atomic { unpark(0) } :: else fi;
#endif
     wake_a = false
  :: else
  fi;
  if
  :: wake_w ->
     atomic { was = word[1]; word[1] = DONE };
     if :: was == PARKED -> atomic { unpark(1) } :: else fi;
     wake_w = false
  :: else
  fi
}

inline try_take() {
  atomic { if :: wants || locked -> got = false :: else -> locked = true; got = true fi }
}

/* what a caller does when it lets go, and what a turn does behind it */
inline look_after() {
  do
  :: MAILBOX_EMPTY -> break
  :: else -> try_take(); if :: got -> atomic { drain() }; release(false) :: else -> break fi
  od
}

#define LOCALS bool got, wake_a, wake_w, looked; byte was

inline submit(task) {
  try_take();
  if
  :: got -> atomic { drain(); task = true; drain() }; release(false); look_after()
  :: else -> task = true; look_after()
  fi
}

inline turn() {
  event = false; /* epoll_wait takes the edge */
  wants = true;
  atomic { !locked -> locked = true; wants = false };
  atomic {
    asleep = false; poke = false;
    drain();
    if :: timer <= now -> timer = NEVER; waiters_ended = true :: else fi;
    if :: deferred -> deferred = false; closed = true :: else fi;
    wake_at = timer; asleep = true
  };
  release(true);
#ifndef NO_LOOK_AFTER
  look_after();
#endif
}

inline let_go() { inside = false }

inline leave_off() {
  do
  :: atomic { if :: stopping -> stopping = false; rest = true :: else -> rest = false fi };
     if :: rest -> turn() :: else fi;
     let_go();
#ifdef NO_LOOK_AT_STOPPING
     break
#else
     if
     :: !stopping -> break
     :: else -> atomic { if :: !inside -> inside = true; runner = me :: else -> break fi }
     fi
#endif
  od
}

inline blocking_call() {
  atomic { word[0] = PENDING; begun = true };
  do
  :: word[0] == DONE -> break
  :: else ->
     atomic { if :: word[0] == PENDING -> word[0] = PARKED :: else fi };
     /* park */
     atomic {
       if
       :: !inside && runner == me -> inside = true; in_it = true
       :: else -> in_it = false
       fi
     };
     if
     :: in_it ->
#ifdef LOOKS_BEFORE_IT_SAYS
        looked = (word[0] == PARKED); waits_for = true;
#else
        waits_for = true; looked = (word[0] == PARKED);
#endif
        do
        :: !looked -> break
        :: else ->
           if
           :: atomic { event -> skip }
           :: atomic { wake_at < NEVER && wake_at > now -> now = wake_at }
           :: wake_at <= now
           fi;
           assert(inside && runner == me);
           turn();
           looked = (word[0] == PARKED)
        od;
        waits_for = false;
#ifndef NO_WORD_OF_EARLIER_TIME
        if :: wake_at < told -> event = true :: else fi;
#endif
        leave_off()
     :: else -> /* the futex */
        atomic { if :: word[0] == PARKED -> sleeps[0] = true :: else fi };
        !sleeps[0]
     fi
  od;
  begun = false
}

proctype caller() {
  byte me = CALLER, i;
  bool in_it, rest;
  LOCALS;
  do
  :: i < CALLS -> i++; blocking_call()
  :: else -> break
  od;
  left--;
#ifdef STOP
  left == 0;
  submit(pushed_close);
  stopping = true;
  atomic { if :: !inside -> inside = true; runner = me; in_it = true :: else -> in_it = false fi };
  if :: in_it -> leave_off() :: else fi
#endif
}

proctype finisher() {
  byte me = FINISHER, i;
  LOCALS;
  do
  :: i < CALLS -> i++; atomic { begun -> begun = false }; submit(pushed_finish)
  :: else -> break
  od;
  left--
}

proctype waiter() {
  byte me = WAITER, i;
  LOCALS;
  do
  :: i < WAITS ->
     i++; word[1] = PENDING;
     submit(pushed_timer);
     do
     :: word[1] == DONE -> break
     :: else ->
        atomic { if :: word[1] == PENDING -> word[1] = PARKED :: else fi };
        atomic { if :: word[1] == PARKED -> sleeps[1] = true :: else fi };
        !sleeps[1]
     od
  :: else -> break
  od;
  left--
}

proctype application() {
  byte me = APPLICATION, at;
  bool in_it, rest;
  LOCALS;
  do
  :: /* ask */
     do
     :: at = wake_at; told = at;
#ifdef ASKS_ONCE
        break
#else
        if :: wake_at < at :: else -> break fi
#endif
     od;
     /* poll */
#ifdef STOP
     if :: left == 0 -> break :: else fi;
#endif
end:
     if
     :: event
     :: atomic { at < NEVER && at > now -> now = at }
     :: at <= now
#ifdef STOP
     :: left == 0 -> break
#endif
     fi;
     /* run */
     atomic {
       if
#ifdef RUNS_WHOEVER_IS_INSIDE
       :: true -> inside = true; runner = me; in_it = true
#else
       :: !inside -> inside = true; runner = me; in_it = true
#endif
       :: else -> in_it = false
       fi
     };
     if :: in_it -> turn(); leave_off() :: else fi
  od
}

init {
  atomic { run caller(); run finisher(); run waiter(); run application() };
  left == 0;
  timeout; /* nobody can move: the application polls, or has ended */
  assert(MAILBOX_EMPTY && !inside);
#ifdef STOP
  assert(closed && !deferred)
#endif
}
