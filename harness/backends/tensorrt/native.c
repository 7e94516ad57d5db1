/* Puts steps on CUDA streams in one call, without Python's lock: a batch of scattered samples is a thousand copies.
   Loaded by native.py through ctypes; needs no CUDA header, since the driver's functions are found by name. */

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

typedef int Result;
enum { SUCCESS = 0, OUT_OF_MEMORY = 2, NOT_SUPPORTED = 801, NOT_READY = 600 };
enum { COPY, GATHER_COPIES, GATHER_BATCH, GATHER_KERNEL, RECORD, WAIT, LAUNCH, KERNEL };

/* The same as Step in device.py. */
typedef struct {
    uint64_t kind, stream, object, to, source, slots, rows, row_bytes;
} Step;

/* CUmemcpyAttributes of cuda.h. Sources are read in the stream's order: pinned memory that stays as it is. */
typedef struct {
    int source_order;
    struct { int type, id; } source_hint, to_hint;
    unsigned flags;
} Attributes;
enum { SOURCE_ORDER_STREAM = 1 };

static Result (*memcpy_async)(uint64_t, uint64_t, size_t, void *);
static Result (*batch_async)(uint64_t *, uint64_t *, size_t *, size_t, Attributes *, size_t *, size_t, void *);
static Result (*batch_async_v1)(uint64_t *, uint64_t *, size_t *, size_t, Attributes *, size_t *, size_t, size_t *, void *);
static Result (*launch_kernel)(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
static Result (*event_record)(void *, void *);
static Result (*event_query)(void *);
static Result (*event_synchronize)(void *);
static Result (*stream_wait)(void *, void *, unsigned);
static Result (*graph_launch)(void *, void *);

/* 0 where the driver has all that is always needed; *has_batch tells whether it copies in batches. */
int mlperf_open(const char *driver, int *has_batch) {
    void *library = dlopen(driver, RTLD_NOW);
    if (library == NULL) return 1;
    *(void **)&memcpy_async = dlsym(library, "cuMemcpyAsync");
    *(void **)&batch_async = dlsym(library, "cuMemcpyBatchAsync_v2");
    *(void **)&batch_async_v1 = dlsym(library, "cuMemcpyBatchAsync");
    *(void **)&launch_kernel = dlsym(library, "cuLaunchKernel");
    *(void **)&event_record = dlsym(library, "cuEventRecord");
    *(void **)&event_query = dlsym(library, "cuEventQuery");
    *(void **)&event_synchronize = dlsym(library, "cuEventSynchronize");
    *(void **)&stream_wait = dlsym(library, "cuStreamWaitEvent");
    *(void **)&graph_launch = dlsym(library, "cuGraphLaunch");
    *has_batch = batch_async != NULL || batch_async_v1 != NULL;
    return !(memcpy_async && launch_kernel && event_record && event_query && event_synchronize && stream_wait &&
             graph_launch);
}

/* Rows from ``first`` on that are neighbours at the source too. */
static uint64_t run_length(const int64_t *slots, uint64_t first, uint64_t rows) {
    uint64_t stop = first + 1;
    while (stop < rows && slots[stop] == slots[stop - 1] + 1) stop++;
    return stop - first;
}

static int are_neighbours(const Step *step) {
    return run_length((const int64_t *)step->slots, 0, step->rows) == step->rows;
}

static Result gather_copies(const Step *step) {
    const int64_t *slots = (const int64_t *)step->slots;
    for (uint64_t first = 0, length; first < step->rows; first += length) {
        length = run_length(slots, first, step->rows);
        Result result = memcpy_async(step->to + first * step->row_bytes, step->source + slots[first] * step->row_bytes,
                                     length * step->row_bytes, (void *)step->stream);
        if (result != SUCCESS) return result;
    }
    return SUCCESS;
}

static __thread uint64_t *targets, *sources;
static __thread size_t *sizes, room;

static Result gather_batch(const Step *step) {
    const int64_t *slots = (const int64_t *)step->slots;
    if (step->rows > room) {
        free(targets), free(sources), free(sizes);
        room = step->rows;
        targets = malloc(room * sizeof *targets);
        sources = malloc(room * sizeof *sources);
        sizes = malloc(room * sizeof *sizes);
        if (!targets || !sources || !sizes) {
            room = 0;
            return OUT_OF_MEMORY;
        }
    }
    size_t count = 0;
    for (uint64_t first = 0, length; first < step->rows; first += length, count++) {
        length = run_length(slots, first, step->rows);
        targets[count] = step->to + first * step->row_bytes;
        sources[count] = step->source + slots[first] * step->row_bytes;
        sizes[count] = length * step->row_bytes;
    }
    if (count == 1) return memcpy_async(targets[0], sources[0], sizes[0], (void *)step->stream);
    Attributes attributes = {.source_order = SOURCE_ORDER_STREAM};
    size_t from_first = 0, failed;
    if (batch_async)
        return batch_async(targets, sources, sizes, count, &attributes, &from_first, 1, (void *)step->stream);
    if (batch_async_v1)
        return batch_async_v1(targets, sources, sizes, count, &attributes, &from_first, 1, &failed, (void *)step->stream);
    return NOT_SUPPORTED;
}

/* The kernel's threads take 16 bytes each; see PTX in gather.py. */
static Result gather_kernel(const Step *step) {
    enum { THREADS = 256, VECTOR = 16 };
    uint32_t vectors = (uint32_t)(step->row_bytes / VECTOR);
    uint64_t to = step->to, source = step->source, slots = step->slots;
    void *parameters[] = {&to, &source, &slots, &vectors};
    return launch_kernel((void *)step->object, (vectors + THREADS - 1) / THREADS, (unsigned)step->rows, 1, THREADS, 1, 1,
                         0, (void *)step->stream, parameters, NULL);
}

/* Puts all steps on their streams, or says what the driver answered to the first that it refused. */
int mlperf_run(const Step *steps, int count, int *failed) {
    for (int number = 0; number < count; number++) {
        const Step *step = steps + number;
        void *stream = (void *)step->stream, *object = (void *)step->object;
        Result result = NOT_SUPPORTED;
        switch (step->kind) {
        case COPY: result = memcpy_async(step->to, step->source, step->rows * step->row_bytes, stream); break;
        case GATHER_COPIES: result = gather_copies(step); break;
        case GATHER_BATCH: result = gather_batch(step); break;
        case GATHER_KERNEL: result = are_neighbours(step) ? gather_copies(step) : gather_kernel(step); break;
        case RECORD: result = event_record(object, stream); break;
        case WAIT: result = stream_wait(stream, object, 0); break;
        case LAUNCH: result = graph_launch(object, stream); break;
        case KERNEL: result = gather_kernel(step); break;
        }
        if (result != SUCCESS) {
            *failed = number;
            return result;
        }
    }
    return SUCCESS;
}

int mlperf_wait(uint64_t event, int spin) {
    if (!spin) return event_synchronize((void *)event);
    Result result;
    while ((result = event_query((void *)event)) == NOT_READY)
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        ;
#endif
    return result;
}
