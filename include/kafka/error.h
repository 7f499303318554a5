/* kafka/error.h: error codes, their texts, and why a call failed.
 *
 * Functions that can fail return an int:
 *
 *     0            KAFKA_OK
 *     > 0 and -1   the code that a broker answered with (KAFKA_ERR_...)
 *     <= -100      a code of the library itself (KAFKA_E...)
 *
 * So test for `!= 0`: `< 0` would miss most of what brokers say. A function that fails leaves its outputs as they
 * were, unless it says otherwise.
 *
 * The code is for programs. For people there is a sentence as well, kafka_last_error(): which step failed, at which
 * peer, for which topic, why, and often what to try. */
#ifndef KAFKA_ERROR_H
#define KAFKA_ERROR_H
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* KAFKA_API marks what the library exports; a program may define it empty. KAFKA_NODISCARD: ignoring the result of
 * such a call is a warning, because it is almost always a mistake. */
#ifndef KAFKA_API
#define KAFKA_API __attribute__((visibility("default")))
#endif
#ifndef KAFKA_NODISCARD
#define KAFKA_NODISCARD __attribute__((warn_unused_result))
#endif

/* Brokers' codes, complete up to Kafka 4.4. Where the protocol has renamed one since, both names exist, the present
 * one second. A newer broker may send codes that are not listed: they are passed on as they are.
 * kafka_err_description() says what each means; source: https://kafka.apache.org/protocol#protocol_error_codes */
