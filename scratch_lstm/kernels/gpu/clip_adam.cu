// Clipping and Adam over the flat vectors, in two launches: the norm has to be whole before anything is scaled.
// The formulas are those of optim.py.

// partial[block] = the sum of g^2 over every gridDim.x-th run of THREADS numbers
extern "C" __global__ void __launch_bounds__(THREADS, 1) sum_squares(const real* g, real* partial, int size)
{
    extern __shared__ real scratch[];                      // [THREADS]
    real part = 0;
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < size; i += gridDim.x * THREADS)
        part += g[i] * g[i];
    const real sum = sum_of_block(part, scratch);
    if (threadIdx.x == 0)
        partial[blockIdx.x] = sum;
}

// g is scaled to a norm of at most max_norm, then p, m and v make one step, and average += share * (p - average)
// where there is one. norm[0] is the norm before. Each block adds up the same partial sums in the same order.
extern "C" __global__ void __launch_bounds__(THREADS, 1) clip_adam(
    const real* partial, real* norm, real* p, real* g, real* m, real* v, real* average,
    real max_norm, real step_size, real correction, real one_minus_beta1, real beta2, real one_minus_beta2,
    real epsilon, real keep, real share, int has_average, int partials, int size)
{
    extern __shared__ real scratch[];                      // [THREADS]
    real part = 0;
    for (int i = threadIdx.x; i < partials; i += THREADS)
        part += partial[i];
    const real found = sqrt(sum_of_block(part, scratch));
    if (blockIdx.x == 0 && threadIdx.x == 0)
        norm[0] = found;
    const real ratio = max_norm / (found + real(1e-6)), factor = ratio >= 1 ? real(1) : ratio;    // NaN stays
    for (int i = blockIdx.x * THREADS + threadIdx.x; i < size; i += gridDim.x * THREADS) {
        const real g_i = g[i] * factor;
        const real m_i = m[i] + one_minus_beta1 * (g_i - m[i]);
        const real v_i = beta2 * v[i] + one_minus_beta2 * g_i * g_i;
        const real p_i = keep * p[i] - step_size * m_i / (sqrt(v_i) / correction + epsilon);
        g[i] = g_i, m[i] = m_i, v[i] = v_i, p[i] = p_i;
        if (has_average)
            average[i] += share * (p_i - average[i]);
    }
}
