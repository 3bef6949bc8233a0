#pragma once

#include <stddef.h>

// Products with rows, in twice the digits of double precision: a number is a sum high + low.
// Error-free transformations: Ogita, Rump and Oishi, "Accurate sum and dot product", 2005.

#define CK_EXTENDED_KERNELS(T, S)                                                                 \
  /* Multiplies rows [row_count, count], row by row, with x [count]: high and low [row_count]. */ \
  void ck_extended_dots_##S(const T *rows, size_t row_count, size_t count, const double *x_high,  \
                            const double *x_low, double *high, double *low);                      \
  /* Adds the product of the transposed rows and c [row_count] to high and low [count]. */        \
  void ck_extended_combine_##S(const T *rows, size_t row_count, size_t count,                     \
                               const double *c_high, const double *c_low, double *high,           \
                               double *low);

CK_EXTENDED_KERNELS(float, f32)
CK_EXTENDED_KERNELS(double, f64)
