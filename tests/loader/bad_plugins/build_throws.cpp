#include <stdexcept>

#include "harmless.h"

namespace {

class BuildThrows final : public Harmless {
 public:
  orbweaver::Graph build(const orbweaver::Scene&) const override { throw std::out_of_range("no such object"); }
};

}  // namespace

ORBWEAVER_PLUGIN("build_throws", "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, BuildThrows>("build_throws", "Fails at work");
}
