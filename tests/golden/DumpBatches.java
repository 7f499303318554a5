/* Prints record batches that Kafka's own classes made, as tests/golden/batches.txt:
 *
 *   batch <name> <hex>                          one batch, its header included; name/codec holds the records of name
 *   record <offset> <time> <key> <value> ...    what Kafka's reader finds in it; - is null, ' begins bytes in hex; headers
 *                                               follow as pairs of key and value
 *   control <type id> <coordinator epoch>       of the record before, in control batches; -1 where there is none
 *   horizon <ms>                                the delete horizon of the batch before
 *
 * The jars of tests/kafka's client profile and lz4-java, zstd-jni, snappy-java:
 *
 *   java -cp '/tmp/kc/*' tests/golden/DumpBatches.java > tests/golden/batches.txt
 */
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.utils.internals.AppInfoParser;
import org.apache.kafka.common.utils.internals.BufferSupplier;

public class DumpBatches {
    static final long NOW = 1_700_000_000_000L;
    static final Header[] NONE = new Header[0];

    static byte[] utf(String s) {
        return s == null ? null : s.getBytes(StandardCharsets.UTF_8);
    }

    static SimpleRecord record(long time, String key, String value, Header... headers) {
        return new SimpleRecord(time, utf(key), utf(value), headers);
    }

    static Header header(String key, String value) {
        return new RecordHeader(key, utf(value));
    }

    static String hex(ByteBuffer b) {
        if (b == null) return "-";
        byte[] bytes = new byte[b.remaining()];
        b.duplicate().get(bytes);
        return "'" + HexFormat.of().formatHex(bytes);
    }

    static void printBytes(String name, MemoryRecords records) {
        System.out.println("batch " + name + " " + hex(records.buffer()).substring(1));
    }

    static void print(String name, MemoryRecords records) {
        printBytes(name, records);
        for (MutableRecordBatch batch : records.batches()) {
            batch.ensureValid();
            for (Record r : batch) {
                StringBuilder s = new StringBuilder("record " + r.offset() + " " + r.timestamp() + " " + hex(r.key()) + " " + hex(r.value()));
                for (Header h : r.headers())
                    s.append(" " + hex(ByteBuffer.wrap(utf(h.key()))) + " " + (h.value() == null ? "-" : hex(ByteBuffer.wrap(h.value()))));
                System.out.println(s);
                if (batch.isControlBatch()) {
                    short type = ControlRecordType.parseTypeId(r.key());
                    boolean end = type == ControlRecordType.ABORT.type() || type == ControlRecordType.COMMIT.type();
                    System.out.println("control " + type + " " + (end ? EndTransactionMarker.deserialize(r).coordinatorEpoch() : -1));
                }
            }
            if (batch.deleteHorizonMs().isPresent())
                System.out.println("horizon " + batch.deleteHorizonMs().getAsLong());
        }
    }

    static MemoryRecords build(Compression c, TimestampType type, long base, long appendTime, long producer, short epoch, int sequence,
                               boolean transactional, int leaderEpoch, List<SimpleRecord> records) {
        MemoryRecordsBuilder b = MemoryRecords.builder(ByteBuffer.allocate(1 << 20), RecordBatch.MAGIC_VALUE_V2, c, type, base, appendTime,
            producer, epoch, sequence, transactional, leaderEpoch);
        for (SimpleRecord r : records) b.append(r);
        return b.build();
    }

    static MemoryRecords build(Compression c, List<SimpleRecord> records) {
        return build(c, TimestampType.CREATE_TIME, 0, RecordBatch.NO_TIMESTAMP, RecordBatch.NO_PRODUCER_ID, RecordBatch.NO_PRODUCER_EPOCH,
            RecordBatch.NO_SEQUENCE, false, RecordBatch.NO_PARTITION_LEADER_EPOCH, records);
    }

    static void printCodecs(String name, List<SimpleRecord> records) {
        printBytes(name + "/gzip", build(Compression.gzip().build(), records));
        printBytes(name + "/snappy", build(Compression.snappy().build(), records));
        printBytes(name + "/lz4", build(Compression.lz4().build(), records));
        printBytes(name + "/zstd", build(Compression.zstd().build(), records));
    }

