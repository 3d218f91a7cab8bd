#include "framework/model/libtorch_version.h"

#include <torch/version.h>

namespace orbweaver {

LibtorchVersion libtorch_version() { return {TORCH_VERSION_MAJOR, TORCH_VERSION_MINOR, TORCH_VERSION}; }

}  // namespace orbweaver
