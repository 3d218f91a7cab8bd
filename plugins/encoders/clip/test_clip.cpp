#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include <chrono>
#include <fstream>
#include <functional>

#include "gradient_check.h"
#include "image_encoder.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/weights.h"
#include "temporary_folder.h"
#include "test_data.h"
#include "text_encoder.h"
#include "weights_file.h"

namespace {

namespace fs = std::filesystem;
using orbweaver::Inputs;
using orbweaver::Representation;
using orbweaver::StateDict;
using orbweaver::TokenBatch;
using orbweaver::testing::TemporaryFolder;
using orbweaver::testing::write_text;
using orbweaver::testing::write_weights;

// 512 bytes, three merges, start 515 and end 516.
constexpr const char* kMerges = "l o\nlo w</w>\ne r</w>\n";
constexpr int64_t kTokenIds = 517;

ClipImageParams small_image() {
  ClipImageParams params;
  params.width = 64;
  params.layers = 2;
  params.patch = 16;
  params.size = 64;
  params.output = 24;
  return params;
}

ClipImageParams small_resnet() {
  ClipImageParams params;
  params.width = 8;
  params.blocks = {1, 2, 1, 1};
  params.size = 64;
  params.output = 24;
  return params;
}

ClipTextParams small_text() {
  ClipTextParams params;
  params.width = 64;
  params.layers = 2;
  params.output = 24;
  params.context = 12;
  params.token_ids = kTokenIds;
  return params;
}

template <class Encoder, class Params>
std::unique_ptr<Encoder> fitted(const Params& params) {
  auto encoder = std::make_unique<Encoder>(params, Inputs{});
  encoder->fit({});
  encoder->eval();
  return encoder;
}

std::unique_ptr<ClipImageEncoder> image_encoder(const ClipImageParams& params) {
  return fitted<ClipImageEncoder>(params);
}
std::unique_ptr<ClipTextEncoder> text_encoder(const ClipTextParams& params) { return fitted<ClipTextEncoder>(params); }

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

TokenBatch batch_of(const std::vector<std::vector<int64_t>>& captions, int64_t padding = 0, int64_t filler = 0) {
  size_t longest = 0;
  for (const auto& ids : captions) longest = std::max(longest, ids.size());
  const auto rows = static_cast<int64_t>(captions.size()), length = static_cast<int64_t>(longest) + padding;
  TokenBatch batch{at::full({rows, length}, filler, at::kLong), at::empty({rows}, at::kLong)};
  for (int64_t i = 0; i < rows; ++i) {
    const auto& ids = captions[static_cast<size_t>(i)];
    batch.ids[i].narrow(0, 0, static_cast<int64_t>(ids.size())).copy_(at::tensor(ids));
    batch.lengths[i] = static_cast<int64_t>(ids.size());
  }
  return batch;
}

const std::vector<std::vector<int64_t>> kCaptions = {{515, 7, 300, 516}, {515, 513, 9, 12, 400, 516}, {515, 516}};

/// Parameters and buffers of both encoders with OpenAI's names, beside the logit scale.
StateDict openai_state(const ClipImageEncoder& image, const ClipTextEncoder& text) {
  StateDict state{{"logit_scale", at::scalar_tensor(4.6)}};
  const auto add = [&](const torch::nn::Module& module, const std::string& dropped) {
    const auto put = [&](std::string name, const at::Tensor& tensor) {
      replace_prefix(name, dropped, "");
      state[name] = tensor.detach().clone();
    };
    for (const auto& item : module.named_parameters()) put(item.key(), item.value());
    for (const auto& item : module.named_buffers()) put(item.key(), item.value());
  };
  add(image, "");
  add(text, "text.");
  return state;
}

/// The same as Hugging Face writes it.
StateDict hugging_face_state(const StateDict& openai) {
  StateDict out;
  for (const auto& [name, tensor] : openai) {
    const bool vision = name.starts_with("visual.");
    const std::string side = vision ? "vision_model." : "text_model.";
    std::string rest = vision ? name.substr(7) : name;
    if (rest == "logit_scale") {
      out[rest] = tensor;
    } else if (rest == "proj") {
      out["visual_projection.weight"] = tensor.t().contiguous();
    } else if (rest == "text_projection") {
      out["text_projection.weight"] = tensor.t().contiguous();
    } else if (rest == "class_embedding" || rest == "token_embedding.weight") {
      out[side + "embeddings." + rest] = tensor;
    } else if (rest == "positional_embedding") {
      out[side + "embeddings.position_embedding.weight"] = tensor;
      out[side + "embeddings.position_ids"] = at::arange(tensor.size(0)).unsqueeze(0);
    } else if (rest == "conv1.weight") {
      out[side + "embeddings.patch_embedding.weight"] = tensor;
    } else if (rest.starts_with("ln_")) {
      const std::string tail = rest.substr(rest.find('.'));
      out[side +
          (rest.starts_with("ln_pre")    ? "pre_layrnorm"
           : rest.starts_with("ln_post") ? "post_layernorm"
                                         : "final_layer_norm") +
          tail] = tensor;
    } else {
      const size_t number = std::string("transformer.resblocks.").size(), dot = rest.find('.', number);
      const std::string layer = side + "encoder.layers." + rest.substr(number, dot - number) + ".";
      const std::string part = rest.substr(dot + 1), kind = part.substr(part.rfind('.') + 1);
      if (part.starts_with("attn.in_proj_")) {
        const std::vector<at::Tensor> thirds = tensor.chunk(3);
        const std::string what = part.substr(std::string("attn.in_proj_").size());
        for (size_t i = 0; i < 3; ++i) out[layer + "self_attn." + "qkv"[i] + "_proj." + what] = thirds[i].contiguous();
      } else {
        const std::map<std::string, std::string> names = {{"attn.out_proj", "self_attn.out_proj"},
                                                          {"ln_1", "layer_norm1"},
                                                          {"ln_2", "layer_norm2"},
                                                          {"mlp.c_fc", "mlp.fc1"},
                                                          {"mlp.c_proj", "mlp.fc2"}};
        out[layer + names.at(part.substr(0, part.rfind('.'))) + "." + kind] = tensor;
      }
    }
  }
  return out;
}

std::string error_of(const std::function<void()>& task) {
  try {
    task();
  } catch (const orbweaver::InputError& error) {
    return error.what();
  }
  return "no error";
}

void expect_in(const std::string& text, const std::string& wanted) {
  EXPECT_NE(text.find(wanted), std::string::npos) << text << "\n  lacks: " << wanted;
}

// ---- against the reference ----

struct GoldenFile {
  const char *file, *io;
  double tolerance;  // of fp16 files: what rounding the weights does to outputs of this size
};

class ClipGolden : public ::testing::TestWithParam<GoldenFile> {};

TEST_P(ClipGolden, OutputsAreTheReferences) {
  const fs::path file = orbweaver::testing::test_data() / "golden" / GetParam().file;
  ORBWEAVER_NEEDS_TEST_DATA(std::string("golden/") + GetParam().file);
  const StateDict io = orbweaver::read_state_dict(orbweaver::testing::test_data() / "golden" / GetParam().io);
  ClipImageParams image_params;
  ClipTextParams text_params;
  image_params.weights = text_params.weights = file;
  const auto image = image_encoder(image_params);
  const auto text = text_encoder(text_params);
  at::NoGradGuard no_grad;
  const Representation images = image->forward(io.at("in.image"));
  EXPECT_EQ(image->input().height, 64);
  EXPECT_EQ(images.tokens.size(2), image->outputs().tokens);
  EXPECT_LT(difference(images.global, io.at("out.image")), GetParam().tolerance);

  const at::Tensor ids = io.at("in.tokens");
  const Representation texts = text->forward({ids, ids.argmax(1) + 1});
  EXPECT_LT(difference(texts.global, io.at("out.text")), GetParam().tolerance);

  const auto normalised = [](const at::Tensor& x) { return orbweaver::l2_normalize(x); };
  const at::Tensor scale = orbweaver::read_state_dict(file).at("logit_scale").to(at::kFloat).exp();
  const at::Tensor logits = scale * normalised(images.global).matmul(normalised(texts.global).t());
  EXPECT_LT(difference(logits, io.at("out.logits_per_image")), GetParam().tolerance * 10);
}

INSTANTIATE_TEST_SUITE_P(
    EveryFormat, ClipGolden,
    ::testing::Values(GoldenFile{"clip_vit_tiny.safetensors", "clip_vit_tiny.io.safetensors", 1e-4},
                      GoldenFile{"clip_vit_tiny.state_dict.pt", "clip_vit_tiny.io.safetensors", 1e-4},
                      GoldenFile{"clip_vit_tiny.torchscript.pt", "clip_vit_tiny.io.safetensors", 1e-4},
                      GoldenFile{"clip_vit_tiny.fp16.state_dict.pt", "clip_vit_tiny.io.safetensors", 3e-3},
                      GoldenFile{"clip_vit_tiny.fp16.torchscript.pt", "clip_vit_tiny.io.safetensors", 3e-3},
                      GoldenFile{"clip_rn_tiny.safetensors", "clip_rn_tiny.io.safetensors", 1e-4},
                      GoldenFile{"clip_rn_tiny.torchscript.pt", "clip_rn_tiny.io.safetensors", 1e-4}),
    [](const auto& info) {
      std::string name = info.param.file;
      for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
      return name;
    });

// ---- parts ----

TEST(Activations, AreThoseOfTheirNames) {
  const at::Tensor x = at::tensor({1.0, -2.0}, at::kDouble);
  const at::Tensor quick = activate(x, Activation::quick_gelu), plain = activate(x, Activation::gelu);
  EXPECT_NEAR(quick[0].item<double>(), 1 / (1 + std::exp(-1.702)), 1e-12);
  EXPECT_NEAR(quick[1].item<double>(), -2 / (1 + std::exp(3.404)), 1e-12);
  EXPECT_NEAR(plain[0].item<double>(), 0.8413447460685429, 1e-9);
}

TEST(Positions, OfTheSameGridStay) {
  const at::Tensor table = at::randn({17, 5});
  EXPECT_LT(difference(resized_positions(table, 4), table), 1e-6);
}

TEST(Positions, OfALargerGridFollowARampAndKeepTheFirstRow) {
  // Entry (row, column) of a 6 x 6 grid holds its row and column; a cubic reproduces a ramp away from the border.
  at::Tensor table = at::full({37, 2}, -5.0);
  for (int64_t i = 0; i < 36; ++i) {
    table[1 + i][0] = static_cast<double>(i / 6);
    table[1 + i][1] = static_cast<double>(i % 6);
  }
  const at::Tensor resized = resized_positions(table, 12);
  ASSERT_EQ(resized.sizes(), at::IntArrayRef({145, 2}));
  EXPECT_EQ(resized[0][0].item<float>(), -5);
  for (const int64_t row : {4, 5, 7})
    for (const int64_t column : {4, 6, 7}) {
      const at::Tensor found = resized[1 + row * 12 + column];
      EXPECT_NEAR(found[0].item<double>(), (static_cast<double>(row) + 0.5) / 2 - 0.5, 1e-5);
      EXPECT_NEAR(found[1].item<double>(), (static_cast<double>(column) + 0.5) / 2 - 0.5, 1e-5);
    }
}

TEST(Sizes, ComeBackFromTheirLine) {
  VisionSizes vit, resnet;
  vit.patch = 16;
  vit.activation = Activation::gelu;
  resnet.blocks = {3, 4, 6, 3};
  resnet.width = 64;
  EXPECT_EQ(parse_vision_sizes(sizes_line(vit), "c"), vit);
  resnet.layers = vit.layers;
  EXPECT_EQ(parse_vision_sizes(sizes_line(resnet), "c"), resnet);
  TextSizes text;
  text.context = 50;
  EXPECT_EQ(parse_text_sizes(sizes_line(text), "c"), text);
  for (const char* damaged :
       {"", "vit width=768", "vit layers=a patch=32 width=64 image=64 output=8 activation=gelu", "text width=64"})
    EXPECT_THROW(parse_vision_sizes(damaged, "c"), orbweaver::InputError) << damaged;
}

// ---- the encoders ----

TEST(ClipImage, MakesOneTokenPerPatchAndOneForTheWhole) {
  const auto encoder = image_encoder(small_image());
  at::NoGradGuard no_grad;
  const Representation image = encoder->forward(at::rand({3, 3, 64, 64}));
  EXPECT_EQ(image.tokens.sizes(), at::IntArrayRef({3, 1 + 4 * 4, 64}));
  EXPECT_EQ(image.global.sizes(), at::IntArrayRef({3, 24}));
  EXPECT_EQ(encoder->outputs().tokens, 64);
  EXPECT_EQ(encoder->outputs().global, 24);
}

TEST(ClipImage, OfAResnetMakesOneTokenPerPosition) {
  const auto encoder = image_encoder(small_resnet());
  at::NoGradGuard no_grad;
  const Representation image = encoder->forward(at::rand({3, 3, 64, 64}));
  EXPECT_EQ(image.tokens.sizes(), at::IntArrayRef({3, 2 * 2, 32 * 8}));
  EXPECT_EQ(image.global.sizes(), at::IntArrayRef({3, 24}));
}

TEST(ClipImage, TakesImagesAsClipDoes) {
  const orbweaver::ImageInput input = ClipImageEncoder(ClipImageParams{}, Inputs{}).input();
  EXPECT_EQ(input.height, 224);
  EXPECT_EQ(input.resize, orbweaver::ImageInput::Resize::shortest_side);
  EXPECT_EQ(input.interpolation, orbweaver::ImageInput::Interpolation::bicubic);
  EXPECT_FLOAT_EQ(input.mean[2], 0.40821073f);
  EXPECT_FLOAT_EQ(input.std[0], 0.26862954f);
}

TEST(ClipImage, DoesNotDependOnTheRestOfTheBatch) {
  for (const ClipImageParams& params : {small_image(), small_resnet()}) {
    const auto encoder = image_encoder(params);
    at::NoGradGuard no_grad;
    const at::Tensor images = at::rand({4, 3, 64, 64}), order = at::tensor({2, 0, 3, 1}, at::kLong);
    const Representation all = encoder->forward(images), turned = encoder->forward(images.index_select(0, order));
    EXPECT_LT(difference(turned.global, all.global.index_select(0, order)), 1e-6);
    EXPECT_LT(difference(turned.tokens, all.tokens.index_select(0, order)), 1e-5);
    EXPECT_LT(difference(encoder->forward(images.narrow(0, 1, 1)).global, all.global.narrow(0, 1, 1)), 1e-6);
  }
}

TEST(ClipModels, OfDefaultSizeHaveAsManyWeightsAsViTB32) {
  const auto count = [](const torch::nn::Module& module) {
    int64_t sum = 0;
    for (const at::Tensor& parameter : module.parameters()) sum += parameter.numel();
    return sum;
  };
  // OpenAI's ViT-B/32 has 151,277,313 with the logit scale.
  EXPECT_EQ(count(*image_encoder(ClipImageParams{})), 87'849'216);
  EXPECT_EQ(count(*text_encoder(ClipTextParams{})), 63'428'096);
}

TEST(ClipModels, OfResnet50HaveAsManyWeightsAsRN50) {
  ClipImageParams params;
  params.blocks = {3, 4, 6, 3};
  params.output = 1024;
  int64_t sum = 0;
  for (const at::Tensor& parameter : image_encoder(params)->parameters()) sum += parameter.numel();
  EXPECT_EQ(sum, 38'316'896);
}

TEST(ClipText, IsBlindToPaddingAndToTheOtherCaptionsOfTheBatch) {
  const auto encoder = text_encoder(small_text());
  encoder->to(at::kDouble);  // in float the rounding of a product depends on its size
  at::NoGradGuard no_grad;
  const Representation all = encoder->forward(batch_of(kCaptions));
  for (const int64_t filler : {0, 516}) {
    const Representation padded = encoder->forward(batch_of(kCaptions, 4, filler));
    EXPECT_LT(difference(padded.global, all.global), 1e-13);
    EXPECT_LT(difference(padded.tokens.narrow(1, 0, 6), all.tokens), 1e-13);
    EXPECT_EQ(padded.tokens.narrow(1, 6, 4).abs().max().item<double>(), 0);
    EXPECT_TRUE(padded.token_mask.sum(1).equal(at::tensor({4, 6, 2}, at::kLong)));
  }
  for (size_t i = 0; i < kCaptions.size(); ++i)
    EXPECT_LT(difference(encoder->forward(batch_of({kCaptions[i]})).global[0], all.global[static_cast<int64_t>(i)]),
              1e-13);
}

TEST(ClipText, HasAnEmbeddingThatPaddingRoundsOnlyInItsLastDigit) {
  const auto encoder = text_encoder(small_text());
  at::NoGradGuard no_grad;
  const auto embedding = [&](int64_t padding) {
    return orbweaver::l2_normalize(encoder->forward(batch_of(kCaptions, padding)).global);
  };
  EXPECT_LT(difference(embedding(5), embedding(0)), 1e-6);
}

TEST(ClipText, ATokenDoesNotSeeThoseAfterIt) {
  const auto encoder = text_encoder(small_text());
  at::NoGradGuard no_grad;
  const at::Tensor one = encoder->forward(batch_of({{515, 7, 8, 9, 516}})).tokens;
  const at::Tensor other = encoder->forward(batch_of({{515, 7, 8, 300, 516}})).tokens;
  EXPECT_LT(difference(one.narrow(1, 0, 3), other.narrow(1, 0, 3)), 1e-6);
  EXPECT_GT(difference(one.narrow(1, 3, 2), other.narrow(1, 3, 2)), 1e-3);
}

TEST(ClipText, GivesEqualCaptionsEqualBits) {
  const auto encoder = text_encoder(small_text());
  at::NoGradGuard no_grad;
  const at::Tensor global = encoder->forward(batch_of({kCaptions[0], kCaptions[1], kCaptions[0]})).global;
  EXPECT_TRUE(global[0].equal(global[2]));
}

TEST(ClipText, TakesItsVocabularyFromTheParameterOrFromBesideTheWeights) {
  const TemporaryFolder folder;
  write_text(folder.path() / "merges.txt", std::string("#version: 0.2\n") + kMerges);
  ClipTextParams params = small_text();
  EXPECT_NE(error_of([&] { text_encoder(params)->tokenize("low"); }).find("`vocabulary`"), std::string::npos);
  params.vocabulary = folder.path() / "merges.txt";
  const auto named = text_encoder(params);
  EXPECT_EQ(named->tokenize("low"), (std::vector<int64_t>{515, 513, 516}));
  EXPECT_EQ(named->tokenize(std::string(200, '!')).size(), 12U);

  const fs::path weights = folder.path() / "w.safetensors";
  write_weights(weights, openai_state(*image_encoder(small_image()), *named));
  ClipTextParams beside;
  beside.weights = weights;
  EXPECT_EQ(text_encoder(beside)->tokenize("low"), named->tokenize("low"));
}

TEST(ClipText, CarriesClipsIdZeroAsANumberThatIsNoPadding) {
  const TemporaryFolder folder;
  write_text(folder.path() / "merges.txt", std::string("#version: 0.2\n") + kMerges);
  ClipTextParams params = small_text();
  params.vocabulary = folder.path() / "merges.txt";
  const auto encoder = text_encoder(params);
  // "!" that does not end its word is CLIP's id 0.
  EXPECT_EQ(encoder->tokenize("!?"), (std::vector<int64_t>{515, kTokenIds, 256 + '?' - 33, 516}));
  at::NoGradGuard no_grad;
  const auto global = [&](int64_t id) { return encoder->forward(batch_of({{515, id, 286, 516}})).global; };
  EXPECT_TRUE(global(kTokenIds).equal(global(0)));
}

TEST(ClipText, RefusesAVocabularyOfAnotherSize) {
  const TemporaryFolder folder;
  write_text(folder.path() / "merges.txt", std::string("#version: 0.2\n") + kMerges);
  ClipTextParams params = small_text();
  params.vocabulary = folder.path() / "merges.txt";
  params.token_ids = 600;
  expect_in(error_of([&] { text_encoder(params); }), "holds 3 merges, but the model's 600 token ids need 86");
  params.vocabulary = folder.path() / "none.txt";
  expect_in(error_of([&] { text_encoder(params); }), "none.txt: cannot be read");
}

TEST(ClipText, RefusesMoreTokensThanPositions) {
  const auto encoder = text_encoder(small_text());
  EXPECT_THROW(encoder->forward(batch_of({kCaptions[0]}, 20)), orbweaver::ShapeError);
}

// ---- weights ----

class ClipWeightsFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(5);
    image_ = image_encoder(small_image());
    text_ = text_encoder(small_text());
    state_ = openai_state(*image_, *text_);
    images_ = at::rand({2, 3, 64, 64});
  }

  void save(const StateDict& state) const { write_weights(file_, state); }
  ClipImageParams image_params() const {
    ClipImageParams params;
    params.weights = file_;
    return params;
  }
  ClipTextParams text_params() const {
    ClipTextParams params;
    params.weights = file_;
    return params;
  }
  void expect_same_outputs(double tolerance) const {
    at::NoGradGuard no_grad;
    const auto image = image_encoder(image_params());
    const auto text = text_encoder(text_params());
    EXPECT_LE(difference(image->forward(images_).global, image_->forward(images_).global), tolerance);
    EXPECT_LE(difference(text->forward(batch_of(kCaptions)).global, text_->forward(batch_of(kCaptions)).global),
              tolerance);
  }
  std::string image_error(const ClipImageParams& params) const {
    return error_of([&] { image_encoder(params); });
  }
  std::string text_error(const ClipTextParams& params) const {
    return error_of([&] { text_encoder(params); });
  }

  TemporaryFolder folder_;
  fs::path file_ = folder_.path() / "clip.safetensors";
  std::unique_ptr<ClipImageEncoder> image_;
  std::unique_ptr<ClipTextEncoder> text_;
  StateDict state_;
  at::Tensor images_;
};

