// A model-plane component that returns integers.
#include <ATen/ATen.h>
#include <orbweaver/plugin.h>
#include <orbweaver/torch/fusion.h>

namespace {

class WrongDtype final : public orbweaver::Fusion {
 public:
  explicit WrongDtype(const orbweaver::Inputs& inputs) : embed_dim_(inputs.embed_dim) {}
  at::Tensor forward(const orbweaver::Representation& side) override {
    return at::ones({side.global.size(0), embed_dim_}, side.global.options().dtype(at::kLong));
  }

 private:
  int64_t embed_dim_;
};

}  // namespace

ORBWEAVER_PLUGIN("wrong_dtype", "1.2.3", registrar) {
  registrar.add<orbweaver::Fusion, WrongDtype>("wrong_dtype", "Returns integers");
}
