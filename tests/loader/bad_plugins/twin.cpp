// Built twice, under two names: both register the same component.
#include "harmless.h"

ORBWEAVER_PLUGIN(WITNESS_NAME, "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, Harmless>("twin", "One of two");
}
