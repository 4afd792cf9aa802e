// Dropout masks from a counter: Philox 4x32-10 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011).
// numpy_philox.py computes the same. A key and a place give a random number, whatever thread computes it.

// mask (size,): 0 where the random word of its place is below threshold, else scale. A thread takes four places,
// because Philox gives four words.
extern "C" __global__ void __launch_bounds__(THREADS, 1) dropout_mask(
    real* mask, unsigned key_0, unsigned key_1, unsigned threshold, real scale, int size)
{
    const unsigned place = blockIdx.x * THREADS + threadIdx.x;
    unsigned word[4] = {place, 0, 0, 0};
    for (int round = 0; round < 10; ++round) {
        const unsigned low_0 = 0xD2511F53u * word[0], high_0 = __umulhi(0xD2511F53u, word[0]);
        const unsigned low_2 = 0xCD9E8D57u * word[2], high_2 = __umulhi(0xCD9E8D57u, word[2]);
        word[0] = high_2 ^ word[1] ^ key_0, word[1] = low_2;
        word[2] = high_0 ^ word[3] ^ key_1, word[3] = low_0;
        key_0 += 0x9E3779B9u, key_1 += 0xBB67AE85u;
    }
    for (int n = 0; n < 4; ++n) {
        const long long at = 4ll * place + n;
        if (at < size)
            mask[at] = word[n] >= threshold ? scale : real(0);
    }
}
