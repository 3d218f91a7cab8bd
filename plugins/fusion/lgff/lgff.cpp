#include "lgff.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("lgff", "0.1.0", registrar) {
  registrar.add<orbweaver::Fusion, LgffFusion>(
      "lgff", "GraVLM's local-guided fusion: graph nodes look at the scene's tokens and modulate the scene level");
}
