// In place of what the readers' files take of LibTorch and OpenCV's decoders, for functions that no target calls: so
// the programs need neither.
#include "framework/data/image.h"
#include "framework/model/libtorch_version.h"

namespace orbweaver {

LibtorchVersion libtorch_version() { return {2, 0, "2.0.0"}; }
std::string image_fault(const std::filesystem::path&) { return "is not looked at here"; }
QuietDecoders::QuietDecoders() = default;
QuietDecoders::~QuietDecoders() = default;
void QuietDecoders::hold(bool) {}

}  // namespace orbweaver