TEST_F(ClipWeightsFiles, OfOpenAiLoadWithWhatLiesBesideTheWeights) {
  for (const char* number : {"input_resolution", "context_length", "vocab_size"})
    state_[number] = at::scalar_tensor(64, at::kLong);
  state_["transformer.resblocks.0.attn_mask"] = at::zeros({12, 12});
  save(state_);
  expect_same_outputs(0);
}

TEST_F(ClipWeightsFiles, OfHuggingFaceLoad) {
  save(hugging_face_state(state_));
  expect_same_outputs(0);
}

TEST_F(ClipWeightsFiles, OfOpenClipsTwoTowersAndParallelTrainingLoad) {
  StateDict towers;
  for (const auto& [name, tensor] : state_) {
    const bool text = !name.starts_with("visual.") && name != "logit_scale";
    towers["module." + (text ? "text." + name : name)] = tensor;
  }
  save(towers);
  expect_same_outputs(0);
}

TEST_F(ClipWeightsFiles, InHalfPrecisionLoad) {
  for (auto& [name, tensor] : state_) tensor = tensor.to(at::kHalf);
  save(state_);
  expect_same_outputs(5e-3);
  for (const at::Tensor& parameter : image_encoder(image_params())->parameters())
    EXPECT_EQ(parameter.scalar_type(), at::kFloat);
}

