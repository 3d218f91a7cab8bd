// Built once for each thing that a library can do while it is loaded and unloaded (CMakeLists.txt defines which).
#include <orbweaver/graph_builder.h>
#include <orbweaver/plugin.h>

#include <cstdlib>

namespace {

struct AtLoadAndExit {
#ifdef EXITS_WHEN_LOADED
  AtLoadAndExit() { std::exit(0); }
#endif
#ifdef CRASHES_AT_EXIT
  ~AtLoadAndExit() {
    volatile int* volatile nowhere = nullptr;
    *nowhere = 1;
  }
#endif
} at_load_and_exit;

class Empty final : public orbweaver::GraphBuilder {
 public:
  int64_t feature_width() const override { return 1; }
  orbweaver::Graph build(const orbweaver::Scene&) const override { return {}; }
};

}  // namespace

ORBWEAVER_PLUGIN(PLUGIN_NAME, "0.1.0", registrar) {
  registrar.add<orbweaver::GraphBuilder, Empty>("empty", "Graphs without nodes");
}
