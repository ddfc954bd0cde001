/* Stand-in libcuda: the driver's CUDA version and the number of GPUs in /etc/standin-gpu.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fact(const char *key) {
    static char text[65536];
    FILE *file = fopen("/etc/standin-gpu.json", "r");
    if (!file) return 0;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    char *found = strstr(text, key);
    return found ? atoi(found + strlen(key)) : 0;
}

int cuInit(unsigned flags) { return fact("\"count\":") ? 0 : 100; /* CUDA_ERROR_NO_DEVICE */ }
int cuDriverGetVersion(int *version) { *version = fact("\"cuda_number\":"); return 0; }
int cuDeviceGetCount(int *count) { *count = fact("\"count\":"); return 0; }
