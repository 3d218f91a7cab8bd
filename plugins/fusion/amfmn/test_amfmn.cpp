#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <string>

#include "amfmn.h"
#include "gradient_check.h"
#include "naive_interactions.h"
#include "orbweaver/torch/weights.h"
#include "tensor_memory.h"
#include "test_data.h"

namespace {

using orbweaver::Inputs;
using orbweaver::Representation;

constexpr auto kForms = {AmfmnParams::Form::soft, AmfmnParams::Form::fusion, AmfmnParams::Form::sim};

Inputs inputs(int64_t image, int64_t text, int64_t embed) {
  Inputs in;
  in.image.global = image;
  in.text.global = text;
  in.embed_dim = embed;
  return in;
}

AmfmnParams form_params(AmfmnParams::Form form) {
  AmfmnParams params;
  params.form = form;
  return params;
}

Representation items(const at::Tensor& global) {
  Representation side;
  side.global = global;
  return side;
}

at::Tensor all_pairs(int64_t m, int64_t n) {
  return at::cartesian_prod({at::arange(m, at::kLong), at::arange(n, at::kLong)});
}

std::string error_of(const AmfmnParams& params, const Inputs& in) {
  try {
    AmfmnInteraction interaction(params, in);
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

struct Released {
  AmfmnParams::Form form;
  const char* prefix;
  std::vector<std::pair<const char*, const char*>> layers;  ///< theirs, ours
};

const std::vector<Released>& released_forms() {
  static const std::vector<Released> kForms{
      {AmfmnParams::Form::soft, "soft_att", {{"cross_attention.0", "gate"}}},
      {AmfmnParams::Form::fusion,
       "fusion_att",
       {{"cross_attention_fc1.0", "gate"}, {"cross_attention_fc2.0", "value"}}},
      {AmfmnParams::Form::sim, "similarity_att", {{"fc_visual.0", "gate"}, {"fc_text.0", "value"}}}};
  return kForms;
}

TEST(Amfmn, ReproducesTheReleasedGuidedTextsAndScores) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/amfmn_cross_attention.safetensors");
  const auto golden =
      orbweaver::read_state_dict(orbweaver::testing::test_data() / "golden/amfmn_cross_attention.safetensors");
  const at::Tensor &visual = golden.at("in.visual"), &text = golden.at("in.text");
  for (const Released& released : released_forms()) {
    const std::string prefix = released.prefix;
    AmfmnInteraction interaction(form_params(released.form), inputs(64, 64, 64));
    orbweaver::StateDict weights;
    for (const auto& [theirs, ours] : released.layers)
      for (const std::string tensor : {".weight", ".bias"})
        weights[ours + tensor] = golden.at(prefix + ".param." + theirs + tensor);
    orbweaver::load_state_dict(interaction, weights);

    const auto largest_error = [&](const at::Tensor& found, const char* name) {
      return (found - golden.at(prefix + name)).abs().max().item<double>();
    };
    EXPECT_LT(largest_error(interaction.guided_texts(visual, text), ".guided_text"), 1e-5) << prefix;
    EXPECT_LT(largest_error(interaction.score_all(items(visual), items(text), 4096), ".scores"), 1e-5) << prefix;
    const at::Tensor pairs = interaction.score_pairs(items(visual), items(text), all_pairs(4, 7));
    EXPECT_LT(largest_error(pairs.view({4, 7}), ".scores"), 1e-5) << prefix;
  }
}

TEST(Amfmn, SoftScoresTheCosineOfAnImageAndTheTextItGates) {
  AmfmnInteraction interaction(form_params(AmfmnParams::Form::soft), inputs(2, 2, 2));
  at::NoGradGuard no_grad;
  interaction.named_parameters()["gate.weight"].copy_(at::eye(2));
  interaction.named_parameters()["gate.bias"].zero_();
  // Gates sigmoid(0) = 1/2 and sigmoid(log 3) = 3/4; guided text (3, 3); v = (0, log 3).
  const at::Tensor v = at::tensor({0.0, std::log(3.0)}).view({1, 2}), t = at::tensor({6.0, 4.0}).view({1, 2});
  interaction.to(at::kDouble);
  EXPECT_TRUE(interaction.guided_texts(v, t).allclose(at::tensor({3.0, 3.0}).view({1, 1, 2})));
  EXPECT_NEAR(interaction.score_pairs(items(v), items(t), all_pairs(1, 1)).item<double>(), std::sqrt(0.5), 1e-12);
}

TEST(Amfmn, ScoresAllPairsAsItScoresEachWhateverTheChunk) {
  at::manual_seed(11);
  at::NoGradGuard no_grad;
  for (const auto form : kForms) {
    AmfmnInteraction interaction(form_params(form), inputs(300, 512, 512));
    const Representation images = items(at::randn({13, 300})), texts = items(at::randn({29, 512}));
    const at::Tensor expected = interaction.score_pairs(images, texts, all_pairs(13, 29)).view({13, 29});
    for (const int64_t chunk : {0, 1, 7, 29, 30, 100, 4096}) {
      const at::Tensor found = interaction.score_all(images, texts, chunk);
      EXPECT_LT((found - expected).abs().max().item<double>(), 1e-6) << chunk;
    }
  }
}

TEST(Amfmn, ScoresAsTheReleasedCodeDoesBroadcastToAllPairs) {
  at::manual_seed(14);
  at::NoGradGuard no_grad;
  const std::pair<const char*, AmfmnParams::Form> forms[] = {
      {"soft", AmfmnParams::Form::soft}, {"fusion", AmfmnParams::Form::fusion}, {"sim", AmfmnParams::Form::sim}};
  for (const auto& [name, form] : forms) {
    AmfmnInteraction interaction(form_params(form), inputs(512, 512, 512));
    const Representation images = items(at::randn({13, 512})), texts = items(at::randn({29, 512}));
    const at::Tensor expected = orbweaver::testing::naive_amfmn(name, interaction.named_parameters(), images, texts);
    for (const int64_t chunk : {1, 50, 4096})
      EXPECT_LT((interaction.score_all(images, texts, chunk) - expected).abs().max().item<double>(), 1e-5) << name;
  }
}

TEST(Amfmn, NeverHoldsATensorOfAllPairs) {
  at::manual_seed(15);
  at::NoGradGuard no_grad;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);  // other threads' tensors are not seen
  constexpr int64_t kItems = 256, kWidth = 64;
  const Representation images = items(at::randn({kItems, kWidth})), texts = items(at::randn({kItems, kWidth}));
  for (const auto form : kForms) {
    AmfmnInteraction interaction(form_params(form), inputs(kWidth, kWidth, kWidth));
    const int64_t peak = orbweaver::testing::TensorMemory::peak([&] { interaction.score_all(images, texts, 1024); });
    EXPECT_LT(4 * peak, kItems * kItems * kWidth * static_cast<int64_t>(sizeof(float)));
  }
  at::set_num_threads(threads);
}

TEST(Amfmn, ScoresThePairsThatAreAskedForInTheirOrder) {
  at::manual_seed(12);
  for (const auto form : kForms) {
    AmfmnInteraction interaction(form_params(form), inputs(4, 4, 4));
    const Representation images = items(at::randn({3, 4})), texts = items(at::randn({5, 4}));
    const at::Tensor all = interaction.score_all(images, texts, 2);
    const at::Tensor pairs = at::tensor({2, 4, 0, 1, 2, 4}, at::kLong).view({3, 2});
    const at::Tensor expected = at::stack({all[2][4], all[0][1], all[2][4]});
    EXPECT_TRUE(interaction.score_pairs(images, texts, pairs).allclose(expected, 1e-5, 1e-6));
  }
}

TEST(Amfmn, GradientsAgreeWithFiniteDifferences) {
  for (const auto form : kForms) {
    at::manual_seed(13);
    AmfmnInteraction interaction(form_params(form), inputs(3, 4, 4));
    interaction.to(at::kDouble);
    const Representation images = items(at::randn({2, 3}, at::kDouble).set_requires_grad(true));
    const Representation texts = items(at::randn({3, 4}, at::kDouble).set_requires_grad(true));
    const at::Tensor factors = at::randn({2, 3}, at::kDouble), pairs = all_pairs(2, 3);
    auto variables = interaction.parameters();
    variables.insert(variables.end(), {images.global, texts.global});
    const auto of_all = [&] { return (interaction.score_all(images, texts, 2) * factors).sum(); };
    const auto of_pairs = [&] { return (interaction.score_pairs(images, texts, pairs) * factors.flatten()).sum(); };
    EXPECT_LT(orbweaver::testing::gradient_error(of_all, variables), 1e-7);
    EXPECT_LT(orbweaver::testing::gradient_error(of_pairs, variables), 1e-7);
  }
}

TEST(Amfmn, AVectorOfZerosScoresZeroWithFiniteGradients) {
  for (const auto form : kForms) {
    AmfmnInteraction interaction(form_params(form), inputs(4, 4, 4));
    {
      at::NoGradGuard no_grad;
      for (at::Tensor& parameter : interaction.parameters())
        if (parameter.dim() == 1) parameter.zero_();
    }
    const Representation images = items(at::zeros({1, 4}).set_requires_grad(true));
    const Representation texts = items(at::zeros({1, 4}).set_requires_grad(true));
    const at::Tensor score = interaction.score_all(images, texts, 8);
    score.sum().backward();
    EXPECT_EQ(score.item<double>(), 0);
    for (const Representation& side : {images, texts}) EXPECT_TRUE(side.global.grad().isfinite().all().item<bool>());
  }
}

TEST(Amfmn, GivesAnEmptyTableWhereASideIsEmpty) {
  AmfmnInteraction interaction({}, inputs(4, 4, 4));
  EXPECT_EQ(interaction.score_all(items(at::zeros({0, 4})), items(at::zeros({3, 4})), 8).sizes(),
            at::IntArrayRef({0, 3}));
  EXPECT_EQ(interaction.score_all(items(at::zeros({3, 4})), items(at::zeros({0, 4})), 8).sizes(),
            at::IntArrayRef({3, 0}));
}

TEST(Amfmn, ProjectsASideWhoseWidthIsNotThatOfTheEmbeddings) {
  AmfmnInteraction interaction({}, inputs(6, 4, 4));
  EXPECT_TRUE(interaction.reads().global);
  EXPECT_EQ(interaction.named_parameters()["image_head.out.weight"].sizes(), at::IntArrayRef({4, 6}));
  EXPECT_FALSE(interaction.named_parameters().contains("text_head.out.weight"));
}

TEST(Amfmn, NamesTheEncoderThatMakesNoGlobalVector) {
  const std::string error = error_of({}, inputs(4, 0, 4));
  EXPECT_NE(error.find("interaction amfmn needs the vector `global` of the text_encoder"), std::string::npos) << error;
}

TEST(Amfmn, RefusesNoLayersWhereTheWidthIsNotTheEmbeddingsWidth) {
  AmfmnParams params;
  params.image.layers = HeadParams::Layers::none;
  const std::string error = error_of(params, inputs(6, 4, 4));
  EXPECT_NE(error.find("image.layers is \"none\""), std::string::npos) << error;
}

}  // namespace
