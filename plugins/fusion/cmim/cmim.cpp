#include "cmim.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("cmim", "0.1.0", registrar) {
  registrar.add<orbweaver::Interaction, CmimInteraction>(
      "cmim", "GraVLM's cross-modal interaction: image and word tokens attend to each other before the cosine");
}
