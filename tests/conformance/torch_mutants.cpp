// Components of the model plane that are deliberately wrong, each in one way:
// what the conformance kit has to catch. Each mutant's id is the mistake;
// test_conformance.cpp names the property that must fail and the words.
#include <ATen/ATen.h>
#include <orbweaver/plugin.h>
#include <orbweaver/torch/fusion.h>
#include <orbweaver/torch/graph_encoder.h>
#include <orbweaver/torch/image_encoder.h>
#include <orbweaver/torch/interaction.h>
#include <orbweaver/torch/loss.h>
#include <orbweaver/torch/text_encoder.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace {

using at::Tensor;
using orbweaver::GraphBatch;
using orbweaver::Inputs;
using orbweaver::l2_normalize;
using orbweaver::LossInput;
using orbweaver::LossOutput;
using orbweaver::Parts;
using orbweaver::Representation;
using orbweaver::TokenBatch;
using orbweaver::Widths;
using torch::nn::Linear;

// --- fusions
// ---------------------------------------------------------------------------------------------------------

/// What all mutants of fusions are but for their one mistake: a linear layer on
/// the scene's vector.
class RightFusion : public orbweaver::Fusion {
 public:
  explicit RightFusion(const Inputs& inputs) {
    linear_ = register_module("linear", Linear(inputs.own().global, inputs.embed_dim));
  }
  Tensor forward(const Representation& side) override { return l2_normalize(linear_(side.global)); }

 protected:
  Linear linear_{nullptr};
};

class NotNormalised final : public RightFusion {
 public:
  using RightFusion::RightFusion;
  Tensor forward(const Representation& side) override { return linear_(side.global); }
};

class ReadsInSecret final : public RightFusion {
 public:
  explicit ReadsInSecret(const Inputs& inputs) : RightFusion(inputs) {
    local_ = register_module("local", Linear(inputs.own().local, inputs.embed_dim));
  }
  Tensor forward(const Representation& side) override {
    return l2_normalize(linear_(side.global) + local_(side.local));
  }

 private:
  Linear local_{nullptr};
};

class CentresTheBatch final : public RightFusion {
 public:
  using RightFusion::RightFusion;
  Tensor forward(const Representation& side) override {
    return l2_normalize(linear_(side.global - side.global.mean(0, /*keepdim=*/true) * 0.5));
  }
};

/// The scene and the mean of its nodes.
class NodesFusion : public RightFusion {
 public:
  explicit NodesFusion(const Inputs& inputs) : RightFusion(inputs) {
    nodes_ = register_module("nodes", Linear(inputs.own().nodes, inputs.embed_dim));
  }
  Parts reads() const override { return {.global = true, .nodes = true}; }
  Tensor forward(const Representation& side) override { return l2_normalize(linear_(side.global) + pooled(side)); }

 protected:
  virtual Tensor pooled(const Representation& side) {
    const Tensor mask = side.node_mask.unsqueeze(-1).to(side.nodes.scalar_type());
    return (nodes_(side.nodes) * mask).sum(1) / mask.sum(1).clamp_min(1);
  }
  Linear nodes_{nullptr};
};

class CountsPadding final : public NodesFusion {
 public:
  using NodesFusion::NodesFusion;

 private:
  Tensor pooled(const Representation& side) override { return nodes_(side.nodes.mean(1)); }
};

class ReadsTheFirstNode final : public NodesFusion {
 public:
  using NodesFusion::NodesFusion;

 private:
  Tensor pooled(const Representation& side) override { return nodes_(side.nodes.select(1, 0)); }
};

class DividesByNoNodes final : public NodesFusion {
 public:
  using NodesFusion::NodesFusion;

 private:
  Tensor pooled(const Representation& side) override {
    const Tensor mask = side.node_mask.unsqueeze(-1).to(side.nodes.scalar_type());
    return (nodes_(side.nodes) * mask).sum(1) / mask.sum(1);
  }
};

class FlattensAnything final : public RightFusion {
 public:
  using RightFusion::RightFusion;
  Tensor forward(const Representation& side) override { return l2_normalize(linear_(side.global.flatten(1))); }
};

