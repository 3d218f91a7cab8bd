// Calls a function that no library has.
#include "harmless.h"

namespace nowhere {
int missing_function(int);
}

namespace {

class CallsNothing : public Harmless {
 public:
  int64_t feature_width() const override { return nowhere::missing_function(1); }
};

}  // namespace

ORBWEAVER_PLUGIN("undefined_symbol", "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, CallsNothing>("undefined_symbol", "Lacks a function");
}