TEST_F(ClipWeightsFiles, OfAResnetLoad) {
  image_ = image_encoder(small_resnet());
  state_ = openai_state(*image_, *text_);
  for (auto& [name, tensor] : state_)
    if (name.ends_with("running_mean")) tensor.normal_(0, 0.1);
  save(state_);
  const auto loaded = image_encoder(image_params());
  EXPECT_EQ(loaded->input().height, 64);
  const StateDict again = openai_state(*loaded, *text_);
  for (const auto& [name, tensor] : state_) EXPECT_TRUE(again.at(name).equal(tensor)) << name;

  for (auto& [name, tensor] : state_)
    if (name.ends_with("num_batches_tracked")) tensor = tensor.reshape({1});
  save(state_);
  EXPECT_EQ(image_error(image_params()), "no error");
}

TEST_F(ClipWeightsFiles, AreReadOnceForBothSides) {
  save(state_);
  const auto first = shared_clip_weights(file_);
  EXPECT_EQ(shared_clip_weights(file_), first);
  fs::last_write_time(file_, fs::last_write_time(file_) + std::chrono::seconds(5));
  EXPECT_NE(shared_clip_weights(file_), first);
}

TEST_F(ClipWeightsFiles, ForAnotherImageSizeAreInterpolated) {
  save(state_);
  ClipImageParams params = image_params();
  params.size = 96;
  ::testing::internal::CaptureStderr();
  const auto encoder = image_encoder(params);
  expect_in(::testing::internal::GetCapturedStderr(), "interpolated from 64 to 96 pixels");
  EXPECT_EQ(encoder->input().width, 96);
  at::NoGradGuard no_grad;
  EXPECT_EQ(encoder->forward(at::rand({1, 3, 96, 96})).tokens.size(1), 1 + 6 * 6);
  const at::Tensor positions = encoder->named_parameters()["visual.positional_embedding"];
  EXPECT_TRUE(positions[0].equal(state_.at("visual.positional_embedding")[0]));
  params.size = 100;
  expect_in(image_error(params), "size is 100; it must be a multiple of 16");
}

