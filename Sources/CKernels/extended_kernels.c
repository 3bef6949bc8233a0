#include "extended_kernels.h"

#include "clones.h"

#pragma clang fp contract(off)

#define LANES 8

// Declares s, the rounded sum of a and b, and e, its rounding error.
#define TWO_SUM(a, b, s, e)                        \
  double s = (a) + (b), part_##s = s - (a),        \
         e = ((a) - (s - part_##s)) + ((b) - part_##s);

// Adds c·x to high + low, with c = c_high + c_low.
#define ADD_PRODUCT(high, low, c_high, c_low, x)                            \
  {                                                                         \
    double product = (c_high) * (x);                                        \
    double rest = __builtin_fma((c_high), (x), -product) + (c_low) * (x);   \
    TWO_SUM(high, product, sum, error)                                      \
    high = sum;                                                             \
    low += error + rest;                                                    \
  }

#define DEFINE(T, S)                                                                          \
  CK_CLONES                                                                                   \
  void ck_extended_dots_##S(const T *rows, size_t row_count, size_t count,                    \
                            const double *x_high, const double *x_low, double *high,          \
                            double *low) {                                                    \
    for (size_t k = 0; k < row_count; k++) {                                                  \
      const T *row = rows + k * count;                                                        \
      double sums[LANES] = {0}, rests[LANES] = {0};                                           \
      size_t i = 0;                                                                           \
      for (; i + LANES <= count; i += LANES) {                                                \
        for (size_t l = 0; l < LANES; l++) {                                                  \
          ADD_PRODUCT(sums[l], rests[l], x_high[i + l], x_low[i + l], (double)row[i + l])     \
        }                                                                                     \
      }                                                                                       \
      for (size_t l = 0; i < count; i++, l++) {                                               \
        ADD_PRODUCT(sums[l], rests[l], x_high[i], x_low[i], (double)row[i])                   \
      }                                                                                       \
      double total = 0, rest = 0;                                                             \
      for (size_t l = 0; l < LANES; l++) {                                                    \
        TWO_SUM(total, sums[l], sum, error)                                                   \
        total = sum;                                                                          \
        rest += error + rests[l];                                                             \
      }                                                                                       \
      high[k] = total + rest;                                                                 \
      low[k] = rest - (high[k] - total);                                                      \
    }                                                                                         \
  }                                                                                           \
                                                                                              \
  CK_CLONES                                                                                   \
  void ck_extended_combine_##S(const T *rows, size_t row_count, size_t count,                 \
                               const double *c_high, const double *c_low,                     \
                               double *restrict high, double *restrict low) {                 \
    for (size_t k = 0; k < row_count; k++) {                                                  \
      const T *row = rows + k * count;                                                        \
      double c = c_high[k], rest_of_c = c_low[k];                                             \
      for (size_t i = 0; i < count; i++) {                                                    \
        ADD_PRODUCT(high[i], low[i], c, rest_of_c, (double)row[i])                            \
      }                                                                                       \
    }                                                                                         \
  }

DEFINE(float, f32)
DEFINE(double, f64)
