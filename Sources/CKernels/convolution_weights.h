// A template: T is the element, S the suffix of its kernels. It packs and unpacks weights, and
// surrounds images with zeros.

// Packs weights [output][channel][place] as blocks [place][channel][LANES outputs], with zeros
// after the last output.
CK_CLONES
void NAME(ck_pack_weights)(const ck_window *w, size_t outputs, const T *restrict weights,
                           T *restrict packed) {
  size_t places = w->kernel * w->kernel, channels = w->channels, count = places * channels;
  for (size_t first = 0; first < outputs; first += LANES, packed += count * LANES) {
    const T *block = weights + first * count;
    size_t lanes = outputs - first < LANES ? outputs - first : LANES;
    if (lanes < LANES) memset(packed, 0, count * LANES * sizeof(T));
    for (size_t c = 0; c < channels; c++) {
      for (size_t p = 0; p < places; p++) {
        const T *from = block + c * places + p;
        T *to = packed + (p * channels + c) * LANES;
        if (lanes == LANES) {
          for (size_t l = 0; l < LANES; l++) to[l] = from[l * count];
        } else {
          for (size_t l = 0; l < lanes; l++) to[l] = from[l * count];
        }
      }
    }
  }
}

CK_CLONES
void NAME(ck_unpack_weights)(const ck_window *w, size_t outputs, const T *restrict packed,
                             T *restrict weights) {
  size_t places = w->kernel * w->kernel, channels = w->channels, count = places * channels;
  for (size_t o = 0; o < outputs; o++, weights += count) {
    const T *block = packed + o / LANES * count * LANES + o % LANES;
    for (size_t c = 0; c < channels; c++) {
      for (size_t p = 0; p < places; p++) {
        weights[c * places + p] = block[(p * channels + c) * LANES];
      }
    }
  }
}

// Packs each phase as separate weights, last place first: [block][ky][kx][output][LANES].
CK_CLONES
void NAME(ck_pack_adjoint_weights)(const ck_window *w, size_t outputs, const T *restrict weights,
                                   T *restrict packed) {
  size_t kernel = w->kernel, stride = w->stride, channels = w->channels;
  size_t places = kernel * kernel;
  for (size_t py = 0; py < stride && py < kernel; py++) {
    for (size_t px = 0; px < stride && px < kernel; px++) {
      for (size_t first = 0; first < channels; first += LANES) {
        size_t lanes = channels - first < LANES ? channels - first : LANES;
        for (size_t jy = phase_taps(w, py); jy-- > 0;) {
          for (size_t jx = phase_taps(w, px); jx-- > 0;) {
            const T *from =
                weights + first * places + (py + stride * jy) * kernel + px + stride * jx;
            for (size_t o = 0; o < outputs; o++, packed += LANES, from += channels * places) {
              for (size_t l = 0; l < lanes; l++) packed[l] = from[l * places];
              for (size_t l = lanes; l < LANES; l++) packed[l] = 0;
            }
          }
        }
      }
    }
  }
}

// Copies x [height, width·features] with zeros around it; `before` and `after` count positions.
static void NAME(surround)(size_t height, size_t width, size_t features, size_t before,
                           size_t after_rows, size_t after_columns, const T *restrict x,
                           T *restrict padded) {
  size_t line = (before + width + after_columns) * features;
  size_t start = before * features, length = width * features;
  memset(padded, 0, before * line * sizeof(T));
  padded += before * line;
  for (size_t row = 0; row < height; row++, x += length, padded += line) {
    memset(padded, 0, start * sizeof(T));
    memcpy(padded + start, x, length * sizeof(T));
    memset(padded + start + length, 0, after_columns * features * sizeof(T));
  }
  memset(padded, 0, after_rows * line * sizeof(T));
}
