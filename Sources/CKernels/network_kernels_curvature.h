// A template: T is the element, S the suffix of its kernels.

// Sums each line of the image once for every kx. Adds these sums for every ky whose window meets
// that line.
CK_CLONES
void NAME(ck_patch_sums)(const ck_window *w, size_t examples, const T *restrict x,
                         T *restrict scratch, T *restrict y) {
  size_t kernel = w->kernel, channels = w->channels, run = kernel * channels;
  for (size_t e = 0; e < examples; e++, y += kernel * run) {
    for (size_t i = 0; i < kernel * run; i++) y[i] = 0;
    for (size_t line = 0; line < w->height; line++, x += w->width * channels) {
      for (size_t kx = 0; kx < kernel; kx++) {
        T *sums = scratch + kx * channels;
        for (size_t c = 0; c < channels; c++) sums[c] = 0;
        for (size_t ox = 0; ox < w->output_width; ox++) {
          size_t column = ox * w->stride + kx;
          if (column < w->padding || column - w->padding >= w->width) continue;
          const T *place = x + (column - w->padding) * channels;
          OVER_CHANNELS for (size_t c = 0; c < channels; c++) sums[c] += place[c];
        }
      }
      for (size_t ky = 0; ky < kernel && ky <= line + w->padding; ky++) {
        size_t top = line + w->padding - ky;
        if (top % w->stride != 0 || top / w->stride >= w->output_height) continue;
        T *into = y + ky * run;
        for (size_t i = 0; i < run; i++) into[i] += scratch[i];
      }
    }
  }
}

CK_CLONES
void NAME(ck_scale_rows)(size_t rows, size_t columns, const T *scale, const T *x, T *y) {
  for (size_t r = 0; r < rows; r++)
    ELEMENTWISE for (size_t c = 0; c < columns; c++) {
      y[r * columns + c] = scale[r] * x[r * columns + c];
    }
}

CK_CLONES
void NAME(ck_divide_by_outer)(size_t rows, size_t columns, const T *row_values, T row_shift,
                              const T *column_values, T column_shift, T damping, T *x) {
  for (size_t r = 0; r < rows; r++) {
    T factor = row_values[r] + row_shift;
    for (size_t c = 0; c < columns; c++)
      x[r * columns + c] /= factor * (column_values[c] + column_shift) + damping;
  }
}

void NAME(ck_pack_lower)(size_t order, const T *matrix, size_t stride, const int32_t *places,
                         T *packed) {
  for (size_t i = 0; i < order; i++) {
    if (!places) {
      memcpy(packed, matrix + i * stride, (i + 1) * sizeof(T));
      packed += i + 1;
      continue;
    }
    size_t row = (size_t)places[i];
    for (size_t j = 0; j <= i; j++) {
      size_t column = (size_t)places[j];
      *packed++ = row >= column ? matrix[row * stride + column] : matrix[column * stride + row];
    }
  }
}

void NAME(ck_unpack_lower)(size_t order, const T *packed, T scale, T *matrix) {
  for (size_t i = 0; i < order; i++)
    for (size_t j = 0; j <= i; j++) matrix[i * order + j] = scale * *packed++;
}

void NAME(ck_mirror_lower)(size_t order, T *matrix) {
  /* Blocks of rows and columns that stay in the cache. */
  const size_t size = 32;
  for (size_t top = 0; top < order; top += size) {
    size_t bottom = top + size < order ? top + size : order;
    for (size_t left = 0; left <= top; left += size)
      for (size_t i = top; i < bottom; i++)
        for (size_t j = left; j < i && j < left + size; j++)
          matrix[j * order + i] = matrix[i * order + j];
  }
}

size_t NAME(ck_class_at)(size_t classes, const T *p, double share) {
  double rest = 0;
  for (size_t c = 0; c < classes; c++) rest += (double)p[c];
  rest *= share;
  size_t last = 0;
  for (size_t c = 0; c < classes; c++) {
    if (!(p[c] > 0)) continue;
    last = c;
    rest -= (double)p[c];
    if (rest < 0) break;
  }
  return last;
}
