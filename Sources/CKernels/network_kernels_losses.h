// A template: T is the element, S the suffix of its kernels.

CK_CLONES
double NAME(ck_cross_entropy)(size_t examples, size_t classes, const T *x, const int32_t *labels,
                              double smoothing, T scale, T *dx) {
  double loss = 0;
  for (size_t e = 0; e < examples; e++, x += classes, dx += classes) {
    T largest = x[0];
    for (size_t c = 1; c < classes; c++) largest = x[c] > largest ? x[c] : largest;
    for (size_t c = 0; c < classes; c++) dx[c] = NAME(exp)(x[c] - largest);
    double sum = 0;
    for (size_t c = 0; c < classes; c++) sum += (double)dx[c];
    double target = (double)x[labels[e]];
    if (smoothing > 0) {
      double mean = 0;
      for (size_t c = 0; c < classes; c++) mean += (double)x[c];
      target += smoothing * (mean / (double)classes - target);
    }
    loss += log(sum) - (target - (double)largest);
    T share = (T)((double)scale / sum);
    T even = (T)(smoothing / (double)classes) * scale;
    for (size_t c = 0; c < classes; c++) dx[c] = dx[c] * share - even;
    dx[labels[e]] -= (T)(1 - smoothing) * scale;
  }
  return loss;
}

// What output c of example e should be: a given value, or the label as a number or as a unit vector.
#define TARGET \
  (values ? values[e * outputs + c] : (T)(outputs == 1 ? labels[e] : (int32_t)c == labels[e]))

CK_CLONES
double NAME(ck_squared_error)(size_t examples, size_t outputs, const T *x, const int32_t *labels,
                              const T *values, T scale, T *dx) {
  double loss = 0;
  T factor = 2 * scale / (T)outputs;
  for (size_t e = 0; e < examples; e++, x += outputs, dx += outputs) {
    double sum = 0;
    for (size_t c = 0; c < outputs; c++) {
      T difference = x[c] - TARGET;
      sum += (double)difference * (double)difference;
      dx[c] = factor * difference;
    }
    loss += sum / (double)outputs;
  }
  return loss;
}

CK_CLONES
double NAME(ck_binary_cross_entropy)(size_t examples, size_t outputs, const T *x,
                                     const int32_t *labels, const T *values, T scale, T *dx) {
  double loss = 0;
  T factor = scale / (T)outputs;
  for (size_t e = 0; e < examples; e++, x += outputs, dx += outputs) {
    double sum = 0;
    for (size_t c = 0; c < outputs; c++) {
      T target = TARGET, v = x[c];
      T small = NAME(exp)(v < 0 ? v : -v);
      sum += (double)(v > 0 ? v : 0) - (double)v * (double)target + log1p((double)small);
      dx[c] = factor * ((v < 0 ? small : 1) / (1 + small) - target);
    }
    loss += sum / (double)outputs;
  }
  return loss;
}
#undef TARGET

CK_CLONES
size_t NAME(ck_correct)(size_t examples, size_t classes, const T *x, const int32_t *labels,
                        T threshold) {
  size_t correct = 0;
  for (size_t e = 0; e < examples; e++, x += classes) {
    size_t best = 0;
    for (size_t c = 1; c < classes; c++) best = x[c] > x[best] ? c : best;
    if (classes == 1) best = x[0] > threshold;
    correct += (int32_t)best == labels[e];
  }
  return correct;
}
