#include "info_nce.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("info_nce", "0.1.0", registrar) {
  registrar.add<orbweaver::Loss, InfoNceLoss>("info_nce", "Symmetric cross-entropy at a learnable temperature");
}
