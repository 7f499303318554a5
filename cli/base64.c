/* base64.c: three bytes in, four digits out. */
#include "base64.h"

void kc_base64(const void *data, size_t len, bool for_url, kc_buf *out)
{
    static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *digits = for_url ? url : standard;
    for (const unsigned char *p = data, *end = p + len; p < end; p += 3) {
        size_t left = (size_t)(end - p);
        uint32_t bits = (uint32_t)p[0] << 16 | (left > 1 ? (uint32_t)p[1] << 8 : 0) | (left > 2 ? (uint32_t)p[2] : 0);
        const char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
                              left > 2 ? digits[bits & 63] : '='};
        kc_buf_add(out, four, for_url && left < 3 ? left + 1 : 4);
        if (left <= 3) return;
    }
}