enum {
    KAFKA_OK = 0,
    KAFKA_ERR_UNKNOWN = -1, /* failed without a code of its own: see the broker's log */
    KAFKA_ERR_UNKNOWN_SERVER_ERROR = -1,
    KAFKA_ERR_OFFSET_OUT_OF_RANGE = 1, /* deleted already, or not written yet */
    KAFKA_ERR_INVALID_MESSAGE = 2,
    KAFKA_ERR_CORRUPT_MESSAGE = 2,
    KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION = 3, /* also what a broker says that may not show it */
    KAFKA_ERR_INVALID_MESSAGE_SIZE = 4,
    KAFKA_ERR_INVALID_FETCH_SIZE = 4,
    KAFKA_ERR_LEADER_NOT_AVAILABLE = 5,
    KAFKA_ERR_NOT_LEADER_FOR_PARTITION = 6, /* metadata out of date: look the leader up again */
    KAFKA_ERR_NOT_LEADER_OR_FOLLOWER = 6,
    KAFKA_ERR_REQUEST_TIMED_OUT = 7, /* the broker ran out of the time given to it */
    KAFKA_ERR_BROKER_NOT_AVAILABLE = 8,
    KAFKA_ERR_REPLICA_NOT_AVAILABLE = 9,
    KAFKA_ERR_MESSAGE_SIZE_TOO_LARGE = 10, /* above the topic's max.message.bytes */
    KAFKA_ERR_MESSAGE_TOO_LARGE = 10,
    KAFKA_ERR_STALE_CONTROLLER_EPOCH = 11,
    KAFKA_ERR_OFFSET_METADATA_TOO_LARGE = 12,
    KAFKA_ERR_NETWORK_EXCEPTION = 13,
    KAFKA_ERR_GROUP_LOAD_IN_PROGRESS = 14,
    KAFKA_ERR_COORDINATOR_LOAD_IN_PROGRESS = 14,
    KAFKA_ERR_GROUP_COORDINATOR_NOT_AVAILABLE = 15,
    KAFKA_ERR_COORDINATOR_NOT_AVAILABLE = 15,
    KAFKA_ERR_NOT_COORDINATOR_FOR_GROUP = 16, /* look the coordinator up again */
    KAFKA_ERR_NOT_COORDINATOR = 16,
    KAFKA_ERR_INVALID_TOPIC = 17,
    KAFKA_ERR_INVALID_TOPIC_EXCEPTION = 17,
    KAFKA_ERR_RECORD_LIST_TOO_LARGE = 18,
    KAFKA_ERR_NOT_ENOUGH_REPLICAS = 19,
    KAFKA_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20, /* written by the leader, perhaps nowhere else */
    KAFKA_ERR_INVALID_REQUIRED_ACKS = 21,
    KAFKA_ERR_ILLEGAL_GENERATION = 22, /* join again */
    KAFKA_ERR_INCONSISTENT_GROUP_PROTOCOL = 23,
    KAFKA_ERR_INVALID_GROUP_ID = 24,
    KAFKA_ERR_UNKNOWN_MEMBER_ID = 25, /* join again */
    KAFKA_ERR_INVALID_SESSION_TIMEOUT = 26,
    KAFKA_ERR_REBALANCE_IN_PROGRESS = 27, /* join again */
    KAFKA_ERR_INVALID_COMMIT_OFFSET_SIZE = 28,
    KAFKA_ERR_TOPIC_AUTHORIZATION_FAILED = 29,
    KAFKA_ERR_GROUP_AUTHORIZATION_FAILED = 30,
    KAFKA_ERR_CLUSTER_AUTHORIZATION_FAILED = 31,
    KAFKA_ERR_INVALID_TIMESTAMP = 32,
    KAFKA_ERR_UNSUPPORTED_SASL_MECHANISM = 33,
    KAFKA_ERR_ILLEGAL_SASL_STATE = 34,
    KAFKA_ERR_UNSUPPORTED_VERSION = 35,
    KAFKA_ERR_TOPIC_ALREADY_EXISTS = 36,
    KAFKA_ERR_INVALID_PARTITION_NUMBER = 37,
    KAFKA_ERR_INVALID_PARTITIONS = 37,
    KAFKA_ERR_INVALID_REPLICATION_FACTOR = 38,
    KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT = 39,
    KAFKA_ERR_INVALID_CONFIGURATION = 40,
    KAFKA_ERR_INVALID_CONFIG = 40,
    KAFKA_ERR_NOT_CONTROLLER = 41, /* look the controller up again */
    KAFKA_ERR_INVALID_REQUEST = 42,
    KAFKA_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT = 43,
    KAFKA_ERR_POLICY_VIOLATION = 44,
    KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER = 45,
    KAFKA_ERR_DUPLICATE_SEQUENCE_NUMBER = 46,
    KAFKA_ERR_INVALID_PRODUCER_EPOCH = 47,
    KAFKA_ERR_INVALID_TRANSACTION_STATE = 48,
    KAFKA_ERR_INVALID_TXN_STATE = 48,
    KAFKA_ERR_INVALID_PRODUCER_ID_MAPPING = 49,
    KAFKA_ERR_INVALID_TRANSACTION_TIMEOUT = 50,
    KAFKA_ERR_CONCURRENT_TRANSACTIONS = 51,
    KAFKA_ERR_TRANSACTION_COORDINATOR_FENCED = 52,
    KAFKA_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53,
    KAFKA_ERR_SECURITY_DISABLED = 54,
    KAFKA_ERR_BROKER_AUTHORIZATION_FAILED = 55, /* kafka-go's name; what the code means is the next line */
    KAFKA_ERR_OPERATION_NOT_ATTEMPTED = 55,
    KAFKA_ERR_KAFKA_STORAGE_ERROR = 56,
    KAFKA_ERR_LOG_DIR_NOT_FOUND = 57,
    KAFKA_ERR_SASL_AUTHENTICATION_FAILED = 58,
    KAFKA_ERR_UNKNOWN_PRODUCER_ID = 59,
    KAFKA_ERR_REASSIGNMENT_IN_PROGRESS = 60,
    KAFKA_ERR_DELEGATION_TOKEN_AUTH_DISABLED = 61,
    KAFKA_ERR_DELEGATION_TOKEN_NOT_FOUND = 62,
    KAFKA_ERR_DELEGATION_TOKEN_OWNER_MISMATCH = 63,
    KAFKA_ERR_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64,
    KAFKA_ERR_DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65,
    KAFKA_ERR_DELEGATION_TOKEN_EXPIRED = 66,
    KAFKA_ERR_INVALID_PRINCIPAL_TYPE = 67,
    KAFKA_ERR_NON_EMPTY_GROUP = 68,
    KAFKA_ERR_GROUP_ID_NOT_FOUND = 69,
    KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND = 70,
    KAFKA_ERR_INVALID_FETCH_SESSION_EPOCH = 71,
    KAFKA_ERR_LISTENER_NOT_FOUND = 72,
    KAFKA_ERR_TOPIC_DELETION_DISABLED = 73,
    KAFKA_ERR_FENCED_LEADER_EPOCH = 74,
    KAFKA_ERR_UNKNOWN_LEADER_EPOCH = 75,
    KAFKA_ERR_UNSUPPORTED_COMPRESSION_TYPE = 76,
    KAFKA_ERR_STALE_BROKER_EPOCH = 77,
    KAFKA_ERR_OFFSET_NOT_AVAILABLE = 78,
    KAFKA_ERR_MEMBER_ID_REQUIRED = 79,
    KAFKA_ERR_PREFERRED_LEADER_NOT_AVAILABLE = 80,
    KAFKA_ERR_GROUP_MAX_SIZE_REACHED = 81,
    KAFKA_ERR_FENCED_INSTANCE_ID = 82,
    KAFKA_ERR_ELIGIBLE_LEADERS_NOT_AVAILABLE = 83,
    KAFKA_ERR_ELECTION_NOT_NEEDED = 84,
    KAFKA_ERR_NO_REASSIGNMENT_IN_PROGRESS = 85,
    KAFKA_ERR_GROUP_SUBSCRIBED_TO_TOPIC = 86,
    KAFKA_ERR_INVALID_RECORD = 87,
    KAFKA_ERR_UNSTABLE_OFFSET_COMMIT = 88,
    KAFKA_ERR_THROTTLING_QUOTA_EXCEEDED = 89,
    KAFKA_ERR_PRODUCER_FENCED = 90,
    KAFKA_ERR_RESOURCE_NOT_FOUND = 91,
    KAFKA_ERR_DUPLICATE_RESOURCE = 92,
    KAFKA_ERR_UNACCEPTABLE_CREDENTIAL = 93,
    KAFKA_ERR_INCONSISTENT_VOTER_SET = 94,
    KAFKA_ERR_INVALID_UPDATE_VERSION = 95,
    KAFKA_ERR_FEATURE_UPDATE_FAILED = 96,
    KAFKA_ERR_PRINCIPAL_DESERIALIZATION_FAILURE = 97,
    KAFKA_ERR_SNAPSHOT_NOT_FOUND = 98,
    KAFKA_ERR_POSITION_OUT_OF_RANGE = 99,
    KAFKA_ERR_UNKNOWN_TOPIC_ID = 100,
    KAFKA_ERR_DUPLICATE_BROKER_REGISTRATION = 101,
    KAFKA_ERR_BROKER_ID_NOT_REGISTERED = 102,
    KAFKA_ERR_INCONSISTENT_TOPIC_ID = 103,
    KAFKA_ERR_INCONSISTENT_CLUSTER_ID = 104,
    KAFKA_ERR_TRANSACTIONAL_ID_NOT_FOUND = 105,
    KAFKA_ERR_FETCH_SESSION_TOPIC_ID_ERROR = 106,
    KAFKA_ERR_INELIGIBLE_REPLICA = 107,
    KAFKA_ERR_NEW_LEADER_ELECTED = 108,
    KAFKA_ERR_OFFSET_MOVED_TO_TIERED_STORAGE = 109,
    KAFKA_ERR_FENCED_MEMBER_EPOCH = 110,
    KAFKA_ERR_UNRELEASED_INSTANCE_ID = 111,
    KAFKA_ERR_UNSUPPORTED_ASSIGNOR = 112,
    KAFKA_ERR_STALE_MEMBER_EPOCH = 113,
    KAFKA_ERR_MISMATCHED_ENDPOINT_TYPE = 114,
    KAFKA_ERR_UNSUPPORTED_ENDPOINT_TYPE = 115,
    KAFKA_ERR_UNKNOWN_CONTROLLER_ID = 116,
    KAFKA_ERR_UNKNOWN_SUBSCRIPTION_ID = 117,
    KAFKA_ERR_TELEMETRY_TOO_LARGE = 118,
    KAFKA_ERR_INVALID_REGISTRATION = 119,
    KAFKA_ERR_TRANSACTION_ABORTABLE = 120,
    KAFKA_ERR_INVALID_RECORD_STATE = 121,
    KAFKA_ERR_SHARE_SESSION_NOT_FOUND = 122,
    KAFKA_ERR_INVALID_SHARE_SESSION_EPOCH = 123,
    KAFKA_ERR_FENCED_STATE_EPOCH = 124,
    KAFKA_ERR_INVALID_VOTER_KEY = 125,
    KAFKA_ERR_DUPLICATE_VOTER = 126,
    KAFKA_ERR_VOTER_NOT_FOUND = 127,
    KAFKA_ERR_INVALID_REGULAR_EXPRESSION = 128,
    KAFKA_ERR_REBOOTSTRAP_REQUIRED = 129,
    KAFKA_ERR_STREAMS_INVALID_TOPOLOGY = 130,
    KAFKA_ERR_STREAMS_INVALID_TOPOLOGY_EPOCH = 131,
    KAFKA_ERR_STREAMS_TOPOLOGY_FENCED = 132,
    KAFKA_ERR_SHARE_SESSION_LIMIT_REACHED = 133,
    KAFKA_ERR_GROUP_DELETION_FAILED = 134,
    KAFKA_ERR_STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED = 135,
    KAFKA_ERR_CONTROLLER_ID_NOT_REGISTERED = 136,

