/* Prints where Java's producer sends keys as tests/golden/partitions_java.txt: "murmur2", the key in hex ("-" = empty), and the
 * partition of 1, 2, 3, 7, 12, 16, 100 and 1000. Key i of 120 has i % 40 bytes, number j being (31 i + 17 j + i j) mod 256.
 *
 *   mvn dependency:copy -Dartifact=org.apache.kafka:kafka-clients:4.4.0 -DoutputDirectory=/tmp/kc
 *   mvn dependency:copy -Dartifact=org.slf4j:slf4j-api:1.7.36 -DoutputDirectory=/tmp/kc
 *   java -cp '/tmp/kc/*' tests/golden/DumpPartitions.java > tests/golden/partitions_java.txt
 */
import java.io.InputStream;
import java.util.Properties;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

public class DumpPartitions {
    public static void main(String[] args) throws Exception {
        Properties library = new Properties();
        try (InputStream in = BuiltInPartitioner.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            library.load(in);
        }
        System.out.println("# BuiltInPartitioner.partitionForKey of kafka-clients " + library.getProperty("version")
            + ", printed by tests/golden/DumpPartitions.java: rule, key in hex, its partition of 1, 2, 3, 7, 12, 16, 100, 1000");
        int[] counts = {1, 2, 3, 7, 12, 16, 100, 1000};
        for (int i = 0; i < 120; i++) {
            byte[] key = new byte[i % 40];
            StringBuilder line = new StringBuilder("murmur2 ");
            for (int j = 0; j < key.length; j++) {
                key[j] = (byte) (31 * i + 17 * j + i * j);
                line.append(String.format("%02x", key[j]));
            }
            if (key.length == 0) line.append('-');
            for (int count : counts) line.append(' ').append(BuiltInPartitioner.partitionForKey(key, count));
            System.out.println(line);
        }
    }
}
