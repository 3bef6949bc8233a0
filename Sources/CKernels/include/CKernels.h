// Loops that BLAS has no form for. Plain C with vector extensions; the compiler makes one clone
// for each x86-64 level and the loader picks the best that the CPU has (CK_CLONES).
//
// Every kernel gives the same bits in every clone: no fused multiply-add is formed where it would
// round differently, and sums run over a fixed number of lanes. Those of convolutions, which use
// it, give the same bits wherever the CPU has it.
#pragma once

#include "cholesky_kernels.h"
#include "convolution_kernels.h"
#include "cpu.h"
#include "extended_kernels.h"
#include "grouped_convolution_kernels.h"
#include "network_kernels.h"
#include "rms_norm_kernels.h"
#include "sparse_kernels.h"
#include "window_kernels.h"
