#pragma once

#include <stddef.h>

// sums[k] = Σ_i rows[k·stride + i] · x[i], k < row_count. Products of two floats are exact in
// double precision; the sum runs in eight lanes, folded in a fixed order.
void ck_window_dots(const float *rows, size_t stride, size_t row_count, const float *x,
                    size_t count, double *sums);

// sums[i] = Σ_k coefficients[k] · rows[k·stride + i], in double precision, in the order of k.
void ck_window_combine(const float *rows, size_t stride, size_t row_count,
                       const double *coefficients, size_t count, double *restrict sums);

// Σ_i x[i] in single precision, in 64 lanes.
float ck_streaming_sum(const float *x, size_t count);
