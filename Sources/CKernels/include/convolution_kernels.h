// Convolutions computed from the images, without patches. Images are [height, width, channels],
// weights in PyTorch's order [outputs, channels, kernel, kernel].
//
// A block is 64 bytes of features, L of them. The kernels read weights packed by blocks of the
// features to compute: [block][place in the window][feature read][L], with zeros after the last.
// `scratch` holds an image with zeros around it.
//
// Every sum runs over places, features and positions in one order, for any vector length. So the
// bits are the same on every CPU with a fused multiply-add, and differ on CPUs without one. `level`
// is the CPU's level (ck_x86_level) or a lower one; it has an effect only on x86-64.
#pragma once

#include "network_kernels.h"

// The lengths of packed weights, of packed weights for the adjoint, and of scratch memory.
typedef struct {
  size_t weights, adjoint_weights, scratch;
} ck_convolution_sizes;

ck_convolution_sizes ck_convolution_counts(const ck_window *window, size_t outputs,
                                          size_t element_bytes);

#define CK_CONVOLUTION_KERNELS(T, S)                                                              \
  void ck_pack_weights_##S(const ck_window *window, size_t outputs, const T *weights, T *packed); \
  /* Unpacks a gradient of the weights. */                                                        \
  void ck_unpack_weights_##S(const ck_window *window, size_t outputs, const T *packed,            \
                             T *weights);                                                         \
  void ck_pack_adjoint_weights_##S(const ck_window *window, size_t outputs, const T *weights,     \
                                   T *packed);                                                    \
                                                                                                  \
  /* y = x ⋆ W + bias, zeros if bias is NULL; or y += x ⋆ W if `accumulates`. */                  \
  void ck_convolve_##S(int level, const ck_window *window, size_t outputs, size_t examples,       \
                       const T *x, const T *packed, const T *bias, int accumulates, T *scratch,   \
                       T *y);                                                                     \
  /* dx = Wᵀ dy, or dx += Wᵀ dy if `accumulates`. */                                              \
  void ck_convolve_adjoint_##S(int level, const ck_window *window, size_t outputs,                \
                               size_t examples, const T *dy, const T *packed, int accumulates,    \
                               T *scratch, T *dx);                                                \
  /* ∂W, packed, summed over the examples. */                                                     \
  void ck_weight_gradient_##S(int level, const ck_window *window, size_t outputs,                 \
                              size_t examples, const T *x, const T *dy, T *scratch, T *packed);

CK_CONVOLUTION_KERNELS(float, f32)
CK_CONVOLUTION_KERNELS(double, f64)
