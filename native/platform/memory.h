// Memory from the operating system.
#pragma once

#include <cstddef>

namespace audio2vec {

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
