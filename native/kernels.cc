// The one place where kernel bodies become machine code. CMake compiles this file once per instruction set; all of it
// is in anonymous namespaces (an inline function that leaked out as a weak symbol, compiled for AVX-512, could be the
// copy that the linker keeps for everybody), and only the table at the end has external linkage.
#include "kernel_table.h"

#include "audio/resample_kernel.h"
#include "engine/batch_norm.h"
#include "engine/channels.h"
#include "engine/contrastive.h"
#include "engine/contrastive_index.h"
#include "engine/conv.h"
#include "engine/conv_depthwise.h"
#include "engine/conv_window.h"
#include "engine/cross_entropy.h"
#include "engine/diversity.h"
#include "engine/dropout.h"
#include "engine/gate.h"
#include "engine/gather.h"
#include "engine/io.h"
#include "engine/losses.h"
#include "engine/max_pool.h"
#include "engine/normalise.h"
#include "engine/optimizers.h"
#include "engine/pack.h"
#include "engine/pointwise.h"
#include "engine/reshape.h"
#include "engine/residual_pool.h"
#include "engine/upsample.h"
#include "engine/window_pool.h"
#include "frontend/cqt_kernel.h"
#include "frontend/log_mel_gradient_kernel.h"
#include "frontend/log_mel_kernel.h"
#include "frontend/pseudo_labels_kernel.h"
#ifndef PRECISE_LANES
#include "matrix/product_kernel.h"
#endif
#include "simd/fma_burst.h"
#include "synthesis/vocal_tract_kernel.h"

#define A2V_JOIN2(a, b) a##b
#define A2V_JOIN(a, b) A2V_JOIN2(a, b)
#define A2V_TEXT2(a) #a
#define A2V_TEXT(a) A2V_TEXT2(a)

extern "C" {
extern const KernelTable A2V_JOIN(kernels_, ISA);
#ifdef PRECISE_LANES
LogMelKernel A2V_JOIN(log_mel_precise_, ISA);  // these from kernels_precise.cc
LogMelGradientKernel A2V_JOIN(log_mel_gradient_precise_, ISA);
audio2vec::MatrixProductKernel A2V_JOIN(matrix_product_, ISA);
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
    move_running_statistics,
    use_running_statistics,
    finish_reduce,
#define X(name) update_##name,
    {A2V_UPDATE_RULES(X)},
#undef X
    write_input,
    read_output,
    doubles_from_reals,
    reals_from_doubles,
    vocal_tract,
    log_mel,
    log_mel_gradient,
#ifdef PRECISE_LANES
    A2V_JOIN(log_mel_precise_, ISA),
    A2V_JOIN(log_mel_gradient_precise_, ISA),
    PRECISE_LANES,
#else
    nullptr,
    nullptr,
    0,
#endif
    {cqt_decimate, cqt_frames, cqt_scratch},
    pseudo_labels,
#ifdef PRECISE_LANES
    A2V_JOIN(matrix_product_, ISA),
#else
    matrix_product,
#endif
};
}
