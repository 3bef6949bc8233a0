#pragma once

#include <stddef.h>
#include <stdint.h>

// Rows of which a fixed number of entries is kept: their columns, and their values beside them, row
// after row. Values are float, double or bfloat16; X is the type of the vectors beside them.
#define CK_ENTRY_KERNELS(ENTRIES, X, S)                                                           \
  /* The numbers of x that are not 0, at most `entries`, filled up with zeros at column 0. Returns \
     how many there are in x. */                                                                  \
  size_t ck_##ENTRIES##_entries_store_##S(uint16_t *columns, void *values, size_t entries,        \
                                          const X *x, size_t count);                              \
  /* x becomes a row, with zeros where it keeps nothing. */                                       \
  void ck_##ENTRIES##_entries_load_##S(const uint16_t *columns, const void *values,               \
                                       size_t entries, X *x, size_t count);                       \
  /* sums[k] = row k · x, k < row_count: in eight lanes over a row's entries, folded in a fixed   \
     order. */                                                                                    \
  void ck_##ENTRIES##_entries_dots_##S(const uint16_t *columns, const void *values,               \
                                       size_t entries, size_t row_count, const X *x,              \
                                       double *sums);

#define CK_ENTRIES(ENTRIES)                                                                       \
  CK_ENTRY_KERNELS(ENTRIES, float, f32)                                                           \
  CK_ENTRY_KERNELS(ENTRIES, double, f64)                                                          \
  /* sums[i] = Σ_k coefficients[k] · (row k)[i], k < row_count, in double precision, in the order \
     of k. */                                                                                     \
  void ck_##ENTRIES##_entries_combine(const uint16_t *columns, const void *values,                \
                                      size_t entries, size_t row_count,                           \
                                      const double *coefficients, size_t count,                   \
                                      double *restrict sums);

CK_ENTRIES(float)
CK_ENTRIES(bfloat16)
CK_ENTRIES(double)

// The columns of the `entries` numbers of x that are largest in magnitude, ascending; of equal ones
// the first. entries ≤ count ≤ 65536.
void ck_largest_f32(const float *x, size_t count, size_t entries, uint16_t *columns);
void ck_largest_f64(const double *x, size_t count, size_t entries, uint16_t *columns);
