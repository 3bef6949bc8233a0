// A template: T is the element, S and LEVEL the suffixes of its kernels. A tile is a few positions
// (or input features) times one or two blocks of features; its sums stay in registers.
//
//   l      the lines of positions to compute
//   w      the packed weights of a tile, or the window
//   p, v   a position and a vector of a tile
//   i      a feature read

#define V LEVEL_NAME(vector)
#define VECTOR_LANES (VECTOR_BYTES / sizeof(T))
#define BLOCK_VECTORS (BLOCK_BYTES / VECTOR_BYTES)
#define LOAD(p) (*(const V *)(p))
#define STORE(p, v) (*(V *)(p) = (v))
// A vector with `value` in every lane; subtracting 0 keeps the value's bits.
#define EVERY_LANE(value) ((value) - (V){0})
typedef T V __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(T)), may_alias));

// y[position] = start + Σ x·w over the window, for each of `positions`.
INLINE void LEVEL_NAME(tile)(const ck_lines *l, const T *restrict x, const T *restrict w,
                             const T *restrict bias, int accumulates,
                             T *restrict y, size_t y_step, const size_t positions,
                             const size_t blocks) {
  const size_t vectors = blocks * BLOCK_VECTORS;
  size_t run = l->run, step = l->read_column, block = l->taps * run * LANES;
  V sum[positions][vectors];
  UNROLL for (size_t p = 0; p < positions; p++) {
    UNROLL for (size_t v = 0; v < vectors; v++) {
      sum[p][v] = accumulates ? LOAD(y + p * y_step + v * VECTOR_LANES)
                  : bias      ? LOAD(bias + v * VECTOR_LANES)
                              : (V){0};
    }
  }
  for (size_t tap = 0; tap < l->taps; tap++, x += l->tap_step) {
    for (size_t i = 0; i < run; i++, w += LANES) {
      V weight[vectors];
      UNROLL for (size_t v = 0; v < vectors; v++) {
        weight[v] = LOAD(w + v / BLOCK_VECTORS * block + v % BLOCK_VECTORS * VECTOR_LANES);
      }
      UNROLL for (size_t p = 0; p < positions; p++) {
        V value = EVERY_LANE(x[p * step + i]);
        UNROLL for (size_t v = 0; v < vectors; v++) sum[p][v] += value * weight[v];
      }
    }
  }
  UNROLL for (size_t p = 0; p < positions; p++) {
    UNROLL for (size_t v = 0; v < vectors; v++) {
      STORE(y + p * y_step + v * VECTOR_LANES, sum[p][v]);
    }
  }
}

// packed[input feature] += Σ x·dy over all positions of an image.
INLINE void LEVEL_NAME(gradient_tile)(const ck_lines *l, const T *restrict x,
                                      const T *restrict dy, size_t dy_step,
                                      T *restrict packed, const size_t inputs,
                                      const size_t blocks) {
  const size_t vectors = blocks * BLOCK_VECTORS;
  size_t step = l->read_column, block = l->taps * l->run * LANES;
  V sum[inputs][vectors];
  UNROLL for (size_t i = 0; i < inputs; i++) {
    UNROLL for (size_t v = 0; v < vectors; v++) sum[i][v] = (V){0};
  }
  for (size_t row = 0; row < l->rows; row++, x += l->read_row) {
    const T *from = x;
    for (size_t column = 0; column < l->columns; column++, from += step, dy += dy_step) {
      V d[vectors];
      UNROLL for (size_t v = 0; v < vectors; v++) d[v] = LOAD(dy + v * VECTOR_LANES);
      UNROLL for (size_t i = 0; i < inputs; i++) {
        V value = EVERY_LANE(from[i]);
        UNROLL for (size_t v = 0; v < vectors; v++) sum[i][v] += value * d[v];
      }
    }
  }
  UNROLL for (size_t i = 0; i < inputs; i++) {
    UNROLL for (size_t v = 0; v < vectors; v++) {
      T *to =
          packed + v / BLOCK_VECTORS * block + i * LANES + v % BLOCK_VECTORS * VECTOR_LANES;
      STORE(to, LOAD(to) + sum[i][v]);
    }
  }
}

#define CASE(count, tile, blocks, ...)                      \
  case count:                                               \
    if (count <= (blocks == 2 ? TILE_OF_TWO : TILE)) {      \
      tile(__VA_ARGS__, count <= (blocks == 2 ? TILE_OF_TWO : TILE) ? count : 1, blocks); \
    }                                                       \
    break;
