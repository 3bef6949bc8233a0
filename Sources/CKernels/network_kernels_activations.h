// A template: T is the element, S the suffix of its kernels.

CK_CLONES
void NAME(ck_add_bias)(size_t rows, size_t columns, const T *restrict bias, T *restrict y) {
  for (size_t r = 0; r < rows; r++) {
    T *row = y + r * columns;
    OVER_CHANNELS for (size_t c = 0; c < columns; c++) row[c] += bias[c];
  }
}

CK_CLONES
void NAME(ck_column_sums)(size_t rows, size_t columns, const T *restrict x, T *restrict sums) {
  for (size_t c = 0; c < columns; c++) sums[c] = 0;
  size_t r = 0;
  for (; r + 8 <= rows; r += 8) {
    const T *row = x + r * columns;
    OVER_CHANNELS for (size_t c = 0; c < columns; c++) {
      const T *v = row + c;
      sums[c] += ((v[0] + v[columns]) + (v[2 * columns] + v[3 * columns])) +
                 ((v[4 * columns] + v[5 * columns]) + (v[6 * columns] + v[7 * columns]));
    }
  }
  for (; r < rows; r++) {
    const T *row = x + r * columns;
    OVER_CHANNELS for (size_t c = 0; c < columns; c++) sums[c] += row[c];
  }
}

CK_CLONES
void NAME(ck_transpose)(size_t count, size_t rows, size_t columns, const T *restrict x,
                        T *restrict y) {
  for (size_t i = 0; i < count; i++, x += rows * columns, y += rows * columns) {
    for (size_t c = 0; c < columns; c++) {
      for (size_t r = 0; r < rows; r++) y[c * rows + r] = x[r * columns + c];
    }
  }
}

// 1/√2 and 1/√(2π)
#define ROOT_HALF ((T)0.70710678118654752440)
#define NORMAL_PEAK ((T)0.39894228040143267794)

CK_CLONES
void NAME(ck_activate)(int activation, size_t count, const T *x, T *y) {
  switch (activation) {
    case CK_RELU:
      // Written so that a NaN stays a NaN.
      ELEMENTWISE for (size_t i = 0; i < count; i++) y[i] = x[i] < 0 ? 0 : x[i];
      break;
    case CK_TANH:
      ELEMENTWISE for (size_t i = 0; i < count; i++) y[i] = NAME(tanh)(x[i]);
      break;
    case CK_SIGMOID:
      ELEMENTWISE for (size_t i = 0; i < count; i++) {
        T v = x[i];
        T e = NAME(exp)(v < 0 ? v : -v);
        y[i] = (v < 0 ? e : 1) / (1 + e);
      }
      break;
    case CK_GELU:
      ELEMENTWISE for (size_t i = 0; i < count; i++) {
        y[i] = x[i] * ((T)0.5 * (1 + NAME(erf)(x[i] * ROOT_HALF)));
      }
      break;
    case CK_SILU:
      ELEMENTWISE for (size_t i = 0; i < count; i++) {
        T v = x[i];
        T e = NAME(exp)(v < 0 ? v : -v);
        y[i] = v * ((v < 0 ? e : 1) / (1 + e));
      }
      break;
  }
}

CK_CLONES
void NAME(ck_activation_gradient)(int activation, size_t count, const T *kept, const T *dy,
                                  T *dx) {
  switch (activation) {
    case CK_RELU:
      ELEMENTWISE for (size_t i = 0; i < count; i++) {
        T g = dy[i];
        dx[i] = kept[i] <= 0 ? 0 : g;
      }
      break;
    case CK_TANH:
      ELEMENTWISE for (size_t i = 0; i < count; i++) dx[i] = dy[i] * (1 - kept[i] * kept[i]);
      break;
    case CK_SIGMOID:
      ELEMENTWISE for (size_t i = 0; i < count; i++) dx[i] = dy[i] * (kept[i] * (1 - kept[i]));
      break;
    case CK_GELU:
      ELEMENTWISE for (size_t i = 0; i < count; i++) {
        T v = kept[i];
        T below = (T)0.5 * (1 + NAME(erf)(v * ROOT_HALF));
        T density = NORMAL_PEAK * NAME(exp)((T)-0.5 * (v * v));
        dx[i] = dy[i] * (below + v * density);
      }
      break;
    case CK_SILU:
      ELEMENTWISE for (size_t i = 0; i < count; i++) {
        T v = kept[i];
        T e = NAME(exp)(v < 0 ? v : -v);
        T share = (v < 0 ? e : 1) / (1 + e);
        dx[i] = dy[i] * (share * (1 + v * (1 - share)));
      }
      break;
  }
}

#undef ROOT_HALF
#undef NORMAL_PEAK
