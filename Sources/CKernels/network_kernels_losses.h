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

// The target of output c of example e: a given value, or the label as a number or as a unit vector.
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

// form[i, j] += Σ_c weights[c]·(tᵢ[c] − origins[i])·(tⱼ[c] − origins[j]) for j ≤ i < count; tangent
// i starts at t + i·stride.
INLINE void NAME(add_form)(size_t outputs, size_t count, size_t stride, const T *t,
                           const double *weights, const double *origins, double *form) {
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j <= i; j++) {
      const T *a = t + i * stride, *b = t + j * stride;
      double sum = 0;
      for (size_t c = 0; c < outputs; c++) {
        sum += weights[c] * (((double)a[c] - origins[i]) * ((double)b[c] - origins[j]));
      }
      form[i * count + j] += sum;
    }
  }
}

CK_CLONES
void NAME(ck_cross_entropy_form)(size_t examples, size_t classes, const T *x, size_t count,
                                 const T *t, double *scratch, double *form) {
  double *p = scratch, *means = scratch + classes;
  for (size_t e = 0; e < examples; e++, x += classes, t += classes) {
    T largest = x[0];
    for (size_t c = 1; c < classes; c++) largest = x[c] > largest ? x[c] : largest;
    double sum = 0;
    for (size_t c = 0; c < classes; c++) sum += p[c] = exp((double)x[c] - (double)largest);
    for (size_t c = 0; c < classes; c++) p[c] /= sum;
    for (size_t i = 0; i < count; i++) {
      means[i] = 0;
      for (size_t c = 0; c < classes; c++) {
        means[i] += p[c] * (double)t[i * examples * classes + c];
      }
    }
    NAME(add_form)(classes, count, examples * classes, t, p, means, form);
  }
}

CK_CLONES
void NAME(ck_squared_error_form)(size_t examples, size_t outputs, size_t count, const T *t,
                                 double *scratch, double *form) {
  double *weights = scratch, *origins = scratch + outputs;
  for (size_t c = 0; c < outputs; c++) weights[c] = 2 / (double)outputs;
  for (size_t i = 0; i < count; i++) origins[i] = 0;
  for (size_t e = 0; e < examples; e++, t += outputs) {
    NAME(add_form)(outputs, count, examples * outputs, t, weights, origins, form);
  }
}

CK_CLONES
void NAME(ck_binary_cross_entropy_form)(size_t examples, size_t outputs, const T *x,
                                        size_t count, const T *t, double *scratch,
                                        double *form) {
  double *weights = scratch, *origins = scratch + outputs;
  for (size_t i = 0; i < count; i++) origins[i] = 0;
  for (size_t e = 0; e < examples; e++, x += outputs, t += outputs) {
    for (size_t c = 0; c < outputs; c++) {
      double small = exp(-fabs((double)x[c]));
      weights[c] = small / ((1 + small) * (1 + small)) / (double)outputs;
    }
    NAME(add_form)(outputs, count, examples * outputs, t, weights, origins, form);
  }
}

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
