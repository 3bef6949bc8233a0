#include "network_kernels.h"
#include "rms_norm_kernels.h"

#include <math.h>
#include <string.h>

#include "clones.h"

#pragma clang fp contract(off)
// In double precision some vector loops call the C library and stay scalar, as intended.
#pragma clang diagnostic ignored "-Wpass-failed"

#define INLINE static inline __attribute__((always_inline))
#define JOIN(a, b) a##_##b
#define JOIN_EXPANDED(a, b) JOIN(a, b)
#define NAME(kernel) JOIN_EXPANDED(kernel, S)
// Loops over the channels of one position are short: one vector at a time, not unrolled.
#define OVER_CHANNELS _Pragma("clang loop vectorize(enable) interleave_count(1)")
// The result of these loops may be the same array as an argument, which is safe to vectorize.
#define ELEMENTWISE _Pragma("clang loop vectorize(assume_safety)")

#include "network_kernels_exponential.h"

#define T float
#define S f32
#include "network_kernels_activations.h"
#include "network_kernels_curvature.h"
#include "network_kernels_losses.h"
#include "network_kernels_normalization.h"
#include "network_kernels_rms_norm.h"
#include "network_kernels_sequences.h"
#include "network_kernels_windows.h"
#undef ROW_SUM
#undef S
#undef T

#define T double
#define S f64
#include "network_kernels_activations.h"
#include "network_kernels_curvature.h"
#include "network_kernels_losses.h"
#include "network_kernels_normalization.h"
#include "network_kernels_rms_norm.h"
#include "network_kernels_sequences.h"
#include "network_kernels_windows.h"
