// A template: T is the element, S the suffix of its kernels.

CK_CLONES
void NAME(ck_rms_norm)(size_t rows, size_t width, T epsilon, const T *restrict weight,
                       const T *restrict x, T *restrict y, T *restrict statistics) {
  for (size_t r = 0; r < rows; r++, x += width, y += width) {
    T square = ROW_SUM(width, x[i] * x[i]) / (T)width + epsilon;
    T inverse = 1 / (sizeof(T) == 4 ? (T)__builtin_sqrtf((float)square)
                                    : (T)__builtin_sqrt((double)square));
    statistics[r] = inverse;
    ELEMENTWISE for (size_t i = 0; i < width; i++) y[i] = x[i] * inverse * weight[i];
  }
}

CK_CLONES
void NAME(ck_rms_norm_gradient)(size_t rows, size_t width, const T *restrict weight,
                                const T *restrict x, const T *restrict statistics,
                                const T *restrict dy, T *restrict dweight, int accumulates, T *dx) {
  for (size_t i = 0; i < width; i++) dweight[i] = 0;
  for (size_t r = 0; r < rows; r++, x += width, dy += width) {
    T inverse = statistics[r];
    ELEMENTWISE for (size_t i = 0; i < width; i++) dweight[i] += dy[i] * (x[i] * inverse);
    if (!dx) continue;
    T product = ROW_SUM(width, dy[i] * weight[i] * (x[i] * inverse)) / (T)width;
    if (accumulates) {
      ELEMENTWISE for (size_t i = 0; i < width; i++) {
        dx[i] += inverse * (dy[i] * weight[i] - x[i] * inverse * product);
      }
    } else {
      ELEMENTWISE for (size_t i = 0; i < width; i++) {
        dx[i] = inverse * (dy[i] * weight[i] - x[i] * inverse * product);
      }
    }
    dx += width;
  }
}

CK_CLONES
void NAME(ck_rms_norm_tangent)(size_t rows, size_t width, const T *restrict weight,
                               const T *restrict x, const T *restrict statistics, const T *dx,
                               const T *restrict dweight, T *restrict dy) {
  for (size_t r = 0; r < rows; r++, x += width, dy += width) {
    T inverse = statistics[r];
    ELEMENTWISE for (size_t i = 0; i < width; i++) dy[i] = dweight[i] * (x[i] * inverse);
    if (!dx) continue;
    T product = ROW_SUM(width, dx[i] * (x[i] * inverse)) / (T)width;
    ELEMENTWISE for (size_t i = 0; i < width; i++) {
      dy[i] += weight[i] * (inverse * (dx[i] - x[i] * inverse * product));
    }
    dx += width;
  }
}
