/* A driver of NVIDIA's that shows one GPU and serves CUDA up to VERSION, as cuDriverGetVersion words it. */

#include <stdint.h>
#include <string.h>

int cuInit(unsigned flags) { return flags; }

int cuDriverGetVersion(int *version) {
    *version = VERSION;
    return 0;
}

int cuDeviceGetCount(int *count) {
    *count = 1;
    return 0;
}

int cuDeviceGet(int *device, int number) {
    *device = number;
    return 0;
}

int cuDeviceGetName(char *name, int size, int device) {
    strncpy(name, "NVIDIA Stub", size);
    return device;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? 8 : attribute == 76 ? 6 : 0; /* of the compute capability: major, minor */
    return device;
}

int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *result) {
    static const struct {
        const char *name;
        void *function;
    } known[] = {
        {"cuInit", cuInit},
        {"cuDriverGetVersion", cuDriverGetVersion},
        {"cuDeviceGetCount", cuDeviceGetCount},
        {"cuDeviceGet", cuDeviceGet},
        {"cuDeviceGetName", cuDeviceGetName},
        {"cuDeviceGetAttribute", cuDeviceGetAttribute},
        {"cuGetProcAddress", cuGetProcAddress_v2},
    };
    (void)version, (void)flags;
    *function = 0;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0) *function = known[i].function;
    if (result) *result = *function == 0; /* found, or not */
    return *function ? 0 : 500;
}
