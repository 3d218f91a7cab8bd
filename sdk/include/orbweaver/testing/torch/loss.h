// What every loss must do (orbweaver/torch/loss.h), as properties.
#pragma once

#include <set>

#include "orbweaver/testing/torch/module.h"
#include "orbweaver/torch/loss.h"

namespace orbweaver::testing {
namespace detail {

/// A batch of six pairs: images 1 and 2 are one image with two captions, captions 0 and 4 have the same tokens.
struct LossTrial {
  std::shared_ptr<Loss> loss;
  Representation image, text;
  GraphBatch image_graphs, text_graphs;

  static at::Tensor image_ids() { return at::tensor({0, 1, 1, 2, 3, 4}, at::kLong); }
  static at::Tensor token_hashes() { return at::tensor({10, 11, 12, 13, 10, 15}, at::kLong); }

  /// The batch with those rows, in that order.
  LossInput batch(const at::Tensor& rows) const {
    LossInput out;
    out.image = rows_of(image, rows);
    out.text = rows_of(text, rows);
    out.scores = out.image.embedding.matmul(out.text.embedding.t());
    out.image_ids = image_ids().index_select(0, rows);
    out.token_hashes = token_hashes().index_select(0, rows);
    out.negatives = negative_mask(out.image_ids, out.token_hashes);
    out.image_graphs = graphs_of(image_graphs, rows);
    out.text_graphs = graphs_of(text_graphs, rows);
    return out;
  }
  LossInput whole() const { return batch(at::arange(6, at::kLong)); }

  at::Tensor total(const std::string& what, const LossInput& of) const {
    at::NoGradGuard no_grad;
    return call(what, [&] { return loss->forward(of).total; });
  }

