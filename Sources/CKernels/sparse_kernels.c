#include "sparse_kernels.h"

#include "bfloat16.h"
#include "clones.h"

#pragma clang fp contract(off)

CK_CLONES
void ck_largest(const float *x, size_t count, size_t entries, uint16_t *columns) {
  // Magnitudes are in the order of their bits. The least of those that are kept is the largest number
  // that as many reach: found bit by bit, a cell lying in the first cache.
  int32_t least = 0;
  for (int32_t bit = 1 << 30; bit != 0; bit >>= 1) {
    int32_t reaching = 0;
    for (size_t i = 0; i < count; i++) {
      reaching += (int32_t)(ck_bits_of_float(x[i]) & 0x7fffffff) >= (least | bit);
    }
    if ((size_t)reaching >= entries) least |= bit;
  }
  size_t equal = entries;
  for (size_t i = 0; i < count; i++) {
    equal -= (int32_t)(ck_bits_of_float(x[i]) & 0x7fffffff) > least;
  }
  for (size_t i = 0; i < count; i++) {
    int32_t magnitude = (int32_t)(ck_bits_of_float(x[i]) & 0x7fffffff);
    if (magnitude < least) continue;
    if (magnitude == least) {
      if (equal == 0) continue;
      equal--;
    }
    *columns++ = (uint16_t)i;
  }
}

#define NAME(operation) ck_float_entries_##operation
#define VALUE float
#define NARROW(x) (x)
#define WIDEN(v) (v)
#include "sparse_rows.h"

#define NAME(operation) ck_bfloat16_entries_##operation
#define VALUE uint16_t
#define NARROW(x) ((uint16_t)(ck_bfloat16_bits(x) >> 16))
#define WIDEN(v) ck_float_of_bits((uint32_t)(v) << 16)
#include "sparse_rows.h"
