#include "hgac.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("hgac", "0.1.0", registrar) {
  registrar.add<orbweaver::Loss, hgac::HgacLoss>(
      "hgac", "Graph-aligned contrastive loss: scene, object-entity and relation terms (GraVLM, TGRS 2026)");
}
