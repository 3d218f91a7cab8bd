// Real parameters are double: a float would lose the digits that a config states.
#include <orbweaver/params.h>

namespace {
struct Params {
  float radius = 0.25f;
  static void describe(orbweaver::ParamSpec<Params>& p) { p.field("radius", &Params::radius, "A radius"); }
};
}  // namespace

int main() { return static_cast<int>(orbweaver::schema_of<Params>().fields.size()); }
