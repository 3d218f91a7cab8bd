#include "sog.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("sog", "0.1.0", registrar) {
  registrar.add<orbweaver::GraphBuilder, sog::SpatialObjectGraph>(
      "sog",
      "GraVLM's spatial object graph (TGRS 2026): objects or classes, their distances, and relations from boxes");
}
