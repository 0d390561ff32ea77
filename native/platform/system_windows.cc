// Memory and files from Windows: what system_posix.cc is for the other systems.
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#define NOMINMAX
#include <windows.h>

#include <new>
#include <system_error>

#include "platform/mapped_file.h"
#include "platform/memory.h"

namespace audio2vec {
namespace {

std::string last_error() { return std::system_category().message(int(GetLastError())); }

std::wstring wide(const std::string& utf8) {
  const int length = MultiByteToWideChar(CP_UTF8, 0, utf8.c_str(), int(utf8.size()), nullptr, 0);
  std::wstring text(size_t(length), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, utf8.c_str(), int(utf8.size()), &text[0], length);
  return text;
}

}  // namespace

Memory::Memory(size_t bytes) : bytes_(bytes < 64 ? 64 : bytes) {
  void* p = VirtualAlloc(nullptr, bytes_, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (!p) throw std::bad_alloc();
  data_ = static_cast<char*>(p);
}

Memory::~Memory() { VirtualFree(data_, 0, MEM_RELEASE); }

void ask_for_huge_pages(void*, size_t) {}  // large pages need a privilege there

std::unique_ptr<const MappedFile> MappedFile::open(const std::string& path, size_t bytes, std::string* error) {
  // Others may delete and rename the file meanwhile, as they may on the other systems.
  const HANDLE file =
      CreateFileW(wide(path).c_str(), GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr,
                  OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) {
    *error = last_error();
    return nullptr;
  }
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
  // The view keeps what it needs of both.
  if (mapping) CloseHandle(mapping);
  CloseHandle(file);
  if (!view) return nullptr;
  return std::unique_ptr<const MappedFile>(new MappedFile(static_cast<const char*>(view), bytes));
}

MappedFile::~MappedFile() { UnmapViewOfFile(data_); }

}  // namespace audio2vec
#endif
