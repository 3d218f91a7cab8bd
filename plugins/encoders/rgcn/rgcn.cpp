#include "rgcn.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("rgcn", "0.1.0", registrar) {
  registrar.add<orbweaver::GraphEncoder, rgcn::RgcnEncoder>(
      "rgcn", "Relational graph convolutions over named, directed relations (Schlichtkrull et al., ESWC 2018)");
}
