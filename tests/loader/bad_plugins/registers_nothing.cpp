#include "harmless.h"

ORBWEAVER_PLUGIN("registers_nothing", "1.2.3", registrar) {}
