#include "base64.h"

void base64_write(char *to, const void *bytes, size_t length) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    const unsigned char *from = bytes;
    for (size_t i = 0; i < length; i += 3) {
        unsigned second = i + 1 < length ? from[i + 1] : 0, third = i + 2 < length ? from[i + 2] : 0;
        unsigned group = (unsigned)from[i] << 16 | second << 8 | third;
        *to++ = digits[group >> 18];
        *to++ = digits[group >> 12 & 63];
        *to++ = digits[i + 1 < length ? group >> 6 & 63 : 64];
        *to++ = digits[i + 2 < length ? group & 63 : 64];
    }
    *to = '\0';
}
