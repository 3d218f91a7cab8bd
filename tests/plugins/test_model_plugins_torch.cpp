// Model plugins together with the framework's tools, and with one another.
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>

#include "framework/model/inspect_weights.h"
#include "framework/plugin/plugin_host.h"
#include "plugins/fusion/global/global.h"
#include "plugins/fusion/local_only/local_only.h"
#include "plugins/fusion/midf/midf.h"
#include "plugins/fusion/weighted_sum/weighted_sum.h"
#include "tests/temporary_folder.h"
#include "tests/weights_file.h"

namespace {

using Tensors = std::map<std::string, at::Tensor>;

/// A linear layer or, without `in`, a norm.
void add_layer(Tensors& to, const std::string& name, int64_t out, int64_t in = 0) {
  to[name + ".weight"] = in == 0 ? at::ones({out}) : at::randn({out, in}) * 0.1;
  to[name + ".bias"] = at::zeros({out});
}

void add_transformer_layer(Tensors& to, const std::string& name) {
  for (const char* part : {"q", "k", "v", "out"}) add_layer(to, name + ".self_attn." + part + "_proj", 64, 64);
  add_layer(to, name + ".layer_norm1", 64);
  add_layer(to, name + ".layer_norm2", 64);
  add_layer(to, name + ".mlp.fc1", 256, 64);
  add_layer(to, name + ".mlp.fc2", 64, 256);
}

/// A small CLIP with Hugging Face's names: width 64, one layer, 4 x 4 patches of 16 pixels, 24 outputs.
Tensors hugging_face_clip() {
  Tensors to{{"logit_scale", at::scalar_tensor(4.6)}};
  const std::string vision = "vision_model.", text = "text_model.";
  to[vision + "embeddings.class_embedding"] = at::randn({64});
  to[vision + "embeddings.patch_embedding.weight"] = at::randn({64, 3, 16, 16});
  to[vision + "embeddings.position_embedding.weight"] = at::randn({17, 64});
  add_layer(to, vision + "pre_layrnorm", 64);
  add_layer(to, vision + "post_layernorm", 64);
  add_transformer_layer(to, vision + "encoder.layers.0");
  to["visual_projection.weight"] = at::randn({24, 64});
  to[text + "embeddings.token_embedding.weight"] = at::randn({517, 64});
  to[text + "embeddings.position_embedding.weight"] = at::randn({12, 64});
  add_transformer_layer(to, text + "encoder.layers.0");
  add_layer(to, text + "final_layer_norm", 64);
  to["text_projection.weight"] = at::randn({24, 64});
  return to;
}

TEST(WeightsInspection, OffersClipsEncodersForClipsWeightsAndNoOthers) {
  const orbweaver::testing::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "clip.safetensors";
  orbweaver::testing::write_weights(file, hugging_face_clip());
  orbweaver::PluginHost plugins;
  const orbweaver::WeightsInspection inspection = orbweaver::inspect_weights(file, plugins);
  EXPECT_EQ(inspection.groups.front().name, "logit_scale");
  int fits = 0;
  for (const auto& candidate : inspection.candidates) {
    const bool clip = candidate.id == "clip_image" || candidate.id == "clip_text";
    EXPECT_EQ(candidate.refusal.empty(), clip) << candidate.id << ": " << candidate.refusal;
    if (!clip) continue;
    EXPECT_EQ(candidate.plugin, "clip");
    ++fits;
    EXPECT_EQ(candidate.widths.global, 24);
    EXPECT_NE(candidate.notes.find("activation=quick_gelu (the default of Hugging Face CLIP)"), std::string::npos)
        << candidate.notes;
    EXPECT_EQ(candidate.params.at("weights").as_string(), file.string());
  }
  EXPECT_EQ(fits, 2);
}

TEST(WeightsInspection, OffersTorchscriptForAnArchiveAndSaysWhatTheTextEncoderRequiresBesideIt) {
  const orbweaver::testing::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "module.pt";
  torch::jit::Module module("m");
  module.register_buffer("scale", at::ones({3}));
  module.define("def forward(self, x):\n  return x.mean([2, 3]) * self.scale\n");
  module.save(file.string());
  orbweaver::PluginHost plugins;
  const orbweaver::WeightsInspection inspection = orbweaver::inspect_weights(file, plugins);
  std::map<std::string, orbweaver::WeightsInspection::Candidate> candidates;
  for (const auto& candidate : inspection.candidates) candidates[candidate.id] = candidate;
  const auto& image = candidates.at("torchscript_image");
  EXPECT_EQ(image.refusal, "");
  EXPECT_EQ(image.plugin, "torchscript");
  EXPECT_EQ(image.widths.global, 3);
  EXPECT_EQ(image.params.at("file").as_string(), file.string());
  EXPECT_EQ(image.params.find("weights"), nullptr);
  EXPECT_EQ(candidates.at("torchscript_text").refusal, "not tried: beside `file` it requires `vocabulary`");
  EXPECT_NE(candidates.at("resnet").refusal, "");
}

TEST(SceneHead, DrawsTheSameFirstWeightsInEveryFusion) {
  orbweaver::Inputs in;
  in.side = orbweaver::Side::image;
  in.image.global = 5;
  in.image.local = 3;
  in.text.global = 6;
  in.embed_dim = 4;
  const auto first_weights = [&]<class F>(typename F::Params params, const char* name, F*) {
    at::manual_seed(7);
    return F(params, in).named_parameters()[name].detach().clone();
  };
  LocalOnlyParams text_only;
  text_only.sides = LevelParams::Sides::text;
  MidfParams midf;
  midf.heads = 2;
  const at::Tensor scene = first_weights({}, "out.weight", static_cast<GlobalFusion*>(nullptr));
  EXPECT_TRUE(scene.equal(first_weights({}, "global.out.weight", static_cast<WeightedSumFusion*>(nullptr))));
  EXPECT_TRUE(scene.equal(first_weights(midf, "global.out.weight", static_cast<MidfFusion*>(nullptr))));
  EXPECT_TRUE(scene.equal(first_weights(text_only, "global.out.weight", static_cast<LocalOnlyFusion*>(nullptr))));
}

}  // namespace
