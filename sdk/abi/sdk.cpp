// What liborbweaver_sdk's record is made of, for sdk/abi/guard.sh: its own sources, and the types that they name only
// inside a standard type (std::span<const Object>), of which the record holds no more than the name, or not at all.
#include <cstddef>

#include "orbweaver/image_input.h"
#include "orbweaver/manifest.h"
#include "src/interfaces.cpp"
#include "src/params.cpp"
#include "src/value.cpp"

#define CROSSES(type) \
  extern "C" ORBWEAVER_API void type##_crosses(::orbweaver::type&) {}

CROSSES(Attribute)
CROSSES(ImageInput)
CROSSES(Object)
CROSSES(Problem)
CROSSES(Relation)
CROSSES(Triple)

// Manifests of older plugins are read from their files, so fields are appended and never moved.
using orbweaver::Manifest;
static_assert(offsetof(Manifest, size) == 20 && offsetof(Manifest, sdk_major) == 24 &&
                  offsetof(Manifest, sdk_minor) == 26 && offsetof(Manifest, name) == 28 &&
                  offsetof(Manifest, version) == 92 && offsetof(Manifest, cxx11_abi) == 124 &&
                  offsetof(Manifest, glibcxx_debug) == 125 && offsetof(Manifest, address_sanitizer) == 126 &&
                  offsetof(Manifest, thread_sanitizer) == 127 && offsetof(Manifest, torch_major) == 128 &&
                  offsetof(Manifest, torch_minor) == 130 && offsetof(Manifest, compiler) == 132 &&
                  offsetof(Manifest, standard_library) == 196 && sizeof(Manifest) >= 260,
              "a field of the manifest has moved: no host could read the plugins that exist");
