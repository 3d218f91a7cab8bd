#include <limits>

#include "harmless.h"

namespace {

class ReturnsNan final : public Harmless {
 public:
  orbweaver::Graph build(const orbweaver::Scene&) const override {
    orbweaver::Graph graph{orbweaver::Matrix<float>(2, 1), orbweaver::Matrix<float>(2, 2), {"plane", "terminal"}, {}};
    graph.adjacency(1, 0) = std::numeric_limits<float>::quiet_NaN();
    return graph;
  }
};

}  // namespace

ORBWEAVER_PLUGIN("returns_nan", "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, ReturnsNan>("returns_nan", "Divides by zero somewhere");
}
