#include "graph_match.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("graph_match", "0.1.0", registrar) {
  registrar.add<orbweaver::Interaction, graph_match::GraphMatch>(
      "graph_match", "Entities and relations of a caption looked for in the image's graph");
}