#define CASES(tile, blocks, ...)                                                    \
  CASE(1, tile, blocks, __VA_ARGS__) CASE(2, tile, blocks, __VA_ARGS__)             \
  CASE(3, tile, blocks, __VA_ARGS__) CASE(4, tile, blocks, __VA_ARGS__)             \
  CASE(5, tile, blocks, __VA_ARGS__) CASE(6, tile, blocks, __VA_ARGS__)             \
  CASE(7, tile, blocks, __VA_ARGS__) CASE(8, tile, blocks, __VA_ARGS__)             \
  CASE(9, tile, blocks, __VA_ARGS__) CASE(10, tile, blocks, __VA_ARGS__)            \
  CASE(11, tile, blocks, __VA_ARGS__) CASE(12, tile, blocks, __VA_ARGS__)           \
  CASE(13, tile, blocks, __VA_ARGS__) CASE(14, tile, blocks, __VA_ARGS__)           \
  CASE(15, tile, blocks, __VA_ARGS__) CASE(16, tile, blocks, __VA_ARGS__)

// The number of blocks that the next tile takes of the features left.
#define NEXT_BLOCKS(left) (TILE_OF_TWO > 0 && (left) > LANES ? 2 : 1)
// The size of the next part if `left` is divided into the fewest parts, nearly equal in size.
#define NEXT_PART(left, largest) (((left) + ((left) + (largest) - 1) / (largest) - 1) / \
                                  (((left) + (largest) - 1) / (largest)))

TARGET static void LEVEL_NAME(positions)(const ck_lines *l, const T *x, const T *w, const T *bias,
                                         int accumulates, T *y, size_t y_step,
                                         size_t positions, size_t blocks) {
  if (blocks == 2) {
    switch (positions) {
      CASES(LEVEL_NAME(tile), 2, l, x, w, bias, accumulates, y, y_step)
    }
  } else {
    switch (positions) {
      CASES(LEVEL_NAME(tile), 1, l, x, w, bias, accumulates, y, y_step)
    }
  }
}

// Computes all positions of an image.
TARGET static void LEVEL_NAME(lines)(const ck_lines *l, const T *x, const T *w, const T *bias,
                                     int accumulates, T *y) {
  T rows[TILE * 2 * LANES] = {0}, padded_bias[2 * LANES] = {0};
  for (size_t first = 0, blocks; first < l->features; first += blocks * LANES) {
    size_t left = l->features - first;
    blocks = NEXT_BLOCKS(left);
    // If the features do not fill the blocks, the tile writes to `rows` instead of y.
    size_t width = left < blocks * LANES ? left : blocks * LANES;
    int beside = width < blocks * LANES;
    const T *b = bias ? bias + first : NULL;
    if (bias && beside) b = memcpy(padded_bias, b, width * sizeof(T));
    size_t largest = blocks == 2 ? TILE_OF_TWO : TILE;
    for (size_t row = 0; row < l->rows; row++) {
      for (size_t column = 0, part; column < l->columns; column += part) {
        part = NEXT_PART(l->columns - column, largest);
        const T *from = x + row * l->read_row + column * l->read_column;
        T *to = y + row * l->row + column * l->column + first;
        if (!beside) {
          LEVEL_NAME(positions)
          (l, from, w, b, accumulates, to, l->column, part, blocks);
          continue;
        }
        for (size_t p = 0; accumulates && p < part; p++) {
          memcpy(rows + p * blocks * LANES, to + p * l->column, width * sizeof(T));
        }
        LEVEL_NAME(positions)
        (l, from, w, b, accumulates, rows, blocks * LANES, part, blocks);
        for (size_t p = 0; p < part; p++) {
          memcpy(to + p * l->column, rows + p * blocks * LANES, width * sizeof(T));
        }
      }
    }
    w += blocks * l->taps * l->run * LANES;
  }
}

static void LEVEL_NAME(convolve)(const ck_window *w, size_t outputs, size_t examples, const T *x,
                                 const T *packed, const T *bias, int accumulates, T *scratch,
                                 T *y) {
  size_t channels = w->channels, line = (w->width + 2 * w->padding) * channels;
  ck_lines l = {
      .taps = w->kernel, .run = w->kernel * channels, .tap_step = line,
      .rows = w->output_height, .read_row = w->stride * line, .row = w->output_width * outputs,
      .columns = w->output_width, .read_column = w->stride * channels, .column = outputs,
      .features = outputs,
  };
  for (size_t example = 0; example < examples; example++) {
    const T *image = x + example * w->height * w->width * channels;
    if (w->padding) {
      NAME(surround)
      (w->height, w->width, channels, w->padding, w->padding, w->padding, image, scratch);
      image = scratch;
    }
    LEVEL_NAME(lines)
    (&l, image, packed, bias, accumulates, y + example * l.rows * l.row);
  }
}

