// A template: T is the element, S the suffix of its kernels.

CK_CLONES
double NAME(ck_cross_entropy)(size_t examples, size_t classes, const T *x, const int32_t *labels,
                              T scale, T *dx) {
  double loss = 0;
  for (size_t e = 0; e < examples; e++, x += classes, dx += classes) {
    T largest = x[0];
    for (size_t c = 1; c < classes; c++) largest = x[c] > largest ? x[c] : largest;
    for (size_t c = 0; c < classes; c++) dx[c] = NAME(exp)(x[c] - largest);
    double sum = 0;
    for (size_t c = 0; c < classes; c++) sum += (double)dx[c];
    loss += log(sum) - ((double)x[labels[e]] - (double)largest);
    T share = (T)((double)scale / sum);
    for (size_t c = 0; c < classes; c++) dx[c] *= share;
    dx[labels[e]] -= scale;
  }
  return loss;
}

CK_CLONES
double NAME(ck_squared_error)(size_t examples, size_t classes, const T *x, const int32_t *labels,
                              T scale, T *dx) {
  double loss = 0;
  T factor = 2 * scale / (T)classes;
  for (size_t e = 0; e < examples; e++, x += classes, dx += classes) {
    double sum = 0;
    for (size_t c = 0; c < classes; c++) {
      T difference = x[c] - (T)((int32_t)c == labels[e] ? 1 : 0);
      sum += (double)difference * (double)difference;
      dx[c] = factor * difference;
    }
    loss += sum / (double)classes;
  }
  return loss;
}

CK_CLONES
size_t NAME(ck_correct)(size_t examples, size_t classes, const T *x, const int32_t *labels) {
  size_t correct = 0;
  for (size_t e = 0; e < examples; e++, x += classes) {
    size_t best = 0;
    for (size_t c = 1; c < classes; c++) best = x[c] > x[best] ? c : best;
    correct += (int32_t)best == labels[e];
  }
  return correct;
}
