// The one place where kernel bodies become machine code. CMake compiles this file once per instruction set; all of it
// is in anonymous namespaces (an inline function that leaked out as a weak symbol, compiled for AVX-512, could be the
// copy that the linker keeps for everybody), and only the table at the end has external linkage.
#include "kernel_table.h"

#include "audio/resample_kernel.h"
#include "engine/adam.h"
#include "engine/batch_norm.h"
#include "engine/conv.h"
#include "engine/elementwise.h"
#include "engine/io.h"
#include "engine/l2_normalize.h"
#include "engine/losses.h"
#include "engine/max_pool.h"
#include "engine/pack.h"
#include "engine/reshape.h"
#include "engine/residual_pool.h"
#include "engine/upsample.h"
#include "frontend/log_mel_kernel.h"
#include "simd/fma_burst.h"
#include "synthesis/vocal_tract_kernel.h"

#define A2V_JOIN2(a, b) a##b
#define A2V_JOIN(a, b) A2V_JOIN2(a, b)
#define A2V_TEXT2(a) #a
#define A2V_TEXT(a) A2V_TEXT2(a)

extern "C" {
extern const KernelTable A2V_JOIN(kernels_, ISA);
#ifdef PRECISE_LANES
LogMelKernel A2V_JOIN(log_mel_precise_, ISA);  // from kernels_precise.cc
#endif
const KernelTable A2V_JOIN(kernels_, ISA) = {
    A2V_TEXT(ISA),
    LANES,
    sizeof(REAL),
    A2V_ACCUMULATORS,
    fma_burst,
    resample,
#define X(name) step_##name,
    {A2V_STEPS(X)},
#undef X
    map_weights,
    pack_conv,
    unpack_gradient,
    finish_statistics,
    use_running_statistics,
    finish_reduce,
    adam,
    write_input,
    read_output,
    doubles_from_reals,
    reals_from_doubles,
    vocal_tract,
    log_mel,
#ifdef PRECISE_LANES
    A2V_JOIN(log_mel_precise_, ISA),
    PRECISE_LANES,
#else
    nullptr,
    0,
#endif
};
}