TEST_F(ClipWeightsFiles, ThatDoNotFitAreReportedAllAtOnce) {
  state_.erase("visual.ln_post.bias");
  state_["visual.head.weight"] = at::zeros({2});
  state_["visual.ln_pre.weight"] = at::zeros({32});
  state_["transformer.extra"] = at::zeros({3});
  save(state_);
  const std::string error = image_error(image_params());
  expect_in(error, "1 missing: ln_post.bias");
  expect_in(error, "1 unexpected: head.weight");
  expect_in(error, "ln_pre.weight is [32], expected [64]");
  expect_in(text_error(text_params()), "1 unexpected: transformer.extra");
  EXPECT_EQ(error.find('\n'), std::string::npos);
}

TEST_F(ClipWeightsFiles, OfHuggingFaceWithoutAPartOfAnAttentionAreReported) {
  StateDict state = hugging_face_state(state_);
  state.erase("vision_model.encoder.layers.1.self_attn.k_proj.weight");
  save(state);
  const std::string error = image_error(image_params());
  expect_in(error, "missing: transformer.resblocks.1.attn.in_proj_weight");
  expect_in(error, "transformer.resblocks.1.attn.q_proj.weight");
}

TEST_F(ClipWeightsFiles, OfAnotherFamilyAreRefused) {
  save({{"conv1.weight", at::zeros({64, 3, 7, 7})}, {"fc.weight", at::zeros({10, 512})}});
  expect_in(image_error(image_params()), "holds no CLIP image encoder: visual.conv1.weight is missing");
  expect_in(image_error(image_params()), "conv1.weight, fc.weight");
  expect_in(text_error(text_params()), "holds no CLIP text encoder: token_embedding.weight is missing");
}

