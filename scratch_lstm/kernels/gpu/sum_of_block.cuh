// The sum over a block's THREADS numbers, THREADS a power of 2; always added in the same order. Every thread gets it.
// scratch: THREADS numbers of shared memory, free again afterwards.
__device__ inline real sum_of_block(real value, real* scratch)
{
    scratch[threadIdx.x] = value;
    __syncthreads();
    for (unsigned half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half)
            scratch[threadIdx.x] += scratch[threadIdx.x + half];
        __syncthreads();
    }
    const real sum = scratch[0];
    __syncthreads();
    return sum;
}