class WritesIntoItsInput final : public RightFusion {
 public:
  using RightFusion::RightFusion;
  Tensor forward(const Representation& side) override {
    at::NoGradGuard no_grad;
    Tensor global = side.global;
    global.mul_(0.5);
    return RightFusion::forward(side);
  }
};

class DropsInEvaluation final : public RightFusion {
 public:
  using RightFusion::RightFusion;
  Tensor forward(const Representation& side) override {
    return l2_normalize(at::dropout(linear_(side.global), 0.3, /*train=*/true));
  }
};

class CountsInEvaluation final : public RightFusion {
 public:
  explicit CountsInEvaluation(const Inputs& inputs) : RightFusion(inputs) {
    seen_ = register_buffer("seen", at::zeros({1}));
  }
  Tensor forward(const Representation& side) override {
    seen_.add_(1);
    return RightFusion::forward(side);
  }

 private:
  Tensor seen_;
};

class HiddenModule final : public RightFusion {
 public:
  explicit HiddenModule(const Inputs& inputs) : RightFusion(inputs) {
    own_ = Linear(inputs.own().global, inputs.embed_dim);  // not registered
  }
  Tensor forward(const Representation& side) override {
    own_->to(side.global.scalar_type());
    return l2_normalize(linear_(side.global) + own_(side.global));
  }

 private:
  Linear own_{nullptr};
};

class AlwaysFloat final : public RightFusion {
 public:
  using RightFusion::RightFusion;
  Tensor forward(const Representation& side) override { return RightFusion::forward(side).to(at::kFloat); }
};

class UnusedParameter final : public RightFusion {
 public:
  explicit UnusedParameter(const Inputs& inputs) : RightFusion(inputs) {
    left_over_ = register_module("left_over", Linear(2, 2));
  }

 private:
  Linear left_over_{nullptr};
};

class DetachesItsInput final : public RightFusion {
 public:
  using RightFusion::RightFusion;
  Tensor forward(const Representation& side) override { return l2_normalize(linear_(side.global.detach())); }
};

/// The value of x * x with the gradient of x.
class WrongGradient final : public RightFusion {
 public:
  using RightFusion::RightFusion;
  Tensor forward(const Representation& side) override {
    const Tensor x = linear_(side.global);
    return l2_normalize(x + (x * x - x).detach());
  }
};

// --- graph encoders
// --------------------------------------------------------------------------------------------------

class RightGraphEncoder : public orbweaver::GraphEncoder {
 public:
  explicit RightGraphEncoder(const Inputs& inputs) {
    linear_ = register_module("linear", Linear(inputs.node_features(), width));
  }
  Widths outputs() const override { return {.nodes = width, .local = width}; }
  Representation forward(const GraphBatch& graphs) override {
    const Tensor mask = graphs.mask.unsqueeze(-1).to(graphs.features.scalar_type());
    Representation out;
    out.nodes = linear_(graphs.features) * mask;
    out.nodes = out.nodes + graphs.adjacency.matmul(out.nodes);
    out.node_mask = graphs.mask;
    out.local = out.nodes.sum(1) / mask.sum(1).clamp_min(1);
    return out;
  }

 protected:
  static constexpr int64_t width = 6;
  Linear linear_{nullptr};
};

class SpeaksAtPadding final : public RightGraphEncoder {
 public:
  using RightGraphEncoder::RightGraphEncoder;
  Representation forward(const GraphBatch& graphs) override {
    Representation out = RightGraphEncoder::forward(graphs);
    out.nodes = linear_(graphs.features);
    return out;
  }
};

class OtherWidth final : public RightGraphEncoder {
 public:
  using RightGraphEncoder::RightGraphEncoder;
  Widths outputs() const override { return {.nodes = width, .local = width + 1}; }
};

class EmptyIsNan final : public RightGraphEncoder {
 public:
  using RightGraphEncoder::RightGraphEncoder;
  Representation forward(const GraphBatch& graphs) override {
    Representation out = RightGraphEncoder::forward(graphs);
    out.local = out.nodes.sum(1) / graphs.mask.sum(1, /*keepdim=*/true);
    return out;
  }
};

