// Needs a library that needs a LibTorch library that is not the host's.
#include "harmless.h"

int helper_function();

namespace {

class UsesHelper : public Harmless {
 public:
  int64_t feature_width() const override { return helper_function(); }
};

}  // namespace

ORBWEAVER_PLUGIN(WITNESS_NAME, "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, UsesHelper>(WITNESS_NAME, "Brings a second LibTorch through a helper");
}
