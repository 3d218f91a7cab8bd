#include "mvsa.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("mvsa", "0.1.0", registrar) {
  registrar.add<orbweaver::ImageEncoder, MvsaEncoder>(
      "mvsa", "ResNet with multi-level visual self-attention, the global branch of GaLR and AMFMN");
}
