#include "tokenizer/bytelevel.h"

/* A byte that is printed as itself: '!'..'~', 0xA1..0xAC, 0xAE..0xFF. */
static bool stands_for_itself(unsigned byte)
{
    return (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
}

uint32_t bytelevel_character(uint8_t byte)
{
    if (stands_for_itself(byte))
        return byte;
    /* 0..0x20, 0x7f..0xa0 and 0xad are numbered through */
    return 0x100u + (byte <= 0x20 ? byte : byte <= 0xa0 ? byte - 0x7fu + 33 : 67);
}

void bytelevel_encode(struct slice bytes, struct text *text)
{
    for (size_t i = 0; i < bytes.size; i++) {
        const uint32_t c = bytelevel_character((uint8_t)bytes.data[i]);
        const char pair[2] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 63))};
        const char single = (char)c;
        text_add(text, c < 0x80 ? &single : pair, c < 0x80 ? 1 : 2);
    }
}

bool bytelevel_decode(struct slice string, struct text *bytes)
{
    const size_t before = bytes->size;
    size_t i = 0;
    while (i < string.size) {
        const unsigned char first = (unsigned char)string.data[i];
        const bool pair = first >= 0xc2 && first < 0xc6 && i + 1 < string.size;
        const uint32_t c = pair ? (uint32_t)(first & 31) << 6 | ((unsigned char)string.data[i + 1] & 63u) : first;
        unsigned byte = 256;
        if (c < 0x100 && (pair || first < 0x80) && stands_for_itself(c))
            byte = c;
        else if (pair && c >= 0x100 && c < 0x144)
            byte = c - 0x100 <= 0x20 ? c - 0x100 : c - 0x100 < 67 ? c - 0x100 - 33 + 0x7f : 0xad;
        if (byte == 256) {
            bytes->size = before;
            return false;
        }
        text_add(bytes, &(char){(char)byte}, 1);
        i += pair ? 2 : 1;
    }
    return true;
}
