#include <csignal>

#include "harmless.h"

namespace {

// A static constructor that crashes: the loader runs it before anybody can ask what this library is.
const int crash = std::raise(SIGSEGV);

}  // namespace

ORBWEAVER_PLUGIN("crashes", "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, Harmless>("crashes", "Crashes before it gets here");
}
