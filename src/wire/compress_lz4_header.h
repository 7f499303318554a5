/* compress_lz4_header: the checksum in the header of an lz4 frame, as the format has it and as old clients of Kafka
 * have it.
 *
 * The frame format wants the second byte of the xxHash of the descriptor, which lies between the magic number and the
 * checksum. Kafka's first lz4 took the magic number in as well (KAFKA-3160). Messages of format 0 keep that, so that
 * old clients and brokers read them; format 1 and record batches do it right. liblz4 exports neither the hash nor a way
 * to leave the checksum out. */
#ifndef KFK_WIRE_COMPRESS_LZ4_HEADER_H
#define KFK_WIRE_COMPRESS_LZ4_HEADER_H
#include <stddef.h>
#include <stdint.h>

/* Size of the header of the frame at `bytes`, of which `len` bytes are there: from the magic number to the checksum,
 * its last byte. 0: not a frame, or the header is not there whole. At most KFK_LZ4_HEADER_MAX. */
size_t kfk_lz4_header_size(const void *bytes, size_t len);
/* What the last byte of a header of this size should be, and what old clients make it. */
uint8_t kfk_lz4_header_checksum(const void *p, size_t size);
uint8_t kfk_lz4_header_old_checksum(const void *p, size_t size);

enum { KFK_LZ4_HEADER_MAX = 19 };

#endif
