/* error_table: every error code once. The public enum, the look-up table and the tests are checked against it.
 *
 * XX(NAME, value, temporary, timeout, "title", "description")
 *
 * NAME is the constant without its prefix: KAFKA_ERR_ for the broker's codes, KAFKA_ for ours. `temporary`: the same
 * call may succeed later without anybody changing anything. Values are literal numbers because they become part of the
 * text. Descriptions are one sentence that says what went wrong from the caller's side and, where it is not obvious,
 * what usually causes it. Rows may stand in any order; they are kept sorted for the reader. */
#ifndef KFK_BASE_ERROR_TABLE_H
#define KFK_BASE_ERROR_TABLE_H

/* clang-format off */

/* The codes of the protocol: org.apache.kafka.common.protocol.Errors of kafka-clients 4.4.0. */
#define KFK_ERROR_BROKER(XX) \
    XX(UNKNOWN, -1, false, false, "Unknown", "The broker failed in a way that it has no code for; its log says more.") \
    XX(OFFSET_OUT_OF_RANGE, 1, false, false, "Offset Out Of Range", "The partition holds no such offset: it was deleted already, or is not written yet.") \
    XX(INVALID_MESSAGE, 2, true, false, "Invalid Message", "The broker found a record damaged: a wrong checksum or size, or no key where the topic is compacted.") \
    XX(UNKNOWN_TOPIC_OR_PARTITION, 3, true, false, "Unknown Topic Or Partition", "The broker knows no such topic or partition, or may not show it to this client.") \
    XX(INVALID_MESSAGE_SIZE, 4, false, false, "Invalid Message Size", "The size asked for in a fetch is not valid.") \
    XX(LEADER_NOT_AVAILABLE, 5, true, false, "Leader Not Available", "The partition has no leader at the moment; one is being elected.") \
    XX(NOT_LEADER_FOR_PARTITION, 6, true, false, "Not Leader For Partition", "The broker does not lead the partition, or keeps no copy of it: the metadata used was out of date.") \
    XX(REQUEST_TIMED_OUT, 7, true, true, "Request Timed Out", "The broker could not finish the request in the time that it was given.") \
    XX(BROKER_NOT_AVAILABLE, 8, true, false, "Broker Not Available", "The broker that is needed is not running.") \
    XX(REPLICA_NOT_AVAILABLE, 9, true, false, "Replica Not Available", "The broker has no usable copy of the partition at the moment.") \
    XX(MESSAGE_SIZE_TOO_LARGE, 10, false, false, "Message Size Too Large", "The batch is larger than the topic's max.message.bytes allows.") \
    XX(STALE_CONTROLLER_EPOCH, 11, false, false, "Stale Controller Epoch", "The cluster's controller has moved to another broker.") \
    XX(OFFSET_METADATA_TOO_LARGE, 12, false, false, "Offset Metadata Too Large", "The text committed together with an offset is longer than the broker accepts.") \
    XX(NETWORK_EXCEPTION, 13, true, false, "Network Exception", "The broker lost the connection it needed before an answer came.") \
    XX(GROUP_LOAD_IN_PROGRESS, 14, true, false, "Group Load In Progress", "The coordinator is still loading its state and answers nothing yet.") \
    XX(GROUP_COORDINATOR_NOT_AVAILABLE, 15, true, false, "Group Coordinator Not Available", "No broker coordinates the group or transaction at the moment.") \
    XX(NOT_COORDINATOR_FOR_GROUP, 16, true, false, "Not Coordinator For Group", "Another broker coordinates the group or transaction.") \
    XX(INVALID_TOPIC, 17, false, false, "Invalid Topic", "The topic's name is not allowed, or the topic is one of Kafka's own.") \
    XX(RECORD_LIST_TOO_LARGE, 18, false, false, "Record List Too Large", "The batch is larger than one segment of the partition's log.") \
    XX(NOT_ENOUGH_REPLICAS, 19, true, false, "Not Enough Replicas", "Fewer replicas are in sync than min.insync.replicas demands; nothing was written.") \
    XX(NOT_ENOUGH_REPLICAS_AFTER_APPEND, 20, true, false, "Not Enough Replicas After Append", "The leader wrote the records, but fewer replicas confirmed them than min.insync.replicas demands.") \
    XX(INVALID_REQUIRED_ACKS, 21, false, false, "Invalid Required Acks", "Acknowledgements can be asked from none, from the leader, or from all replicas in sync.") \
    XX(ILLEGAL_GENERATION, 22, false, false, "Illegal Generation", "The group has moved on to another generation; this member has to join again.") \
    XX(INCONSISTENT_GROUP_PROTOCOL, 23, false, false, "Inconsistent Group Protocol", "The member shares no assignor or protocol type with the group's other members.") \
    XX(INVALID_GROUP_ID, 24, false, false, "Invalid Group Id", "The group's name is empty or not allowed.") \
    XX(UNKNOWN_MEMBER_ID, 25, false, false, "Unknown Member Id", "The coordinator does not know this member, perhaps because its session ended; it has to join again.") \
    XX(INVALID_SESSION_TIMEOUT, 26, false, false, "Invalid Session Timeout", "The session timeout lies outside of what the broker's group.min and group.max settings allow.") \
    XX(REBALANCE_IN_PROGRESS, 27, false, false, "Rebalance In Progress", "The group is being rebalanced; this member has to join again.") \
    XX(INVALID_COMMIT_OFFSET_SIZE, 28, false, false, "Invalid Commit Offset Size", "What was to be committed is too large for the broker's offsets topic.") \
    XX(TOPIC_AUTHORIZATION_FAILED, 29, false, false, "Topic Authorization Failed", "This client has no right to do that with the topic.") \
    XX(GROUP_AUTHORIZATION_FAILED, 30, false, false, "Group Authorization Failed", "This client has no right to do that with the group.") \
    XX(CLUSTER_AUTHORIZATION_FAILED, 31, false, false, "Cluster Authorization Failed", "This client has no right to do that on the cluster.") \
    XX(INVALID_TIMESTAMP, 32, false, false, "Invalid Timestamp", "A record's time differs more from the broker's clock than the topic allows.") \
    XX(UNSUPPORTED_SASL_MECHANISM, 33, false, false, "Unsupported SASL Mechanism", "The broker's listener does not offer this SASL mechanism.") \
    XX(ILLEGAL_SASL_STATE, 34, false, false, "Illegal SASL State", "The request does not fit the state of the authentication: is this a listener with SASL?") \
    XX(UNSUPPORTED_VERSION, 35, false, false, "Unsupported Version", "The broker does not speak this version of the request.") \
    XX(TOPIC_ALREADY_EXISTS, 36, false, false, "Topic Already Exists", "There is a topic of that name already.") \
    XX(INVALID_PARTITION_NUMBER, 37, false, false, "Invalid Partition Number", "A topic cannot have that number of partitions.") \
    XX(INVALID_REPLICATION_FACTOR, 38, false, false, "Invalid Replication Factor", "There are fewer brokers than replicas were asked for, or none were asked for.") \
    XX(INVALID_REPLICA_ASSIGNMENT, 39, false, false, "Invalid Replica Assignment", "The replicas given for the partitions contradict each other or name unknown brokers.") \
    XX(INVALID_CONFIGURATION, 40, false, false, "Invalid Configuration", "The broker does not accept a setting's name or value.") \
    XX(NOT_CONTROLLER, 41, true, false, "Not Controller", "The broker is not the cluster's controller, which alone can do this.") \
    XX(INVALID_REQUEST, 42, false, false, "Invalid Request", "The broker finds the request malformed or contradictory; its log says more.") \
    XX(UNSUPPORTED_FOR_MESSAGE_FORMAT, 43, false, false, "Unsupported For Message Format", "The topic's record format on the broker is too old for this.") \
    XX(POLICY_VIOLATION, 44, false, false, "Policy Violation", "A policy that the cluster's operators installed refuses this.") \
    XX(OUT_OF_ORDER_SEQUENCE_NUMBER, 45, false, false, "Out Of Order Sequence Number", "The batch does not follow the last one that the broker has from this producer.") \
    XX(DUPLICATE_SEQUENCE_NUMBER, 46, false, false, "Duplicate Sequence Number", "The broker already has a batch of this producer with this sequence number.") \
    XX(INVALID_PRODUCER_EPOCH, 47, false, false, "Invalid Producer Epoch", "The producer's epoch is older than the one that the broker knows.") \
    XX(INVALID_TRANSACTION_STATE, 48, false, false, "Invalid Transaction State", "The transaction is in a state in which this is not possible.") \
    XX(INVALID_PRODUCER_ID_MAPPING, 49, false, false, "Invalid Producer Id Mapping", "The producer id does not belong to this transactional id any more.") \
    XX(INVALID_TRANSACTION_TIMEOUT, 50, false, false, "Invalid Transaction Timeout", "The transaction timeout is above the broker's transaction.max.timeout.ms.") \
    XX(CONCURRENT_TRANSACTIONS, 51, true, false, "Concurrent Transactions", "Another operation on the same transaction has not finished yet.") \
    XX(TRANSACTION_COORDINATOR_FENCED, 52, false, false, "Transaction Coordinator Fenced", "A newer transaction coordinator has taken over.") \
    XX(TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 53, false, false, "Transactional Id Authorization Failed", "This client has no right to use the transactional id.") \
    XX(SECURITY_DISABLED, 54, false, false, "Security Disabled", "The cluster runs without an authorizer, so it has no rights to manage.") \
    XX(OPERATION_NOT_ATTEMPTED, 55, false, false, "Operation Not Attempted", "The broker did not try this part of the request because another part had failed.") \
    XX(KAFKA_STORAGE_ERROR, 56, true, false, "Kafka Storage Error", "The broker could not read or write its log on disk.") \
    XX(LOG_DIR_NOT_FOUND, 57, false, false, "Log Dir Not Found", "The broker has no log directory of that name.") \
    XX(SASL_AUTHENTICATION_FAILED, 58, false, false, "SASL Authentication Failed", "The broker did not accept the credentials.") \
    XX(UNKNOWN_PRODUCER_ID, 59, false, false, "Unknown Producer Id", "The broker remembers nothing of this producer, usually because all its records have been deleted.") \
    XX(REASSIGNMENT_IN_PROGRESS, 60, false, false, "Reassignment In Progress", "The partition is being moved to other brokers.") \
    XX(DELEGATION_TOKEN_AUTH_DISABLED, 61, false, false, "Delegation Token Auth Disabled", "The cluster does not use delegation tokens.") \
    XX(DELEGATION_TOKEN_NOT_FOUND, 62, false, false, "Delegation Token Not Found", "The broker knows no such delegation token.") \
    XX(DELEGATION_TOKEN_OWNER_MISMATCH, 63, false, false, "Delegation Token Owner Mismatch", "Only its owner and its renewers may use a delegation token so.") \
    XX(DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, 64, false, false, "Delegation Token Request Not Allowed", "Delegation tokens cannot be managed over this kind of connection.") \
    XX(DELEGATION_TOKEN_AUTHORIZATION_FAILED, 65, false, false, "Delegation Token Authorization Failed", "This client has no right to do that with delegation tokens.") \
    XX(DELEGATION_TOKEN_EXPIRED, 66, false, false, "Delegation Token Expired", "The delegation token is past its time.") \
    XX(INVALID_PRINCIPAL_TYPE, 67, false, false, "Invalid Principal Type", "The broker does not know this type of principal.") \
    XX(NON_EMPTY_GROUP, 68, false, false, "Non Empty Group", "The group still has members.") \
    XX(GROUP_ID_NOT_FOUND, 69, false, false, "Group Id Not Found", "The coordinator knows no group of that name.") \
    XX(FETCH_SESSION_ID_NOT_FOUND, 70, true, false, "Fetch Session Id Not Found", "The broker has dropped the fetch session; the next fetch starts a new one.") \
    XX(INVALID_FETCH_SESSION_EPOCH, 71, true, false, "Invalid Fetch Session Epoch", "A fetch came out of order within its session.") \
    XX(LISTENER_NOT_FOUND, 72, true, false, "Listener Not Found", "The leader does not offer the listener through which the metadata was asked.") \
    XX(TOPIC_DELETION_DISABLED, 73, false, false, "Topic Deletion Disabled", "The cluster is configured to keep topics from being deleted.") \
    XX(FENCED_LEADER_EPOCH, 74, true, false, "Fenced Leader Epoch", "The request names an older leader epoch than the broker's.") \
    XX(UNKNOWN_LEADER_EPOCH, 75, true, false, "Unknown Leader Epoch", "The request names a newer leader epoch than the broker has heard of.") \
    XX(UNSUPPORTED_COMPRESSION_TYPE, 76, false, false, "Unsupported Compression Type", "The codec needs a newer version of the request than was used.") \
    XX(STALE_BROKER_EPOCH, 77, false, false, "Stale Broker Epoch", "A broker was restarted meanwhile.") \
    XX(OFFSET_NOT_AVAILABLE, 78, true, false, "Offset Not Available", "A new leader cannot tell the end of the partition yet.") \
    XX(MEMBER_ID_REQUIRED, 79, false, false, "Member Id Required", "The coordinator gave out a member id, with which the member has to join again.") \
    XX(PREFERRED_LEADER_NOT_AVAILABLE, 80, true, false, "Preferred Leader Not Available", "The replica that should lead the partition is not in sync or not running.") \
    XX(GROUP_MAX_SIZE_REACHED, 81, false, false, "Group Max Size Reached", "The group has as many members as the broker allows.") \
    XX(FENCED_INSTANCE_ID, 82, false, false, "Fenced Instance Id", "Another member has joined under the same static name (group.instance.id).") \
    XX(ELIGIBLE_LEADERS_NOT_AVAILABLE, 83, true, false, "Eligible Leaders Not Available", "No replica that could lead the partition is available.") \
    XX(ELECTION_NOT_NEEDED, 84, true, false, "Election Not Needed", "The partition already has the leader that it should have.") \
    XX(NO_REASSIGNMENT_IN_PROGRESS, 85, false, false, "No Reassignment In Progress", "The partition is not being moved.") \
    XX(GROUP_SUBSCRIBED_TO_TOPIC, 86, false, false, "Group Subscribed To Topic", "Offsets of a topic cannot be deleted while the group reads it.") \
    XX(INVALID_RECORD, 87, false, false, "Invalid Record", "The broker refused a record, for example one without a key in a compacted topic.") \
    XX(UNSTABLE_OFFSET_COMMIT, 88, true, false, "Unstable Offset Commit", "A transaction that commits offsets of the group is still open.") \
    XX(THROTTLING_QUOTA_EXCEEDED, 89, true, false, "Throttling Quota Exceeded", "This client does more than its quota allows.") \
    XX(PRODUCER_FENCED, 90, false, false, "Producer Fenced", "A newer producer uses the same transactional id.") \
    XX(RESOURCE_NOT_FOUND, 91, false, false, "Resource Not Found", "What the request names does not exist.") \
    XX(DUPLICATE_RESOURCE, 92, false, false, "Duplicate Resource", "The request names the same thing twice.") \
    XX(UNACCEPTABLE_CREDENTIAL, 93, false, false, "Unacceptable Credential", "The broker refuses a credential of this kind, for example for too few iterations.") \
    XX(INCONSISTENT_VOTER_SET, 94, false, false, "Inconsistent Voter Set", "A controller got a vote from or for a node that is not one of the voters.") \
    XX(INVALID_UPDATE_VERSION, 95, false, false, "Invalid Update Version", "The feature cannot be set to that version.") \
    XX(FEATURE_UPDATE_FAILED, 96, false, false, "Feature Update Failed", "The controller failed to change the cluster's features.") \
    XX(PRINCIPAL_DESERIALIZATION_FAILURE, 97, false, false, "Principal Deserialization Failure", "A broker could not read who had sent a forwarded request: the brokers' security settings differ.") \
    XX(SNAPSHOT_NOT_FOUND, 98, false, false, "Snapshot Not Found", "The controller has no such snapshot.") \
    XX(POSITION_OUT_OF_RANGE, 99, false, false, "Position Out Of Range", "The position lies outside of the snapshot.") \
    XX(UNKNOWN_TOPIC_ID, 100, true, false, "Unknown Topic Id", "The broker knows no topic of that id: it was deleted, or created too recently.") \
    XX(DUPLICATE_BROKER_REGISTRATION, 101, false, false, "Duplicate Broker Registration", "Another broker is registered under the same id.") \
    XX(BROKER_ID_NOT_REGISTERED, 102, false, false, "Broker Id Not Registered", "No broker is registered under that id.") \
    XX(INCONSISTENT_TOPIC_ID, 103, true, false, "Inconsistent Topic Id", "The topic was deleted and created again under the same name.") \
    XX(INCONSISTENT_CLUSTER_ID, 104, false, false, "Inconsistent Cluster Id", "The request was meant for another cluster.") \
    XX(TRANSACTIONAL_ID_NOT_FOUND, 105, false, false, "Transactional Id Not Found", "The coordinator knows no such transactional id.") \
    XX(FETCH_SESSION_TOPIC_ID_ERROR, 106, true, false, "Fetch Session Topic Id Error", "A fetch session mixed topic names and topic ids.") \
    XX(INELIGIBLE_REPLICA, 107, false, false, "Ineligible Replica", "A replica that was to count as in sync may not.") \
    XX(NEW_LEADER_ELECTED, 108, false, false, "New Leader Elected", "The change was made, and another replica leads the partition now.") \
    XX(OFFSET_MOVED_TO_TIERED_STORAGE, 109, false, false, "Offset Moved To Tiered Storage", "The offset is kept in tiered storage only.") \
    XX(FENCED_MEMBER_EPOCH, 110, false, false, "Fenced Member Epoch", "The coordinator has given this member up; it must drop its partitions and join again.") \
    XX(UNRELEASED_INSTANCE_ID, 111, false, false, "Unreleased Instance Id", "Another member of the group still holds this static name (group.instance.id).") \
    XX(UNSUPPORTED_ASSIGNOR, 112, false, false, "Unsupported Assignor", "The group does not support the assignor that was asked for.") \
    XX(STALE_MEMBER_EPOCH, 113, false, false, "Stale Member Epoch", "The member's epoch is out of date; its next heartbeat brings the new one.") \
    XX(MISMATCHED_ENDPOINT_TYPE, 114, false, false, "Mismatched Endpoint Type", "A request for controllers reached a broker, or the other way round.") \
    XX(UNSUPPORTED_ENDPOINT_TYPE, 115, false, false, "Unsupported Endpoint Type", "The node does not know this type of endpoint.") \
    XX(UNKNOWN_CONTROLLER_ID, 116, false, false, "Unknown Controller Id", "No controller has that id.") \
    XX(UNKNOWN_SUBSCRIPTION_ID, 117, false, false, "Unknown Subscription Id", "The telemetry subscription is unknown or out of date.") \
    XX(TELEMETRY_TOO_LARGE, 118, false, false, "Telemetry Too Large", "The client sent more telemetry at once than the broker takes.") \
    XX(INVALID_REGISTRATION, 119, false, false, "Invalid Registration", "The controller refuses a broker's registration.") \
    XX(TRANSACTION_ABORTABLE, 120, false, false, "Transaction Abortable", "The transaction failed; it can be aborted and a new one begun.") \
    XX(INVALID_RECORD_STATE, 121, false, false, "Invalid Record State", "A share group's record cannot be acknowledged any more.") \
    XX(SHARE_SESSION_NOT_FOUND, 122, true, false, "Share Session Not Found", "The broker has dropped the share session.") \
    XX(INVALID_SHARE_SESSION_EPOCH, 123, true, false, "Invalid Share Session Epoch", "A request came out of order within its share session.") \
    XX(FENCED_STATE_EPOCH, 124, false, false, "Fenced State Epoch", "The share group's state has a newer epoch.") \
    XX(INVALID_VOTER_KEY, 125, false, false, "Invalid Voter Key", "The key given for a voter is not that of the controller which received it.") \
    XX(DUPLICATE_VOTER, 126, false, false, "Duplicate Voter", "The controller is a voter already.") \
    XX(VOTER_NOT_FOUND, 127, false, false, "Voter Not Found", "The controller is not a voter.") \
    XX(INVALID_REGULAR_EXPRESSION, 128, false, false, "Invalid Regular Expression", "The coordinator cannot parse the regular expression.") \
    XX(REBOOTSTRAP_REQUIRED, 129, false, false, "Rebootstrap Required", "What the client knows of the cluster is out of date; it has to start again from its bootstrap addresses.") \
    XX(STREAMS_INVALID_TOPOLOGY, 130, false, false, "Streams Invalid Topology", "The topology of a streams group is not valid.") \
    XX(STREAMS_INVALID_TOPOLOGY_EPOCH, 131, false, false, "Streams Invalid Topology Epoch", "The epoch given for a streams group's topology is not valid.") \
    XX(STREAMS_TOPOLOGY_FENCED, 132, false, false, "Streams Topology Fenced", "The streams group has moved on to a newer topology.") \
    XX(SHARE_SESSION_LIMIT_REACHED, 133, true, false, "Share Session Limit Reached", "The broker keeps no more share sessions.") \
    XX(GROUP_DELETION_FAILED, 134, false, false, "Group Deletion Failed", "The group could not be deleted; the broker's own text says why.") \
    XX(STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED, 135, false, false, "Streams Topology Description Update Failed", "The description of a streams group's topology was not taken; the broker's own text says why.") \
    XX(CONTROLLER_ID_NOT_REGISTERED, 136, false, false, "Controller Id Not Registered", "No controller is registered under that id.")

