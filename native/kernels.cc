// The one place where kernel bodies become machine code. CMake compiles this file once per instruction set; all of it
// is in anonymous namespaces (an inline function that leaked out as a weak symbol, compiled for AVX-512, could be the
// copy that the linker keeps for everybody), and only the table at the end has external linkage.
#include "frontend/log_mel_kernel.h"
#include "kernel_table.h"
#include "simd/vec.h"

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
