#ifndef HEAP_H
#define HEAP_H

#include <stddef.h>

/// Bytes of all blocks that malloc has given out.
size_t heap_bytes(void);

#endif