class MeanOverPlaces final : public RightGraphEncoder {
 public:
  using RightGraphEncoder::RightGraphEncoder;
  Representation forward(const GraphBatch& graphs) override {
    Representation out = RightGraphEncoder::forward(graphs);
    out.local = out.nodes.mean(1);
    return out;
  }
};

class PlaceCounts final : public RightGraphEncoder {
 public:
  using RightGraphEncoder::RightGraphEncoder;
  Representation forward(const GraphBatch& graphs) override {
    Representation out = RightGraphEncoder::forward(graphs);
    const Tensor places = at::arange(out.nodes.size(1), out.nodes.options().requires_grad(false)) + 1;
    out.local = (out.nodes * places.view({1, -1, 1})).sum(1);
    return out;
  }
};

// --- image encoders
// --------------------------------------------------------------------------------------------------

class RightImageEncoder : public orbweaver::ImageEncoder {
 public:
  RightImageEncoder() { linear_ = register_module("linear", Linear(3, 5)); }
  orbweaver::ImageInput input() const override { return {.height = 8, .width = 8}; }
  Widths outputs() const override { return {.global = 5}; }
  Representation forward(const Tensor& images) override {
    Representation out;
    out.global = linear_(images.mean({2, 3}));
    return out;
  }

 protected:
  Linear linear_{nullptr};
};

class DeclaresTokens final : public RightImageEncoder {
 public:
  Widths outputs() const override { return {.global = 5, .tokens = 5}; }
};

class SqueezesTheBatch final : public RightImageEncoder {
 public:
  Representation forward(const Tensor& images) override {
    Representation out;
    out.global = linear_(images.mean({2, 3})).squeeze();
    return out;
  }
};

// --- text encoders
// ---------------------------------------------------------------------------------------------------

class RightTextEncoder : public orbweaver::TextEncoder {
 public:
  void fit(std::span<const std::string> texts) override {
    for (const std::string& text : texts) learn(text);
    make_table();
  }
  std::string extra_state() const override {
    std::string out;
    for (const auto& [word, id] : ids_) out += word + " " + std::to_string(id) + "\n";
    return out;
  }
  void load_extra_state(std::string_view state) override {
    std::istringstream lines{std::string(state)};
    int64_t id = 0;
    for (std::string word; lines >> word >> id;) ids_[word] = id;
    make_table();
  }
  Widths outputs() const override { return {.global = 6}; }
  std::vector<int64_t> tokenize(const std::string& text) const override {
    std::vector<int64_t> out;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      const auto known = ids_.find(word);
      out.push_back(known == ids_.end() ? 1 : known->second);
    }
    if (out.empty()) out.push_back(1);
    return out;
  }
  Representation forward(const TokenBatch& tokens) override {
    const Tensor mask = tokens.ids.gt(0).unsqueeze(-1).to(table_->weight.scalar_type());
    Representation out;
    out.global = (table_(tokens.ids) * mask).sum(1) / mask.sum(1);
    return out;
  }

 protected:
  void learn(const std::string& text) {
    std::istringstream words(text);
    for (std::string word; words >> word;) ids_.emplace(word, static_cast<int64_t>(ids_.size()) + 2);
  }
  void make_table() {
    table_ = register_module("table", torch::nn::Embedding(static_cast<int64_t>(ids_.size()) + 2, 6));
  }
  std::map<std::string, int64_t> ids_;
  torch::nn::Embedding table_{nullptr};
};

class NothingForNothing final : public RightTextEncoder {
 public:
  std::vector<int64_t> tokenize(const std::string& text) const override {
    return text.empty() ? std::vector<int64_t>{} : RightTextEncoder::tokenize(text);
  }
};

class ReadsPadding final : public RightTextEncoder {
 public:
  Representation forward(const TokenBatch& tokens) override {
    Representation out;
    out.global = table_(tokens.ids).mean(1);
    return out;
  }
};

