/* compress: the codecs that the application brought. For tests: the rest is public (kafka/compress.h). */
#ifndef KFK_API_COMPRESS_H
#define KFK_API_COMPRESS_H

/* Brings the built-in codecs back and frees what was registered. Only while nobody uses a codec, or holds one that was
 * found. */
void kfk_api_compress_forget(void);

#endif
