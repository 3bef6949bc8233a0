// A template: T is the element, S the suffix of its kernels.
//
// A row of few channels is processed together with the rows after it, as one row of LANES elements.
// The compiler then knows the length of the loops over a row.

#define LANES 64
// The rows whose sums are taken in T before they are added in double precision.
#define BLOCK_ROWS 64

// s1[c] += Σ_r g, s2[c] += Σ_r g·(x − origin[c]). g is x − origin[c] if dy is NULL, else dy. If y
// is given, g is 0 at each place with y ≤ 0, and is stored in `masked`.
INLINE void NAME(moments)(size_t rows, size_t width, size_t stride, const T *restrict x,
                          const T *origin, const T *dy, const T *y, T *masked, double *s1,
                          double *s2) {
  for (size_t first = 0; first < rows; first += BLOCK_ROWS) {
    size_t end = first + BLOCK_ROWS < rows ? first + BLOCK_ROWS : rows;
    T p1[LANES] = {0}, p2[LANES] = {0};
    for (size_t r = first; r < end; r++) {
      const T *row = x + r * stride;
      const T *g_row = dy + (dy ? r * stride : 0), *y_row = y + (y ? r * stride : 0);
      T *m_row = masked + (masked ? r * stride : 0);
      ELEMENTWISE for (size_t c = 0; c < width; c++) {
        T centered = row[c] - origin[c];
        T g = dy ? g_row[c] : centered;
        if (y) g = y_row[c] <= 0 ? 0 : g;
        if (masked) m_row[c] = g;
        p1[c] += g;
        p2[c] += g * centered;
      }
    }
    for (size_t c = 0; c < width; c++) {
      s1[c] += (double)p1[c];
      s2[c] += (double)p2[c];
    }
  }
}

// Takes the same sums for any number of channels; clears s1 and s2 first.
INLINE void NAME(channel_moments)(size_t rows, size_t channels, const T *x, const T *origin,
                                  const T *dy, const T *y, T *masked, double *s1, double *s2) {
  for (size_t c = 0; c < channels; c++) s1[c] = s2[c] = 0;
  if (channels > LANES) {
    for (size_t c = 0; c < channels; c += LANES) {
      const T *g = dy ? dy + c : NULL, *m = y ? y + c : NULL;
      T *o = masked ? masked + c : NULL;
      if (channels - c >= LANES)
        NAME(moments)(rows, LANES, channels, x + c, origin + c, g, m, o, s1 + c, s2 + c);
      else
        NAME(moments)(rows, channels - c, channels, x + c, origin + c, g, m, o, s1 + c, s2 + c);
    }
    return;
  }
  size_t repeats = LANES / channels, width = repeats * channels;
  size_t body = rows / repeats, rest = rows - body * repeats, done = body * width;
  T origins[LANES];
  double w1[LANES] = {0}, w2[LANES] = {0};
  for (size_t c = 0; c < width; c++) origins[c] = origin[c % channels];
  if (width == LANES)
    NAME(moments)(body, LANES, LANES, x, origins, dy, y, masked, w1, w2);
  else
    NAME(moments)(body, width, width, x, origins, dy, y, masked, w1, w2);
  for (size_t c = 0; c < width; c++) {
    s1[c % channels] += w1[c];
    s2[c % channels] += w2[c];
  }
  NAME(moments)(rest, channels, channels, x + done, origin, dy ? dy + done : NULL,
                y ? y + done : NULL, masked ? masked + done : NULL, s1, s2);
}

CK_CLONES
void NAME(ck_batch_statistics)(size_t rows, size_t channels, const T *x, double *mean,
                               double *variance) {
  // Sums of differences from the first row keep their digits if the mean is large.
  NAME(channel_moments)(rows, channels, x, x, NULL, NULL, NULL, mean, variance);
  for (size_t c = 0; c < channels; c++) {
    double shift = mean[c] / (double)rows;
    double spread = variance[c] / (double)rows - shift * shift;
    mean[c] = (double)x[c] + shift;
    variance[c] = spread > 0 ? spread : 0 * spread;
  }
}