 private:
  static GraphBatch graphs_of(const GraphBatch& graphs, const at::Tensor& rows) {
    std::vector<at::Tensor> columns;
    for (int64_t i = 0; i < rows.size(0); ++i) {
      const at::Tensor own = (graphs.relations[0] == rows[i]).nonzero().squeeze(1);
      at::Tensor edges = graphs.relations.index_select(1, own).clone();
      edges[0].fill_(i);
      columns.push_back(edges);
    }
    return {graphs.features.index_select(0, rows), graphs.adjacency.index_select(0, rows),
            graphs.mask.index_select(0, rows), graphs.labels.index_select(0, rows), at::cat(columns, 1)};
  }
};

inline LossTrial loss_trial(const Subject& subject, const Making& making,
                            const std::vector<int64_t>& sizes = sample_sizes()) {
  const Inputs inputs = sample_inputs(Side::image, making.dtype);
  LossTrial out;
  out.loss = make_model<Loss>(subject, inputs, making);
  out.image_graphs = sample_graphs(Side::image, making.dtype, sizes);
  out.text_graphs = sample_graphs(Side::text, making.dtype, sizes);
  out.image = only(sample_side(Side::image, making.dtype, out.image_graphs), out.loss->reads(), true);
  out.text = only(sample_side(Side::text, making.dtype, out.text_graphs), out.loss->reads(), true);
  return out;
}

inline std::vector<Trial> loss_trials(const Subject& subject, const Making& making) {
  const LossTrial one = loss_trial(subject, making);
  Trial trial{"forward", one.loss, parts_of(one.image, "image "), [one] {
                return NamedTensors{{"total", one.loss->forward(one.whole()).total}};
              }};
  for (auto& part : parts_of(one.text, "text ")) trial.inputs.push_back(part);
  return {trial};
}

inline void check_loss_shapes(const Subject& subject) {
  const LossTrial one = loss_trial(subject, {});
  const LossOutput out = call("forward", [&] { return one.loss->forward(one.whole()); });
  expect_tensor("forward: total", out.total, {});
  std::set<std::string> names;
  for (const auto& [name, part] : out.parts) {
    expect_tensor("forward: part \"" + name + "\"", part, {});
    if (name.empty() || !names.insert(name).second)
      fail("forward: a part is named \"", name, "\", expected one name each");
    if (!at::isfinite(part).item<bool>()) fail("forward: part \"", name, "\" is not finite");
  }
}

inline void expect_finite_total(const std::string& what, const at::Tensor& total) {
  expect_tensor(what + ": total", total, {});
  if (!at::isfinite(total).item<bool>()) fail(what, ": total is ", total.item<double>(), ", expected a finite number");
}

inline void check_loss_small(const Subject& subject) {
  const LossTrial one = loss_trial(subject, {});
  expect_finite_total("forward of a single pair",
                      one.total("forward of a single pair", one.batch(at::tensor({3}, at::kLong))));
  const std::string what = "forward of two captions of one image, which are no negatives,";
  expect_finite_total(what, one.total(what, one.batch(at::tensor({1, 2}, at::kLong))));
}

inline void check_loss_empty(const Subject& subject) {
  const LossTrial one = loss_trial(subject, {}, {0, 0, 0, 0, 0, 0});
  const std::string what = "forward of a batch whose graphs have no nodes";
  expect_finite_total(what, one.total(what, one.whole()));
}

inline void check_pair_order(const Subject& subject) {
  const LossTrial one = loss_trial(subject, {.dtype = at::kDouble});
  const at::Tensor wanted = one.total("forward", one.whole());
  for (int round = 0; round < 3; ++round)
    expect_close("forward of the pairs in another order: total",
                 one.total("forward of the pairs in another order", one.batch(at::randperm(6, at::kLong))), wanted,
                 1e-6);
}

inline void check_false_negatives(const Subject& subject) {
  const LossTrial one = loss_trial(subject, {.dtype = at::kDouble});
  const LossInput before = one.whole();
  const at::Tensor matches = at::eye(6, at::kLong).to(at::kBool);
  const at::Tensor no_negatives = before.negatives.logical_or(matches).logical_not();
  LossInput after = before;
  after.scores = before.scores + 0.3 * no_negatives.to(at::kDouble);
  const auto was = one.total("forward", before).item<double>(), is = one.total("forward", after).item<double>();
  if (is > was + 1e-9)
    fail("forward: the loss rises from ", was, " to ", is,
         " where an image comes closer to another caption of its own, or to one with the same tokens");
}

inline void check_better_scores(const Subject& subject) {
  const LossTrial one = loss_trial(subject, {.dtype = at::kDouble});
  LossInput before = one.whole(), after = before;
  const at::Tensor negatives = before.negatives.to(at::kDouble);
  at::Tensor other = before.scores.clone();
  after.scores = other + 0.2 * at::eye(6, at::kDouble) - 0.2 * negatives;
  const auto was = one.total("forward", before).item<double>(), is = one.total("forward", after).item<double>();
  if (is > was + 1e-9)
    fail("forward: the loss rises from ", was, " to ", is, " where matches score higher and negatives lower");
}

inline void check_loss_rank(const Subject& subject) {
  const LossTrial one = loss_trial(subject, {});
  LossInput batch = one.whole();
  const at::Tensor scores = batch.scores, right = one.total("forward", batch);
  batch.scores = scores * 0.5;
  if (at::equal(one.total("forward", batch), right)) skip("it reads no scores");
  const auto refuse = [&](const std::string& what, const at::Tensor& bad) {
    batch.scores = bad;
    expect_no_result(what, [&] {
      at::NoGradGuard no_grad;
      return one.loss->forward(batch).total.dim() == 0;
    });
  };
  refuse("scores [B, 1, B]", scores.unsqueeze(1));
  refuse("scores [B, B - 1]", scores.narrow(1, 0, 5));
}

}  // namespace detail

inline std::vector<Property> loss_properties() {
  using namespace detail;
  std::vector<Property> list = {
      {"shapes", "The total is a scalar, and so is every named part.", "end in mean() or sum()", check_loss_shapes},
      {"one", "A batch of one pair, and one without negatives, has a finite loss.",
       "leave out rows without negatives; look for a mean over nothing", check_loss_small},
      {"empty", "A batch whose graphs have no nodes has a finite loss.", "leave out pairs without graphs",
       check_loss_empty},
      {"pair_order", "The order of the pairs in a batch does not matter.", "treat every pair of the batch alike",
       check_pair_order},
      {"false_negatives", "A caption of the same image, or with the same tokens, never counts as a negative.",
       "leave out what LossInput::negatives does not allow", check_false_negatives},
      {"direction", "Where matches score higher and negatives lower, the loss does not rise.",
       "look for a wrong sign, or for rows and columns exchanged", check_better_scores},
      {"wrong_rank", "Scores of a wrong shape are refused.",
       "check that scores are [B, B], and throw orbweaver::ShapeError", check_loss_rank}};
  return with_module_properties(std::move(list), loss_trials, true);
}

}  // namespace orbweaver::testing
