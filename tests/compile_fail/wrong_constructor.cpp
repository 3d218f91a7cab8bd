// A component that cannot be constructed from its parameters.
#include <orbweaver/graph_builder.h>
#include <orbweaver/plugin.h>

namespace {
class NeedsMore final : public orbweaver::GraphBuilder {
 public:
  explicit NeedsMore(int, int) {}
  int64_t feature_width() const override { return 1; }
};
}  // namespace

ORBWEAVER_PLUGIN("needs_more", "0.1.0", registrar) {
  registrar.add<orbweaver::GraphBuilder, NeedsMore>("needs_more", "Too curious");
}
