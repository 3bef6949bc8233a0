// OpenBLAS creates its threads, and a buffer of 128 MiB for each, while it is loaded. If the
// process may not have that memory (ulimit -v), OpenBLAS retries without end before main can report
// it. With one thread it creates none.
#include "start.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int count(char **list) {
  int n = 0;
  while (list[n]) n++;
  return n;
}

static void start(int argc, char **argv, char **environment) {
  static const char setting[] = "OPENBLAS_NUM_THREADS=";
  struct rlimit limit;
  if (argc < 1 || getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  int n = count(environment);
  for (int i = 0; i < n; i++) {
    if (strncmp(environment[i], setting, sizeof setting - 1) == 0) return;
  }
  // The parts of the C library that keep state are not usable yet.
  char *with[n + 2];
  for (int i = 0; i < n; i++) with[i] = environment[i];
  with[n] = "OPENBLAS_NUM_THREADS=1";
  with[n + 1] = NULL;
  execve("/proc/self/exe", argv, with);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) =
    start;

void cs_keep(void) {}
