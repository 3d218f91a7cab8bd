#include "harmless.h"

namespace {

class ConstructorThrows final : public Harmless {
 public:
  ConstructorThrows() { throw orbweaver::InputError("the vocabulary is empty"); }
};

}  // namespace

ORBWEAVER_PLUGIN("constructor_throws", "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, ConstructorThrows>("constructor_throws", "Cannot be made");
}
