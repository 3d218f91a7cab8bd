// A component that does not derive from the interface it is registered for.
#include <orbweaver/graph_builder.h>
#include <orbweaver/plugin.h>

namespace {
class Stranger {};
}  // namespace

ORBWEAVER_PLUGIN("stranger", "0.1.0", registrar) {
  registrar.add<orbweaver::GraphBuilder, Stranger>("stranger", "None of ours");
}
