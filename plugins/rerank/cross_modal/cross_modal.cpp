#include "cross_modal.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("cross_modal", "0.1.0", registrar) {
  registrar.add<orbweaver::Reranker, cross_modal::CrossModalReranker>(
      "cross_modal", "MTFN's rerank: the k best by the query's rank in each item's reverse list");
}
