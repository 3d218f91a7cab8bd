// Compiles: shows that the others fail for their own reason and not for a wrong include path.
#include <orbweaver/graph_builder.h>
#include <orbweaver/plugin.h>

namespace {
struct Params {
  double radius = 0.25;
  static void describe(orbweaver::ParamSpec<Params>& p) { p.field("radius", &Params::radius, "A radius"); }
};
class Right final : public orbweaver::GraphBuilder {
 public:
  using Params = ::Params;
  explicit Right(Params) {}
  int64_t feature_width() const override { return 1; }
};
}  // namespace

ORBWEAVER_PLUGIN("right", "0.1.0", registrar) {
  registrar.add<orbweaver::GraphBuilder, Right>("right", "As it should be");
}
