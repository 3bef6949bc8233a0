// A template: T is the element, S the suffix of its kernels.
//
// All loops run over the features of one position, which are contiguous in both images. If each
// channel is its own group they run over the channels, else over the features of one group.
//
//   w   the window over its full extent
//   k   its places, dilation and groups

#define FOR_EACH_POSITION(w)                                                    \
  for (size_t position = 0, example = 0; example < examples; example++)         \
    for (size_t oy = 0; oy < (w)->output_height; oy++)                          \
      for (size_t ox = 0; ox < (w)->output_width; ox++, position++)

// Visits the places of the window inside the image: a coordinate above or left of it wraps around.
#define FOR_EACH_PLACE(w, k)                                                                   \
  for (size_t ky = 0; ky < (k)->kernel; ky++)                                                  \
    for (size_t kx = 0, row = oy * (w)->stride + ky * (k)->dilation - (w)->padding;            \
         kx < (k)->kernel && row < (w)->height; kx++)                                          \
      for (size_t column = ox * (w)->stride + kx * (k)->dilation - (w)->padding,               \
                  is_inside = column < (w)->width;                                             \
           is_inside; is_inside = 0)
#define PLACE(k) (ky * (k)->kernel + kx)
#define PIXEL(w) (((example * (w)->height + row) * (w)->width + column) * (w)->channels)

// y[j] += Σ_i x[i]·w[i, j] for the features of one group; w has `stride` elements in a row.
INLINE void NAME(add_group)(size_t inputs, size_t outputs, size_t stride, const T *x, const T *w,
                            T *y) {
  size_t i = 0;
  for (; i + 4 <= inputs; i += 4, w += 4 * stride) {
    const T *a = w, *b = a + stride, *c = b + stride, *d = c + stride;
    T xa = x[i], xb = x[i + 1], xc = x[i + 2], xd = x[i + 3];
    ELEMENTWISE for (size_t j = 0; j < outputs; j++) {
      y[j] += (xa * a[j] + xb * b[j]) + (xc * c[j] + xd * d[j]);
    }
  }
  for (; i < inputs; i++, w += stride) {
    T xi = x[i];
    ELEMENTWISE for (size_t j = 0; j < outputs; j++) y[j] += xi * w[j];
  }
}

// The same sum for all groups; w [inputs of a group, groups·outputs of a group].
INLINE void NAME(add_place)(size_t groups, size_t inputs, size_t outputs, const T *x, const T *w,
                            T *y) {
  if (inputs == 1 && outputs == 1) {
    ELEMENTWISE for (size_t g = 0; g < groups; g++) y[g] += x[g] * w[g];
    return;
  }
  for (size_t g = 0; g < groups; g++) {
    NAME(add_group)
    (inputs, outputs, groups * outputs, x + g * inputs, w + g * outputs, y + g * outputs);
  }
}

CK_CLONES
void NAME(ck_grouped_convolve)(const ck_window *w, const ck_grouping *k, size_t examples,
                               const T *restrict x, const T *restrict weights, const T *bias,
                               int accumulates, T *restrict scratch, T *restrict y) {
  size_t outputs = k->outputs, inputs = w->channels / k->groups;
  size_t places = k->kernel * k->kernel;
  // scratch [place, input, output]
  for (size_t o = 0; o < outputs; o++)
    for (size_t i = 0; i < inputs; i++)
      for (size_t p = 0; p < places; p++)
        scratch[(p * inputs + i) * outputs + o] = weights[(o * inputs + i) * places + p];
  FOR_EACH_POSITION(w) {
    T *to = y + position * outputs;
    if (!accumulates) {
      if (bias)
        memcpy(to, bias, outputs * sizeof(T));
      else
        memset(to, 0, outputs * sizeof(T));
    }
    FOR_EACH_PLACE(w, k) {
      NAME(add_place)
      (k->groups, inputs, outputs / k->groups, x + PIXEL(w),
       scratch + PLACE(k) * inputs * outputs, to);
    }
  }
}

