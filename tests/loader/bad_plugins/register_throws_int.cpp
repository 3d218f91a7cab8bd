// Throws something that is no std::exception.
#include "harmless.h"

ORBWEAVER_PLUGIN("register_throws_int", "1.2.3", registrar) { throw 42; }
