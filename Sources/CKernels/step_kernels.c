#include "step_kernels.h"

#include "clones.h"

// Requests vectors of 64 bytes, which the compiler does not choose by default.
#define WIDE __attribute__((min_vector_width(512)))
// Unlike that of C, this root sets no error number, so that loops become vectors.
#define ROOT(x) __builtin_elementwise_sqrt(x)

#define DEFINE(T, S)                                                                              \
  CK_CLONES WIDE                                                                                  \
  void ck_average_squares_##S(size_t count, T decay, const T *restrict g, const T *restrict v,    \
                              T *restrict next) {                                                 \
    T share = 1 - decay;                                                                          \
    for (size_t i = 0; i < count; i++) next[i] = decay * v[i] + share * (g[i] * g[i]);            \
  }                                                                                               \
                                                                                                  \
  CK_CLONES WIDE                                                                                  \
  void ck_divide_by_metric_##S(size_t count, T correction, T epsilon, const T *restrict v,        \
                               T *restrict x) {                                                   \
    for (size_t i = 0; i < count; i++) x[i] /= ROOT(ROOT(v[i]) * correction + epsilon);           \
  }                                                                                               \
                                                                                                  \
  CK_CLONES WIDE                                                                                  \
  void ck_adam_##S(size_t count, T beta1, T beta2, T correction, T epsilon, T step, T remainder,  \
                   const T *restrict g, T *restrict m, T *restrict v, T *restrict w) {            \
    for (size_t i = 0; i < count; i++) {                                                          \
      m[i] = beta1 * m[i] + (1 - beta1) * g[i];                                                   \
      v[i] = beta2 * v[i] + (1 - beta2) * (g[i] * g[i]);                                          \
      w[i] = remainder * w[i] - step * m[i] / (ROOT(v[i]) * correction + epsilon);                \
    }                                                                                             \
  }

DEFINE(float, f32)
DEFINE(double, f64)