CK_CLONES
void NAME(ck_batch_gradient_sums)(size_t rows, size_t channels, const T *x, const T *mean,
                                  const T *dy, const T *y, T *masked, double *sums,
                                  double *products) {
  if (y && masked)
    NAME(channel_moments)(rows, channels, x, mean, dy, y, masked, sums, products);
  else if (y)
    NAME(channel_moments)(rows, channels, x, mean, dy, y, NULL, sums, products);
  else
    NAME(channel_moments)(rows, channels, x, mean, dy, NULL, NULL, sums, products);
}

// Evaluates the expression for each element i of [rows, channels], c being its channel.
#define OVER_CHANNEL_NUMBERS(expression)                                             \
  if (channels > LANES) {                                                            \
    for (size_t r = 0; r < rows; r++) {                                              \
      size_t i0 = r * channels;                                                      \
      ELEMENTWISE for (size_t c = 0; c < channels; c++) {                            \
        size_t i = i0 + c;                                                           \
        expression;                                                                  \
      }                                                                              \
    }                                                                                \
  } else {                                                                           \
    size_t width = LANES / channels * channels, count = rows * channels;             \
    size_t i0 = 0;                                                                   \
    if (width == LANES)                                                              \
      for (; i0 + LANES <= count; i0 += LANES) {                                     \
        ELEMENTWISE for (size_t c = 0; c < LANES; c++) {                             \
          size_t i = i0 + c;                                                         \
          expression;                                                                \
        }                                                                            \
      }                                                                              \
    for (; i0 < count; i0 += width) {                                                \
      size_t end = count - i0 < width ? count - i0 : width;                          \
      ELEMENTWISE for (size_t c = 0; c < end; c++) {                                 \
        size_t i = i0 + c;                                                           \
        expression;                                                                  \
      }                                                                              \
    }                                                                                \
  }

// Repeats a channel's numbers if a row of LANES holds several rows of channels.
#define SPREAD(name)                                                                 \
  T name##_spread[LANES];                                                            \
  if (channels <= LANES) {                                                           \
    for (size_t c = 0; c < LANES; c++) name##_spread[c] = name[c % channels];        \
    name = name##_spread;                                                            \
  }

CK_CLONES
void NAME(ck_channel_scale)(size_t rows, size_t channels, const T *scale, const T *shift,
                            const T *addend, int relu, const T *x, T *y) {
  SPREAD(scale);
  SPREAD(shift);
#define RELU(v) ((v) < 0 ? 0 : (v))
  if (addend && relu) {
    OVER_CHANNEL_NUMBERS(T v = (x[i] * scale[c] + shift[c]) + addend[i]; y[i] = RELU(v));
  } else if (addend) {
    OVER_CHANNEL_NUMBERS(y[i] = (x[i] * scale[c] + shift[c]) + addend[i]);
  } else if (relu) {
    OVER_CHANNEL_NUMBERS(T v = x[i] * scale[c] + shift[c]; y[i] = RELU(v));
  } else {
    OVER_CHANNEL_NUMBERS(y[i] = x[i] * scale[c] + shift[c]);
  }
#undef RELU
}

CK_CLONES
void NAME(ck_batch_input_gradient)(size_t rows, size_t channels, const T *a, const T *b,
                                   const T *mean, const T *shift, const T *x, const T *dy,
                                   const T *y, int accumulates, T *dx) {
  SPREAD(a);
  SPREAD(b);
  SPREAD(mean);
  SPREAD(shift);
#define GRADIENT(g) ((a[c] * (g) + b[c] * (x[i] - mean[c])) + shift[c])
  if (y && accumulates) {
    OVER_CHANNEL_NUMBERS(T g = y[i] <= 0 ? 0 : dy[i]; dx[i] += GRADIENT(g));
  } else if (y) {
    OVER_CHANNEL_NUMBERS(T g = y[i] <= 0 ? 0 : dy[i]; dx[i] = GRADIENT(g));
  } else if (accumulates) {
    OVER_CHANNEL_NUMBERS(dx[i] += GRADIENT(dy[i]));
  } else {
    OVER_CHANNEL_NUMBERS(dx[i] = GRADIENT(dy[i]));
  }
#undef GRADIENT
}
#undef OVER_CHANNEL_NUMBERS
#undef SPREAD
#undef LANES
#undef BLOCK_ROWS