static void LEVEL_NAME(convolve_adjoint)(const ck_window *w, size_t outputs, size_t examples,
                                         const T *dy, const T *packed, int accumulates,
                                         T *scratch, T *dx) {
  size_t stride = w->stride, channels = w->channels, before = zeros_before(w);
  size_t after_rows = zeros_after(w, w->height, w->output_height);
  size_t after_columns = zeros_after(w, w->width, w->output_width);
  size_t line = (before + w->output_width + after_columns) * outputs;
  size_t image_count = w->height * w->width * channels;
  // Phases without a place in the window receive no gradient.
  if (stride > w->kernel && !accumulates) memset(dx, 0, examples * image_count * sizeof(T));
  for (size_t example = 0; example < examples; example++, dx += image_count) {
    const T *image = dy + example * w->output_height * w->output_width * outputs;
    if (before + after_rows + after_columns) {
      NAME(surround)
      (w->output_height, w->output_width, outputs, before, after_rows, after_columns, image,
       scratch);
      image = scratch;
    }
    const T *weights = packed;
    for (size_t py = 0; py < stride && py < w->kernel; py++) {
      for (size_t px = 0; px < stride && px < w->kernel; px++) {
        size_t taps = phase_taps(w, py), run = phase_taps(w, px) * outputs;
        // The first q of this phase inside the image; l.rows and l.columns count them.
        size_t qy = w->padding > py ? (w->padding - py + stride - 1) / stride : 0;
        size_t qx = w->padding > px ? (w->padding - px + stride - 1) / stride : 0;
        size_t top = qy * stride + py - w->padding, left = qx * stride + px - w->padding;
        ck_lines l = {
            .taps = taps, .run = run, .tap_step = line,
            .rows = top < w->height ? (w->height - top + stride - 1) / stride : 0,
            .read_row = line, .row = stride * w->width * channels,
            .columns = left < w->width ? (w->width - left + stride - 1) / stride : 0,
            .read_column = outputs, .column = stride * channels, .features = channels,
        };
        LEVEL_NAME(lines)
        (&l,
         image + (qy + before + 1 - taps) * line +
             (qx + before + 1 - phase_taps(w, px)) * outputs,
         weights, NULL, accumulates, dx + (top * w->width + left) * channels);
        weights += taps * run * round_up(channels, LANES);
      }
    }
  }
}

// packed += Σ x·dy over the positions of `l`, for all places and input features.
TARGET static void LEVEL_NAME(gradient)(const ck_lines *l, const T *x, const T *dy,
                                        size_t dy_step, T *packed, size_t blocks) {
  size_t largest = blocks == 2 ? TILE_OF_TWO : TILE;
  for (size_t tap = 0; tap < l->taps; tap++, x += l->tap_step) {
    for (size_t i = 0, part; i < l->run; i += part, packed += part * LANES) {
      part = NEXT_PART(l->run - i, largest);
      if (blocks == 2) {
        switch (part) { CASES(LEVEL_NAME(gradient_tile), 2, l, x + i, dy, dy_step, packed) }
      } else {
        switch (part) { CASES(LEVEL_NAME(gradient_tile), 1, l, x + i, dy, dy_step, packed) }
      }
    }
  }
}

static void LEVEL_NAME(weight_gradient)(const ck_window *w, size_t outputs,
                                               size_t examples, const T *x, const T *dy,
                                               T *scratch, T *packed) {
  size_t channels = w->channels, line = (w->width + 2 * w->padding) * channels;
  size_t positions = w->output_height * w->output_width;
  ck_lines l = {
      .taps = w->kernel, .run = w->kernel * channels, .tap_step = line,
      .rows = w->output_height, .read_row = w->stride * line,
      .columns = w->output_width, .read_column = w->stride * channels,
  };
  memset(packed, 0, round_up(outputs, LANES) * l.taps * l.run * sizeof(T));
  T *rest = scratch + (w->height + 2 * w->padding) * line;
  // Every tile reads the image again: a band holds as many rows as fit in the cache.
  size_t band = CACHED_BYTES / ((l.read_row + w->output_width * outputs) * sizeof(T)) + 1;
  for (size_t example = 0; example < examples; example++, dy += positions * outputs) {
    const T *image = x + example * w->height * w->width * channels;
    if (w->padding) {
      NAME(surround)
      (w->height, w->width, channels, w->padding, w->padding, w->padding, image, scratch);
      image = scratch;
    }
    for (size_t first = 0, blocks; first < outputs; first += blocks * LANES) {
      size_t left = outputs - first;
      blocks = left >= 2 * LANES ? NEXT_BLOCKS(left) : 1;
      const T *d = dy + first;
      size_t step = outputs;
      if (left < LANES) {
        for (size_t p = 0; p < positions; p++) {
          memcpy(rest + p * LANES, d + p * outputs, left * sizeof(T));
          memset(rest + p * LANES + left, 0, (LANES - left) * sizeof(T));
        }
        d = rest, step = LANES;
      }
      for (size_t row = 0; row < w->output_height; row += band) {
        l.rows = w->output_height - row < band ? w->output_height - row : band;
        LEVEL_NAME(gradient)
        (&l, image + row * l.read_row, d + row * w->output_width * step, step,
         packed + first * l.taps * l.run, blocks);
      }
    }
  }
}

#undef V
#undef VECTOR_LANES
#undef BLOCK_VECTORS
#undef LOAD
#undef STORE
#undef EVERY_LANE
#undef CASE
#undef CASES
#undef NEXT_BLOCKS
#undef NEXT_PART
