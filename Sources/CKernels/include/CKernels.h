// Loops that BLAS does not provide. Plain C with vector extensions: the compiler builds one clone
// for each x86-64 level, and the loader picks the best for the CPU (CK_CLONES).
//
// Every kernel computes the same bits in every clone. No fused multiply-add is formed if it would
// round differently, and sums use a fixed number of lanes. Convolutions do use it, and compute the
// same bits on every CPU that has it.
#pragma once

#include "cholesky_kernels.h"
#include "convolution_kernels.h"
#include "cpu.h"
#include "extended_kernels.h"
#include "grouped_convolution_kernels.h"
#include "network_kernels.h"
#include "rms_norm_kernels.h"
#include "sparse_kernels.h"
#include "step_kernels.h"
#include "window_kernels.h"
