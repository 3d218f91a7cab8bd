#include "harmless.h"

namespace {

/// Two labels, three rows of features.
class WrongShape final : public Harmless {
 public:
  orbweaver::Graph build(const orbweaver::Scene&) const override {
    return {orbweaver::Matrix<float>(3, 1), orbweaver::Matrix<float>(2, 2), {"plane", "terminal"}, {}};
  }
};

}  // namespace

ORBWEAVER_PLUGIN("wrong_shape", "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, WrongShape>("wrong_shape", "Returns too many features");
}
