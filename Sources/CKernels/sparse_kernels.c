#include "sparse_kernels.h"

#include <string.h>

#include "bfloat16.h"
#include "clones.h"

#pragma clang fp contract(off)

// Apart from the sign, the order of floating-point numbers is that of their bits.
#define LARGEST(X, S, WORD, MAX)                                                                \
  static inline WORD magnitude_##S(X x) {                                                       \
    WORD bits;                                                                                  \
    memcpy(&bits, &x, sizeof bits);                                                             \
    return bits & MAX;                                                                          \
  }                                                                                             \
                                                                                                \
  CK_CLONES                                                                                     \
  void ck_largest_##S(const X *x, size_t count, size_t entries, uint16_t *columns) {            \
    /* The least magnitude kept is the largest number that at least `entries` magnitudes reach.  \
       It is found bit by bit; a cell fits in the first-level cache. */                          \
    WORD least = 0;                                                                             \
    for (WORD bit = MAX / 2 + 1; bit != 0; bit >>= 1) {                                         \
      int32_t reaching = 0;                                                                     \
      for (size_t i = 0; i < count; i++) reaching += magnitude_##S(x[i]) >= (least | bit);      \
      if ((size_t)reaching >= entries) least |= bit;                                            \
    }                                                                                           \
    size_t equal = entries;                                                                     \
    for (size_t i = 0; i < count; i++) equal -= magnitude_##S(x[i]) > least;                    \
    for (size_t i = 0; i < count; i++) {                                                        \
      WORD magnitude = magnitude_##S(x[i]);                                                     \
      if (magnitude < least) continue;                                                          \
      if (magnitude == least) {                                                                 \
        if (equal == 0) continue;                                                               \
        equal--;                                                                                \
      }                                                                                         \
      *columns++ = (uint16_t)i;                                                                 \
    }                                                                                           \
  }

// Signed words, because vectors of every level can compare them.
LARGEST(float, f32, int32_t, INT32_MAX)
LARGEST(double, f64, int64_t, INT64_MAX)

#define EXACT _Pragma("clang fp contract(fast)")
#define ROUNDED _Pragma("clang fp contract(off)")
#define COMBINE(ENTRIES)                                                                        \
  CK_CLONES                                                                                     \
  void ck_##ENTRIES##_entries_combine(const uint16_t *columns, const void *memory,              \
                                      size_t entries, size_t row_count,                         \
                                      const double *coefficients, size_t count,                 \
                                      double *restrict sums) {                                  \
    const VALUE *values = memory;                                                               \
    for (size_t i = 0; i < count; i++) sums[i] = 0;                                             \
    for (size_t k = 0; k < row_count; k++, columns += entries, values += entries) {             \
      double c = coefficients[k];                                                               \
      for (size_t e = 0; e < entries; e++) sums[columns[e]] += c * (double)WIDEN(values[e]);    \
    }                                                                                           \
  }

#define VALUE float
#define WIDEN(v) (v)
COMBINE(float)

#define NAME(operation) ck_float_entries_##operation##_f32
#define X float
#define NARROW(x) (x)
#define PRODUCTS EXACT
#include "sparse_rows.h"

#define NAME(operation) ck_float_entries_##operation##_f64
#define X double
#define NARROW(x) ((float)(x))
#define PRODUCTS ROUNDED
#include "sparse_rows.h"
#undef VALUE
#undef WIDEN

#define VALUE double
#define WIDEN(v) (v)
COMBINE(double)

#define NAME(operation) ck_double_entries_##operation##_f32
#define X float
#define NARROW(x) (x)
#define PRODUCTS ROUNDED
#include "sparse_rows.h"

#define NAME(operation) ck_double_entries_##operation##_f64
#define X double
#define NARROW(x) (x)
#define PRODUCTS ROUNDED
#include "sparse_rows.h"
#undef VALUE
#undef WIDEN

#define VALUE uint16_t
#define WIDEN(v) ck_float_of_bits((uint32_t)(v) << 16)
COMBINE(bfloat16)

#define NAME(operation) ck_bfloat16_entries_##operation##_f32
#define X float
#define NARROW(x) ((uint16_t)(ck_bfloat16_bits(x) >> 16))
#define PRODUCTS EXACT
#include "sparse_rows.h"

#define NAME(operation) ck_bfloat16_entries_##operation##_f64
#define X double
#define NARROW(x) ((uint16_t)(ck_bfloat16_bits(ck_float_to_odd(x)) >> 16))
#define PRODUCTS ROUNDED
#include "sparse_rows.h"
#undef VALUE
#undef WIDEN
