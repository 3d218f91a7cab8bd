#include "regions.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("regions", "0.1.0", registrar) {
  registrar.add<orbweaver::Detector, RegionsDetector>("regions", "Regions of even colour and texture; nothing trained");
}
