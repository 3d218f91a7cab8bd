#include "dual_softmax.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("dual_softmax", "0.1.0", registrar) {
  registrar.add<orbweaver::Reranker, dual_softmax::DualSoftmaxReranker>(
      "dual_softmax", "Scores times their softmax over all queries (CAMoE, 2021); transductive");
}
