// Counts what the addon allocates, for test/steady-state.test.ts. One file in two roles: preloaded (LD_PRELOAD), it
// stands before glibc's allocator in the whole process; required, it is the module that switches the counting on and
// off. An allocation is the addon's when the addon's code called the allocator, or called the function that did, which
// is operator new where the process has another one than the addon's own. What Node allocates behind its functions is
// farther up and not counted.
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <node_api.h>
#include <sys/mman.h>

#include <atomic>
#include <cerrno>
#include <cstring>

extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
}

namespace {

std::atomic<bool> counting{false};
std::atomic<int> calls{0};
uintptr_t addon_from = 0, addon_to = 0;

// Where the first of them were called from, as offsets into the addon: for addr2line, when the test fails.
constexpr int kPlaces = 8;
uintptr_t places[kPlaces];

__attribute__((noinline)) void allocates() {
  __attribute__((tls_model("initial-exec"))) static thread_local bool inside = false;  // backtrace() may allocate
  if (!counting || inside) return;
  inside = true;
  void* stack[4];  // this function, the one of the allocator below, its caller, and the caller of that
  const int depth = backtrace(stack, 4);
  for (int i = 2; i < depth; i++) {
    const uintptr_t at = uintptr_t(stack[i]);
    if (at < addon_from || at >= addon_to) continue;
    const int n = calls++;
    if (n < kPlaces) places[n] = at - addon_from;
    break;
  }
  inside = false;
}

int find_addon(dl_phdr_info* info, size_t, void*) {
  if (!std::strstr(info->dlpi_name, "/audio2vec.node")) return 0;
  addon_from = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const uintptr_t end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
    if (info->dlpi_phdr[i].p_type == PT_LOAD && end > addon_to) addon_to = end;
  }
  return 1;
}

napi_value start(napi_env env, napi_callback_info) {
  if (!dl_iterate_phdr(find_addon, nullptr)) napi_throw_error(env, nullptr, "audio2vec.node is not loaded");
  calls = 0;
  counting = true;
  return nullptr;
}

// How many there were since start(), and where: [count, offset, ...].
napi_value stop(napi_env env, napi_callback_info) {
  counting = false;
  napi_value out, value;
  napi_create_array(env, &out);
  napi_create_int32(env, calls, &value);
  napi_set_element(env, out, 0, value);
  for (int i = 0; i < calls && i < kPlaces; i++) {
    napi_create_int64(env, int64_t(places[i]), &value);
    napi_set_element(env, out, i + 1, value);
  }
  return out;
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void* malloc(size_t bytes) {
  allocates();
  return __libc_malloc(bytes);
}
EXPORT void* calloc(size_t count, size_t bytes) {
  allocates();
  return __libc_calloc(count, bytes);
}
EXPORT void* realloc(void* old, size_t bytes) {
  allocates();
  return __libc_realloc(old, bytes);
}
EXPORT void* aligned_alloc(size_t alignment, size_t bytes) {
  allocates();
  return __libc_memalign(alignment, bytes);
}
EXPORT int posix_memalign(void** out, size_t alignment, size_t bytes) {
  allocates();
  *out = __libc_memalign(alignment, bytes);
  return *out ? 0 : ENOMEM;
}
EXPORT void* mmap(void* at, size_t bytes, int protection, int flags, int file, off_t offset) {
  static const auto next = reinterpret_cast<decltype(&mmap)>(dlsym(RTLD_NEXT, "mmap"));
  allocates();
  return next(at, bytes, protection, flags, file, offset);
}

EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value value;
  napi_create_function(env, "start", NAPI_AUTO_LENGTH, start, nullptr, &value);
  napi_set_named_property(env, exports, "start", value);
  napi_create_function(env, "stop", NAPI_AUTO_LENGTH, stop, nullptr, &value);
  napi_set_named_property(env, exports, "stop", value);
  return exports;
}
EXPORT int32_t node_api_module_get_api_version_v1() { return 8; }
