/* compress_snappy_block.cc: the only file of the library that is not C.
 *
 * libsnappy has a C interface too, but it takes contiguous input alone, and an exception would still go right through
 * it into C frames that cannot be unwound. All that can be thrown in there is bad_alloc. */
#include "wire/compress_snappy_block.h"
#include "kafka/error.h"
#include <snappy-sinksource.h>
#include <snappy.h>

namespace
{

/* The next `left` bytes of a list of chunks, in as many pieces as it has them. */
class ChunkSource final : public snappy::Source
{
  public:
    ChunkSource(kfk_snappy_cursor *at, size_t left) : at_(at), left_(left)
    {
    }

    size_t Available() const override
    {
        return left_;
    }

    const char *Peek(size_t *len) override
    {
        if (left_ == 0) {
            *len = 0;
            return nullptr;
        }
        while (at_->used == at_->chunk->iov_len) Next();
        size_t piece = at_->chunk->iov_len - at_->used;
        *len = piece < left_ ? piece : left_;
        return static_cast<const char *>(at_->chunk->iov_base) + at_->used;
    }

    void Skip(size_t n) override
    {
        left_ -= n;
        while (n > at_->chunk->iov_len - at_->used) {
            n -= at_->chunk->iov_len - at_->used;
            Next();
        }
        at_->used += n;
    }

  private:
    void Next()
    {
        at_->chunk++;
        at_->used = 0;
    }

    kfk_snappy_cursor *at_;
    size_t left_;
};

} // namespace

size_t kfk_snappy_block_bound(size_t len)
{
    return snappy::MaxCompressedLength(len);
}

int kfk_snappy_block_compress(kfk_snappy_cursor *src, size_t len, void *dst, size_t *made)
{
    try {
        ChunkSource source(src, len);
        snappy::UncheckedByteArraySink sink(static_cast<char *>(dst));
        *made = snappy::Compress(&source, &sink);
        return 0;
    } catch (...) {
        return KAFKA_ENOMEM;
    }
}

int kfk_snappy_block_size(const void *src, size_t len, size_t *size)
{
    return snappy::GetUncompressedLength(static_cast<const char *>(src), len, size) ? 0 : KAFKA_ECORRUPT;
}

int kfk_snappy_block_inflate(const void *src, size_t len, void *dst)
{
    try {
        return snappy::RawUncompress(static_cast<const char *>(src), len, static_cast<char *>(dst)) ? 0
                                                                                                    : KAFKA_ECORRUPT;
    } catch (...) {
        return KAFKA_ENOMEM;
    }
}
