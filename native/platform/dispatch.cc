// Chooses the kernel table: what the build has, what the CPU runs, what AUDIO2VEC_ISA asks for.
#include <cstdlib>
#include <cstring>

#include "kernel_table.h"
#include "platform/cpu_features.h"

#if defined(__arm__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

extern "C" {
extern const KernelTable kernels_portable, kernels_float64;
#ifdef HAVE_ISA_avx2
extern const KernelTable kernels_avx2;
#endif
#ifdef HAVE_ISA_avx512
extern const KernelTable kernels_avx512;
#endif
#ifdef HAVE_ISA_neon
extern const KernelTable kernels_neon;
#endif
}

namespace audio2vec {
namespace {

struct Available {
  const KernelTable* tables[6] = {};
  const char* names[6] = {};
  int count = 0;

  void add(const KernelTable& t, bool runs) {
    if (!runs) return;
    tables[count] = &t;
    names[count++] = t.isa;
  }

  Available() {
#if defined(__x86_64__)
    [[maybe_unused]] const CpuFeatures cpu;
#endif
#ifdef HAVE_ISA_avx512
    add(kernels_avx512, cpu.avx512_fvdb);
#endif
#ifdef HAVE_ISA_avx2
    add(kernels_avx2, cpu.avx2_fma);
#endif
#ifdef HAVE_ISA_neon
#if defined(__arm__)
    add(kernels_neon, (getauxval(AT_HWCAP) & HWCAP_VFPv4) != 0);
#else
    add(kernels_neon, true);
#endif
#endif
    add(kernels_portable, true);
    add(kernels_float64, true);
  }
};

const Available& available() {
  static const Available a;
  return a;
}

}  // namespace

const char* const* available_isas() { return available().names; }

const KernelTable* find_kernels(const char* isa) {
  const Available& a = available();
  for (int i = 0; i < a.count; i++)
    if (!std::strcmp(a.names[i], isa)) return a.tables[i];
  return nullptr;
}

const KernelTable& kernels() {
  static const KernelTable* chosen = [] {
    const char* asked = std::getenv("AUDIO2VEC_ISA");
    const KernelTable* t = asked ? find_kernels(asked) : nullptr;
    return t ? t : available().tables[0];  // an unknown name is refused in lib/native/addon.ts, with a message
  }();
  return *chosen;
}

}  // namespace audio2vec
