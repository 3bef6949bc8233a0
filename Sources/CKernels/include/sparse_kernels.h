#pragma once

#include <stddef.h>
#include <stdint.h>

// Rows that store a fixed number of entries: their columns, and their values in a second array, row
// after row. Values are float, double or bfloat16; X is the type of the vectors.
#define CK_ENTRY_KERNELS(ENTRIES, X, S)                                                           \
  /* Stores the nonzero numbers of x, at most `entries`, padded with zeros at column 0. Returns   \
     the number of nonzero numbers in x. */                                                       \
  size_t ck_##ENTRIES##_entries_store_##S(uint16_t *columns, void *values, size_t entries,        \
                                          const X *x, size_t count);                              \
  /* Writes a row to x, with zeros for columns that are not stored. */                            \
  void ck_##ENTRIES##_entries_load_##S(const uint16_t *columns, const void *values,               \
                                       size_t entries, X *x, size_t count);                       \
  /* sums[k] = row k · x, k < row_count, in eight lanes over a row's entries, folded in a fixed   \
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

// Writes the columns of the `entries` numbers of x that are largest in magnitude, in ascending
// order; of equal numbers the first are taken. entries ≤ count ≤ 65536.
void ck_largest_f32(const float *x, size_t count, size_t entries, uint16_t *columns);
void ck_largest_f64(const double *x, size_t count, size_t entries, uint16_t *columns);
