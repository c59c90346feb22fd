/* Little-endian loads and stores from unaligned bytes. */
#ifndef REPAQ_LE_H
#define REPAQ_LE_H

#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "repaq runs on little-endian hosts");

static inline uint16_t le_load16(const void *at) { uint16_t v; memcpy(&v, at, sizeof v); return v; }
static inline uint32_t le_load32(const void *at) { uint32_t v; memcpy(&v, at, sizeof v); return v; }
static inline uint64_t le_load64(const void *at) { uint64_t v; memcpy(&v, at, sizeof v); return v; }
static inline float le_load_f32(const void *at) { float v; memcpy(&v, at, sizeof v); return v; }
static inline void le_store16(void *at, uint16_t v) { memcpy(at, &v, sizeof v); }
static inline void le_store32(void *at, uint32_t v) { memcpy(at, &v, sizeof v); }
static inline void le_store64(void *at, uint64_t v) { memcpy(at, &v, sizeof v); }
static inline void le_store_f32(void *at, float v) { memcpy(at, &v, sizeof v); }

#endif
