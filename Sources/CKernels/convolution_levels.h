// A template: T is the element, S the suffix of its kernels. It defines the tiles for each CPU
// level: the bytes of a vector, and the positions (or input features) whose sums the registers
// hold, for one block (TILE) and for two (TILE_OF_TWO; 0 if the level uses only one).

#if defined(__x86_64__)
#define LEVEL v4
#define TARGET \
  __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,fma"), min_vector_width(512)))
#define VECTOR_BYTES 64
#define TILE 16
#define TILE_OF_TWO 12
#include "convolution_tiles.h"
#undef LEVEL
#undef TARGET
#undef VECTOR_BYTES
#undef TILE
#undef TILE_OF_TWO

#define LEVEL v3
#define TARGET __attribute__((target("avx2,fma")))
#define VECTOR_BYTES 32
#define TILE 6
#define TILE_OF_TWO 0
#include "convolution_tiles.h"
#undef LEVEL
#undef TARGET
#undef VECTOR_BYTES
#undef TILE
#undef TILE_OF_TWO
#endif

#define LEVEL any
#define TARGET
#define VECTOR_BYTES 16
#if defined(__aarch64__)
#define TILE 6
#else
#define TILE 3
#endif
#define TILE_OF_TWO 0
#include "convolution_tiles.h"
#undef LEVEL
#undef TARGET
#undef VECTOR_BYTES
#undef TILE
#undef TILE_OF_TWO

#if defined(__x86_64__)
#define AT_LEVEL(kernel, ...)                                                \
  if (level >= 4) JOIN_EXPANDED(NAME(kernel), v4)(__VA_ARGS__);              \
  else if (level == 3) JOIN_EXPANDED(NAME(kernel), v3)(__VA_ARGS__);         \
  else JOIN_EXPANDED(NAME(kernel), any)(__VA_ARGS__)
#else
#define AT_LEVEL(kernel, ...) \
  (void)level;                \
  JOIN_EXPANDED(NAME(kernel), any)(__VA_ARGS__)
#endif

void NAME(ck_convolve)(int level, const ck_window *w, size_t outputs, size_t examples,
                       const T *x, const T *packed, const T *bias, int accumulates, T *scratch,
                       T *y) {
  AT_LEVEL(convolve, w, outputs, examples, x, packed, bias, accumulates, scratch, y);
}

void NAME(ck_convolve_adjoint)(int level, const ck_window *w, size_t outputs, size_t examples,
                               const T *dy, const T *packed, int accumulates, T *scratch,
                               T *dx) {
  AT_LEVEL(convolve_adjoint, w, outputs, examples, dy, packed, accumulates, scratch, dx);
}

void NAME(ck_weight_gradient)(int level, const ck_window *w, size_t outputs, size_t examples,
                              const T *x, const T *dy, T *scratch, T *packed) {
  AT_LEVEL(weight_gradient, w, outputs, examples, x, dy, scratch, packed);
}

#undef AT_LEVEL
