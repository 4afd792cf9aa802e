// The time loop of one layer, forward, in one launch: NNDL (6.51)-(6.56), the equations of numpy_cell.py.
//
// The sequences of a batch do not depend on each other, so a block takes SEQUENCES of them through all time steps
// and waits for no other block. A thread computes one gate of one unit: one row of z = U h + (W x + b). Its row of
// U is in three places, chosen by persistent_split.py: IN_REGISTERS entries in registers, the next IN_SHARED in
// shared memory, the rest in global memory, which the L2 cache holds.
//
//     T steps, B batch, H hidden size, H4: H rounded up to a multiple of 4
//     U (4H, H), b (4H,); z (T, B, 4H): W x comes in, the gates i, f, g, o go out
//     c, h (T+1, B, H): row 0 is the initial state, which is written here if from_zero; tanh_c (T, B, H)
//     out (T, B, H): h once more, for the caller, who may change it

struct alignas(16) Four { real a, b, c, d; };

__device__ inline real sigma(real z) { return real(0.5) + real(0.5) * tanh(real(0.5) * z); }

extern "C" __global__ void __launch_bounds__(THREADS, 1) lstm_forward(
    const real* U, const real* b, real* z, real* c, real* tanh_c, real* h, real* out, int T, int B, int from_zero)
{
    extern __shared__ Four shared[];
    real* h_prev = (real*)shared;                         // [SEQUENCES][H4]
    real* gates = h_prev + SEQUENCES * H4;                // [SEQUENCES][4 * H]
    real* U_shared = gates + SEQUENCES * 4 * H;           // [IN_SHARED][4 * H]

    const int row = threadIdx.x;                          // of z: gate row / H of unit row % H
    const int first = blockIdx.x * SEQUENCES;             // the block's sequences are first + s
    const bool has_row = row < 4 * H;
    const int s_cell = row / H, unit = row % H;           // after the gates: one cell of sequence s_cell
    const bool has_cell = s_cell < SEQUENCES && first + s_cell < B;
    const bool is_g = row / H == 2;
    int at_row = first * 4 * H + row;                     // in z
    int at_cell = (first + s_cell) * H + unit;            // in c, h and tanh_c

    real U_register[IN_REGISTERS];
    #pragma unroll
    for (int j = 0; j < IN_REGISTERS; ++j)
        U_register[j] = has_row && j < H ? U[row * H + j] : real(0);
    for (int j = 0; j < IN_SHARED; ++j)
        if (has_row)
            U_shared[j * 4 * H + row] = IN_REGISTERS + j < H ? U[row * H + IN_REGISTERS + j] : real(0);
    for (int k = row; k < SEQUENCES * H4; k += THREADS)
        h_prev[k] = 0;                                    // also the columns from H to H4
    __syncthreads();

    const real bias = has_row ? b[row] : real(0);
    real c_prev = 0;
    if (has_cell) {
        if (from_zero)
            h[at_cell] = c[at_cell] = 0;
        else {
            c_prev = c[at_cell];
            h_prev[s_cell * H4 + unit] = h[at_cell];
        }
    }
    __syncthreads();

    for (int t = 0; t < T; ++t) {
        real Wx[SEQUENCES], Uh[SEQUENCES];                // read now, so that it is there after the product
        #pragma unroll
        for (int s = 0; s < SEQUENCES; ++s) {
            Wx[s] = has_row && first + s < B ? z[at_row + s * 4 * H] : real(0);
            Uh[s] = 0;
        }
        #pragma unroll
        for (int j = 0; j < IN_REGISTERS; j += 4)
            #pragma unroll
            for (int s = 0; s < SEQUENCES; ++s) {
                const Four v = *(const Four*)(h_prev + s * H4 + j);
                Uh[s] += U_register[j] * v.a + U_register[j + 1] * v.b
                       + U_register[j + 2] * v.c + U_register[j + 3] * v.d;
            }
        if (has_row) {
            #pragma unroll 2
            for (int j = 0; j < IN_SHARED; j += 4) {
                const real* u = U_shared + j * 4 * H + row;
                #pragma unroll
                for (int s = 0; s < SEQUENCES; ++s) {
                    const Four v = *(const Four*)(h_prev + s * H4 + IN_REGISTERS + j);
                    Uh[s] += u[0] * v.a + u[4 * H] * v.b + u[8 * H] * v.c + u[12 * H] * v.d;
                }
            }
            #pragma unroll 4
            for (int j = IN_REGISTERS + IN_SHARED; j < H; ++j) {
                const real u = U[row * H + j];
                #pragma unroll
                for (int s = 0; s < SEQUENCES; ++s)
                    Uh[s] += u * h_prev[s * H4 + j];
            }
            #pragma unroll
            for (int s = 0; s < SEQUENCES; ++s) {
                const real z_row = Uh[s] + (Wx[s] + bias);
                const real gate = is_g ? tanh(z_row) : sigma(z_row);                   // (6.53)-(6.56)
                gates[s * 4 * H + row] = gate;
                if (first + s < B)
                    z[at_row + s * 4 * H] = gate;
            }
            at_row += B * 4 * H;
        }
        __syncthreads();                                  // every gate is there, h_prev has been read
        if (has_cell) {
            const real* of_cell = gates + s_cell * 4 * H + unit;
            const real c_t = of_cell[H] * c_prev + of_cell[0] * of_cell[2 * H];        // (6.51)
            const real tanh_c_t = tanh(c_t), h_t = of_cell[3 * H] * tanh_c_t;          // (6.52)
            tanh_c[at_cell] = tanh_c_t;
            out[at_cell] = h_t;
            at_cell += B * H;
            c[at_cell] = c_prev = c_t;
            h[at_cell] = h_prev[s_cell * H4 + unit] = h_t;
        }
        __syncthreads();                                  // every h is there, the gates have been read
    }
}
