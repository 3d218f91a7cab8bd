// The code is good; what is wrong is how it is built (flags, versions, libraries), which CMakeLists.txt decides.
#include "harmless.h"

ORBWEAVER_PLUGIN(WITNESS_NAME, "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, Harmless>(WITNESS_NAME, "Built in the wrong way");
}
