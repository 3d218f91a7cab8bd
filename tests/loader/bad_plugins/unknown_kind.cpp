#include "harmless.h"

ORBWEAVER_PLUGIN("unknown_kind", "1.2.3", registrar) {
  registrar.add({"graph_bilder",
                 "unknown_kind",
                 "Of a kind that does not exist",
                 {},
                 [](const orbweaver::Value&, const orbweaver::Inputs*) { return std::make_shared<Harmless>(); }});
}
