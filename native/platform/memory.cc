#include "platform/memory.h"

#include <sys/mman.h>

#include <new>

namespace audio2vec {

Memory::Memory(size_t bytes) : bytes_(bytes < 64 ? 64 : bytes) {
  void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  madvise(p, bytes_, MADV_HUGEPAGE);
#endif
  data_ = static_cast<char*>(p);
}

Memory::~Memory() { munmap(data_, bytes_); }

}  // namespace audio2vec
