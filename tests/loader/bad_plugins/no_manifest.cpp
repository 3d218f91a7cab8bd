// A registration function without ORBWEAVER_PLUGIN, hence without a manifest.
#include "harmless.h"

extern "C" ORBWEAVER_API void orbweaver_register_plugin(orbweaver::Registrar& registrar) {
  registrar.add<orbweaver::GraphBuilder, Harmless>("no_manifest", "Says nothing about itself");
}
