#include "qb_norm.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("qb_norm", "0.1.0", registrar) {
  registrar.add<orbweaver::Reranker, qb_norm::QbNormReranker>(
      "qb_norm", "Softmax over a bank of training queries, where a hub is near (QB-Norm, CVPR 2022); not transductive");
}
