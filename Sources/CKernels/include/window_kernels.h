#pragma once

#include <stddef.h>
#include <stdint.h>

// Rows of a cell of `count` columns, in memory for `capacity` rows:
//
//     [group of eight slots][run of sixteen columns][slot of the group][column of the run]
//
// Every pass over the rows reads memory from start to end. The last group holds the slots that are
// left, and the last run is padded with zeros: capacity · ⌈count/16⌉ · 16 elements.
//
// Rows are float, double or bfloat16. In a run of bfloat16, columns i and i + 8 share a word. X is
// the type of the vectors.
//
// Rows of int8 hold q = round(x/scale), and the caller keeps the scales: products are those of q.
// The slots of a pair are interleaved, and a last slot without a partner has room for one. The
// products with a vector that is itself scale·q are exact; sums of rows take 45 binary digits of
// the coefficients.
#define CK_ROW_KERNELS(ROWS, X, S)                                                                \
  /* Stores x in slot `slot`, rounded to the stored type: to nearest, ties to even. */            \
  void ck_##ROWS##_rows_store_##S(void *rows, size_t capacity, size_t slot, const X *x,           \
                                  size_t count);                                                  \
  /* Writes slot `slot` to x. */                                                                  \
  void ck_##ROWS##_rows_load_##S(const void *rows, size_t capacity, size_t slot, X *x,            \
                                 size_t count);                                                   \
  /* sums[k] = row k · x, k < row_count, in double precision, in eight lanes folded in a fixed    \
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
CK_ROWS(int8)

// Returns the scale of a row of int8: the largest magnitude over 127, rounded up to 16 binary
// digits, but at least the smallest normal float. It is infinite if a number is not finite.
float ck_int8_scale_f32(const float *x, size_t count);
float ck_int8_scale_f64(const double *x, size_t count);

// Rounds x to the numbers that bfloat16, or float, holds.
void ck_round_to_bfloat16_f32(float *x, size_t count);
void ck_round_to_bfloat16_f64(double *x, size_t count);
void ck_round_to_float_f64(double *x, size_t count);
// Rounds x to the numbers scale·q that a row of int8 holds; a number that is not finite becomes, or
// stays, a NaN.
void ck_round_to_int8_f32(float *x, size_t count);
void ck_round_to_int8_f64(double *x, size_t count);

// Returns x · y, with the lanes and the order of the rows' products.
double ck_dot(const float *x, const float *y, size_t count);

// Returns Σ_i x[i] in single precision, in 64 lanes.
float ck_streaming_sum(const float *x, size_t count);