TEST_F(ClipWeightsFiles, ThatAreTruncatedAreRefused) {
  save(state_);
  fs::resize_file(file_, fs::file_size(file_) - 1000);
  expect_in(image_error(image_params()), "truncated");
}

TEST_F(ClipWeightsFiles, ThatContradictTheParametersAreRefused) {
  save(state_);
  ClipImageParams image = image_params();
  image.width = 128;
  expect_in(image_error(image), "width is 128, but");
  image = image_params();
  image.blocks = {3, 4, 6, 3};
  expect_in(image_error(image), "blocks are not those of");
  ClipTextParams text = text_params();
  text.context = 13;
  expect_in(text_error(text), "context is 13, but");
  text = text_params();
  text.layers = 3;
  expect_in(text_error(text), "layers is 3, but");
}

TEST_F(ClipWeightsFiles, ThatAreGoneAreReportedByTraining) {
  expect_in(image_error(image_params()), "clip.safetensors: does not exist");
  expect_in(text_error(text_params()), "clip.safetensors: does not exist");
}

TEST_F(ClipWeightsFiles, AreNotNeededByARunThatHasItsCheckpoint) {
  save(state_);
  write_text(folder_.path() / "merges.txt", std::string("#version: 0.2\n") + kMerges);
  const auto image = image_encoder(image_params());
  const auto text = text_encoder(text_params());
  const std::string image_state = image->extra_state(), text_state = text->extra_state();
  fs::remove(file_);
  fs::remove(folder_.path() / "merges.txt");

  ClipImageEncoder image_again(image_params(), Inputs{});
  ClipTextEncoder text_again(text_params(), Inputs{});
  image_again.load_extra_state(image_state);
  text_again.load_extra_state(text_state);
  at::NoGradGuard no_grad;
  for (const auto& item : image->named_parameters()) image_again.named_parameters()[item.key()].copy_(item.value());
  for (const auto& item : text->named_parameters()) text_again.named_parameters()[item.key()].copy_(item.value());
  EXPECT_TRUE(image_again.forward(images_).global.equal(image->forward(images_).global));
  EXPECT_EQ(text_again.tokenize("Lower low"), text->tokenize("Lower low"));
  EXPECT_TRUE(text_again.forward(batch_of(kCaptions)).global.equal(text->forward(batch_of(kCaptions)).global));
  EXPECT_EQ(text_again.extra_state(), text_state);
  EXPECT_THROW(text_again.load_extra_state(image_state), orbweaver::InputError);
}

