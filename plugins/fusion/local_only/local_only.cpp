#include "local_only.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("local_only", "0.1.0", registrar) {
  registrar.add<orbweaver::Fusion, LocalOnlyFusion>("local_only", "The object level alone, on the sides that have one");
}
