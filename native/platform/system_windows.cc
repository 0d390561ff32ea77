// Memory and files from Windows: what system_posix.cc is for the other systems.
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <uv.h>
#include <windows.h>

#include <new>
#include <system_error>

#include "platform/mapped_file.h"
#include "platform/memory.h"

namespace audio2vec {
namespace {

std::string last_error() { return std::system_category().message(int(GetLastError())); }

}  // namespace

Memory::Memory(size_t bytes) : bytes_(bytes < 64 ? 64 : bytes) {
  void* p = VirtualAlloc(nullptr, bytes_, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (!p) throw std::bad_alloc();
  data_ = static_cast<char*>(p);
}

Memory::~Memory() { VirtualFree(data_, 0, MEM_RELEASE); }

void ask_for_huge_pages(void*, size_t) {}  // large pages need a privilege there

std::unique_ptr<const MappedFile> MappedFile::map(int descriptor, size_t bytes, std::string* error) {
  const HANDLE file = uv_get_osfhandle(descriptor);  // Node's own table of descriptors
  LARGE_INTEGER size;
  HANDLE mapping = nullptr;
  void* view = nullptr;
  if (!GetFileSizeEx(file, &size)) {
    *error = last_error();
  } else if (static_cast<unsigned long long>(size.QuadPart) != bytes) {
    *error = "its size has changed";
  } else if (!(mapping = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr)) ||
             !(view = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, bytes))) {
    *error = last_error();
  }
  // The view keeps what it needs of it.
  if (mapping) CloseHandle(mapping);
  if (!view) return nullptr;
  return std::unique_ptr<const MappedFile>(new MappedFile(static_cast<const char*>(view), bytes));
}

MappedFile::~MappedFile() { UnmapViewOfFile(data_); }

}  // namespace audio2vec
#endif
