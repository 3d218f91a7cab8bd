// The LibTorch that this build of Orbweaver is compiled against; free of LibTorch's headers.
#pragma once

#include <string>

namespace orbweaver {

struct LibtorchVersion {
  int major = 0, minor = 0;
  std::string text;  ///< "1.13.1"
};

LibtorchVersion libtorch_version();

}  // namespace orbweaver
