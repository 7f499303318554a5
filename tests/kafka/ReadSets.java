// Reads message sets with the classes of Kafka's own client. Each line of standard input is NAME HEX; for each it prints
//
//     set NAME
//     record OFFSET TIME TYPE KEY VALUE     for every record; TYPE: whose clock, 0 producer, 1 broker, -1 none
//
// Bytes are "x" and hexadecimal digits, or "-" for null. Exits with 1, and says why, at the first set that is damaged.
//
// Run as: kafka.sh run ReadSets.java <sets

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.record.internal.Record;

public class ReadSets {
    private static String hex(ByteBuffer b) {
        if (b == null) return "-";
        byte[] bytes = new byte[b.remaining()];
        b.get(bytes);
        return "x" + HexFormat.of().formatHex(bytes);
    }

    private static void read(String name, byte[] bytes, StringBuilder out) {
        out.append("set ").append(name).append('\n');
        int size = 0;
        for (MutableRecordBatch batch : MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches()) {
            batch.ensureValid();
            size += batch.sizeInBytes();
            for (Record r : batch) {
                r.ensureValid();
                out.append("record ").append(r.offset()).append(' ').append(r.timestamp()).append(' ').append(batch.timestampType().id)
                    .append(' ').append(hex(r.key())).append(' ').append(hex(r.value())).append('\n');
            }
        }
        if (size != bytes.length) throw new IllegalArgumentException(name + ": " + size + " of " + bytes.length + " bytes were read");
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        StringBuilder out = new StringBuilder();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] w = line.split(" ");
            read(w[0], HexFormat.of().parseHex(w[1]), out);
        }
        System.out.print(out);
        System.out.flush();
    }
}
