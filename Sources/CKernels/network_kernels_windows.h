// A template: T is the element, S the suffix of its kernels.

// Iterates `row` over (example, oy, ox).
#define FOR_EACH_WINDOW(w, first, rows)                                                        \
  size_t example = (first) / ((w)->output_height * (w)->output_width);                         \
  size_t oy = (first) / (w)->output_width % (w)->output_height;                                \
  size_t ox = (first) % (w)->output_width;                                                     \
  for (size_t row = 0; row < (rows);                                                           \
       row++, ox = ox + 1 == (w)->output_width ? 0 : ox + 1, oy += ox == 0,                    \
              example += oy == (w)->output_height, oy = oy == (w)->output_height ? 0 : oy)

// The offsets within a window, along an axis of `size`, that lie in the image: [from, to).
#define CLIP(start, size, from, to)                                    \
  size_t from = (start) < 0 ? (size_t)(-(start)) : 0;                  \
  size_t to = (start) + (ptrdiff_t)kernel > (ptrdiff_t)(size)          \
                  ? (size_t)((ptrdiff_t)(size) - (start))              \
                  : kernel;                                            \
  if ((start) >= (ptrdiff_t)(size)) to = 0

// The start of the window, which may lie outside the image, and the part of it inside.
#define PLACE_WINDOW(w)                                                  \
  ptrdiff_t top = (ptrdiff_t)(oy * (w)->stride) - (ptrdiff_t)(w)->padding;  \
  ptrdiff_t left = (ptrdiff_t)(ox * (w)->stride) - (ptrdiff_t)(w)->padding; \
  CLIP(top, (w)->height, top_from, top_to);                              \
  CLIP(left, (w)->width, from, to)

// The features at (ky, kx) of the window.
#define AT(image, w, ky, kx)                                                                 \
  ((image) + ((top + (ptrdiff_t)(ky)) * (ptrdiff_t)(w)->width + left + (ptrdiff_t)(kx)) *    \
                 (ptrdiff_t)channels)

// Copies one line of a patch: [from, to) lies inside the image, the rest is zeros.
INLINE void NAME(edge)(const T *restrict line, T *restrict run, size_t from, size_t to,
                       size_t kernel, size_t channels) {
  if (from > to) from = to;
  for (size_t i = 0; i < from * channels; i++) run[i] = 0;
  for (size_t i = from * channels; i < to * channels; i++) run[i] = line[i];
  for (size_t i = to * channels; i < kernel * channels; i++) run[i] = 0;
}

// Processes rows along one line of the output together, so that windows inside the image are copied
// without tests.
INLINE void NAME(patches)(const ck_window *w, size_t first, size_t rows, const T *restrict x,
                          T *restrict patches, size_t kernel, size_t channels) {
  size_t run = kernel * channels, patch = kernel * run;
  // Windows in [whole_from, whole_to) do not cross the image's left or right edge.
  size_t whole_from = (w->padding + w->stride - 1) / w->stride;
  size_t whole_to = w->width + w->padding < kernel
                        ? 0
                        : (w->width + w->padding - kernel) / w->stride + 1;
  for (size_t row = 0, length; row < rows; row += length, patches += length * patch) {
    size_t ox_from = (first + row) % w->output_width;
    size_t line = (first + row) / w->output_width;
    size_t oy = line % w->output_height;
    const T *image = x + line / w->output_height * w->height * w->width * channels;
    length = w->output_width - ox_from;
    if (length > rows - row) length = rows - row;
    size_t ox_to = ox_from + length;
    ptrdiff_t top = (ptrdiff_t)(oy * w->stride) - (ptrdiff_t)w->padding;
    CLIP(top, w->height, top_from, top_to);
    for (size_t ky = 0; ky < kernel; ky++) {
      T *to_run = patches + ky * run;
      if (ky < top_from || ky >= top_to) {
        for (size_t i = 0; i < length; i++) memset(to_run + i * patch, 0, run * sizeof(T));
        continue;
      }
      for (size_t ox = ox_from; ox < ox_to;) {
        ptrdiff_t left = (ptrdiff_t)(ox * w->stride) - (ptrdiff_t)w->padding;
        const T *from_run = AT(image, w, ky, 0);
        if (ox < whole_from || ox >= whole_to) {
          CLIP(left, w->width, from, to);
          NAME(edge)(from_run, to_run, from, to, kernel, channels);
          ox++, to_run += patch;
          continue;
        }
        size_t end = whole_to < ox_to ? whole_to : ox_to;
        for (; ox < end; ox++, to_run += patch, from_run += w->stride * channels) {
          memcpy(to_run, from_run, run * sizeof(T));
        }
      }
    }
  }
}

