// Softmax and cross-entropy, a block a row: functional.py says what each array is.
//
// A target outside [0, V) gives the loss NaN: the kernel never reads memory that is not its own, and the host need
// not wait for a check.

// logits (N, V) -> exponentials (N, V), which may be the same array, their sums (N,) and the losses (N,)
extern "C" __global__ void __launch_bounds__(THREADS, 1) softmax(
    const real* logits, const long long* targets, real* exponentials, real* sums, real* losses, int V)
{
    extern __shared__ real scratch[];                      // [THREADS]
    const long long row = (long long)blockIdx.x * V, target = targets[blockIdx.x];
    real at_target = 0;
    if (threadIdx.x == 0)
        at_target = target >= 0 && target < V ? logits[row + target] : real(nan(""));
    real largest = logits[row];
    for (int v = threadIdx.x; v < V; v += THREADS)
        if (logits[row + v] > largest)
            largest = logits[row + v];
    scratch[threadIdx.x] = largest;
    __syncthreads();
    for (unsigned half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half && scratch[threadIdx.x + half] > scratch[threadIdx.x])
            scratch[threadIdx.x] = scratch[threadIdx.x + half];
        __syncthreads();
    }
    largest = scratch[0];
    __syncthreads();
    real part = 0;
    for (int v = threadIdx.x; v < V; v += THREADS) {
        const real e = exp(logits[row + v] - largest);
        exponentials[row + v] = e;
        part += e;
    }
    const real sum = sum_of_block(part, scratch);
    if (threadIdx.x == 0) {
        sums[blockIdx.x] = sum;
        losses[blockIdx.x] = log(sum) - (at_target - largest);
    }
}

// dlogits (N, V) = (softmax - one_hot(targets)) * scale; out may be the exponentials
extern "C" __global__ void __launch_bounds__(THREADS, 1) dlogits(
    const real* exponentials, const real* sums, const long long* targets, real* out, real scale, int V)
{
    const long long row = (long long)blockIdx.x * V, target = targets[blockIdx.x];
    const real factor = scale / sums[blockIdx.x];
    for (int v = threadIdx.x; v < V; v += THREADS)
        out[row + v] = exponentials[row + v] * factor - (v == target ? scale : real(0));
}
