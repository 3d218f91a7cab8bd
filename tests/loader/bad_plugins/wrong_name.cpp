// The manifest says another name than the file.
#include "harmless.h"

ORBWEAVER_PLUGIN("another_name", "1.2.3", registrar) {
  registrar.add<orbweaver::GraphBuilder, Harmless>("wrong_name", "Not the name of its file");
}
