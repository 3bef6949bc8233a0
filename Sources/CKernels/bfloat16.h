#pragma once

#include <stdint.h>
#include <string.h>

static inline uint32_t ck_bits_of_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static inline float ck_float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// The bits of x rounded to bfloat16, to nearest and ties to even, in the upper half of a word; the
// lower one is 0. A NaN stays one: it becomes quiet, and is not rounded up to an infinity.
static inline uint32_t ck_bfloat16_bits(float x) {
  uint32_t bits = ck_bits_of_float(x);
  uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  uint32_t result = (bits & 0x7fffffff) > 0x7f800000 ? bits | 0x00400000 : rounded;
  return result & 0xffff0000u;
}
