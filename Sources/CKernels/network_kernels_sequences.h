// A template: T is the element, S the suffix of its kernels.

CK_CLONES
void NAME(ck_add)(size_t count, const T *a, const T *b, T *sum) {
  ELEMENTWISE for (size_t i = 0; i < count; i++) sum[i] = a[i] + b[i];
}

CK_CLONES
void NAME(ck_row_means)(size_t count, size_t rows, size_t columns, const T *restrict x,
                        T *restrict y) {
  for (size_t n = 0; n < count; n++, y += columns) {
    for (size_t c = 0; c < columns; c++) y[c] = 0;
    for (size_t r = 0; r < rows; r++, x += columns) {
      OVER_CHANNELS for (size_t c = 0; c < columns; c++) y[c] += x[c];
    }
    for (size_t c = 0; c < columns; c++) y[c] /= (T)rows;
  }
}

CK_CLONES
void NAME(ck_row_means_gradient)(size_t count, size_t rows, size_t columns, const T *restrict dy,
                                 T *restrict dx) {
  for (size_t n = 0; n < count; n++, dy += columns) {
    for (size_t r = 0; r < rows; r++, dx += columns) {
      OVER_CHANNELS for (size_t c = 0; c < columns; c++) dx[c] = dy[c] / (T)rows;
    }
  }
}

CK_CLONES
void NAME(ck_embed)(size_t count, size_t width, const T *restrict tokens,
                    const T *restrict table, T *restrict y) {
  for (size_t i = 0; i < count; i++) {
    memcpy(y + i * width, table + (size_t)tokens[i] * width, width * sizeof(T));
  }
}

CK_CLONES
void NAME(ck_embed_gradient)(size_t count, size_t width, const T *restrict tokens,
                             const T *restrict dy, T *restrict dtable) {
  for (size_t i = 0; i < count; i++) {
    T *row = dtable + (size_t)tokens[i] * width;
    OVER_CHANNELS for (size_t c = 0; c < width; c++) row[c] += dy[i * width + c];
  }
}

CK_CLONES
void NAME(ck_softmax)(size_t rows, size_t columns, int causal, T *x) {
  for (size_t r = 0; r < rows; r++, x += columns) {
    size_t count = causal && r + 1 < columns ? r + 1 : columns;
    T largest = x[0];
    for (size_t i = 1; i < count; i++) largest = x[i] > largest ? x[i] : largest;
    ELEMENTWISE for (size_t i = 0; i < count; i++) x[i] = NAME(exp)(x[i] - largest);
    T share = 1 / ROW_SUM(count, x[i]);
    ELEMENTWISE for (size_t i = 0; i < count; i++) x[i] *= share;
    for (size_t i = count; i < columns; i++) x[i] = 0;
  }
}

CK_CLONES
void NAME(ck_softmax_gradient)(size_t rows, size_t columns, const T *restrict y, T *restrict dx) {
  for (size_t r = 0; r < rows; r++, y += columns, dx += columns) {
    T sum = ROW_SUM(columns, y[i] * dx[i]);
    ELEMENTWISE for (size_t i = 0; i < columns; i++) dx[i] = y[i] * (dx[i] - sum);
  }
}

CK_CLONES
void NAME(ck_dropout)(size_t count, double probability, uint64_t seed, uint64_t stream,
                      uint64_t first, const T *x, T *y) {
  // A word below the threshold drops its element; probability·2³² is exact, and less than 2³².
  uint32_t threshold = (uint32_t)(probability * 4294967296.0);
  T scale = (T)(1 / (1 - probability));
  for (size_t i = 0; i < count; i += 4) {
    // c is the counter of Philox and becomes its four words; k is the key.
    uint64_t index = (first + i) / 4;
    uint32_t c[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
                     (uint32_t)(stream >> 32)};
    uint32_t k[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    for (int round = 0; round < 10; round++) {
      uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
      c[0] = (uint32_t)(b >> 32) ^ c[1] ^ k[0];
      c[1] = (uint32_t)b;
      c[2] = (uint32_t)(a >> 32) ^ c[3] ^ k[1];
      c[3] = (uint32_t)a;
      k[0] += 0x9E3779B9u;
      k[1] += 0xBB67AE85u;
    }
    for (size_t j = 0; j < 4 && i + j < count; j++) {
      y[i + j] = c[j] < threshold ? 0 : x[i + j] * scale;
    }
  }
}
