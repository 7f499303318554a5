/* Prints the error codes of a Kafka client library as tests/golden/errors.txt: code, name, retriable.
 *
 *   mvn dependency:copy -Dartifact=org.apache.kafka:kafka-clients:4.4.0 -DoutputDirectory=/tmp/kc
 *   mvn dependency:copy -Dartifact=org.slf4j:slf4j-api:1.7.36 -DoutputDirectory=/tmp/kc
 *   java -cp '/tmp/kc/*' tests/golden/DumpErrors.java > tests/golden/errors.txt
 */
import java.io.InputStream;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Properties;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.protocol.Errors;

public class DumpErrors {
    public static void main(String[] args) throws Exception {
        Properties library = new Properties();
        try (InputStream in = Errors.class.getResourceAsStream("/kafka/kafka-version.properties")) {
            library.load(in);
        }
        System.out.println("# org.apache.kafka.common.protocol.Errors of kafka-clients " + library.getProperty("version")
            + ", printed by tests/golden/DumpErrors.java: code, name, is its exception a RetriableException?");
        Errors[] all = Errors.values();
        Arrays.sort(all, Comparator.comparingInt(Errors::code));
        for (Errors e : all)
            System.out.println(e.code() + " " + e.name() + " " + (e.exception() instanceof RetriableException ? "retriable" : "final"));
    }
}
