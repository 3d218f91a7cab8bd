// A reranker that takes its process with it.
#include <orbweaver/plugin.h>
#include <orbweaver/reranker.h>

#include <cstdio>
#include <cstdlib>

namespace {

class Aborts final : public orbweaver::Reranker {
 public:
  struct Params {
    static void describe(orbweaver::ParamSpec<Params>&) {}
  };
  explicit Aborts(Params) {}
  bool transductive() const override { return false; }
  orbweaver::Rankings rerank(const orbweaver::RerankInput&) const override {
    std::fputs("about to abort\n", stderr);
    std::abort();
  }
};

}  // namespace

ORBWEAVER_PLUGIN("aborts", "0.1.0", registrar) { registrar.add<orbweaver::Reranker, Aborts>("aborts", "Aborts"); }
