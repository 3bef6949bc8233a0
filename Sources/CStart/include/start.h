#pragma once

// The file of this function also starts a program again, before its libraries do anything, where
// they would take more memory than its limit leaves: see start.c. It is here to be called, so that
// the linker keeps that file.
void cs_keep(void);
