// cxx_test.cc: the headers in a C++17 program: they compile, link with C names, and their macros work there.
#include <kafka/kafka.h>

#include <cstdio>
#include <cstring>

static int failures;

static void check(bool ok, const char *what)
{
    if (!ok) failures++, std::printf("FAILED: %s\n", what);
}

static int64_t deadline_of(const kafka_ctx *ctx)
{
    return ctx->deadline;
}

static void check_codecs()
{
    kafka_codec codec{};
    codec.name = "copy";
    codec.encode = [](void *, int, const void *src, size_t len, kafka_buf *dst) {
        return kafka_buf_append(dst, src, len);
    };
    codec.decode = [](void *, const void *src, size_t len, kafka_buf *dst) {
        void *out = kafka_buf_reserve(dst, len);
        if (out == nullptr) return +KAFKA_ENOMEM;
        std::memcpy(out, src, len);
        kafka_buf_commit(dst, len);
        return +KAFKA_OK;
    };
    codec.code = 7;
    check(kafka_codec_find(7) == nullptr, "code 7 has no codec of its own");
    check(kafka_codec_register(&codec) == KAFKA_OK, "a codec of lambdas is registered");
    check(kafka_codec_find(7) != nullptr && std::strcmp(kafka_codec_find(7)->name, "copy") == 0, "and is found");
}

int main()
{
    check_codecs();
    kafka_bytes literal = KAFKA_LIT("a\0b"), some = KAFKA_BYTES("xyz", 2);
    check(literal.len == 3 && std::memcmp(literal.data, "a\0b", 3) == 0, "KAFKA_LIT keeps every byte");
    check(some.len == 2, "KAFKA_BYTES takes pointer and length");
    check(kafka_str(nullptr).data == nullptr, "kafka_str(nullptr) is null");

    int64_t before = kafka_now_ms();
    check(deadline_of(KAFKA_WITHIN(1000)) >= before + 1000, "KAFKA_WITHIN sets a deadline");
    check(deadline_of(KAFKA_WITHIN(KAFKA_NEVER)) == 0, "KAFKA_WITHIN(KAFKA_NEVER) sets none");

    kafka_message message{}, *copy = nullptr;
    message.topic = "t";
    message.value = KAFKA_LIT("v");
    check(kafka_message_dup(&message, &copy) == KAFKA_OK, "a message can be copied");
    check(copy != nullptr && std::strcmp(copy->topic, "t") == 0, "the copy has its topic");
    kafka_message_free(copy);

    check(std::strcmp(kafka_err_name(KAFKA_ERR_OFFSET_OUT_OF_RANGE), "OFFSET_OUT_OF_RANGE") == 0, "errors have names");
    return failures != 0;
}
