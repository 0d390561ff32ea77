// Memory and files from Linux and macOS. All that is special to these systems is in this file; system_windows.cc is
// its counterpart.
#ifndef _WIN32
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "platform/mapped_file.h"
#include "platform/memory.h"

namespace audio2vec {

#if defined(__SANITIZE_ADDRESS__)  // which knows nothing of memory that is mapped
Memory::Memory(size_t bytes) : bytes_((bytes + 4095) / 4096 * 4096 + 4096) {
  data_ = static_cast<char*>(std::aligned_alloc(4096, bytes_));
  if (!data_) throw std::bad_alloc();
  std::memset(data_, 0, bytes_);
  guard(data_ + bytes, bytes_ - bytes);
}

Memory::~Memory() { std::free(data_); }
#else
Memory::Memory(size_t bytes) : bytes_(bytes < 64 ? 64 : bytes) {
  void* p = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  ask_for_huge_pages(p, bytes_);
  data_ = static_cast<char*>(p);
}

Memory::~Memory() { munmap(data_, bytes_); }
#endif

void ask_for_huge_pages([[maybe_unused]] void* memory, [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr uintptr_t kHuge = 2 << 20;
  const uintptr_t start = (uintptr_t(memory) + kHuge - 1) & ~(kHuge - 1),
                  end = (uintptr_t(memory) + bytes) & ~(kHuge - 1);
  if (start < end) madvise(reinterpret_cast<void*>(start), end - start, MADV_HUGEPAGE);
#endif
}

std::unique_ptr<const MappedFile> MappedFile::map(int file, size_t bytes, std::string* error) {
  struct stat status;
  void* mapping = MAP_FAILED;
  if (fstat(file, &status)) {
    *error = std::strerror(errno);
  } else if (static_cast<unsigned long long>(status.st_size) != bytes) {
    *error = "its size has changed";
  } else if ((mapping = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0)) == MAP_FAILED) {
    *error = std::strerror(errno);
  }
  if (mapping == MAP_FAILED) return nullptr;
  return std::unique_ptr<const MappedFile>(new MappedFile(static_cast<const char*>(mapping), bytes));
}

MappedFile::~MappedFile() { munmap(const_cast<char*>(data_), bytes_); }

}  // namespace audio2vec
#endif
