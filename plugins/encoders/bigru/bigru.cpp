#include "bigru.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("bigru", "0.1.0", registrar) {
  registrar.add<orbweaver::TextEncoder, BiGruEncoder>("bigru", "Word embedding and bidirectional GRU");
}
