#pragma once

// One clone for each x86-64 level; other architectures use the compiler's baseline vectors.
#if defined(__x86_64__) && defined(__clang__)
#define CK_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CK_CLONES
#endif

// A product and a sum are rounded separately in every clone.
#pragma clang fp contract(off)
