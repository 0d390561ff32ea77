# Cross-compiling with Zig: one package with clang, libc++ and the C libraries of all targets. For .ci/prebuild, which
# sets the environment.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR $ENV{PREBUILD_PROCESSOR})
set(CMAKE_CXX_COMPILER $ENV{PREBUILD_CXX})