CK_CLONES
void NAME(ck_patches)(const ck_window *window, size_t first, size_t rows, const T *restrict x,
                      T *restrict patches) {
  // A window's line is short in the first layer: with a known length it is copied without a call.
  if (window->kernel == 3 && window->channels == 1) {
    NAME(patches)(window, first, rows, x, patches, 3, 1);
  } else if (window->kernel == 3 && window->channels == 3) {
    NAME(patches)(window, first, rows, x, patches, 3, 3);
  } else {
    NAME(patches)(window, first, rows, x, patches, window->kernel, window->channels);
  }
}

// APART: windows do not overlap, so a gradient is written and not added. TILES: they also cover the
// whole image, so dx needs no zeros first.
#define APART(w) ((w)->stride >= (w)->kernel)
#define TILES(w)                                                                          \
  ((w)->stride == (w)->kernel && (w)->padding == 0 && (w)->height % (w)->kernel == 0 && \
   (w)->width % (w)->kernel == 0)

// A NaN counts as the largest value.
#define TAKE_LARGER(best, at, value, place)                                  \
  {                                                                          \
    T candidate = (value);                                                   \
    int better = (candidate > (best)) | (candidate != candidate);            \
    (best) = better ? candidate : (best);                                    \
    (at) = better ? (place) : (at);                                          \
  }

CK_CLONES
void NAME(ck_max_pool)(const ck_window *w, size_t examples, const T *restrict x, T *restrict y,
                       int32_t *restrict choices) {
  size_t kernel = w->kernel, channels = w->channels;
  FOR_EACH_WINDOW(w, 0, examples * w->output_height * w->output_width) {
    PLACE_WINDOW(w);
    const T *image = x + example * w->height * w->width * channels;
    T *largest = y + row * channels;
    int32_t *choice = choices + row * channels;
    // The common case, in one pass; the loop below handles it too, but slower.
    if (kernel == 2 && top_from == 0 && top_to == 2 && from == 0 && to == 2) {
      const T *upper = AT(image, w, 0, 0), *lower = AT(image, w, 1, 0);
      OVER_CHANNELS for (size_t c = 0; c < channels; c++) {
        T best = upper[c];
        int32_t at = 0;
        TAKE_LARGER(best, at, upper[c + channels], 1);
        TAKE_LARGER(best, at, lower[c], 2);
        TAKE_LARGER(best, at, lower[c + channels], 3);
        largest[c] = best;
        choice[c] = at;
      }
      continue;
    }
    for (size_t ky = top_from; ky < top_to; ky++) {
      for (size_t kx = from; kx < to; kx++) {
        const T *v = AT(image, w, ky, kx);
        int32_t k = (int32_t)(ky * kernel + kx);
        if (ky == top_from && kx == from) {
          OVER_CHANNELS for (size_t c = 0; c < channels; c++) {
            largest[c] = v[c];
            choice[c] = k;
          }
        } else {
          OVER_CHANNELS for (size_t c = 0; c < channels; c++) {
            TAKE_LARGER(largest[c], choice[c], v[c], k);
          }
        }
      }
    }
  }
}

