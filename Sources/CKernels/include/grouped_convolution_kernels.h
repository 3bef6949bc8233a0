// Convolutions in groups, and with steps between the places of the window. Images are
// [height, width, channels], weights in PyTorch's order [outputs, channels of a group, kernel,
// kernel].
#pragma once

#include "network_kernels.h"

// Outputs [g·outputs/groups, (g + 1)·outputs/groups) see channels [g·channels/groups, …) alone. The
// window's own `kernel` is all that it spans, (kernel − 1)·dilation + 1.
typedef struct {
  size_t kernel, dilation, groups, outputs;
} ck_grouping;

// `scratch` holds as many elements as the weights; twice as many for their gradient.
#define CK_GROUPED_CONVOLUTION_KERNELS(T, S)                                                      \
  /* y = x ⋆ W + bias, no bias where it is NULL; or y += x ⋆ W if `accumulates`. */               \
  void ck_grouped_convolve_##S(const ck_window *window, const ck_grouping *grouping,              \
                               size_t examples, const T *x, const T *weights, const T *bias,      \
                               int accumulates, T *scratch, T *y);                                \
  /* dx = Wᵀ dy, or dx += if `accumulates`. */                                                    \
  void ck_grouped_adjoint_##S(const ck_window *window, const ck_grouping *grouping,               \
                              size_t examples, const T *dy, const T *weights, int accumulates,    \
                              T *scratch, T *dx);                                                 \
  /* ∂W, summed over the examples, an example at a time. */                                       \
  void ck_grouped_gradient_##S(const ck_window *window, const ck_grouping *grouping,              \
                               size_t examples, const T *x, const T *dy, T *scratch,              \
                               T *gradient);                                                      \
  /* Rows of what a group's weights multiply, [examples·positions, channels·kernel²]. */          \
  void ck_grouped_patches_##S(const ck_window *window, const ck_grouping *grouping, size_t group, \
                              size_t examples, const T *x, T *patches);

CK_GROUPED_CONVOLUTION_KERNELS(float, f32)
CK_GROUPED_CONVOLUTION_KERNELS(double, f64)
