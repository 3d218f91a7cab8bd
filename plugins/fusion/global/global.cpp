#include "global.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("global", "0.1.0", registrar) {
  registrar.add<orbweaver::Fusion, GlobalFusion>("global", "Projection head on the encoder's global vector");
}
