#include "inverted_softmax.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("inverted_softmax", "0.1.0", registrar) {
  registrar.add<orbweaver::Reranker, inverted_softmax::InvertedSoftmaxReranker>(
      "inverted_softmax",
      "Scores as shares of each item's softmax over all queries (Smith et al., ICLR 2017); transductive");
}
