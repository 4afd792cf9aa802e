// CUDA's words on a CPU, so that the text of a kernel runs unchanged: blocks one after the other, each thread of a
// block a fibre, which runs from one __syncthreads() to the next. The order of the fibres is a choice, because a
// missing barrier may show in one order only.
//
// For ThreadSanitizer a fibre is a thread, and switching orders nothing. A barrier does: each fibre releases one of
// two variables before it and acquires it after it. With one variable, a fibre that is late at barrier n would
// also acquire what the others released at barrier n + 1, and races would be hidden. Blocks are not ordered at all.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <utility>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#include "fibres.h"

struct Dim { unsigned x, y, z; };
static Dim threadIdx, blockIdx, blockDim, gridDim;

#define __global__ static
#define __device__ static
#define __launch_bounds__(...)
#define __syncthreads() shim::barrier(__LINE__)
using std::exp; using std::log; using std::sqrt; using std::tanh;
static inline uint32_t __umulhi(uint32_t a, uint32_t b) { return uint32_t((uint64_t(a) * b) >> 32); }

// what the fibres themselves need is no race
#define UNSEEN __attribute__((no_sanitize("thread")))

namespace shim {

struct Launch { unsigned grid[2], block, shared_bytes, order, seed; };
enum Order { FORWARD, BACKWARD, SHUFFLED };
const int MOST = 1024, DONE = -1, STARTED = 0;
const size_t STACK = 64 << 10;

static Context scheduler, fibres[MOST];
static char* stacks = nullptr;
static void* tsan_fibres[MOST];
static void* tsan_scheduler;
static int at[MOST];                     // DONE, or the line of the barrier where the fibre waits
static unsigned current, phase;
static char* shared_memory;              // of the block that runs
static char start, finish, barriers[2];  // what ThreadSanitizer sees as synchronisation
static void (*body)(void*);
static void* body_argument;

#if defined(__SANITIZE_THREAD__)
static void release(char* what) { __tsan_release(what); }
static void acquire(char* what) { __tsan_acquire(what); }
static void to_fibre(unsigned n) { __tsan_switch_to_fiber(tsan_fibres[n], __tsan_switch_to_fiber_no_sync); }
static void to_scheduler() { __tsan_switch_to_fiber(tsan_scheduler, __tsan_switch_to_fiber_no_sync); }
#else
static void release(char*) {}
static void acquire(char*) {}
static void to_fibre(unsigned) {}
static void to_scheduler() {}
#endif

UNSEEN static void resume(unsigned n)
{
    current = n;
    threadIdx = {n, 0, 0};
    to_fibre(n);
#if defined(__SANITIZE_ADDRESS__)
    void* own;
    __sanitizer_start_switch_fiber(&own, stacks + n * STACK, STACK);
#endif
    change(&scheduler, &fibres[n]);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
#endif
}

static const void* scheduler_stack;
static size_t scheduler_stack_size;

UNSEEN static void yield(bool for_ever)
{
    const unsigned n = current;
    to_scheduler();
#if defined(__SANITIZE_ADDRESS__)
    void* own = nullptr;
    __sanitizer_start_switch_fiber(for_ever ? nullptr : &own, scheduler_stack, scheduler_stack_size);
#endif
    change(&fibres[n], &scheduler);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(own, nullptr, nullptr);
#endif
    (void)for_ever;
}

UNSEEN static void barrier(int line)
{
    char* variable = &barriers[phase & 1];
    at[current] = line;
    release(variable);
    yield(false);
    acquire(variable);
}

UNSEEN static void fibre_main()
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_stack, &scheduler_stack_size);
#endif
    acquire(&start);
    body(body_argument);
    release(&finish);
    at[current] = DONE;
    yield(true);
}

// Runs every fibre up to its next barrier. The line where they wait, or DONE; exits where they do not agree.
UNSEEN static int run_phase(const Launch& launch, unsigned* random)
{
    unsigned turns[MOST];
    for (unsigned n = 0; n < launch.block; ++n)
        turns[n] = launch.order == BACKWARD ? launch.block - 1 - n : n;
    if (launch.order == SHUFFLED)
        for (unsigned n = launch.block - 1; n > 0; --n) {
            *random = *random * 1664525u + 1013904223u;
            std::swap(turns[n], turns[(*random >> 8) % (n + 1)]);
        }
    for (unsigned n = 0; n < launch.block; ++n)
        resume(turns[n]);
    ++phase;
    for (unsigned n = 1; n < launch.block; ++n)
        if (at[n] != at[0])
            return -2;
    return at[0];
}

// 0, or 1 for a barrier that not all threads of a block reach.
UNSEEN static int launch(const Launch& launch, void (*kernel)(void*), void* argument)
{
    if (stacks == nullptr)
        stacks = (char*)malloc(MOST * STACK);
    body = kernel, body_argument = argument, gridDim = {launch.grid[0], launch.grid[1], 1};
    blockDim = {launch.block, 1, 1};
    const unsigned blocks = launch.grid[0] * launch.grid[1];
    char** shared = (char**)malloc(blocks * sizeof(char*));
    for (unsigned block = 0; block < blocks; ++block) {
        shared[block] = (char*)malloc(launch.shared_bytes);               // exactly so many: AddressSanitizer
        memset(shared[block], 0xff, launch.shared_bytes);                 // NaN
    }
#if defined(__SANITIZE_THREAD__)
    tsan_scheduler = __tsan_get_current_fiber();
    for (unsigned n = 0; n < launch.block; ++n)
        tsan_fibres[n] = __tsan_create_fiber(0);
#endif
    release(&start);
    unsigned random = launch.seed;
    int line = DONE;
    for (unsigned block = 0; block < blocks && line != -2; ++block) {
        blockIdx = {block % launch.grid[0], block / launch.grid[0], 0};
        shared_memory = shared[block];
        for (unsigned n = 0; n < launch.block; ++n)
            prepare(&fibres[n], stacks + n * STACK, STACK, fibre_main);
        do line = run_phase(launch, &random); while (line > 0);
    }
    acquire(&finish);
#if defined(__SANITIZE_THREAD__)
    for (unsigned n = 0; n < launch.block; ++n)
        __tsan_destroy_fiber(tsan_fibres[n]);
#endif
    for (unsigned block = 0; block < blocks; ++block)
        free(shared[block]);
    free(shared);
    return line == -2;
}

template <class... P, size_t... N>
static void call(void (*kernel)(P...), void** arguments, std::index_sequence<N...>)
{
    kernel(*(P*)arguments[N]...);
}

template <class... P>
static void call(void (*kernel)(P...), void** arguments)
{
    call(kernel, arguments, std::index_sequence_for<P...>());
}

}  // namespace shim
