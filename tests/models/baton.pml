/* The baton of src/net/baton.c, and the loop's sleeping, waking and ending in src/net/loop.c, in every schedule.
 *
 * What is checked:
 *
 *   - every operation is run, those of one caller in their order, although nobody is ever woken for a push;
 *   - once everything has come to rest, the loop sleeps no longer than until the earliest timer, and nothing is deferred;
 *   - nothing gets stuck; and, as a check for cycles (-l), the loop never turns for ever without anything to do;
 *   - with -DSAME_TIMEOUT: callers that set and clear a timer for the same time wake the loop once, not each time;
 *   - with -DSTOP: the loop ends once the last use was given up, by a caller or by one of its own deferred tasks, and leaves
 *     nothing undone.
 *
 * run.sh checks this file as it is, in several sizes, and then with one rule left out at a time: each of these must fail.
 *
 *   here               there
 *   -----------------  -----------------------------------------------------------------------------------------------------
 *   submit             baton.c  kfk_baton_submit
 *   try_take           baton.c  try_take: looks at `wants`, then tries the lock
 *   store, fence       baton.c  the exchange in kfk_baton_push, the unlock in unlock, and full_fence behind each of them
 *   drain              baton.c  drain: takes the mailbox in one exchange and runs what was in it
 *   release, unlock    baton.c  release, unlock; loop.c before_release: a poke becomes a wake-up
 *   a_task             loop.c   what tasks do: nothing, kfk_loop_timer_set, kfk_loop_timer_clear, kfk_loop_defer
 *   loop, "enter"      baton.c  kfk_baton_enter; loop.c after_take
 *   loop, "leave"      loop.c   kfk_loop_leave: run_timers, run_deferred, when to wake up; baton.c kfk_baton_leave
 *   loop, "end, wait"  loop_thread.c  turn_until_stopped: epoll_wait ends by the eventfd, by a socket, or by the time
 *   STOP_*             loop_thread.c  stop and stop_run
 *   memory             processors: others see a store some time after it was made; a fence waits until they do. `wants` is
 *                      sequentially consistent, all else belongs to the holder of the lock.
 *
 * What a holder does between two looks at what others may change is one step. Time moves only while the loop sleeps. To
 * keep three callers small enough there are switches for fewer kinds of tasks and for no late stores (SEQUENTIAL). */
#ifndef CALLERS
#define CALLERS 3 /* or 2 */
#endif
#ifndef OPS
#define OPS 1
#endif
#ifndef SOCKET_EVENTS
#define SOCKET_EVENTS 1
#endif

/* times */
#define EARLY 1
#define LATE 2
#define NEVER 3
/* tasks */
#define NOTHING 0
#define OPERATION 1
#define STOP_NOW 2   /* gives up the last use */
#define STOP_LATER 3 /* defers a task that gives it up */
#define UNLOCK 4     /* not a task: the other store that may be under way */

/* kfk_baton */
bool locked, wants;
byte mailbox[3];           /* operations of each caller that were pushed and not run */
byte stop_pushed = NOTHING;  /* the task that gives up the last use */
byte under_way[4];         /* a store that others do not see yet; behind the callers' comes the loop's */

/* kfk_loop */
bool asleep, poke, deferred, stop_deferred, stopping;
byte timer = NEVER; /* the earliest */
byte wake_at;       /* while asleep: when the loop turns by itself */

/* the world */
byte now;
bool event;         /* the eventfd was written, and the loop has not seen it */
byte sleeps_until;  /* what the loop is waiting for */
byte sockets = SOCKET_EVENTS;

/* what is to be checked */
byte ran, finished, wakes;

#define IN_MAILBOX (mailbox[0] + mailbox[1] + mailbox[2])
#ifdef STICKS_FOR_EVER
#define STILL_TO_COME true
#else
#define STILL_TO_COME (wake_at > now)
#endif
#define MAILBOX_EMPTY (IN_MAILBOX == 0 && stop_pushed == NOTHING)

inline set_timer(at) {
  if :: at < timer -> timer = at :: else fi;
  if
#ifndef NO_WAKE_FOR_TIMER
  :: asleep && at < wake_at -> poke = true; wake_at = at
#endif
  :: else
  fi
}

inline a_task() {
#ifdef SAME_TIMEOUT
  if :: true -> set_timer(EARLY) :: timer = NEVER fi
#else
  if
  :: true
  :: true -> set_timer(EARLY)
#ifndef FEW_TASKS
  :: true -> set_timer(LATE)
  :: timer = NEVER
#endif
#ifndef NO_REPEATS
  :: deferred = true;
#ifndef NO_WAKE_FOR_DEFERRED
     poke = true
#endif
#endif
  fi
#endif
}

inline a_stop_task(which) {
  if
  :: which == STOP_NOW -> stopping = true; poke = true
  :: which == STOP_LATER -> stop_deferred = true; poke = true
  :: else
  fi
}

inline drain() {
  do
  :: IN_MAILBOX > 0 ->
     if
     :: mailbox[0] > 0 -> mailbox[0]--
     :: mailbox[0] == 0 && mailbox[1] > 0 -> mailbox[1]--
     :: mailbox[0] == 0 && mailbox[1] == 0 -> mailbox[2]--
     fi;
     ran++; a_task()
  :: else -> break
  od;
  a_stop_task(stop_pushed); stop_pushed = NOTHING
}

