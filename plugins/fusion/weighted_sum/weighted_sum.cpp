#include "weighted_sum.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("weighted_sum", "0.1.0", registrar) {
  registrar.add<orbweaver::Fusion, WeightedSumFusion>("weighted_sum", "Scene and object level summed at fixed weights");
}
