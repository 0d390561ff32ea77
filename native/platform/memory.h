// Memory from the operating system.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace audio2vec {

// AddressSanitizer finds what is read or written beside an allocation, and many arrays lie in one block of ours: in its
// builds so many bytes behind each array belong to nobody, and guard() marks them. Otherwise there are none.
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kGuardBytes = 128;
inline void guard(void* memory, size_t bytes) { ASAN_POISON_MEMORY_REGION(memory, bytes); }
#else
constexpr size_t kGuardBytes = 0;
inline void guard(void*, size_t) {}
#endif

// Zeroed memory, page-aligned, with huge pages where the system has them.
class Memory {
 public:
  explicit Memory(size_t bytes);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  char* data() const { return data_; }

 private:
  char* data_;
  size_t bytes_;
};

// Touching fresh memory for the first time takes as long as computing what goes there; in huge pages it costs little.
// Only a hint.
void ask_for_huge_pages(void* memory, size_t bytes);

}  // namespace audio2vec