    /* The library's own. */
    KAFKA_EINVAL = -100, /* a bad argument or configuration; the sentence names it */
    KAFKA_ENOMEM = -101, /* no memory; nothing else was changed */
    KAFKA_ECLOSED = -102, /* the handle was closed, before or during the call */
    KAFKA_EOF = -103, /* the end: of a batch, or of a reader that was closed */
    KAFKA_EUNEXPECTED_EOF = -104, /* the connection ended where more had to come */
    KAFKA_ETIMEDOUT = -105, /* a deadline passed */
    KAFKA_ECANCELED = -106, /* a cancel token was fired */
    KAFKA_ESHORTBUF = -107, /* the caller's buffer is too small; the size needed is told */
    KAFKA_EIO = -108, /* a socket failed: refused, reset, unreachable */
    KAFKA_ERESOLVE = -109, /* a host name has no address */
    KAFKA_ETLS = -110, /* handshake or certificate check failed */
    KAFKA_EPROTO = -111, /* the peer sent what the protocol does not allow */
    KAFKA_ECORRUPT = -112, /* wrong checksum, or compressed data that does not inflate */
    KAFKA_ECODEC = -113, /* compressed with a codec that is unknown or not built in */
    KAFKA_ETOOBIG = -114, /* above a limit, which the sentence names */
    KAFKA_EAGAIN = -115, /* would have to wait where it may not; nothing was done. Writing: no room */
    KAFKA_EVERSION = -116, /* no version of the request that this broker and the library share */
    KAFKA_EGROUP = -117, /* not for a reader with a group_id */
    KAFKA_ENOGROUP = -118, /* only for a reader with a group_id */
    KAFKA_EPARTIAL = -119, /* some of several failed: each has a result of its own */
    KAFKA_EAUTH = -120, /* the SASL exchange failed */
    KAFKA_EFORKED = -121, /* a handle of the parent process, used in a forked child */
    KAFKA_ENOTSUP = -122, /* not built in, not there yet, or not supported by this broker */
    KAFKA_EPENDING = -123, /* a result only: accepted, no outcome yet when the wait ended */
    KAFKA_EEND = -124 /* all was read up to the end that there was at the beginning */
};

