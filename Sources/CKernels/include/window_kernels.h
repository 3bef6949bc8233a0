#pragma once

#include <stddef.h>
#include <stdint.h>

// Rows of a cell of `count` columns, in room for `capacity`: by groups of eight slots, in a group by
// runs of sixteen columns, [run][slot of the group][column of the run], so that every pass over them
// reads memory from its start to its end. The last group holds what slots are left, the last run is
// filled up with zeros: capacity · ⌈count/16⌉ · 16 elements.

// Slot `slot` becomes x.
void ck_float_rows_store(float *rows, size_t capacity, size_t slot, const float *x, size_t count);

// x becomes slot `slot`.
void ck_float_rows_load(const float *rows, size_t capacity, size_t slot, float *x, size_t count);

// sums[k] = row k · x, k < row_count. Products of two floats are exact in double precision; the sum
// runs in eight lanes, folded in a fixed order.
void ck_float_rows_dots(const float *rows, size_t capacity, size_t row_count, const float *x,
                        size_t count, double *sums);

// sums[i] = Σ_k coefficients[k] · (row k)[i], k < row_count, in double precision, in the order of k.
void ck_float_rows_combine(const float *rows, size_t capacity, size_t row_count,
                           const double *coefficients, size_t count, double *restrict sums);

// The same for rows of bfloat16, to which `store` rounds (to nearest, ties to even). In a run, columns i
// and i + 8 share a word.
void ck_bfloat16_rows_store(uint16_t *rows, size_t capacity, size_t slot, const float *x,
                            size_t count);
void ck_bfloat16_rows_load(const uint16_t *rows, size_t capacity, size_t slot, float *x,
                           size_t count);
void ck_bfloat16_rows_dots(const uint16_t *rows, size_t capacity, size_t row_count, const float *x,
                           size_t count, double *sums);
void ck_bfloat16_rows_combine(const uint16_t *rows, size_t capacity, size_t row_count,
                              const double *coefficients, size_t count, double *restrict sums);

// x becomes what bfloat16 holds of it.
void ck_round_to_bfloat16(float *x, size_t count);

// x · y, in the lanes and the order of the rows' products.
double ck_dot(const float *x, const float *y, size_t count);

// Σ_i x[i] in single precision, in 64 lanes.
float ck_streaming_sum(const float *x, size_t count);
