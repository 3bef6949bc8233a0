#include "convolution_kernels.h"

#include <string.h>

#include "clones.h"
#include "cpu.h"

#pragma clang fp contract(fast)

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
#define JOIN(a, b) a##_##b
#define JOIN_EXPANDED(a, b) JOIN(a, b)
#define NAME(kernel) JOIN_EXPANDED(kernel, S)
#define LEVEL_NAME(kernel) JOIN_EXPANDED(NAME(kernel), LEVEL)
#define BLOCK_BYTES 64
#define CACHED_BYTES (256 << 10)
#define LANES (BLOCK_BYTES / sizeof(T))

// Lines of positions to compute, and the place of their windows.
typedef struct {
  // The window: `taps` runs of `run` elements, `tap_step` elements apart.
  size_t taps, run, tap_step;
  // Counts of rows and columns of positions, and the steps between them in the input and the
  // output.
  size_t rows, read_row, row;
  size_t columns, read_column, column;
  // The number of features to compute.
  size_t features;
} ck_lines;

static size_t round_up(size_t count, size_t to) { return (count + to - 1) / to * to; }

// A padded coordinate u = stride·q + phase of dx meets the window's places phase, phase + stride,
// and so on. For them the adjoint reads dy[q], dy[q − 1], …, hence zeros before and after dy.
INLINE size_t phase_taps(const ck_window *w, size_t phase) {
  return phase < w->kernel ? (w->kernel - phase + w->stride - 1) / w->stride : 0;
}

INLINE size_t zeros_before(const ck_window *w) { return phase_taps(w, 0) - 1; }

INLINE size_t zeros_after(const ck_window *w, size_t size, size_t output) {
  size_t last = (size - 1 + w->padding) / w->stride;
  return last + 1 > output ? last + 1 - output : 0;
}

ck_convolution_sizes ck_convolution_counts(const ck_window *w, size_t outputs,
                                           size_t element_bytes) {
  size_t lanes = BLOCK_BYTES / element_bytes;
  size_t places = w->kernel * w->kernel;
  size_t image = (w->height + 2 * w->padding) * (w->width + 2 * w->padding) * w->channels;
  size_t before = zeros_before(w);
  size_t gradient = (before + w->output_height + zeros_after(w, w->height, w->output_height)) *
                    (before + w->output_width + zeros_after(w, w->width, w->output_width)) *
                    outputs;
  // The weights' gradient also copies those features of dy that do not fill a block.
  image += w->output_height * w->output_width * lanes;
  return (ck_convolution_sizes){
      round_up(outputs, lanes) * places * w->channels,
      round_up(w->channels, lanes) * places * outputs,
      image > gradient ? image : gradient,
  };
}

#define T float
#define S f32
#include "convolution_weights.h"
#include "convolution_levels.h"
#undef T
#undef S

#define T double
#define S f64
#include "convolution_weights.h"
#include "convolution_levels.h"
