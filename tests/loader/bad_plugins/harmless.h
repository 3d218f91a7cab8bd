// A graph builder that does nothing wrong, for plugins that are bad in another way.
#pragma once

#include <orbweaver/graph_builder.h>
#include <orbweaver/plugin.h>

#include "../witness.h"

namespace {

class Harmless : public orbweaver::GraphBuilder {
 public:
  int64_t feature_width() const override { return 1; }
  orbweaver::Graph build(const orbweaver::Scene&) const override { return {}; }
};

}  // namespace
