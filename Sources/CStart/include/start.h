#pragma once

// Does nothing; a call makes the linker keep start.c. That file restarts the program with one
// OpenBLAS thread before its libraries allocate more memory than the process's limit leaves.
void cs_keep(void);
