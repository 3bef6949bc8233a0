#include "cholesky_kernels.h"

#include <math.h>

#include "clones.h"

#pragma clang fp contract(off)

//   r, c, s   the new diagonal element, and the rotation's cosine and sine
//   l         an element of L before the rotation
CK_CLONES __attribute__((min_vector_width(512)))
void ck_rank_one_update(double *factor, size_t stride, size_t order, double *restrict x) {
  for (size_t k = 0; k < order; k++) {
    double *restrict column = factor + k * stride;
    double r = sqrt(column[k] * column[k] + x[k] * x[k]);
    double c = column[k] / r, s = x[k] / r;
    column[k] = r;
    for (size_t i = k + 1; i < order; i++) {
      double l = column[i];
      column[i] = c * l + s * x[i];
      x[i] = c * x[i] - s * l;
    }
  }
}
