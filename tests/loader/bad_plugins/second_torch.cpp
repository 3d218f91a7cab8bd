// Needs a LibTorch library that is not the host's.
#include "harmless.h"

int second_torch_function();

namespace {

class UsesSecondTorch : public Harmless {
 public:
  int64_t feature_width() const override { return second_torch_function(); }
};

}  // namespace

ORBWEAVER_PLUGIN(WITNESS_NAME, "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, UsesSecondTorch>(WITNESS_NAME, "Brings a second LibTorch");
}
