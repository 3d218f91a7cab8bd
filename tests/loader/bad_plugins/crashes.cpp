#include "harmless.h"

namespace {

// A static constructor that reads from nowhere: the loader runs it before anybody can ask what this library is.
const volatile int* const nowhere = nullptr;
const int crash = *nowhere;

}  // namespace

ORBWEAVER_PLUGIN("crashes", "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, Harmless>("crashes", "Crashes before it gets here");
}
