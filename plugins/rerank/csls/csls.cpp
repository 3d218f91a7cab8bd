#include "csls.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("csls", "0.1.0", registrar) {
  registrar.add<orbweaver::Reranker, csls::CslsReranker>(
      "csls", "Scores less the mean of each neighbourhood (Conneau et al., ICLR 2018); transductive");
}