// Sums the expression over a row, in sixteen lanes folded in a fixed order.
#define ROW_SUM(count, expression)                                                   \
  ({                                                                                 \
    T lanes[16] = {0};                                                               \
    size_t i0 = 0;                                                                   \
    for (; i0 + 16 <= (count); i0 += 16) {                                           \
      for (size_t l = 0; l < 16; l++) {                                              \
        size_t i = i0 + l;                                                           \
        lanes[l] += (expression);                                                    \
      }                                                                              \
    }                                                                                \
    for (size_t i = i0; i < (count); i++) lanes[i - i0] += (expression);             \
    for (size_t half = 8; half > 0; half /= 2) {                                     \
      for (size_t l = 0; l < half; l++) lanes[l] += lanes[l + half];                 \
    }                                                                                \
    lanes[0];                                                                        \
  })

CK_CLONES
void NAME(ck_layer_norm)(size_t rows, size_t width, T epsilon, const T *restrict weight,
                         const T *restrict bias, const T *restrict x, T *restrict y,
                         T *restrict statistics) {
  for (size_t r = 0; r < rows; r++, x += width, y += width) {
    T mean = ROW_SUM(width, x[i]) / (T)width;
    T variance = ROW_SUM(width, (x[i] - mean) * (x[i] - mean)) / (T)width;
    T inverse = 1 / (sizeof(T) == 4 ? (T)__builtin_sqrtf((float)(variance + epsilon))
                                    : (T)__builtin_sqrt((double)(variance + epsilon)));
    statistics[2 * r] = mean;
    statistics[2 * r + 1] = inverse;
    ELEMENTWISE for (size_t i = 0; i < width; i++) {
      y[i] = (x[i] - mean) * inverse * weight[i] + bias[i];
    }
  }
}

CK_CLONES
void NAME(ck_layer_norm_gradient)(size_t rows, size_t width, const T *restrict weight,
                                  const T *restrict x, const T *restrict statistics,
                                  const T *restrict dy, T *restrict dweight, T *restrict dbias,
                                  int accumulates, T *dx) {
  for (size_t i = 0; i < width; i++) dweight[i] = dbias[i] = 0;
  for (size_t r = 0; r < rows; r++, x += width, dy += width) {
    T mean = statistics[2 * r], inverse = statistics[2 * r + 1];
    ELEMENTWISE for (size_t i = 0; i < width; i++) {
      dweight[i] += dy[i] * ((x[i] - mean) * inverse);
      dbias[i] += dy[i];
    }
    if (!dx) continue;
    T sum = ROW_SUM(width, dy[i] * weight[i]) / (T)width;
    T product = ROW_SUM(width, dy[i] * weight[i] * ((x[i] - mean) * inverse)) / (T)width;
    if (accumulates) {
      ELEMENTWISE for (size_t i = 0; i < width; i++) {
        dx[i] += inverse * (dy[i] * weight[i] - sum - (x[i] - mean) * inverse * product);
      }
    } else {
      ELEMENTWISE for (size_t i = 0; i < width; i++) {
        dx[i] = inverse * (dy[i] * weight[i] - sum - (x[i] - mean) * inverse * product);
      }
    }
    dx += width;
  }
}

CK_CLONES
void NAME(ck_layer_norm_tangent)(size_t rows, size_t width, const T *restrict weight,
                                 const T *restrict x, const T *restrict statistics, const T *dx,
                                 const T *restrict dweight, const T *restrict dbias,
                                 T *restrict dy) {
  for (size_t r = 0; r < rows; r++, x += width, dy += width) {
    T mean = statistics[2 * r], inverse = statistics[2 * r + 1];
    ELEMENTWISE for (size_t i = 0; i < width; i++) {
      dy[i] = dweight[i] * ((x[i] - mean) * inverse) + dbias[i];
    }
    if (!dx) continue;
    T sum = ROW_SUM(width, dx[i]) / (T)width;
    T product = ROW_SUM(width, dx[i] * ((x[i] - mean) * inverse)) / (T)width;
    ELEMENTWISE for (size_t i = 0; i < width; i++) {
      dy[i] += weight[i] * (inverse * (dx[i] - sum - (x[i] - mean) * inverse * product));
    }
    dx += width;
  }
}
