// What a plugin says about itself before any of its code runs. The host reads it from the file.
#pragma once

#include <cstdint>

namespace orbweaver {
inline namespace v1 {

#define ORBWEAVER_MANIFEST_SECTION ".orbweaver.manifest"
#define ORBWEAVER_MANIFEST_MAGIC "ORBWEAVER-PLUGIN"
#define ORBWEAVER_REGISTER_FUNCTION "orbweaver_register_plugin"

/// Plain data only: no pointers, so it reads the same from the file as from memory. Fields are only ever appended.
struct Manifest {
  char magic[20];
  uint32_t size;
  uint16_t sdk_major, sdk_minor;
  char name[64];
  char version[32];
  uint8_t cxx11_abi;
  uint8_t glibcxx_debug;
  uint8_t address_sanitizer;
  uint8_t thread_sanitizer;
  uint16_t torch_major, torch_minor;  ///< 0.0 in the data plane
  char compiler[64];                  ///< for print only
  char standard_library[64];          ///< for print only
};

}  // namespace v1
}  // namespace orbweaver

// Facts of the compilation that includes this header.
#ifdef _GLIBCXX_USE_CXX11_ABI
#define ORBWEAVER_FACT_CXX11_ABI _GLIBCXX_USE_CXX11_ABI
#else
#define ORBWEAVER_FACT_CXX11_ABI 0
#endif
#ifdef _GLIBCXX_DEBUG
#define ORBWEAVER_FACT_GLIBCXX_DEBUG 1
#else
#define ORBWEAVER_FACT_GLIBCXX_DEBUG 0
#endif
#ifdef __SANITIZE_ADDRESS__
#define ORBWEAVER_FACT_ASAN 1
#else
#define ORBWEAVER_FACT_ASAN 0
#endif
#ifdef __SANITIZE_THREAD__
#define ORBWEAVER_FACT_TSAN 1
#else
#define ORBWEAVER_FACT_TSAN 0
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#undef ORBWEAVER_FACT_ASAN
#define ORBWEAVER_FACT_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#undef ORBWEAVER_FACT_TSAN
#define ORBWEAVER_FACT_TSAN 1
#endif
#endif