inline settle(i, what) {
  if
  :: what == UNLOCK -> locked = false
  :: what == OPERATION -> mailbox[i]++
  :: else -> stop_pushed = what
  fi
}
inline settle_next(i) { atomic { under_way[i] != NOTHING -> settle(i, under_way[i]); under_way[i] = NOTHING } }

#ifdef SEQUENTIAL
inline store(what) { atomic { settle(me, what) } }
inline fence() { skip }
#else
inline store(what) { atomic { under_way[me] == NOTHING -> under_way[me] = what } }
inline fence() { under_way[me] == NOTHING }
#endif

inline try_take() {
  if
#ifdef WANTS_SEEN_EARLY
  :: wanted -> got = false
#else
  :: wants -> got = false
#endif
  :: else -> atomic { under_way[me] != UNLOCK -> got = !locked; locked = true }
  fi
}

inline unlock() {
  store(UNLOCK);
#ifndef NO_FENCE_AFTER_UNLOCK
  fence()
#endif
}

inline release() {
  do
  :: atomic {
       drain();
       if :: poke && asleep -> event = true; wakes++ :: else fi;
       poke = false
     };
     unlock();
#ifdef NO_LOOK_AFTER
     break
#else
     if :: MAILBOX_EMPTY -> break :: else -> try_take(); if :: got :: else -> break fi fi
#endif
  od
}

inline submit() {
#ifdef WANTS_SEEN_EARLY
  wanted = wants;
#endif
  try_take();
  if
  :: got ->
     atomic {
#ifndef OWN_TASK_FIRST
       drain();
#endif
       assert(mailbox[me] == 0 && under_way[me] != OPERATION); /* none of mine is overtaken */
       if :: task == OPERATION -> ran++; a_task() :: else -> a_stop_task(task) fi
     };
     release()
  :: else ->
     store(task);
#ifndef NO_FENCE_AFTER_PUSH
     fence();
#endif
#ifndef NO_SECOND_TRY
     try_take();
     if :: got -> release() :: else fi
#endif
  fi;
  got = false
}

proctype caller(byte me) {
  byte i, task;
  bool got;
#ifdef WANTS_SEEN_EARLY
  bool wanted;
#endif
  do
  :: i < OPS ->
progress_of_caller:
     i++; task = OPERATION; submit()
  :: else -> break
  od;
#ifdef STOP
  atomic { finished++; task = NOTHING;
           if :: finished < CALLERS :: else -> if :: task = STOP_NOW :: task = STOP_LATER fi fi };
  if :: task != NOTHING -> submit() :: else fi
#else
  finished++
#endif
}

proctype loop() {
  byte me = CALLERS;
  bool must_end;
  do
  :: /* enter */
     wants = true;
     atomic { !locked -> locked = true };
     wants = false;
     atomic {
       asleep = false; poke = false;
#ifndef LOOP_DOES_NOT_DRAIN
       drain();
#endif
       must_end = stopping;
       /* leave */
       if
       :: timer <= now -> timer = NEVER;
#ifndef NO_REPEATS
          a_task()
#endif
       :: else
       fi;
       if :: deferred -> deferred = false; a_task() :: else fi;
       if
       :: stop_deferred -> stop_deferred = false;
#ifdef STOP_ONLY_SETS_FLAG
          stopping = true
#else
          stop_pushed = STOP_NOW
#endif
       :: else
       fi;
       sleeps_until = timer;
#ifndef SLEEPS_ON_DEFERRED
       if :: deferred -> sleeps_until = now :: else fi;
#endif
#ifndef NOT_STICKY
       if :: wake_at < sleeps_until && STILL_TO_COME -> sleeps_until = wake_at :: else fi;
#endif
       wake_at = sleeps_until;
#ifndef PUBLISHES_LATE
       asleep = true;
#endif
       poke = false
     };
#ifdef LOOKS_BEFORE_UNLOCK
     if :: MAILBOX_EMPTY :: else -> sleeps_until = 0 fi;
     unlock();
#else
     unlock();
     if :: MAILBOX_EMPTY :: else -> sleeps_until = 0 fi;
#endif
#ifdef PUBLISHES_LATE
     asleep = true;
#endif
     /* end, wait */
     if
#ifdef STOP_LEAVES_WORK
     :: must_end -> break
#else
     :: must_end && sleeps_until > now -> break
#endif
     :: else
     fi;
     if
     :: sleeps_until <= now
     :: else ->
#ifndef STOP
end:
#endif
progress_of_loop:
        if
        :: atomic { event -> event = false }
        :: sockets > 0 -> sockets--
#if !defined(SAME_TIMEOUT) && !defined(FEW_TASKS)
        :: sleeps_until < NEVER -> now = sleeps_until
#endif
        fi
     fi
  od;
  assert(ran == CALLERS * OPS && MAILBOX_EMPTY && !deferred && !stop_deferred)
}

proctype memory() {
end:
  do
  :: settle_next(0)
  :: settle_next(1)
  :: settle_next(2)
  :: settle_next(3)
  od
}

init {
  byte i;
  atomic {
    run memory();
    run loop();
    for (i : 0 .. CALLERS - 1) { run caller(i) }
  };
#ifdef SAME_TIMEOUT
  finished == CALLERS;
  assert(wakes <= 1);
#endif
#ifndef STOP
  finished == CALLERS;
  timeout; /* nobody can move: the loop sleeps */
  assert(ran == CALLERS * OPS && MAILBOX_EMPTY && !deferred && sleeps_until <= timer)
#endif
}
