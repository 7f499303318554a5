// Drives Kafka's own Java producer by a script on standard input, one command in a line:
//
//     new NAME SETTING=VALUE...     a producer; with transactional.id it begins by fencing off its predecessors
//     send NAME TOPIC PARTITION TIME KEY VALUE [HEADER VALUE]...
//     flush NAME                    waits until all that was sent has been acknowledged
//     begin|commit|abort NAME       a transaction
//
// TIME is in Unix ms, 0 = the producer's clock. Bytes are "x" and hexadecimal digits, or "-" for null. The end of the
// script flushes; transactions still open then stay open. Exits with 1, and says why, at the first failure.
//
// Run as: kafka.sh run Produce.java BOOTSTRAP <script

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Produce {
    private static final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
    private static final Map<String, List<Future<RecordMetadata>>> sent = new HashMap<>();

    private static byte[] bytes(String word) {
        return word.equals("-") ? null : HexFormat.of().parseHex(word, 1, word.length());
    }

    private static void flush(String name) throws Exception {
        producers.get(name).flush();
        for (Future<RecordMetadata> f : sent.get(name)) f.get();
        sent.get(name).clear();
    }

    private static void run(String bootstrap, String[] w) throws Exception {
        String name = w[1];
        switch (w[0]) {
        case "new":
            Properties p = new Properties();
            p.put("bootstrap.servers", bootstrap);
            p.put("max.request.size", "20000000");
            for (int i = 2; i < w.length; i++) {
                int eq = w[i].indexOf('=');
                p.put(w[i].substring(0, eq), w[i].substring(eq + 1));
            }
            KafkaProducer<byte[], byte[]> made =
                new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
            if (p.containsKey("transactional.id")) made.initTransactions();
            producers.put(name, made);
            sent.put(name, new ArrayList<>());
            break;
        case "send":
            Long time = w[4].equals("0") ? null : Long.valueOf(w[4]);
            ProducerRecord<byte[], byte[]> r =
                new ProducerRecord<>(w[2], Integer.valueOf(w[3]), time, bytes(w[5]), bytes(w[6]));
            for (int i = 7; i < w.length; i += 2)
                r.headers().add(new String(bytes(w[i]), StandardCharsets.UTF_8), bytes(w[i + 1]));
            sent.get(name).add(producers.get(name).send(r));
            break;
        case "flush": flush(name); break;
        case "begin": producers.get(name).beginTransaction(); break;
        case "commit": producers.get(name).commitTransaction(); break;
        case "abort":
            producers.get(name).abortTransaction();
            sent.get(name).clear();
            break;
        default: throw new IllegalArgumentException("no such command: " + w[0]);
        }
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        int number = 0;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            number++;
            try {
                run(args[0], line.split(" "));
            } catch (Exception e) {
                System.err.println("line " + number + ": " + line.substring(0, Math.min(200, line.length())));
                e.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        }
        for (String name : producers.keySet()) flush(name);
        Runtime.getRuntime().halt(0);
    }
}
