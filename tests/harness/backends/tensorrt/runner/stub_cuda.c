/* What native.c needs of NVIDIA's driver, done at once on host memory and written down, one letter a call. */

#include <stdint.h>
#include <string.h>

char calls[4096];
int refuse; /* what the next call answers, once */
static int queries;

static int noted(char letter) {
    size_t length = strlen(calls);
    if (length < sizeof calls - 1) calls[length] = letter;
    int answer = refuse;
    refuse = 0;
    return answer;
}

int cuMemcpyAsync(uint64_t to, uint64_t source, size_t size, void *stream) {
    (void)stream;
    int answer = noted('c');
    if (answer == 0) memcpy((void *)to, (void *)source, size);
    return answer;
}

#ifdef BATCH
typedef struct {
    int order, hints[4];
    unsigned flags;
} Attributes;

#ifdef BATCH_V1
int cuMemcpyBatchAsync(uint64_t *to, uint64_t *source, size_t *sizes, size_t count, Attributes *attributes,
                       size_t *firsts, size_t attributes_count, size_t *failed, void *stream) {
    *failed = 0;
#else
int cuMemcpyBatchAsync_v2(uint64_t *to, uint64_t *source, size_t *sizes, size_t count, Attributes *attributes,
                          size_t *firsts, size_t attributes_count, void *stream) {
#endif
    if (sizeof *attributes != 24 || attributes->order != 1 || firsts[0] != 0 || attributes_count != 1 || !stream) return 1;
    for (size_t i = 0; i < count; i++) memcpy((void *)to[i], (void *)source[i], sizes[i]);
    return noted('b');
}
#endif

/* The gather kernel of gather.py, thread by thread. */
int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty, unsigned tz,
                   unsigned shared, void *stream, void **parameters, void **extra) {
    (void)stream;
    if (function != (void *)77 || z != 1 || ty != 1 || tz != 1 || shared || extra) return 1;
    char *to = *(char **)parameters[0], *source = *(char **)parameters[1];
    int64_t *slots = *(int64_t **)parameters[2];
    uint32_t vectors = *(uint32_t *)parameters[3];
    for (unsigned row = 0; row < y; row++)
        for (unsigned vector = 0; vector < x * threads; vector++)
            if (vector < vectors)
                memcpy(to + ((uint64_t)row * vectors + vector) * 16,
                       source + ((uint64_t)slots[row] * vectors + vector) * 16, 16);
    return noted('k');
}

int cuEventRecord(void *event, void *stream) { return event == (void *)5 && stream == (void *)9 ? noted('r') : 400; }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
    return event == (void *)5 && stream == (void *)9 && flags == 0 ? noted('w') : 400;
}
int cuGraphLaunch(void *graph, void *stream) { return graph == (void *)6 && stream == (void *)9 ? noted('g') : 400; }
int cuEventSynchronize(void *event) { return event == (void *)5 ? noted('s') : 400; }
int cuEventQuery(void *event) {
    if (event != (void *)5) return 400;
    return ++queries % 4 ? 600 : noted('q');
}
