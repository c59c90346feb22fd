/* GPT-2's alphabet of bytes: each byte is one character, so that tokens of any bytes are text. The printable ones of Latin-1 stand for themselves, the other 68
 * are U+0100, U+0101, ... in their order (openai/gpt-2:src/encoder.py, bytes_to_unicode). */
#ifndef REPAQ_BYTELEVEL_H
#define REPAQ_BYTELEVEL_H

#include "base/text.h"

#include <stdint.h>

/* The character that stands for a byte. */
uint32_t bytelevel_character(uint8_t byte);
/* Appends bytes in the alphabet, as UTF-8. */
void bytelevel_encode(struct slice bytes, struct text *text);
/* Appends the bytes that UTF-8 text stands for. False, and nothing appended, if a character is not of the alphabet. */
bool bytelevel_decode(struct slice string, struct text *bytes);

#endif
