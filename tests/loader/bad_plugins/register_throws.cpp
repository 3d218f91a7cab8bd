#include <stdexcept>

#include "harmless.h"

ORBWEAVER_PLUGIN("register_throws", "1.2.3", registrar) { throw std::runtime_error("the licence server is asleep"); }