class ForgetsItsWords final : public RightTextEncoder {
 public:
  std::string extra_state() const override { return std::to_string(ids_.size()); }
  void load_extra_state(std::string_view state) override {
    for (int i = 0; i < std::stoi(std::string(state)); ++i) ids_.emplace("word" + std::to_string(i), i + 2);
    make_table();
  }
};

// --- interactions
// ----------------------------------------------------------------------------------------------------

class RightInteraction : public orbweaver::Interaction {
 public:
  explicit RightInteraction(const Inputs& inputs) {
    image_ = register_module("image", Linear(inputs.image.global, 7));
    text_ = register_module("text", Linear(inputs.text.global, 7));
  }
  Parts reads() const override { return {.global = true}; }
  Tensor score_pairs(const Representation& images, const Representation& texts, const Tensor& pairs) override {
    return (image_(images.global).index_select(0, pairs.select(1, 0)) *
            text_(texts.global).index_select(0, pairs.select(1, 1)))
        .sum(1);
  }
  Tensor score_all(const Representation& images, const Representation& texts, int64_t) override {
    return image_(images.global).matmul(text_(texts.global).t());
  }

 protected:
  Linear image_{nullptr}, text_{nullptr};
};

class ColumnOfScores final : public RightInteraction {
 public:
  using RightInteraction::RightInteraction;
  Tensor score_pairs(const Representation& images, const Representation& texts, const Tensor& pairs) override {
    return RightInteraction::score_pairs(images, texts, pairs).unsqueeze(1);
  }
};

class SoftmaxOverTheList final : public RightInteraction {
 public:
  using RightInteraction::RightInteraction;
  Tensor score_pairs(const Representation& images, const Representation& texts, const Tensor& pairs) override {
    return RightInteraction::score_pairs(images, texts, pairs).softmax(0);
  }
};

class CentresTheGallery final : public RightInteraction {
 public:
  using RightInteraction::RightInteraction;
  Tensor score_pairs(const Representation& images, const Representation& texts, const Tensor& pairs) override {
    Representation centred = images;
    centred.global = images.global - images.global.mean(0, /*keepdim=*/true);
    return RightInteraction::score_pairs(centred, texts, pairs);
  }
};

class OtherScoreAll final : public RightInteraction {
 public:
  using RightInteraction::RightInteraction;
  Tensor score_all(const Representation& images, const Representation& texts, int64_t chunk) override {
    return RightInteraction::score_all(images, texts, chunk) / 7;
  }
};

// --- losses
// ----------------------------------------------------------------------------------------------------------

class RightLoss : public orbweaver::Loss {
 public:
  LossOutput forward(const LossInput& batch) override {
    const int64_t count = batch.scores.size(0);
    if (batch.scores.dim() != 2 || batch.scores.size(1) != count) throw orbweaver::ShapeError("scores are not square");
    return {total(batch), {}};
  }

 protected:
  /// Symmetric cross-entropy; what is no negative is left out.
  virtual Tensor total(const LossInput& batch) { return cross_entropy(batch, batch.negatives); }

  static Tensor cross_entropy(const LossInput& batch, const Tensor& negatives) {
    const Tensor kept = negatives.logical_or(at::eye(negatives.size(0), negatives.options()));
    const Tensor logits = (5 * batch.scores).masked_fill(kept.logical_not(), -1e9);
    return -(logits.log_softmax(0).diagonal().mean() + logits.log_softmax(1).diagonal().mean());
  }
};

class RowOfLosses final : public RightLoss {
  Tensor total(const LossInput& batch) override { return -(5 * batch.scores).log_softmax(1).diagonal(); }
};

class MeanOverNegatives final : public RightLoss {
  Tensor total(const LossInput& batch) override {
    const Tensor negatives = batch.negatives.to(batch.scores.scalar_type());
    return (batch.scores * negatives).sum() / negatives.sum() - batch.scores.diagonal().mean();
  }
};

class FirstPairAlone final : public RightLoss {
  Tensor total(const LossInput& batch) override { return RightLoss::total(batch) - batch.scores[0][0]; }
};

class IgnoresTheMask final : public RightLoss {
  Tensor total(const LossInput& batch) override { return cross_entropy(batch, at::ones_like(batch.negatives)); }
};

