// Layers and losses. Every array is row-major with features last: an image is [height, width,
// channels], so that a pass over the channels of one position is contiguous.
//
// Each kernel exists for float (…_f32, optimized) and for double (…_f64, to check it).
#pragma once

#include <stddef.h>
#include <stdint.h>

// A square window that slides over an image with `channels` features a position, zeros around it.
typedef struct {
  size_t height, width, channels;
  size_t kernel, stride, padding;
  size_t output_height, output_width;
} ck_window;

enum { CK_RELU = 0, CK_TANH = 1, CK_SIGMOID = 2, CK_GELU = 3, CK_SILU = 4 };

#define CK_NETWORK_KERNELS(T, S)                                                                  \
  /* y[r, c] += bias[c] */                                                                        \
  void ck_add_bias_##S(size_t rows, size_t columns, const T *bias, T *y);                         \
  /* sums[c] = Σ_r x[r, c], eight rows at a time in a fixed tree */                               \
  void ck_column_sums_##S(size_t rows, size_t columns, const T *x, T *sums);                      \
  /* y[i, c, r] = x[i, r, c], i < count */                                                        \
  void ck_transpose_##S(size_t count, size_t rows, size_t columns, const T *x, T *y);             \
                                                                                                  \
  /* y = f(x); y may be x. An unknown activation leaves y unchanged. */                           \
  void ck_activate_##S(int activation, size_t count, const T *x, T *y);                           \
  /* dx = f'(x)·dy; dx may be dy. `kept` is x for GELU and SiLU, else y. */                       \
  void ck_activation_gradient_##S(int activation, size_t count, const T *kept, const T *dy,       \
                                  T *dx);                                                         \
                                                                                                  \
  /* Rows [first, first + rows) of the patches of all examples: row (example, oy, ox) holds       \
     x[example, oy·stride + ky − padding, ox·stride + kx − padding, c] in the order ky, kx, c. */ \
  void ck_patches_##S(const ck_window *window, size_t first, size_t rows, const T *x,             \
                      T *patches);                                                                \
  /* y is the largest value of each window, the first of equal ones; choices[o] = ky·kernel + kx  \
     of it. */                                                                                    \
  void ck_max_pool_##S(const ck_window *window, size_t examples, const T *x, T *y,                \
                       int32_t *choices);                                                         \
  void ck_max_pool_gradient_##S(const ck_window *window, size_t examples, const T *dy,            \
                                const int32_t *choices, T *dx);                                   \
  /* dy[o] = dx at the chosen place of window o. */                                               \
  void ck_max_pool_tangent_##S(const ck_window *window, size_t examples, const T *dx,             \
                               const int32_t *choices, T *dy);                                    \
  /* y is the sum of each window, including zeros around the image, divided by kernel². */        \
  void ck_average_pool_##S(const ck_window *window, size_t examples, const T *x, T *y);           \
  void ck_average_pool_gradient_##S(const ck_window *window, size_t examples, const T *dy,        \
                                    T *dx);                                                       \
                                                                                                  \
  /* The mean of each channel over the rows, and the variance Σ (x − mean)²/rows. */              \
  void ck_batch_statistics_##S(size_t rows, size_t channels, const T *x, double *mean,            \
                               double *variance);                                                 \
  /* sums[c] = Σ_r g, products[c] = Σ_r g·(x − mean[c]). g is dy, or 0 if y is given and not      \
     positive; `masked`, if given, receives g and may be dy. */                                   \
  void ck_batch_gradient_sums_##S(size_t rows, size_t channels, const T *x, const T *mean,        \
                                  const T *dy, const T *y, T *masked, double *sums,               \
                                  double *products);                                              \
  /* y = x·scale[c] + shift[c], plus the addend if given, at least 0 if relu. */                  \
  void ck_channel_scale_##S(size_t rows, size_t channels, const T *scale, const T *shift,         \
                            const T *addend, int relu, const T *x, T *y);                         \
  /* dx = (or +=) a[c]·g + b[c]·(x − mean[c]) + shift[c], with g as above; dx may be dy. */       \
  void ck_batch_input_gradient_##S(size_t rows, size_t channels, const T *a, const T *b,          \
                                   const T *mean, const T *shift, const T *x, const T *dy,        \
                                   const T *y, int accumulates, T *dx);                           \
  /* Normalizes each row; statistics [rows, 2] receives its mean and 1/√(variance + epsilon). */  \
  void ck_layer_norm_##S(size_t rows, size_t width, T epsilon, const T *weight, const T *bias,    \
                         const T *x, T *y, T *statistics);                                        \
  void ck_layer_norm_gradient_##S(size_t rows, size_t width, const T *weight, const T *x,         \
                                  const T *statistics, const T *dy, T *dweight, T *dbias,         \
                                  int accumulates, T *dx);                                        \
  /* dy = the derivative of y along (dx, dweight, dbias); dx = NULL means zeros. */               \
  void ck_layer_norm_tangent_##S(size_t rows, size_t width, const T *weight, const T *x,          \
                                 const T *statistics, const T *dx, const T *dweight,              \
                                 const T *dbias, T *dy);                                          \
                                                                                                  \
  void ck_add_##S(size_t count, const T *a, const T *b, T *sum);                                  \
  /* y[n, c] = Σ_r x[n, r, c] / rows */                                                           \
  void ck_row_means_##S(size_t count, size_t rows, size_t columns, const T *x, T *y);             \
  void ck_row_means_gradient_##S(size_t count, size_t rows, size_t columns, const T *dy, T *dx);  \
  /* y[i] = table[tokens[i]], rows of `width`; tokens are whole numbers. */                       \
  void ck_embed_##S(size_t count, size_t width, const T *tokens, const T *table, T *y);           \
  /* dtable[tokens[i]] += dy[i], in the order of i. */                                            \
  void ck_embed_gradient_##S(size_t count, size_t width, const T *tokens, const T *dy,            \
                             T *dtable);                                                          \
  /* Each row becomes its softmax; if causal, that of its first r + 1 elements, then zeros. */    \
  void ck_softmax_##S(size_t rows, size_t columns, int causal, T *x);                             \
  /* dx = y·(dx − Σ y·dx) for each row of softmax y. */                                           \
  void ck_softmax_gradient_##S(size_t rows, size_t columns, const T *y, T *dx);                   \
  /* y[i] = 0 if word first + i of (seed, stream) is below probability·2³², else                  \
     x[i]/(1 − probability). first is a multiple of 4, y may be x. Words come from Philox4x32-10, \
     four for each counter; Salmon, Moraes, Dror and Shaw, 2011. */                               \
  void ck_dropout_##S(size_t count, double probability, uint64_t seed, uint64_t stream,           \
                      uint64_t first, const T *x, T *y);                                          \
                                                                                                  \
  /* Σ over examples of log Σ_c exp(x[c]) − Σ_c q[c]·x[c], in order and in double precision. Here \
     q = (1 − smoothing)·onehot + smoothing/classes. dx = scale·(softmax(x) − q). */              \
  double ck_cross_entropy_##S(size_t examples, size_t classes, const T *x,                        \
                              const int32_t *labels, double smoothing, T scale, T *dx);           \
  /* Σ over examples of Σ_c (x[c] − t[c])² / outputs; dx = scale·2(x − t)/outputs. The targets t  \
     are `values` [examples, outputs]. If `values` is NULL they are the unit vectors of the       \
     labels, or for a single output the labels themselves. */                                     \
  double ck_squared_error_##S(size_t examples, size_t outputs, const T *x,                        \
                              const int32_t *labels, const T *values, T scale, T *dx);            \
  /* Σ over examples of Σ_c −log(t·σ(x) + (1 − t)(1 − σ(x))) / outputs for t = 0 and 1, linear in \
     t between them; dx = scale·(σ(x) − t)/outputs. */                                            \
  double ck_binary_cross_entropy_##S(size_t examples, size_t outputs, const T *x,                 \
                                     const int32_t *labels, const T *values, T scale, T *dx);     \
  /* form[i, j] += Σ over examples of tᵢᵀ H tⱼ for j ≤ i < count. H is the Hessian of the         \
     example's loss with respect to x; t [count, examples, outputs]; `scratch` holds outputs +    \
     count elements. */                                                                           \
  void ck_cross_entropy_form_##S(size_t examples, size_t classes, const T *x, size_t count,       \
                                 const T *t, double *scratch, double *form);                      \
  void ck_squared_error_form_##S(size_t examples, size_t outputs, size_t count, const T *t,       \
                                 double *scratch, double *form);                                  \
  void ck_binary_cross_entropy_form_##S(size_t examples, size_t outputs, const T *x,              \
                                        size_t count, const T *t, double *scratch,                \
                                        double *form);                                            \
  /* Counts the examples whose largest output, the first of equal ones, is at their label. A      \
     single output predicts 1 above the threshold, else 0. */                                     \
  size_t ck_correct_##S(size_t examples, size_t classes, const T *x, const int32_t *labels,       \
                        T threshold);

