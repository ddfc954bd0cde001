/* Stand-in libcuda: version, count and memory of the GPUs in /etc/standin-gpu.json. `pin_limit_mib` there bounds what can be
   pinned in all (absent: no bound); nothing is allocated, a pointer is only a number. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef FACTS
#define FACTS "/etc/standin-gpu.json"
#endif

static size_t pinned;

static long fact(const char *key, long otherwise) {
    static char text[65536];
    FILE *file = fopen(FACTS, "r");
    if (!file) return otherwise;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    char *found = strstr(text, key);
    return found ? atol(found + strlen(key)) : otherwise;
}

int cuInit(unsigned flags) { return fact("\"count\":", 0) ? 0 : 100; /* CUDA_ERROR_NO_DEVICE */ }
int cuDriverGetVersion(int *version) { *version = fact("\"cuda_number\":", 0); return 0; }
int cuDeviceGetCount(int *count) { *count = fact("\"count\":", 0); return 0; }
int cuDeviceGet(int *device, int index) { *device = index; return index < fact("\"count\":", 0) ? 0 : 101; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = &pinned; return 0; }
int cuDevicePrimaryCtxReset_v2(int device) { pinned = 0; return 0; }
int cuCtxSetCurrent(void *context) { return 0; }
int cuGetErrorName(int error, const char **name) { *name = error == 2 ? "CUDA_ERROR_OUT_OF_MEMORY" : "CUDA_ERROR_NO_DEVICE"; return 0; }

int cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = (size_t)fact("\"memory_free_mib\":", 0) << 20;
    *total = (size_t)fact("\"memory_total_mib\":", 0) << 20;
    return 0;
}

int cuMemAlloc_v2(unsigned long long *pointer, size_t bytes) { *pointer = 1; return 0; }

int cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) {
    long limit = fact("\"pin_limit_mib\":", -1);
    if (limit >= 0 && pinned + bytes > (size_t)limit << 20) return 2;
    pinned += bytes;
    *pointer = &pinned;
    return 0;
}