class WrongSign final : public RightLoss {
  Tensor total(const LossInput& batch) override { return -RightLoss::total(batch); }
};

class TakesAnyShape final : public orbweaver::Loss {
 public:
  LossOutput forward(const LossInput& batch) override { return {-batch.scores.flatten(1).diagonal().mean(), {}}; }
};

template <class Interface, class T>
void add(orbweaver::Registrar& registrar, const char* id) {
  registrar.add<Interface, T>(id, "Wrong in one way");
}

}  // namespace

ORBWEAVER_PLUGIN("torch_mutants", "0.1.0", registrar) {
  using orbweaver::Fusion, orbweaver::GraphEncoder, orbweaver::ImageEncoder, orbweaver::Interaction, orbweaver::Loss,
      orbweaver::TextEncoder;
  add<Fusion, RightFusion>(registrar, "right");
  add<Fusion, NodesFusion>(registrar, "right_with_nodes");
  add<Fusion, ReadsInSecret>(registrar, "reads_in_secret");
  add<Fusion, NotNormalised>(registrar, "not_normalised");
  add<Fusion, CentresTheBatch>(registrar, "centres_the_batch");
  add<Fusion, CountsPadding>(registrar, "counts_padding");
  add<Fusion, ReadsTheFirstNode>(registrar, "reads_the_first_node");
  add<Fusion, DividesByNoNodes>(registrar, "divides_by_no_nodes");
  add<Fusion, FlattensAnything>(registrar, "flattens_anything");
  add<Fusion, WritesIntoItsInput>(registrar, "writes_into_its_input");
  add<Fusion, DropsInEvaluation>(registrar, "drops_in_evaluation");
  add<Fusion, CountsInEvaluation>(registrar, "counts_in_evaluation");
  add<Fusion, HiddenModule>(registrar, "hidden_module");
  add<Fusion, AlwaysFloat>(registrar, "always_float");
  add<Fusion, UnusedParameter>(registrar, "unused_parameter");
  add<Fusion, DetachesItsInput>(registrar, "detaches_its_input");
  add<Fusion, WrongGradient>(registrar, "wrong_gradient");

  add<GraphEncoder, RightGraphEncoder>(registrar, "right");
  add<GraphEncoder, SpeaksAtPadding>(registrar, "speaks_at_padding");
  add<GraphEncoder, OtherWidth>(registrar, "other_width");
  add<GraphEncoder, EmptyIsNan>(registrar, "empty_is_nan");
  add<GraphEncoder, MeanOverPlaces>(registrar, "mean_over_places");
  add<GraphEncoder, PlaceCounts>(registrar, "place_counts");

  add<ImageEncoder, RightImageEncoder>(registrar, "right");
  add<ImageEncoder, DeclaresTokens>(registrar, "declares_tokens");
  add<ImageEncoder, SqueezesTheBatch>(registrar, "squeezes_the_batch");

  add<TextEncoder, RightTextEncoder>(registrar, "right");
  add<TextEncoder, NothingForNothing>(registrar, "nothing_for_nothing");
  add<TextEncoder, ReadsPadding>(registrar, "reads_padding");
  add<TextEncoder, ForgetsItsWords>(registrar, "forgets_its_words");

  add<Interaction, RightInteraction>(registrar, "right");
  add<Interaction, ColumnOfScores>(registrar, "column_of_scores");
  add<Interaction, SoftmaxOverTheList>(registrar, "softmax_over_the_list");
  add<Interaction, CentresTheGallery>(registrar, "centres_the_gallery");
  add<Interaction, OtherScoreAll>(registrar, "other_score_all");

  add<Loss, RightLoss>(registrar, "right");
  add<Loss, RowOfLosses>(registrar, "row_of_losses");
  add<Loss, MeanOverNegatives>(registrar, "mean_over_negatives");
  add<Loss, FirstPairAlone>(registrar, "first_pair_alone");
  add<Loss, IgnoresTheMask>(registrar, "ignores_the_mask");
  add<Loss, WrongSign>(registrar, "wrong_sign");
  add<Loss, TakesAnyShape>(registrar, "takes_any_shape");
}
