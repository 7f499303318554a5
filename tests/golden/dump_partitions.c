/* Prints where librdkafka sends keys as tests/golden/partitions_librdkafka.txt: the name of its partitioner, the key in
 * hex ("-" = empty, "null"), and the partition of 1, 2, 3, 7, 12, 16, 100 and 1000. Key i of 120 has i % 40 bytes,
 * number j being (31 i + 17 j + i j) mod 256. What it chooses at random is left out.
 *
 * cc tests/golden/dump_partitions.c -lrdkafka -o /tmp/dump && /tmp/dump > tests/golden/partitions_librdkafka.txt */
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

typedef int32_t partitioner(const rd_kafka_topic_t *, const void *, size_t, int32_t, void *, void *);

static void print(const char *name, partitioner *choose, const unsigned char *key, size_t len)
{
    static const int32_t counts[] = {1, 2, 3, 7, 12, 16, 100, 1000};
    printf("%s ", name);
    for (size_t i = 0; i < len; i++) printf("%02x", key[i]);
    if (len == 0) printf(key == NULL ? "null" : "-");
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        printf(" %d", (int)choose(NULL, key, len, counts[i], NULL, NULL));
    printf("\n");
}

int main(void)
{
    printf("# rd_kafka_msg_partitioner_* of librdkafka %s, printed by tests/golden/dump_partitions.c: partitioner, key "
           "in hex, "
           "its partition of 1, 2, 3, 7, 12, 16, 100, 1000\n",
           rd_kafka_version_str());
    print("consistent", rd_kafka_msg_partitioner_consistent, NULL, 0);
    print("murmur2", rd_kafka_msg_partitioner_murmur2, NULL, 0);
    for (unsigned i = 0; i < 120; i++) {
        unsigned char key[40];
        size_t len = i % 40;
        for (unsigned j = 0; j < len; j++) key[j] = (unsigned char)(31 * i + 17 * j + i * j);
        print("consistent", rd_kafka_msg_partitioner_consistent, key, len);
        if (len > 0) print("consistent_random", rd_kafka_msg_partitioner_consistent_random, key, len);
        print("murmur2", rd_kafka_msg_partitioner_murmur2, key, len);
        print("murmur2_random", rd_kafka_msg_partitioner_murmur2_random, key, len);
    }
    return 0;
}