CK_CLONES
void NAME(ck_max_pool_gradient)(const ck_window *w, size_t examples, const T *restrict dy,
                                const int32_t *restrict choices, T *restrict dx) {
  size_t kernel = w->kernel, channels = w->channels;
  int apart = APART(w);
  if (!TILES(w)) memset(dx, 0, examples * w->height * w->width * channels * sizeof(T));
  FOR_EACH_WINDOW(w, 0, examples * w->output_height * w->output_width) {
    PLACE_WINDOW(w);
    T *image = dx + example * w->height * w->width * channels;
    const T *g = dy + row * channels;
    const int32_t *choice = choices + row * channels;
    for (size_t ky = top_from; ky < top_to; ky++) {
      for (size_t kx = from; kx < to; kx++) {
        T *v = AT(image, w, ky, kx);
        int32_t k = (int32_t)(ky * kernel + kx);
        if (apart) {
          OVER_CHANNELS for (size_t c = 0; c < channels; c++) v[c] = choice[c] == k ? g[c] : 0;
        } else {
          OVER_CHANNELS for (size_t c = 0; c < channels; c++) v[c] += choice[c] == k ? g[c] : 0;
        }
      }
    }
  }
}

CK_CLONES
void NAME(ck_max_pool_tangent)(const ck_window *w, size_t examples, const T *restrict dx,
                               const int32_t *restrict choices, T *restrict dy) {
  size_t kernel = w->kernel, channels = w->channels;
  FOR_EACH_WINDOW(w, 0, examples * w->output_height * w->output_width) {
    PLACE_WINDOW(w);
    const T *image = dx + example * w->height * w->width * channels;
    T *chosen = dy + row * channels;
    const int32_t *choice = choices + row * channels;
    for (size_t ky = top_from; ky < top_to; ky++) {
      for (size_t kx = from; kx < to; kx++) {
        const T *v = AT(image, w, ky, kx);
        int32_t k = (int32_t)(ky * kernel + kx);
        OVER_CHANNELS for (size_t c = 0; c < channels; c++) {
          T candidate = v[c], before = chosen[c];
          chosen[c] = choice[c] == k ? candidate : before;
        }
      }
    }
  }
}

CK_CLONES
void NAME(ck_average_pool)(const ck_window *w, size_t examples, const T *restrict x,
                           T *restrict y) {
  size_t kernel = w->kernel, channels = w->channels;
  T area = (T)(kernel * kernel);
  FOR_EACH_WINDOW(w, 0, examples * w->output_height * w->output_width) {
    PLACE_WINDOW(w);
    const T *image = x + example * w->height * w->width * channels;
    T *mean = y + row * channels;
    for (size_t c = 0; c < channels; c++) mean[c] = 0;
    for (size_t ky = top_from; ky < top_to; ky++) {
      for (size_t kx = from; kx < to; kx++) {
        const T *v = AT(image, w, ky, kx);
        OVER_CHANNELS for (size_t c = 0; c < channels; c++) mean[c] += v[c];
      }
    }
    for (size_t c = 0; c < channels; c++) mean[c] /= area;
  }
}

CK_CLONES
void NAME(ck_average_pool_gradient)(const ck_window *w, size_t examples, const T *restrict dy,
                                    T *restrict dx) {
  size_t kernel = w->kernel, channels = w->channels;
  T area = (T)(kernel * kernel);
  int apart = APART(w);
  if (!TILES(w)) memset(dx, 0, examples * w->height * w->width * channels * sizeof(T));
  FOR_EACH_WINDOW(w, 0, examples * w->output_height * w->output_width) {
    PLACE_WINDOW(w);
    T *image = dx + example * w->height * w->width * channels;
    const T *g = dy + row * channels;
    for (size_t ky = top_from; ky < top_to; ky++) {
      for (size_t kx = from; kx < to; kx++) {
        T *v = AT(image, w, ky, kx);
        if (apart) {
          OVER_CHANNELS for (size_t c = 0; c < channels; c++) v[c] = g[c] / area;
        } else {
          OVER_CHANNELS for (size_t c = 0; c < channels; c++) v[c] += g[c] / area;
        }
      }
    }
  }
}
#undef FOR_EACH_WINDOW
#undef CLIP
#undef PLACE_WINDOW
#undef AT
#undef TAKE_LARGER
#undef APART
#undef TILES
