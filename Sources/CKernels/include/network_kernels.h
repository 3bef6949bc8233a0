// Layers and losses. Every array is in row-major order with features last: an image is
// [height, width, channels], so that a pass over the channels of one position is contiguous.
//
// Each kernel exists for float (…_f32, made for speed) and double (…_f64, made for checking it).
#pragma once

#include <stddef.h>
#include <stdint.h>

// A square window sliding over an image of `channels` features a position, zeros around it.
typedef struct {
  size_t height, width, channels;
  size_t kernel, stride, padding;
  size_t output_height, output_width;
} ck_window;

enum { CK_RELU = 0, CK_TANH = 1, CK_SIGMOID = 2, CK_GELU = 3 };

#define CK_NETWORK_KERNELS(T, S)                                                                  \
  /* y[r, c] += bias[c] */                                                                        \
  void ck_add_bias_##S(size_t rows, size_t columns, const T *bias, T *y);                         \
  /* sums[c] = Σ_r x[r, c], eight rows at a time in a fixed tree */                               \
  void ck_column_sums_##S(size_t rows, size_t columns, const T *x, T *sums);                      \
  /* y[i, c, r] = x[i, r, c], i < count */                                                        \
  void ck_transpose_##S(size_t count, size_t rows, size_t columns, const T *x, T *y);             \
                                                                                                  \
  /* y = f(x); y may be x. Of an unknown activation: nothing. */                                  \
  void ck_activate_##S(int activation, size_t count, const T *x, T *y);                           \
  /* dx = f'(x)·dy; dx may be dy. `kept` is x for GELU and y for the others. */                   \
  void ck_activation_gradient_##S(int activation, size_t count, const T *kept, const T *dy,       \
                                  T *dx);                                                         \
                                                                                                  \
  /* Rows [first, first + rows) of the patches of all examples: row (example, oy, ox) holds       \
     x[example, oy·stride + ky − padding, ox·stride + kx − padding, c] in the order ky, kx, c. */ \
  void ck_patches_##S(const ck_window *window, size_t first, size_t rows, const T *x,             \
                      T *patches);                                                                \
  /* Largest value of each window, of equals the first; choices[o] = ky·kernel + kx of it. */     \
  void ck_max_pool_##S(const ck_window *window, size_t examples, const T *x, T *y,                \
                       int32_t *choices);                                                         \
  void ck_max_pool_gradient_##S(const ck_window *window, size_t examples, const T *dy,            \
                                const int32_t *choices, T *dx);                                   \
  /* Sum of each window, zeros around the image included, over kernel². */                        \
  void ck_average_pool_##S(const ck_window *window, size_t examples, const T *x, T *y);           \
  void ck_average_pool_gradient_##S(const ck_window *window, size_t examples, const T *dy,        \
                                    T *dx);                                                       \
                                                                                                  \
  /* Σ over examples of log Σ_c exp(x[c]) − x[label], in order and in double precision;           \
     dx = scale·(softmax(x) − onehot). */                                                         \
  double ck_cross_entropy_##S(size_t examples, size_t classes, const T *x,                        \
                              const int32_t *labels, T scale, T *dx);                             \
  /* Σ over examples of Σ_c (x[c] − onehot[c])² / classes; dx = scale·2(x − onehot)/classes. */   \
  double ck_squared_error_##S(size_t examples, size_t classes, const T *x,                        \
                              const int32_t *labels, T scale, T *dx);                             \
  /* How many examples have their largest output, of equals the first, at their label. */         \
  size_t ck_correct_##S(size_t examples, size_t classes, const T *x, const int32_t *labels);

CK_NETWORK_KERNELS(float, f32)
CK_NETWORK_KERNELS(double, f64)