TEST_F(ClipWeightsFiles, TellTheActivationByTheirFamily) {
  const auto choice = [&](const std::string& name, const StateDict& state) {
    write_weights(folder_.path() / name, state);
    const ClipWeights weights = read_clip_weights(folder_.path() / name);
    fs::remove(folder_.path() / name);
    return weights.activation;
  };
  const StateDict hugging_face = hugging_face_state(state_);
  EXPECT_EQ(choice("RemoteCLIP-ViT-B-32.safetensors", state_), Activation::quick_gelu);
  EXPECT_EQ(choice("vit_b_32-laion2b_e16.safetensors", state_), Activation::gelu);
  EXPECT_EQ(choice("open_clip_model.safetensors", state_), Activation::gelu);
  EXPECT_EQ(choice("model.safetensors", hugging_face), Activation::quick_gelu);

  write_text(folder_.path() / "config.json", R"({"text_config": {"hidden_act": "gelu"}})");
  write_text(folder_.path() / "open_clip_config.json", R"({"model_cfg": {"quick_gelu": true, "embed_dim": 512}})");
  EXPECT_EQ(choice("model.safetensors", hugging_face), Activation::gelu);
  EXPECT_EQ(choice("open_clip_model.safetensors", state_), Activation::quick_gelu);
  state_["input_resolution"] = state_["context_length"] = at::scalar_tensor(64, at::kLong);
  write_text(folder_.path() / "open_clip_config.json", "{}");
  EXPECT_EQ(choice("ViT-B-32.safetensors", state_), Activation::quick_gelu);
  write_text(folder_.path() / "config.json", R"({"hidden_act": "gelu_new"})");
  EXPECT_THROW(choice("model.safetensors", hugging_face), orbweaver::InputError);
}

