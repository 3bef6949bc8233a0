#pragma once

#include <stddef.h>
#include <stdint.h>

// Rows of a cell of `count` columns, in room for `capacity`: by groups of eight slots, in a group
// by runs of sixteen columns, [run][slot of the group][column of the run], so that every pass over
// them reads memory from its start to its end. The last group holds what slots are left, the last
// run is filled up with zeros: capacity · ⌈count/16⌉ · 16 elements.
//
// Rows are of float, of double, or of bfloat16, in a run of which columns i and i + 8 share a word.
// X is the type of the vectors beside them.
#define CK_ROW_KERNELS(ROWS, X, S)                                                                \
  /* Slot `slot` becomes x, rounded to what the rows hold: to nearest, ties to even. */           \
  void ck_##ROWS##_rows_store_##S(void *rows, size_t capacity, size_t slot, const X *x,           \
                                  size_t count);                                                  \
  /* x becomes slot `slot`. */                                                                    \
  void ck_##ROWS##_rows_load_##S(const void *rows, size_t capacity, size_t slot, X *x,            \
                                 size_t count);                                                   \
  /* sums[k] = row k · x, k < row_count, in double precision: in eight lanes, folded in a fixed   \
     order. Products of two floats are exact. */                                                  \
  void ck_##ROWS##_rows_dots_##S(const void *rows, size_t capacity, size_t row_count, const X *x, \
                                 size_t count, double *sums);

#define CK_ROWS(ROWS)                                                                             \
  CK_ROW_KERNELS(ROWS, float, f32)                                                                \
  CK_ROW_KERNELS(ROWS, double, f64)                                                               \
  /* sums[i] = Σ_k coefficients[k] · (row k)[i], k < row_count, in double precision, in the order \
     of k. */                                                                                     \
  void ck_##ROWS##_rows_combine(const void *rows, size_t capacity, size_t row_count,              \
                                const double *coefficients, size_t count, double *restrict sums);

CK_ROWS(float)
CK_ROWS(bfloat16)
CK_ROWS(double)

// x becomes what bfloat16, or float, holds of it.
void ck_round_to_bfloat16_f32(float *x, size_t count);
void ck_round_to_bfloat16_f64(double *x, size_t count);
void ck_round_to_float_f64(double *x, size_t count);

// x · y, in the lanes and the order of the rows' products.
double ck_dot(const float *x, const float *y, size_t count);

// Σ_i x[i] in single precision, in 64 lanes.
float ck_streaming_sum(const float *x, size_t count);
