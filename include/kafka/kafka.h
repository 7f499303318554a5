/* kafka/kafka.h: the whole public interface of the library. It includes one header per subject, each of which can
 * also be included alone:
 *
 *     error.h    error codes and their texts, why a call failed
 *     types.h    bytes, time, messages, brokers, partitions
 *     ctx.h      how long a call may wait: deadlines and cancel tokens
 *     log.h      where log lines go
 *     loop.h     the thread that does the I/O
 *     tls.h      encryption
 *     sasl.h     authentication
 *     compress.h codecs of the application's own
 *     balancer.h which partition a message goes to
 *     dialer.h   how to connect, and looking up who leads a partition
 *     conn.h     one connection to one broker: read, write, offsets, topics
 *     batch.h    messages that were fetched together
 *     writer.h   writing to topics: batches, retries, order
 *     stats.h    what readers and writers count
 *
 * Conventions that hold everywhere
 *
 * Names.    kafka_<noun>_<verb>. Arguments: the object, the context, inputs, outputs.
 * Results.  See error.h.
 * Structs.  Fill them with designated initialisers: a field that is 0, NULL or false has its default, KAFKA_NEVER
 *           means off or unlimited. They are copied, strings and all, so they need not outlive the call. They have no
 *           implicit padding; fields called `reserved` are room for later: anything but 0 in them is KAFKA_EINVAL,
 *           and the library hands them out as 0.
 * Strings.  UTF-8, ended by NUL. Keys and values are kafka_bytes and may hold anything.
 * Time.     Durations are milliseconds, names ending in _ms. Deadlines are points on kafka_now_ms's monotonic clock.
 *           A message's time is in Unix milliseconds.
 * Handles.  close ends the work of an object and may be called from any thread, twice as well; free releases it, closes
 *           it first if need be, and takes NULL. Nothing else may use an object while it is freed.
 * Threads.  Every object may be used from several threads at once, if its header does not say otherwise. Functions
 *           may be called from any thread, but only kafka_cancel_fire from a signal handler.
 * Callbacks run on a thread of the library's, if their type does not say otherwise. In one, calls that would have to
 *           wait return KAFKA_EAGAIN and change nothing. They must neither throw nor longjmp.
 * Forks.    In a forked child the parent's objects can only be freed: calls return KAFKA_EFORKED, functions without a
 *           result do nothing. Free closes what the child has of their descriptors, sends nothing, never waits, and
 *           leaves some memory behind; the parent notices nothing of all that. What was handed out as a value can be
 *           read and freed there as before: messages, brokers, lists, and the messages that a batch has handed out,
 *           until that is closed; cancel tokens work. New objects work. This holds for fork(2); vfork and posix_spawn
 *           are harmless; after _Fork or a bare clone(2) the child has to exec. A fork inside a callback is fine, but
 *           the callback must not return in the child. While the library looks up a name, fork takes up to a fifth of
 *           a second longer: getaddrinfo has a lock that a child could find taken for ever.
 * Signals.  None is raised, SIGPIPE neither, no handler is installed, and handlers of the application may interrupt
 *           every call: it goes on waiting. The library's threads block signals (loop.h).
 * Cancellation (pthread_cancel) of a thread takes effect after the call of the library that it is in, not inside: no
 *           call is a cancellation point. To end one that waits use a kafka_cancel, or close. The asynchronous type
 *           (PTHREAD_CANCEL_ASYNCHRONOUS) must not be set in a call.
 * Exit.     A program may end at any time, by return from main, exit or _exit, with objects that were not freed and
 *           calls that wait in other threads. The library runs nothing then: what is not written is lost. dlclose
 *           leaves it loaded. */
#ifndef KAFKA_H
#define KAFKA_H
#include <kafka/error.h>
#include <kafka/types.h>
#include <kafka/ctx.h>
#include <kafka/log.h>
#include <kafka/loop.h>
#include <kafka/tls.h>
#include <kafka/sasl.h>
#include <kafka/compress.h>
#include <kafka/dialer.h>
#include <kafka/batch.h>
#include <kafka/conn.h>
#include <kafka/balancer.h>
#include <kafka/stats.h>
#include <kafka/writer.h>
#endif
