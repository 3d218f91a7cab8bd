#include "midf.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("midf", "0.1.0", registrar) {
  registrar.add<orbweaver::Fusion, MidfFusion>("midf", "GaLR's dynamic fusion of scene and object level by attention");
}