#define CK_CURVATURE_KERNELS(T, S)                                                                \
  /* y[example] = the sum of the patches of all positions, in the order ky, kx, c; `scratch` holds \
     kernel·channels elements. */                                                                 \
  void ck_patch_sums_##S(const ck_window *window, size_t examples, const T *x, T *scratch, T *y); \
  /* y[r, c] = scale[r]·x[r, c] */                                                                \
  void ck_scale_rows_##S(size_t rows, size_t columns, const T *scale, const T *x, T *y);          \
  /* x[r, c] /= (row_values[r] + row_shift)·(column_values[c] + column_shift) + damping */        \
  void ck_divide_by_outer_##S(size_t rows, size_t columns, const T *row_values, T row_shift,      \
                              const T *column_values, T column_shift, T damping, T *x);           \
  /* Packs the lower triangle of a symmetric matrix by rows, and reads only that triangle. Row i  \
     comes from matrix[places[i]], or from row i if places is NULL. */                            \
  void ck_pack_lower_##S(size_t order, const T *matrix, size_t stride, const int32_t *places,     \
                         T *packed);                                                              \
  /* Writes the lower triangle of scale times the packed matrix. */                               \
  void ck_unpack_lower_##S(size_t order, const T *packed, T scale, T *matrix);                    \
  /* Copies the lower triangle to the upper one. */                                               \
  void ck_mirror_lower_##S(size_t order, T *matrix);                                              \
  /* The first class whose cumulative probability exceeds `share` in [0, 1) of the sum of p       \
     [classes], in double precision. */                                                           \
  size_t ck_class_at_##S(size_t classes, const T *p, double share);

CK_NETWORK_KERNELS(float, f32)
CK_NETWORK_KERNELS(double, f64)
CK_CURVATURE_KERNELS(float, f32)
CK_CURVATURE_KERNELS(double, f64)
