# Language, warnings, sanitizers, compiler cache: what holds for every target of the project.
option(ORBWEAVER_BENCH "Build the benchmarks" OFF)
option(ORBWEAVER_FUZZ "Build the fuzz targets and nothing else; clang alone (make fuzz)" OFF)
set(ORBWEAVER_SANITIZE "" CACHE STRING "Comma-separated sanitizers: address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Only what is marked ORBWEAVER_API is seen by other libraries; the framework's own library opts out.
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# The same sources make the same libraries wherever they lie, for a run's identity counts its plugins' bytes: no path of
# this folder stands in them, in asserts or in debug information. (Nor as run path: cmake/OrbweaverInstall.cmake.) Of
# these options the last that fits counts.
add_compile_options(-ffile-prefix-map=${PROJECT_SOURCE_DIR}=. -ffile-prefix-map=${PROJECT_BINARY_DIR}=./build)

add_compile_options(-Wall -Wextra -Wno-unused-parameter)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlapping copies in `"text" + std::string` that are not there (GCC bug 105651).
  add_compile_options(-Wno-restrict -Wno-stringop-overread -Wno-stringop-overflow)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
  # It suspects every reference that a function returns which was also given a temporary string.
  add_compile_options(-Wno-dangling-reference)
endif()
# Hardening as Debian's packages have it (dpkg-buildflags(1)), and bindnow, which with relro leaves no table of addresses
# writable; position-independent executables are the default of Debian's compilers. Fortified functions need optimisation,
# and a sanitizer watches the same calls itself. The library's assertions are left to builds for testing: they stand in
# the innermost loops of decoding and reranking.
option(ORBWEAVER_HARDENING "Compile and link as Debian's packages are hardened" ON)
if(ORBWEAVER_HARDENING)
  add_compile_options(-fstack-protector-strong -Wformat -Werror=format-security)
  if(CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_definitions(_GLIBCXX_ASSERTIONS)
  elseif(NOT ORBWEAVER_SANITIZE)
    # Undefined first: some compilers come with a level of their own, and a second definition is a warning.
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
  add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()
if(ORBWEAVER_SANITIZE)
  add_compile_options(-fsanitize=${ORBWEAVER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${ORBWEAVER_SANITIZE})
endif()
if(ORBWEAVER_SANITIZE STREQUAL "thread")
  # Parallel regions of LibTorch, OpenBLAS and our own are shown to the sanitizer: by each executable, which is the first
  # place that a symbol is looked for.
  add_library(orbweaver_threads_for_tsan OBJECT ${PROJECT_SOURCE_DIR}/tests/sanitizer/threads_for_tsan.cpp)
  link_libraries(
    $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:$<TARGET_OBJECTS:orbweaver_threads_for_tsan>>)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without this sloppiness nothing that uses a precompiled header is cached.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  add_compile_options(-fpch-preprocess)
endif()
