// Sums whose terms are always added in the same order, so that the same card gives the same bits twice.

// mean[0] = the mean of N values; one block
extern "C" __global__ void __launch_bounds__(THREADS, 1) mean(const real* values, real* mean_of_all, int N)
{
    extern __shared__ real scratch[];                      // [THREADS]
    real part = 0;
    for (int n = threadIdx.x; n < N; n += THREADS)
        part += values[n];
    const real sum = sum_of_block(part, scratch);
    if (threadIdx.x == 0)
        mean_of_all[0] = sum / N;
}

// total[j] += sum over n of a[n, j]; a (N, columns). A block takes 32 columns, THREADS / 32 rows at a time.
extern "C" __global__ void __launch_bounds__(THREADS, 1) add_column_sum(
    const real* a, real* total, int N, int columns)
{
    extern __shared__ real scratch[];                      // [THREADS]
    const int j = blockIdx.x * 32 + threadIdx.x % 32, part = threadIdx.x / 32;
    real sum = 0;
    if (j < columns)
        for (int n = part; n < N; n += THREADS / 32)
            sum += a[(long long)n * columns + j];
    scratch[threadIdx.x] = sum;
    __syncthreads();
    if (part == 0 && j < columns) {
        for (int other = 1; other < THREADS / 32; ++other)
            sum += scratch[other * 32 + threadIdx.x];
        total[j] += sum;
    }
}

// table[rows[n], j] += values[n, j] for every n; table (V, columns), rows (N,), values (N, columns).
// order (N,): the positions n sorted by their row, equal rows in the order of n. A block takes a place in that order
// and 32 columns; if a new row begins there it adds up all positions of this row, otherwise it has nothing to do.
extern "C" __global__ void __launch_bounds__(THREADS, 1) add_rows(
    const long long* rows, const long long* order, const real* values, real* table, int N, int columns)
{
    extern __shared__ real scratch[];                      // [THREADS]
    const int begin = blockIdx.x, j = blockIdx.y * 32 + threadIdx.x % 32, part = threadIdx.x / 32;
    const long long row = rows[order[begin]];
    if (begin > 0 && rows[order[begin - 1]] == row)
        return;                                            // the whole block: none of it waits below
    real sum = 0;
    if (j < columns)
        for (int place = begin + part; place < N; place += THREADS / 32) {
            const long long n = order[place];
            if (rows[n] != row)
                break;
            sum += values[n * columns + j];
        }
    scratch[threadIdx.x] = sum;
    __syncthreads();
    if (part == 0 && j < columns) {
        for (int other = 1; other < THREADS / 32; ++other)
            sum += scratch[other * 32 + threadIdx.x];
        table[row * columns + j] += sum;
    }
}
