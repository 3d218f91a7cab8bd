#include "erg.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("erg", "0.1.0", registrar) {
  registrar.add<orbweaver::GraphBuilder, erg::ErgGraph>(
      "erg", "GraVLM's entity relation graph: what a caption names and how these things stand to each other");
}