TEST_F(ClipWeightsFiles, AnActivationThatIsSaidWins) {
  save(state_);
  ClipImageParams params = image_params();
  ::testing::internal::CaptureStderr();
  const auto quick = image_encoder(params);
  expect_in(::testing::internal::GetCapturedStderr(), "activation=quick_gelu (as OpenAI's");
  params.activation = Activation::gelu;
  ::testing::internal::CaptureStderr();
  const auto plain = image_encoder(params);
  expect_in(::testing::internal::GetCapturedStderr(), "activation=gelu\n");
  at::NoGradGuard no_grad;
  EXPECT_GT(difference(quick->forward(images_).global, plain->forward(images_).global), 1e-5);
}

// ---- training ----

TEST(ClipGradients, ReachEveryWeight) {
  at::manual_seed(6);
  const auto expect_gradients = [](const torch::nn::Module& module) {
    for (const auto& item : module.named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_GT(item.value().grad().abs().sum().item<float>(), 0) << item.key();
    }
  };
  for (const ClipImageParams& params : {small_image(), small_resnet()}) {
    const auto image = image_encoder(params);
    image->train();
    for (const auto& item : image->named_parameters())
      if (item.key().find("bn3.weight") != std::string::npos) {
        at::NoGradGuard no_grad;
        item.value().fill_(1);  // blocks begin as the identity, which sends their convolutions nothing
      }
    image->forward(at::rand({4, 3, 64, 64})).global.square().sum().backward();
    expect_gradients(*image);
  }
  const auto text = text_encoder(small_text());
  text->forward(batch_of(kCaptions)).global.square().sum().backward();
  expect_gradients(*text);
}