/* Our own codes, from -100 downwards without a gap. */
#define KFK_ERROR_LOCAL(XX) \
    XX(EINVAL, -100, false, false, "Invalid Argument", "An argument or a configuration value is not allowed.") \
    XX(ENOMEM, -101, false, false, "Out Of Memory", "There was no memory for it.") \
    XX(ECLOSED, -102, false, false, "Closed", "The object was closed before.") \
    XX(EOF, -103, false, false, "End", "There is nothing more to read: the batch ended, or the reader was closed.") \
    XX(EUNEXPECTED_EOF, -104, true, false, "Unexpected End", "The peer closed the connection in the middle.") \
    XX(ETIMEDOUT, -105, true, true, "Timed Out", "The deadline passed.") \
    XX(ECANCELED, -106, false, false, "Canceled", "The operation was cancelled.") \
    XX(ESHORTBUF, -107, false, false, "Short Buffer", "The buffer given is too small for what is to be read.") \
    XX(EIO, -108, true, false, "Input/Output Error", "A socket failed.") \
    XX(ERESOLVE, -109, true, false, "Name Not Resolved", "The host's name could not be resolved.") \
    XX(ETLS, -110, false, false, "TLS Failed", "The TLS handshake or a certificate check failed.") \
    XX(EPROTO, -111, false, false, "Protocol Violation", "The peer sent bytes that are malformed or do not belong there.") \
    XX(ECORRUPT, -112, false, false, "Corrupt Data", "A checksum does not match, or compressed data is damaged.") \
    XX(ECODEC, -113, false, false, "Unknown Codec", "The compression code is unknown, or its codec is not built in.") \
    XX(ETOOBIG, -114, false, false, "Too Big", "Something is larger than a limit allows.") \
    XX(EAGAIN, -115, true, false, "Try Again", "It would have to wait here, and was not done.") \
    XX(EVERSION, -116, false, false, "No Common Version", "The broker and this library share no version of the request that can do this.") \
    XX(EGROUP, -117, false, false, "Not In A Group", "This is not available to a reader with a group.") \
    XX(ENOGROUP, -118, false, false, "Only In A Group", "This is available only to a reader with a group.") \
    XX(EPARTIAL, -119, false, false, "Partly Failed", "Some of the parts failed, each with a result of its own.") \
    XX(EAUTH, -120, false, false, "Authentication Failed", "The SASL exchange with the broker failed.") \
    XX(EFORKED, -121, false, false, "Forked", "The object belongs to the parent process.") \
    XX(ENOTSUP, -122, false, false, "Not Supported", "This is not built in, or the broker does not support it.") \
    XX(EPENDING, -123, false, false, "Pending", "The message was accepted and has no outcome yet.") \
    XX(EEND, -124, false, false, "End Reached", "Everything was read up to the end that the partitions had at the beginning.")

#endif
