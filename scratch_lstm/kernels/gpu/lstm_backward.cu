// The time loop of one layer, backward, in one launch: the adjoint lines of numpy_cell.py, and dh = U^T dz.
//
// Blocks, threads and the three places of U are those of lstm_forward.cu. The thread of gate q and unit j has the
// entries of column j of U in the rows of gate q; the four parts of a sum over all rows meet in shared memory.
//
//     gates (T, B, 4H), c (T+1, B, H), tanh_c (T, B, H): of the forward pass
//     dh_above (T, B, H); dz (T, B, 4H) goes out
//     dh, dc (B, H): of the last state in, 0 if from_zero; of the initial state out

struct alignas(16) Four { real a, b, c, d; };

extern "C" __global__ void __launch_bounds__(THREADS, 1) lstm_backward(
    const real* U, const real* gates, const real* c, const real* tanh_c, const real* dh_above, real* dz,
    real* dh, real* dc, int T, int B, int from_zero)
{
    extern __shared__ Four shared[];
    real* dz_now = (real*)shared;                         // [SEQUENCES][4][H4]
    real* parts = dz_now + SEQUENCES * 4 * H4;            // [SEQUENCES][4 * H]: of dh, one a gate
    real* U_shared = parts + SEQUENCES * 4 * H;           // [IN_SHARED][4 * H]

    const int row = threadIdx.x;                          // gate row / H, unit row % H
    const int first = blockIdx.x * SEQUENCES;             // the block's sequences are first + s
    const bool has_row = row < 4 * H;
    const int gate = row / H, unit = row % H;
    const int s_cell = gate;                              // in the elementwise part: one cell of a sequence
    const bool has_cell = s_cell < SEQUENCES && first + s_cell < B;
    const real* U_column = U + gate * H * H + unit;        // entry k is U[gate * H + k, unit]

    real U_register[IN_REGISTERS];
    #pragma unroll
    for (int k = 0; k < IN_REGISTERS; ++k)
        U_register[k] = has_row && k < H ? U_column[k * H] : real(0);
    for (int k = 0; k < IN_SHARED; ++k)
        if (has_row)
            U_shared[k * 4 * H + row] = IN_REGISTERS + k < H ? U_column[(IN_REGISTERS + k) * H] : real(0);
    for (int k = row; k < SEQUENCES * 4 * H4; k += THREADS)
        dz_now[k] = 0;                                    // also the columns from H to H4
    const int cell = (first + s_cell) * H + unit;         // of one time step
    if (has_row)
        for (int s = 0; s < SEQUENCES; ++s)
            parts[s * 4 * H + row] = gate == 0 && !from_zero && first + s < B
                                   ? dh[(first + s) * H + unit] : real(0);
    real dc_t = has_cell && !from_zero ? dc[cell] : real(0);
    real above = 0, c_prev = 0, tanh_c_t = 0, i = 0, f = 0, g = 0, o = 0;      // of the step that comes
    int at = 0;                                           // (t, sequence, unit)
    if (has_cell) {
        at = (T - 1) * B * H + cell;
        const real* z = gates + 4 * at - 3 * unit;
        above = dh_above[at], c_prev = c[at], tanh_c_t = tanh_c[at];
        i = z[0], f = z[H], g = z[2 * H], o = z[3 * H];
    }
    __syncthreads();

    for (int t = T - 1; t >= 0; --t) {
        if (has_cell) {
            const real* part = parts + s_cell * 4 * H + unit;
            const real dh_t = above + part[0] + part[H] + part[2 * H] + part[3 * H];
            const real one = 1;
            dc_t += dh_t * o * (one - tanh_c_t * tanh_c_t);                            // (6.52)
            const real dz_o = dh_t * tanh_c_t * o * (one - o);                         // (6.52), (6.56)
            const real dz_i = dc_t * g * i * (one - i);                                // (6.51), (6.54)
            const real dz_f = dc_t * c_prev * f * (one - f);                           // (6.51), (6.55)
            const real dz_g = dc_t * i * (one - g * g);                                // (6.51), (6.53)
            dc_t *= f;                                                                 // (6.51)
            real* now = dz_now + s_cell * 4 * H4 + unit;
            now[0] = dz_i, now[H4] = dz_f, now[2 * H4] = dz_g, now[3 * H4] = dz_o;
            real* out = dz + 4 * at - 3 * unit;           // row (t, sequence) of 4 H, gate 0
            out[0] = dz_i, out[H] = dz_f, out[2 * H] = dz_g, out[3 * H] = dz_o;
            if (t > 0) {
                at -= B * H;
                const real* z = gates + 4 * at - 3 * unit;
                above = dh_above[at], c_prev = c[at], tanh_c_t = tanh_c[at];
                i = z[0], f = z[H], g = z[2 * H], o = z[3 * H];
            }
        }
        __syncthreads();                                  // every dz is there, the parts have been read
        if (has_row) {
            real sum[SEQUENCES];
            #pragma unroll
            for (int s = 0; s < SEQUENCES; ++s)
                sum[s] = 0;
            #pragma unroll
            for (int k = 0; k < IN_REGISTERS; k += 4)
                #pragma unroll
                for (int s = 0; s < SEQUENCES; ++s) {
                    const Four v = *(const Four*)(dz_now + (s * 4 + gate) * H4 + k);
                    sum[s] += U_register[k] * v.a + U_register[k + 1] * v.b
                            + U_register[k + 2] * v.c + U_register[k + 3] * v.d;
                }
            #pragma unroll 2
            for (int k = 0; k < IN_SHARED; k += 4) {
                const real* u = U_shared + k * 4 * H + row;
                #pragma unroll
                for (int s = 0; s < SEQUENCES; ++s) {
                    const Four v = *(const Four*)(dz_now + (s * 4 + gate) * H4 + IN_REGISTERS + k);
                    sum[s] += u[0] * v.a + u[4 * H] * v.b + u[8 * H] * v.c + u[12 * H] * v.d;
                }
            }
            #pragma unroll 4
            for (int k = IN_REGISTERS + IN_SHARED; k < H; ++k) {
                const real u = U_column[k * H];
                #pragma unroll
                for (int s = 0; s < SEQUENCES; ++s)
                    sum[s] += u * dz_now[(s * 4 + gate) * H4 + k];
            }
            #pragma unroll
            for (int s = 0; s < SEQUENCES; ++s)
                parts[s * 4 * H + row] = sum[s];
        }
        __syncthreads();                                  // every part is there, dz_now has been read
    }
    if (has_cell) {
        const real* part = parts + s_cell * 4 * H + unit;
        dh[cell] = part[0] + part[H] + part[2 * H] + part[3 * H];
        dc[cell] = dc_t;
    }
}