CK_CLONES
void NAME(ck_grouped_adjoint)(const ck_window *w, const ck_grouping *k, size_t examples,
                              const T *restrict dy, const T *restrict weights, int accumulates,
                              T *restrict scratch, T *restrict dx) {
  size_t channels = w->channels, inputs = channels / k->groups;
  size_t outputs = k->outputs / k->groups, places = k->kernel * k->kernel;
  // scratch [place, output of a group, channel]
  for (size_t c = 0; c < channels; c++)
    for (size_t o = 0; o < outputs; o++)
      for (size_t p = 0; p < places; p++)
        scratch[(p * outputs + o) * channels + c] =
            weights[((c / inputs * outputs + o) * inputs + c % inputs) * places + p];
  if (!accumulates) memset(dx, 0, examples * w->height * w->width * channels * sizeof(T));
  FOR_EACH_POSITION(w) {
    FOR_EACH_PLACE(w, k) {
      NAME(add_place)
      (k->groups, outputs, inputs, dy + position * k->outputs,
       scratch + PLACE(k) * outputs * channels, dx + PIXEL(w));
    }
  }
}

CK_CLONES
void NAME(ck_grouped_gradient)(const ck_window *w, const ck_grouping *k, size_t examples,
                               const T *restrict x, const T *restrict dy, T *restrict scratch,
                               T *restrict gradient) {
  size_t all = k->outputs, inputs = w->channels / k->groups, outputs = all / k->groups;
  size_t places = k->kernel * k->kernel, count = places * inputs * all;
  size_t pixels = w->height * w->width * w->channels;
  size_t positions = w->output_height * w->output_width * all;
  T *sum = scratch, *total = scratch + count;
  memset(total, 0, count * sizeof(T));
  for (size_t left = examples; left > 0; left--, x += pixels, dy += positions) {
    size_t examples = 1;
    memset(sum, 0, count * sizeof(T));
    FOR_EACH_POSITION(w) {
      const T *from = dy + position * all;
      FOR_EACH_PLACE(w, k) {
        const T *image = x + PIXEL(w);
        T *to = sum + PLACE(k) * inputs * all;
        if (inputs == 1 && outputs == 1) {
          ELEMENTWISE for (size_t g = 0; g < all; g++) to[g] += image[g] * from[g];
          continue;
        }
        for (size_t g = 0; g < k->groups; g++) {
          for (size_t i = 0; i < inputs; i++) {
            T value = image[g * inputs + i], *row = to + i * all + g * outputs;
            const T *d = from + g * outputs;
            ELEMENTWISE for (size_t o = 0; o < outputs; o++) row[o] += value * d[o];
          }
        }
      }
    }
    ELEMENTWISE for (size_t i = 0; i < count; i++) total[i] += sum[i];
  }
  for (size_t o = 0; o < all; o++)
    for (size_t i = 0; i < inputs; i++)
      for (size_t p = 0; p < places; p++)
        gradient[(o * inputs + i) * places + p] = total[(p * inputs + i) * all + o];
}

CK_CLONES
void NAME(ck_grouped_patches)(const ck_window *w, const ck_grouping *k, size_t group,
                              size_t examples, const T *restrict x, T *restrict patches) {
  size_t inputs = w->channels / k->groups, places = k->kernel * k->kernel;
  FOR_EACH_POSITION(w) {
    T *patch = patches + position * inputs * places;
    memset(patch, 0, inputs * places * sizeof(T));
    FOR_EACH_PLACE(w, k) {
      const T *image = x + PIXEL(w) + group * inputs;
      for (size_t i = 0; i < inputs; i++) patch[i * places + PLACE(k)] = image[i];
    }
  }
}

#undef FOR_EACH_POSITION
#undef FOR_EACH_PLACE
#undef PLACE
#undef PIXEL
