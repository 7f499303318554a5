/* Prints message sets of formats 0 and 1 that Kafka's own classes made, as tests/golden/message_sets.txt:
 *
 *   set <name> <hex>                              one set or several, as a Fetch would bring them
 *   record <offset> <time> <type> <key> <value>   what Kafka's reader finds in it; type: whose clock that is, 0 producer,
 *                                                 1 broker, -1 none; - is null, ' begins bytes in hex. Large sets have
 *                                                 no such lines: their records are those of large() below
 *
 * The jars kafka-clients 3.9.1 (the last before brokers stopped to write these formats), lz4-java, snappy-java, slf4j-api:
 *
 *   java -cp '/tmp/kc/*' tests/golden/DumpMessageSets.java > tests/golden/message_sets.txt
 */
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.record.Record;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.common.utils.BufferSupplier;

public class DumpMessageSets {
    static final long NOW = 1_700_000_000_000L;
    static final Map<String, Compression> CODECS = new LinkedHashMap<>();

    static byte[] utf(String s) {
        return s == null ? null : s.getBytes(StandardCharsets.UTF_8);
    }

    static SimpleRecord record(long time, String key, String value) {
        return new SimpleRecord(time, utf(key), utf(value));
    }

    static String hex(ByteBuffer b) {
        if (b == null) return "-";
        byte[] bytes = new byte[b.remaining()];
        b.duplicate().get(bytes);
        return "'" + HexFormat.of().formatHex(bytes);
    }

    static void printBytes(String name, ByteBuffer bytes) {
        System.out.println("set " + name + " " + hex(bytes).substring(1));
    }

    static void print(String name, ByteBuffer bytes) {
        printBytes(name, bytes);
        for (MutableRecordBatch batch : MemoryRecords.readableRecords(bytes).batches()) {
            batch.ensureValid();
            for (Record r : batch)
                System.out.println("record " + r.offset() + " " + r.timestamp() + " " + batch.timestampType().id + " " + hex(r.key()) + " " + hex(r.value()));
        }
    }

    static ByteBuffer build(byte magic, Compression c, TimestampType type, long base, long appendTime, List<SimpleRecord> records) {
        MemoryRecordsBuilder b = MemoryRecords.builder(ByteBuffer.allocate(1 << 20), magic, c, type, base, appendTime);
        for (SimpleRecord r : records) b.append(r);
        return b.build().buffer();
    }

    static ByteBuffer build(int magic, Compression c, long base, List<SimpleRecord> records) {
        return build((byte) magic, c, magic == 0 ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME, base, RecordBatch.NO_TIMESTAMP, records);
    }

    static ByteBuffer join(ByteBuffer... parts) {
        ByteBuffer all = ByteBuffer.allocate(1 << 20);
        for (ByteBuffer p : parts) all.put(p.duplicate());
        all.flip();
        return all;
    }

    /* What the cleaner leaves of a set when it keeps some of the offsets. */
    static ByteBuffer cleaned(ByteBuffer set, int keep) {
        ByteBuffer out = ByteBuffer.allocate(1 << 16);
        MemoryRecords.readableRecords(set).filterTo(new TopicPartition("t", 0), new MemoryRecords.RecordFilter(0, 0) {
            @Override protected BatchRetentionResult checkBatchRetention(RecordBatch batch) {
                return new BatchRetentionResult(BatchRetention.DELETE_EMPTY, false);
            }
            @Override protected boolean shouldRetainRecord(RecordBatch batch, Record r) {
                return r.offset() % keep == 1;
            }
        }, out, Integer.MAX_VALUE, BufferSupplier.NO_CACHING);
        out.flip();
        return out;
    }

    static List<SimpleRecord> large() {
        List<SimpleRecord> large = new ArrayList<>();
        for (int i = 0; i < 12; i++) large.add(record(NOW + i, "key-" + i, ("line " + i + " of a set larger than a block of any codec").repeat(200)));
        return large;
    }

    public static void main(String[] args) throws Exception {
        System.out.println("# org.apache.kafka.common.record of kafka-clients " + AppInfoParser.getVersion()
            + " (snappy-java 1.1.10.7, at.yawk lz4-java 1.10.2), printed by tests/golden/DumpMessageSets.java");
        CODECS.put("none", Compression.NONE);
        CODECS.put("gzip", Compression.gzip().build());
        CODECS.put("snappy", Compression.snappy().build());
        CODECS.put("lz4", Compression.lz4().build());

        List<SimpleRecord> plain = List.of(record(NOW, "key", "value"), record(NOW + 5, "k2", "a second value"), record(NOW + 2, null, "no key"));
        List<SimpleRecord> nulls = List.of(record(NOW, null, null), record(NOW, "", null), record(NOW, null, ""), record(NOW, "", ""),
            record(NOW, "k", null), record(NOW, null, "v"));
        List<SimpleRecord> many = new ArrayList<>();
        for (int i = 0; i < 12; i++) many.add(record(NOW + i, "k" + i, "v" + i));

        for (int magic = 0; magic <= 1; magic++) {
            for (Map.Entry<String, Compression> c : CODECS.entrySet()) {
                String end = "/v" + magic + "/" + c.getKey();
                print("plain" + end, build(magic, c.getValue(), 0, plain));
                print("nulls" + end, build(magic, c.getValue(), 1L << 40, nulls));
                print("cleaned" + end, cleaned(build(magic, c.getValue(), 1000, many), 3));
                if (!c.getKey().equals("none"))
                    printBytes("large" + end, build(magic, c.getValue(), 7, large()));
                if (magic == 1)
                    print("append-time" + end, build((byte) 1, c.getValue(), TimestampType.LOG_APPEND_TIME, 100, NOW + 12345, plain));
            }
        }
        print("mixed", join(build(0, Compression.NONE, 0, plain), build(0, CODECS.get("gzip"), 3, plain), build(1, Compression.NONE, 6, plain),
            build(1, CODECS.get("gzip"), 9, plain), build(2, CODECS.get("gzip"), 12, plain), build(1, Compression.NONE, 15, plain)));
        print("no-time/v1/none", build(1, Compression.NONE, 0, List.of(record(RecordBatch.NO_TIMESTAMP, "k", "v"))));
        print("no-time/v1/gzip", build(1, CODECS.get("gzip"), 0, List.of(record(RecordBatch.NO_TIMESTAMP, "k", "v"))));
    }
}
