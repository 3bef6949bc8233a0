// Convolutions with groups and dilation. Images are [height, width, channels], weights in PyTorch's
// order [outputs, channels of a group, kernel, kernel].
#pragma once

#include "network_kernels.h"

// Outputs [g·outputs/groups, (g + 1)·outputs/groups) depend only on channels
// [g·channels/groups, (g + 1)·channels/groups). The `kernel` of the ck_window is the full extent,
// (kernel − 1)·dilation + 1.
typedef struct {
  size_t kernel, dilation, groups, outputs;
} ck_grouping;

// `scratch` has the length of the weights, and twice that for their gradient.
#define CK_GROUPED_CONVOLUTION_KERNELS(T, S)                                                      \
  /* y = x ⋆ W + bias, zeros if bias is NULL; or y += x ⋆ W if `accumulates`. */                  \
  void ck_grouped_convolve_##S(const ck_window *window, const ck_grouping *grouping,              \
                               size_t examples, const T *x, const T *weights, const T *bias,      \
                               int accumulates, T *scratch, T *y);                                \
  /* dx = Wᵀ dy, or dx += Wᵀ dy if `accumulates`. */                                              \
  void ck_grouped_adjoint_##S(const ck_window *window, const ck_grouping *grouping,               \
                              size_t examples, const T *dy, const T *weights, int accumulates,    \
                              T *scratch, T *dx);                                                 \
  /* ∂W, summed over the examples, one example at a time. */                                      \
  void ck_grouped_gradient_##S(const ck_window *window, const ck_grouping *grouping,              \
                               size_t examples, const T *x, const T *dy, T *scratch,              \
                               T *gradient);                                                      \
  /* The rows that a group's weights multiply, [examples·positions, channels of a                 \
     group·kernel²]. */                                                                           \
  void ck_grouped_patches_##S(const ck_window *window, const ck_grouping *grouping, size_t group, \
                              size_t examples, const T *x, T *patches);

CK_GROUPED_CONVOLUTION_KERNELS(float, f32)
CK_GROUPED_CONVOLUTION_KERNELS(double, f64)
