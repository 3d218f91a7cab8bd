// What every interaction must do (orbweaver/torch/interaction.h), as properties.
#pragma once

#include "orbweaver/testing/torch/module.h"
#include "orbweaver/torch/interaction.h"

namespace orbweaver::testing {
namespace detail {

/// An interaction with the sample: six images, the first four of six texts.
struct PairTrial {
  std::shared_ptr<Interaction> interaction;
  Representation images, texts;

  at::Tensor pairs(const Representation& of_images, const Representation& of_texts, const at::Tensor& which,
                   const std::string& what = "score_pairs") const {
    return call(what, [&] { return interaction->score_pairs(of_images, of_texts, which); });
  }
  /// Scores of all pairs, [6, 4].
  at::Tensor all_by_pairs(const Representation& of_images, const Representation& of_texts) const {
    at::NoGradGuard no_grad;
    return pairs(of_images, of_texts, every_pair()).view({6, 4});
  }
  static at::Tensor every_pair() {
    const at::Tensor flat = at::arange(24, at::kLong);
    return at::stack({flat.div(4, "floor"), flat.remainder(4)}, 1);
  }
};

inline PairTrial pair_trial(const Subject& subject, const Making& making) {
  const Inputs inputs = sample_inputs(Side::image, making.dtype);
  const auto interaction = make_model<Interaction>(subject, inputs, making);
  const auto side = [&](Side which) {
    return only(sample_side(which, making.dtype, sample_graphs(which, making.dtype)), interaction->reads(), true);
  };
  const Representation images = side(Side::image);
  return {interaction, images, rows_of(side(Side::text), at::arange(4, at::kLong))};
}

/// What gradients have to reach: the parts that are read, and the embeddings where these are all that is given.
inline NamedTensors parts_read(const Representation& side, const std::string& prefix) {
  NamedTensors parts = parts_of(side, prefix);
  if (parts.size() > 1) std::erase_if(parts, [&](const auto& part) { return part.first == prefix + "embedding"; });
  return parts;
}

inline std::vector<Trial> interaction_trials(const Subject& subject, const Making& making) {
  const PairTrial one = pair_trial(subject, making);
  Trial trial{"score_pairs", one.interaction, parts_read(one.images, "image "), [one] {
                const at::Tensor scores = one.interaction->score_pairs(one.images, one.texts, PairTrial::every_pair());
                return NamedTensors{{"scores", scores}};
              }};
  for (auto& part : parts_read(one.texts, "text ")) trial.inputs.push_back(part);
  return {trial};
}

inline void check_pair_shapes(const Subject& subject) {
  const PairTrial one = pair_trial(subject, {});
  for (const int64_t count : {24, 3, 1}) {
    const at::Tensor which = PairTrial::every_pair().narrow(0, 0, count);
    expect_tensor(text("score_pairs of ", count, " pairs"), one.pairs(one.images, one.texts, which), {count});
  }
  expect_tensor("score_pairs of no pair", one.pairs(one.images, one.texts, at::zeros({0, 2}, at::kLong)), {0});
}

inline void check_pair_independence(const Subject& subject) {
  at::NoGradGuard no_grad;
  const PairTrial one = pair_trial(subject, {});
  const at::Tensor all = one.all_by_pairs(one.images, one.texts);
  const at::Tensor order = at::randperm(24, at::kLong).narrow(0, 0, 17);
  const at::Tensor which =
      at::cat({PairTrial::every_pair().index_select(0, order), at::tensor({5, 3, 5, 3}, at::kLong).view({2, 2})});
  const at::Tensor wanted = at::cat({all.flatten().index_select(0, order), all[5][3].expand({2})});
  expect_close("score_pairs of some of the pairs, in another order and one of them twice",
               one.pairs(one.images, one.texts, which), wanted);
}

inline void check_pair_items(const Subject& subject) {
  at::NoGradGuard no_grad;
  const PairTrial one = pair_trial(subject, {});
  const at::Tensor all = one.all_by_pairs(one.images, one.texts);
  for (const auto& [image, caption] : {std::pair<int64_t, int64_t>{0, 0}, {1, 2}, {4, 1}, {2, 3}}) {
    const at::Tensor alone =
        one.pairs(rows_of(one.images, at::tensor({image}, at::kLong)),
                  rows_of(one.texts, at::tensor({caption}, at::kLong)), at::zeros({1, 2}, at::kLong));
    expect_close(text("score of image ", image, " and text ", caption, " without the others"), alone,
                 all[image][caption].view({1}));
  }
}

inline void check_score_all(const Subject& subject) {
  at::NoGradGuard no_grad;
  const PairTrial one = pair_trial(subject, {});
  const at::Tensor wanted = one.all_by_pairs(one.images, one.texts);
  for (const int64_t chunk : {1, 5, 1000}) {
    const std::string what = text("score_all in chunks of ", chunk);
    const at::Tensor scores = call(what, [&] { return one.interaction->score_all(one.images, one.texts, chunk); });
    expect_tensor(what, scores, {6, 4});
    expect_close(what + ", against score_pairs of all pairs,", scores, wanted);
  }
}

inline void check_pair_padding(const Subject& subject) {
  const PairTrial one = pair_trial(subject, {});
  if (!one.texts.token_mask.defined() && !one.texts.node_mask.defined()) skip("it reads nothing that has padding");
  expect_close("score_pairs with three more places of padding",
               one.all_by_pairs(padded(one.images, 3), padded(one.texts, 3)), one.all_by_pairs(one.images, one.texts));
}

inline void check_pair_node_order(const Subject& subject) {
  const PairTrial one = pair_trial(subject, {});
  if (!one.images.nodes.defined()) skip("it reads no nodes");
  const auto [image_order, image_place] = node_permutation(one.images.nodes.size(1));
  const auto [text_order, text_place] = node_permutation(one.texts.nodes.size(1));
  expect_close("score_pairs with the nodes in another order",
               one.all_by_pairs(with_nodes_moved(one.images, image_order, image_place),
                                with_nodes_moved(one.texts, text_order, text_place)),
               one.all_by_pairs(one.images, one.texts));
}

inline void check_pair_rank(const Subject& subject) {
  const PairTrial one = pair_trial(subject, {});
  expect_no_result("pairs [P, 2, 1]", [&] {
    at::NoGradGuard no_grad;
    const at::Tensor out = one.interaction->score_pairs(one.images, one.texts, PairTrial::every_pair().unsqueeze(2));
    return out.dim() == 1 && out.size(0) == 24;
  });
}

}  // namespace detail

inline std::vector<Property> interaction_properties() {
  using namespace detail;
  std::vector<Property> list = {
      {"shapes", "score_pairs of P pairs is [P], of no pair [0].",
       "return one score for each row of `pairs`, in their order", check_pair_shapes},
      {"pairs", "A pair's score depends on that pair alone, wherever it stands in the list.",
       "index items by the pairs; no statistic over the list", check_pair_independence},
      {"one", "A pair's score does not depend on the other images and texts.",
       "no statistic over the items in evaluation mode", check_pair_items},
      {"score_all", "score_all is score_pairs of all pairs, row image, column text, in chunks of any size.",
       "keep score_all in step with score_pairs, or leave it to the SDK", check_score_all},
      {"padding", "More padding changes nothing.", "mask padding in attention, sums, means and maxima",
       check_pair_padding},
      {"node_order", "Nodes in another order give the same scores.", "pool over nodes, and read none by its place",
       check_pair_node_order},
      {"wrong_rank", "Pairs of a wrong rank are refused, or give no result of the right shape.",
       "check the number of dimensions before reshaping, and throw orbweaver::ShapeError", check_pair_rank}};
  return with_module_properties(std::move(list), interaction_trials, false);
}

}  // namespace orbweaver::testing
