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

// Returns x rounded to single precision such that a second rounding, to fewer digits, gives the
// same result as rounding once. If x lies between two floats, it returns the one with an odd last
// digit. Boldo and Melquiond, "Emulation of a FMA and Correctly Rounded Sums", 2008.
static inline float ck_float_to_odd(double x) {
  float nearest = (float)x;
  if ((double)nearest == x || x != x) return nearest;
  uint32_t bits = ck_bits_of_float(nearest);
  // The neighbour nearer to 0 has the next smaller bits.
  uint32_t is_farther = (x < 0 ? (double)nearest < x : (double)nearest > x);
  return ck_float_of_bits((bits - is_farther) | 1);
}

// Returns the bits of x rounded to bfloat16, to nearest and ties to even, in the upper half of a
// word; the lower half is 0. A NaN becomes quiet, and is not rounded up to an infinity.
static inline uint32_t ck_bfloat16_bits(float x) {
  uint32_t bits = ck_bits_of_float(x);
  uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  uint32_t result = (bits & 0x7fffffff) > 0x7f800000 ? bits | 0x00400000 : rounded;
  return result & 0xffff0000u;
}