/* kafka_err_name returns the name of a code without its prefix: "OFFSET_OUT_OF_RANGE", "ETIMEDOUT", "OK". It never
 * returns NULL; a code without a name is "UNKNOWN_CODE". This and the next three return constants, from any thread. */
KAFKA_API const char *kafka_err_name(int err);
/* kafka_err_title returns the same as words for people, "Offset Out Of Range", or "" for an unknown code. */
KAFKA_API const char *kafka_err_title(int err);
/* kafka_err_description returns one sentence about what the code means, or "" for an unknown one. */
KAFKA_API const char *kafka_err_description(int err);
/* kafka_strerror returns code, title and description in one line: "[1] Offset Out Of Range: The partition ...". An
 * unknown code gives "[137] unknown error". The text stays valid and unchanged for ever. */
KAFKA_API const char *kafka_strerror(int err);
/* kafka_err_is_temporary reports whether the same call may succeed later although nobody changes anything: a leader
 * is being elected, a connection broke. It is what Kafka's own client calls retriable, and BROKER_NOT_AVAILABLE.
 * False for unknown codes and for those after which a group member has to join again (22, 25, 27). */
KAFKA_API bool kafka_err_is_temporary(int err);
/* kafka_err_is_timeout reports whether time ran out: REQUEST_TIMED_OUT at the broker, or KAFKA_ETIMEDOUT here. */
KAFKA_API bool kafka_err_is_timeout(int err);

/* kafka_last_error returns the sentence about this thread's last call that failed, "" before the first. It is never
 * NULL, it is UTF-8 in one line, and stays as it is until this thread's next call that fails: calls that succeed and
 * whatever happens in callbacks leave it alone. In a callback that reports an error it is the sentence about that
 * one. Where the thread is not fixed (language bindings, coroutines) use `error` in kafka_ctx. */
KAFKA_API const char *kafka_last_error(void);

/* Is a message in the log? After a failure that is a question of its own: an answer may be lost when the message is
 * not. */
typedef int32_t kafka_written;
enum {
    KAFKA_WRITTEN_NO = 0,    /* certainly not; writing it again cannot duplicate it */
    KAFKA_WRITTEN_MAYBE = 1, /* nobody knows: it was sent, and no answer settled it */
    KAFKA_WRITTEN_YES = 2    /* acknowledged */
};
/* kafka_last_written returns KAFKA_WRITTEN_NO or KAFKA_WRITTEN_MAYBE: whether anything of what failed in this
 * thread's last failed write may be in the log all the same. */
KAFKA_API kafka_written kafka_last_written(void);

/* kafka_version returns the version of the library that runs, "0.1.0". */
KAFKA_API const char *kafka_version(void);
/* kafka_features returns what was built in, words separated by spaces out of "gzip lz4 snappy zstd tls scram gssapi
 * oidc"; what is missing answers KAFKA_ENOTSUP or KAFKA_ECODEC. */
KAFKA_API const char *kafka_features(void);

#ifdef __cplusplus
}
#endif
#endif
