/* What the machine grants this process: processors and memory, seen through its cgroups. */
#ifndef LIKELY_MACHINE_H
#define LIKELY_MACHINE_H

#include <stdint.h>

/* The processors this process may run on (its affinity mask); at least 1. */
int lki_machine_threads(void);
/* Free bytes: MemAvailable, or less where a control group (v1 or v2) grants less; at least 16 MiB. `root` is put before
 * /proc and /sys and is "" but in tests. */
int64_t lki_machine_memory(const char *root);

#endif
