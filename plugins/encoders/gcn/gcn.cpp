#include "gcn.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("gcn", "0.1.0", registrar) {
  registrar.add<orbweaver::GraphEncoder, gcn::GcnEncoder>(
      "gcn", "Graph convolutions over the weighted adjacency (GaLR, TGRS 2022, Eq. 11; Kipf and Welling, ICLR 2017)");
}
