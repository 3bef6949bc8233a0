#include "grouped_convolution_kernels.h"

#include <string.h>

#include "clones.h"

#pragma clang fp contract(off)

#define INLINE static inline __attribute__((always_inline))
#define JOIN(a, b) a##_##b
#define JOIN_EXPANDED(a, b) JOIN(a, b)
#define NAME(kernel) JOIN_EXPANDED(kernel, S)
#define ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")

#define T float
#define S f32
#include "grouped_convolution_loops.h"
#undef T
#undef S

#define T double
#define S f64
#include "grouped_convolution_loops.h"
