#pragma once

#include <stddef.h>

// Loops of optimizers' steps over the coordinates of a slice. T is the element, S the suffix.
#define CK_STEP_KERNELS(T, S)                                                                   \
  /* next[i] = decay·v[i] + (1 − decay)·g[i]² */                                                \
  void ck_average_squares_##S(size_t count, T decay, const T *g, const T *v, T *next);          \
  /* x[i] /= √(√v[i]·correction + epsilon) */                                                   \
  void ck_divide_by_metric_##S(size_t count, T correction, T epsilon, const T *v, T *x);        \
  /* m = beta1·m + (1 − beta1)·g, v = beta2·v + (1 − beta2)·g²,                                 \
     w = remainder·w − step·m/(√v·correction + epsilon) */                                      \
  void ck_adam_##S(size_t count, T beta1, T beta2, T correction, T epsilon, T step, T remainder, \
                   const T *g, T *m, T *v, T *w);

CK_STEP_KERNELS(float, f32)
CK_STEP_KERNELS(double, f64)
