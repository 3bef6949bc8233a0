// Normalization of rows by their root mean square.
#pragma once

#include <stddef.h>

#define CK_RMS_NORM_KERNELS(T, S)                                                                 \
  /* y = x·inverse·weight for each row, statistics[r] = inverse = 1/√(Σ x²/width + epsilon). */   \
  void ck_rms_norm_##S(size_t rows, size_t width, T epsilon, const T *weight, const T *x, T *y,   \
                       T *statistics);                                                            \
  /* dx is overwritten or added to; it may be NULL. */                                            \
  void ck_rms_norm_gradient_##S(size_t rows, size_t width, const T *weight, const T *x,           \
                                const T *statistics, const T *dy, T *dweight, int accumulates,    \
                                T *dx);                                                           \
  /* dy = the derivative of y along (dx, dweight); dx = NULL means zeros. */                      \
  void ck_rms_norm_tangent_##S(size_t rows, size_t width, const T *weight, const T *x,            \
                               const T *statistics, const T *dx, const T *dweight, T *dy);

CK_RMS_NORM_KERNELS(float, f32)
CK_RMS_NORM_KERNELS(double, f64)