    public static void main(String[] args) throws Exception {
        System.out.println("# org.apache.kafka.common.record of kafka-clients " + AppInfoParser.getVersion()
            + " (zstd-jni 1.5.6-10, snappy-java 1.1.10.7, at.yawk lz4-java 1.10.2), printed by tests/golden/DumpBatches.java");
        List<SimpleRecord> plain = List.of(record(NOW, "key", "value"), record(NOW + 5, "k2", "a second value"), record(NOW + 2, null, "no key"));
        List<SimpleRecord> nulls = List.of(record(NOW, null, null), record(NOW, "", null), record(NOW, null, ""), record(NOW, "", ""),
            record(NOW, "k", null), record(NOW, null, "v"));
        List<SimpleRecord> headers = List.of(
            record(NOW, "k", "v", header("a", "1"), header("a", "2"), header("", ""), header("null", null), header("gr\u00fc\u00dfe", "\u20ac")),
            record(NOW, null, null, header("only", "x".repeat(200))), record(NOW, "k", "v"));
        List<SimpleRecord> times = List.of(record(NOW, "a", "1"), record(NOW - 1, "b", "2"), record(0, "c", "3"), record(NOW + (1L << 40), "d", "4"),
            record(Long.MAX_VALUE, "e", "5"), record(NOW + 63, "f", "6"), record(NOW + 64, "g", "7"), record(NOW + 8191, "h", "8"),
            record(NOW + 8192, "i", "9"), record(NOW - 8193, "j", "10"));
        List<SimpleRecord> large = new ArrayList<>();
        for (int i = 0; i < 700; i++)
            large.add(record(NOW + i / 10, "key-" + i % 7, "line " + i + " of a batch that does not fit into one block of any codec: " + "-".repeat(i % 40)));
        List<SimpleRecord> sizes = new ArrayList<>();
        for (int n : new int[] {0, 1, 56, 57, 58, 63, 64, 65, 8184, 8191, 8192}) sizes.add(record(NOW, null, "s".repeat(n)));

        print("plain", build(Compression.NONE, plain));
        printCodecs("plain", plain);
        print("headers", build(Compression.NONE, headers));
        printCodecs("headers", headers);
        printBytes("headers/gzip-9", build(Compression.gzip().level(9).build(), headers));
        printBytes("headers/lz4-17", build(Compression.lz4().level(17).build(), headers));
        printBytes("headers/zstd-19", build(Compression.zstd().level(19).build(), headers));
        printBytes("large", build(Compression.NONE, large));
        printCodecs("large", large);
        print("nulls", build(Compression.NONE, nulls));
        print("times", build(Compression.NONE, times));
        print("no-time", build(Compression.NONE, List.of(record(RecordBatch.NO_TIMESTAMP, "k", "v"), record(RecordBatch.NO_TIMESTAMP, "k", "w"))));
        printBytes("sizes", build(Compression.NONE, sizes));
        printBytes("sizes/zstd", build(Compression.zstd().build(), sizes));
        print("transactional", build(Compression.NONE, TimestampType.CREATE_TIME, 1L << 33, RecordBatch.NO_TIMESTAMP, 4711, (short) 7, 2147483646, true, 12, plain));
        print("idempotent/lz4", build(Compression.lz4().build(), TimestampType.CREATE_TIME, 9, RecordBatch.NO_TIMESTAMP, Long.MAX_VALUE, Short.MAX_VALUE, 0, false, 0, plain));
        print("append-time", build(Compression.NONE, TimestampType.LOG_APPEND_TIME, 100, NOW + 12345, -1, (short) -1, -1, false, 3, plain));
        print("append-time/zstd", build(Compression.zstd().build(), TimestampType.LOG_APPEND_TIME, 100, NOW + 12345, -1, (short) -1, -1, false, 3, plain));

        /* What a broker does to a batch with create time: the deltas of the records stay. */
        MemoryRecords patched = build(Compression.NONE, plain);
        for (MutableRecordBatch b : patched.batches()) {
            b.setMaxTimestamp(TimestampType.LOG_APPEND_TIME, NOW + 777);
            b.setLastOffset(1002);
            b.setPartitionLeaderEpoch(5);
        }
        print("append-time-by-broker", patched);

        print("commit", MemoryRecords.withEndTransactionMarker(50, NOW, 4, 4711, (short) 7, new EndTransactionMarker(ControlRecordType.COMMIT, 33)));
        print("abort", MemoryRecords.withEndTransactionMarker(51, NOW, 4, 4711, (short) 7, new EndTransactionMarker(ControlRecordType.ABORT, -1)));
        print("leader-change", MemoryRecords.withLeaderChangeMessage(60, NOW, 9, ByteBuffer.allocate(512), new LeaderChangeMessage().setLeaderId(1)));

        /* What the cleaner leaves: gaps, a delete horizon as base timestamp, and batches without records. */
        List<SimpleRecord> tombstones = new ArrayList<>();
        for (int i = 0; i < 20; i++) tombstones.add(record(NOW + i * 1000L, "k" + i, i % 3 == 0 ? null : "v" + i));
        for (Compression c : List.of(Compression.NONE, Compression.gzip().build())) {
            MemoryRecords dirty = build(c, TimestampType.CREATE_TIME, 1000, RecordBatch.NO_TIMESTAMP, 4711, (short) 0, 10, false, 2, tombstones);
            for (int keep : new int[] {1, 4, 0}) {
                ByteBuffer out = ByteBuffer.allocate(1 << 16);
                dirty.filterTo(new MemoryRecords.RecordFilter(NOW + 86_400_000L, 3_600_000L) {
                    @Override protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                        return new BatchRetentionResult(BatchRetention.RETAIN_EMPTY, false);
                    }
                    @Override protected boolean shouldRetainRecord(RecordBatch batch, Record r) {
                        return keep != 0 && r.offset() % keep == 0;
                    }
                }, out, BufferSupplier.NO_CACHING, Integer.MAX_VALUE);
                out.flip();
                print("cleaned-" + keep + (c == Compression.NONE ? "" : "/gzip"), MemoryRecords.readableRecords(out));
            }
        }
    }
}