TEST(ClipGradients, AgreeWithFiniteDifferences) {
  at::manual_seed(7);
  ClipImageParams image_params = small_image();
  image_params.size = 32;
  image_params.layers = 1;
  image_params.output = 3;
  const auto image = image_encoder(image_params);
  image->to(at::kDouble);
  const at::Tensor pixels = at::rand({2, 3, 32, 32}, at::kDouble), weights = at::randn({2, 3}, at::kDouble);
  std::vector<at::Tensor> variables;
  for (const char* name : {"visual.class_embedding", "visual.positional_embedding", "visual.ln_pre.weight",
                           "visual.transformer.resblocks.0.attn.in_proj_bias",
                           "visual.transformer.resblocks.0.mlp.c_fc.bias", "visual.proj"})
    variables.push_back(image->named_parameters()[name]);
  EXPECT_LT(
      orbweaver::testing::gradient_error([&] { return (image->forward(pixels).global * weights).sum(); }, variables),
      1e-6);

  ClipTextParams text_params = small_text();
  text_params.layers = 1;
  text_params.output = 3;
  const auto text = text_encoder(text_params);
  text->to(at::kDouble);
  const TokenBatch tokens = batch_of({kCaptions[0], kCaptions[1]});
  const at::Tensor token_weights = at::randn({2, 6, 64}, at::kDouble);
  variables.clear();
  for (const char* name : {"text.positional_embedding", "text.ln_final.weight", "text.text_projection",
                           "text.transformer.resblocks.0.attn.in_proj_bias"})
    variables.push_back(text->named_parameters()[name]);
  EXPECT_LT(orbweaver::testing::gradient_error(
                [&] {
                  const Representation out = text->forward(tokens);
                  return (out.global * weights).sum() + (out.tokens * token_weights).sum();
                },
                variables),
            1e-6);
}

TEST(ClipTraining, FromRandomWeightsLearnsItsPairs) {
  at::manual_seed(8);
  const auto image = image_encoder(small_image());
  const auto text = text_encoder(small_text());
  const at::Tensor images = at::randn({6, 3, 64, 64});
  std::vector<std::vector<int64_t>> captions;
  for (int64_t i = 0; i < 6; ++i) captions.push_back({515, 20 + i, 40 + 2 * i, 516});
  const TokenBatch tokens = batch_of(captions);
  std::vector<at::Tensor> parameters = image->parameters();
  for (const at::Tensor& parameter : text->parameters()) parameters.push_back(parameter);
  torch::optim::Adam adam(parameters, torch::optim::AdamOptions(1e-3));
  double first = 0, last = 0;
  for (int step = 0; step < 25; ++step) {
    adam.zero_grad();
    const at::Tensor logits = orbweaver::l2_normalize(image->forward(images).global)
                                  .matmul(orbweaver::l2_normalize(text->forward(tokens).global).t()) /
                              0.07;
    const at::Tensor loss = -(logits.log_softmax(1).diagonal().mean() + logits.log_softmax(0).diagonal().mean()) / 2;
    loss.backward();
    adam.step();
    (step == 0 ? first : last) = loss.item<double>();
  }
  EXPECT_LT(last, first / 2);
}

}  // namespace
