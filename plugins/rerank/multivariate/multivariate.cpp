#include "multivariate.h"

#include "orbweaver/plugin.h"

ORBWEAVER_PLUGIN("multivariate", "0.1.0", registrar) {
  registrar.add<orbweaver::Reranker, multivariate::MultivariateReranker>(
      "multivariate", "MR of GaLR (TGRS 2022, Eq. 25-30): forward rank, reverse rank and the candidate's share");
}
