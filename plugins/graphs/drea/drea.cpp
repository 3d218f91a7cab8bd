#include "drea.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("drea", "0.1.0", registrar) {
  registrar.add<orbweaver::GraphBuilder, drea::DreaGraph>(
      "drea",
      "GaLR's object graph (TGRS 2022, Eq. 12-18): edges by distance, close objects merged, large ones enhanced");
}
