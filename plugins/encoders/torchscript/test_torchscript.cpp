#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>
#include <torch/optim/sgd.h>

#include <functional>

#include "gradient_check.h"
#include "image_encoder.h"
#include "orbweaver/torch/weights.h"
#include "temporary_folder.h"
#include "test_data.h"
#include "text_encoder.h"

namespace {

namespace fs = std::filesystem;
using orbweaver::Inputs;
using orbweaver::Representation;
using orbweaver::TokenBatch;
using orbweaver::testing::TemporaryFolder;
using orbweaver::testing::write_text;
using Ids = std::vector<int64_t>;

std::string error_of(const std::function<void()>& task) {
  try {
    task();
  } catch (const orbweaver::InputError& error) {
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "no error";
}

void expect_words(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words) EXPECT_NE(text.find(word), std::string::npos) << word << "\nin: " << text;
}

/// Archives as Python writes them, made here by LibTorch.
class Archives : public ::testing::Test {
 protected:
  void SetUp() override { at::manual_seed(3); }

  /// A module with a weight [3, 5], a buffer [5] and this body of `forward(self, x)`.
  static torch::jit::Module script(const std::string& body) {
    torch::jit::Module module("m");
    module.register_parameter("weight", at::randn({3, 5}).requires_grad_(), /*is_buffer=*/false);
    module.register_buffer("shift", at::randn({5}));
    module.register_attribute("training", c10::BoolType::get(), true);
    module.define("def forward(self, x):\n" + body);
    return module;
  }

  fs::path save(const torch::jit::Module& module, const std::string& name = "module.pt") const {
    module.save((folder_.path() / name).string());
    return folder_.path() / name;
  }

  TorchscriptImageParams image(const torch::jit::Module& module, const std::string& name = "module.pt") const {
    TorchscriptImageParams params;
    params.file = save(module, name);
    params.size = 4;
    return params;
  }
  std::string image_error(const std::string& body, const OutputNames& outputs = {}) const {
    TorchscriptImageParams params = image(script(body));
    params.outputs = outputs;
    return error_of([&] { TorchscriptImageEncoder(params, Inputs{}); });
  }

  TemporaryFolder folder_;
};

constexpr const char* kLinear = "  return x.flatten(2).mean(2) @ self.weight + self.shift\n";
constexpr const char* kBoth =
    "  t = x.flatten(2).transpose(1, 2) @ self.weight\n"
    "  return {\"global\": t.mean(1)[:, :2], \"tokens\": t}\n";

using TorchscriptImage = Archives;

TEST_F(TorchscriptImage, GivesWhatTheModuleComputes) {
  torch::jit::Module module = script(kLinear);
  TorchscriptImageEncoder encoder(image(module), Inputs{});
  const at::Tensor images = at::rand({3, 3, 4, 4});
  const Representation made = encoder.forward(images);
  const at::Tensor expected =
      images.mean(c10::IntArrayRef{2, 3}).matmul(module.attr("weight").toTensor()) + module.attr("shift").toTensor();
  EXPECT_TRUE(made.global.allclose(expected));
  EXPECT_TRUE(made.global.equal(module.forward({images}).toTensor()));
  EXPECT_FALSE(made.tokens.defined());
  EXPECT_EQ(encoder.outputs().global, 5);
  EXPECT_EQ(encoder.outputs().tokens, 0);
}

TEST_F(TorchscriptImage, ReadsTokensFromATensorOfThreeDimensions) {
  TorchscriptImageEncoder encoder(image(script("  return x.flatten(2).transpose(1, 2) @ self.weight\n")), Inputs{});
  EXPECT_EQ(encoder.outputs().global, 0);
  EXPECT_EQ(encoder.outputs().tokens, 5);
  EXPECT_EQ(encoder.forward(at::rand({2, 3, 4, 4})).tokens.sizes(), at::IntArrayRef({2, 16, 5}));
}

TEST_F(TorchscriptImage, ReadsBothPartsOfADict) {
  TorchscriptImageEncoder encoder(image(script(kBoth)), Inputs{});
  EXPECT_EQ(encoder.outputs().global, 2);
  EXPECT_EQ(encoder.outputs().tokens, 5);
  const Representation made = encoder.forward(at::rand({2, 3, 4, 4}));
  EXPECT_TRUE(made.global.equal(made.tokens.mean(1).narrow(1, 0, 2)));
}

TEST_F(TorchscriptImage, ReadsTheNamedPartsOfATuple) {
  TorchscriptImageParams params =
      image(script("  t = x.flatten(2).transpose(1, 2) @ self.weight\n  return 7, t, t.mean(1)\n"));
  params.outputs = {"2", "1"};
  TorchscriptImageEncoder both(params, Inputs{});
  const Representation made = both.forward(at::rand({2, 3, 4, 4}));
  EXPECT_TRUE(made.global.equal(made.tokens.mean(1)));
  params.outputs = {"2", ""};
  EXPECT_EQ(TorchscriptImageEncoder(params, Inputs{}).outputs().tokens, 0);
}

TEST_F(TorchscriptImage, ReadsTheFieldsOfANamedTuple) {
  const std::vector<std::string> fields = {"pooled", "rest"};
  const auto type = c10::TupleType::createNamed(c10::QualifiedName("Out"), fields,
                                                std::vector<c10::TypePtr>(2, c10::TensorType::get()));
  const c10::IValue result = c10::ivalue::Tuple::createNamed({at::ones({2, 4}), at::ones({2, 3, 6})}, type);
  EXPECT_EQ(read_result(result, {"pooled", ""}, 2).widths().global, 4);
  EXPECT_EQ(read_result(result, {"", "1"}, 2).widths().tokens, 6);
}

TEST_F(TorchscriptImage, DeclaresItsInput) {
  TorchscriptImageParams params = image(script(kLinear));
  params.height = 6;
  params.resize = TorchscriptImageParams::Resize::shortest_side;
  params.interpolation = TorchscriptImageParams::Interpolation::bicubic;
  params.mean = {0.1, 0.2, 0.3};
  params.deviation = {0.4, 0.5, 0.6};
  const orbweaver::ImageInput input = TorchscriptImageEncoder(params, Inputs{}).input();
  EXPECT_EQ(input.height, 6);
  EXPECT_EQ(input.width, 4);
  EXPECT_EQ(input.resize, orbweaver::ImageInput::Resize::shortest_side);
  EXPECT_EQ(input.interpolation, orbweaver::ImageInput::Interpolation::bicubic);
  EXPECT_EQ(input.mean, (std::array<float, 3>{0.1f, 0.2f, 0.3f}));
  EXPECT_EQ(input.std, (std::array<float, 3>{0.4f, 0.5f, 0.6f}));
  params.mean = {0.1, 0.2, 0.3, 0.4};
  expect_words(error_of([&] { TorchscriptImageEncoder(params, Inputs{}); }), {"mean has 4 numbers"});
  params.mean = {0, 0, 0};
  params.deviation = {1, 0, 1};
  expect_words(error_of([&] { TorchscriptImageEncoder(params, Inputs{}); }), {"std holds a 0"});
}

TEST_F(TorchscriptImage, LearnsThroughTheComponentsParameters) {
  TorchscriptImageEncoder encoder(image(script(kLinear)), Inputs{});
  ASSERT_EQ(encoder.parameters().size(), 1u);
  torch::optim::SGD sgd(encoder.parameters(), torch::optim::SGDOptions(0.5));
  const at::Tensor images = at::rand({2, 3, 4, 4});
  const at::Tensor weight = encoder.parameters()[0], before = weight.detach().clone();
  const at::Tensor first = encoder.forward(images).global;
  first.sum().backward();
  // d sum / d weight[c, d] = sum over the batch of the mean of channel c.
  const at::Tensor gradient = images.mean(c10::IntArrayRef{2, 3}).sum(0).unsqueeze(1).expand({3, 5});
  EXPECT_TRUE(weight.grad().allclose(gradient));
  sgd.step();
  EXPECT_TRUE(weight.detach().allclose(before - 0.5 * gradient));
  EXPECT_TRUE(encoder.forward(images).global.allclose(
      first - 0.5 * images.mean(c10::IntArrayRef{2, 3}).matmul(gradient), 1e-4, 1e-5));
}

TEST_F(TorchscriptImage, SaysThatNoGradientReachesItsParameters) {
  const auto printed = [&](const std::string& body) {
    TorchscriptImageEncoder encoder(image(script(body)), Inputs{});
    ::testing::internal::CaptureStderr();
    encoder.fit({});
    return ::testing::internal::GetCapturedStderr();
  };
  EXPECT_NE(printed("  return (x.flatten(2).mean(2) @ self.weight).detach()\n").find("will not learn"),
            std::string::npos);
  EXPECT_EQ(printed(kLinear).find("will not learn"), std::string::npos);
}

TEST_F(TorchscriptImage, HasTheGradientsOfFiniteDifferences) {
  TorchscriptImageEncoder encoder(image(script("  return torch.tanh(x.flatten(2).mean(2) @ self.weight)\n")), Inputs{});
  encoder.to(at::kDouble);
  const at::Tensor images = at::rand({2, 3, 4, 4}, at::kDouble).requires_grad_();
  EXPECT_LT(orbweaver::testing::gradient_error([&] { return encoder.forward(images).global.square().sum(); },
                                               {encoder.parameters()[0], images}),
            1e-7);
}

TEST_F(TorchscriptImage, MovesTheModuleWithItsBuffers) {
  TorchscriptImageEncoder encoder(image(script(kLinear)), Inputs{});
  const at::Tensor images = at::rand({2, 3, 4, 4}, at::kDouble);
  EXPECT_THROW(encoder.forward(images), orbweaver::InputError);
  encoder.to(at::kDouble);
  const at::Tensor before = encoder.forward(images).global;
  EXPECT_EQ(before.scalar_type(), at::kDouble);
  at::NoGradGuard no_grad;
  encoder.named_buffers()["module.shift"].add_(1);
  EXPECT_TRUE(encoder.forward(images).global.allclose(before + 1));
}

TEST_F(TorchscriptImage, RestoresItsStateByName) {
  const TorchscriptImageParams params = image(script(kLinear));
  TorchscriptImageEncoder trained(params, Inputs{}), restored(params, Inputs{});
  const auto names = trained.named_parameters().keys();
  EXPECT_EQ(names, (std::vector<std::string>{"module.weight"}));
  EXPECT_EQ(trained.named_buffers().keys(), (std::vector<std::string>{"module.shift"}));
  at::NoGradGuard no_grad;
  trained.named_parameters()["module.weight"].normal_();
  trained.named_buffers()["module.shift"].normal_();
  const at::Tensor images = at::rand({2, 3, 4, 4});
  EXPECT_FALSE(restored.forward(images).global.allclose(trained.forward(images).global));

  restored.load_extra_state(trained.extra_state());
  for (const auto& item : trained.named_parameters()) restored.named_parameters()[item.key()].copy_(item.value());
  for (const auto& item : trained.named_buffers()) restored.named_buffers()[item.key()].copy_(item.value());
  EXPECT_TRUE(restored.forward(images).global.equal(trained.forward(images).global));
}

TEST_F(TorchscriptImage, RefusesTheCheckpointOfAnotherArchive) {
  const TorchscriptImageEncoder trained(image(script(kLinear), "a.pt"), Inputs{});
  TorchscriptImageEncoder other(image(script("  return x.flatten(2).mean(2) @ self.weight\n"), "b.pt"), Inputs{});
  expect_words(error_of([&] { other.load_extra_state(trained.extra_state()); }),
               {"b.pt", "is not the archive that the checkpoint was trained with"});
}

TEST_F(TorchscriptImage, FollowsTheComponentsMode) {
  torch::jit::Module child("child");
  child.register_attribute("training", c10::BoolType::get(), true);
  child.define("def forward(self, x):\n  return torch.dropout(x, 0.5, self.training)\n");
  torch::jit::Module module("m");
  module.register_attribute("training", c10::BoolType::get(), true);
  module.register_module("drop", child);
  module.define("def forward(self, x):\n  return self.drop.forward(x.flatten(1))\n");
  TorchscriptImageEncoder encoder(image(module), Inputs{});
  const at::Tensor images = at::ones({2, 3, 4, 4});
  EXPECT_GT((encoder.forward(images).global == 0).sum().item<int64_t>(), 0);  // as torch modules are made
  encoder.eval();
  EXPECT_TRUE(encoder.forward(images).global.equal(at::ones({2, 48})));
  encoder.train();
  EXPECT_GT((encoder.forward(images).global == 0).sum().item<int64_t>(), 0);
}

TEST_F(TorchscriptImage, KeepsABufferThatTheScriptAssignsTo) {
  torch::jit::Module module = script(
      "  if self.training:\n"
      "    self.shift = self.shift * 0.5 + x.flatten(2).mean(2) @ self.weight\n"
      "  return x.flatten(2).mean(2) @ self.weight * self.shift\n");
  TorchscriptImageEncoder encoder(image(module), Inputs{});
  EXPECT_TRUE(encoder.named_buffers()["module.shift"].equal(module.attr("shift").toTensor()));  // evaluation mode
  encoder.train();
  const at::Tensor images = at::rand({1, 3, 4, 4});
  const at::Tensor features = images.flatten(2).mean(2).matmul(module.attr("weight").toTensor()).detach();
  const at::Tensor first = module.attr("shift").toTensor() * 0.5 + features, second = first * 0.5 + features;
  const at::Tensor made = encoder.forward(images).global;
  EXPECT_TRUE(encoder.named_buffers()["module.shift"].allclose(first));
  EXPECT_TRUE(encoder.forward(images).global.allclose(features * second));
  EXPECT_TRUE(encoder.named_buffers()["module.shift"].allclose(second));
  made.sum().backward();  // through what the first call saved
  encoder.to(at::kDouble);
  EXPECT_EQ(encoder.forward(images.to(at::kDouble)).global.scalar_type(), at::kDouble);
}

TEST_F(TorchscriptImage, NamesParametersOfSubmodulesAsPythonDoesAndTiedOnesOnce) {
  torch::jit::Module layer("layer"), module("m");
  const at::Tensor weight = at::randn({3, 4}).requires_grad_();
  layer.register_parameter("weight", weight, false);
  layer.register_parameter("fixed", at::randn({4}), false);
  layer.define("def forward(self, x):\n  return x @ self.weight + self.fixed\n");
  module.register_module("layer", layer);
  module.register_parameter("tied", weight, false);
  module.define("def forward(self, x):\n  return self.layer.forward(x.flatten(2).mean(2)) + self.tied.sum()\n");
  TorchscriptImageEncoder encoder(image(module), Inputs{});
  const auto parameters = encoder.named_parameters();
  EXPECT_EQ(parameters.size(), 2u);
  EXPECT_TRUE(parameters.contains("module.tied") || parameters.contains("module.layer.weight"));
  ASSERT_TRUE(parameters.contains("module.layer.fixed"));
  EXPECT_FALSE(parameters["module.layer.fixed"].requires_grad());  // as it was saved
  at::NoGradGuard no_grad;
  for (const auto& parameter : parameters) parameter.value().zero_();
  EXPECT_EQ(encoder.forward(at::rand({2, 3, 4, 4})).global.abs().max().item<float>(), 0);
}

TEST_F(TorchscriptImage, SaysWhatIsWrongWithAFile) {
  TorchscriptImageParams params;
  const auto error = [&](const fs::path& file) {
    params.file = file;
    return error_of([&] { TorchscriptImageEncoder(params, Inputs{}); });
  };
  expect_words(error(folder_.path() / "none.pt"), {"torchscript_image: ", "none.pt: does not exist"});
  expect_words(error(folder_.path()), {"is no file", "torch.jit.save(torch.jit.trace("});
  write_text(folder_.path() / "junk.pt", "these are no weights");
  expect_words(error(folder_.path() / "junk.pt"), {"is not a TorchScript archive", "torch.jit.save(torch.jit.trace("});

  // What torch.save writes: an archive with data.pkl, without code and constants.
  const fs::path state_dict = folder_.path() / "state.pt";
  {
    caffe2::serialize::PyTorchStreamWriter writer(state_dict.string());
    writer.writeRecord("data.pkl", "\x80\x02}.", 4);
    writer.writeEndOfFile();
  }
  expect_words(error(state_dict), {"what torch.save writes", "torch.jit.trace", "clip_image"});

  torch::jit::Module no_forward("m");
  no_forward.define("def encode(self, x):\n  return x\n");
  expect_words(error(save(no_forward, "no_forward.pt")), {"no method `forward`"});
}

TEST_F(TorchscriptImage, SaysThatAnArchiveIsNewerThanLibtorch) {
  TorchscriptImageParams params = image(script(kLinear), "old.pt");
  params.file = folder_.path() / "new.pt";
  {
    caffe2::serialize::PyTorchStreamReader reader((folder_.path() / "old.pt").string());
    caffe2::serialize::PyTorchStreamWriter writer(params.file.string());
    for (const std::string& name : reader.getAllRecords()) {
      if (name.ends_with("version")) continue;
      const auto [data, size] = reader.getRecord(name);
      writer.writeRecord(name, data.get(), size);
    }
    writer.setMinVersion(1000);
    writer.writeEndOfFile();
  }
  expect_words(error_of([&] { TorchscriptImageEncoder(params, Inputs{}); }),
               {"made by a newer PyTorch", "LibTorch " TORCH_VERSION, "export with PyTorch"});
}

TEST_F(TorchscriptImage, SaysWhatIsWrongWithAResult) {
  expect_words(image_error("  return x\n"), {"[1, 3, 4, 4], expected global [B, D]", "x.flatten(2).transpose(1, 2)"});
  expect_words(image_error("  return x.mean()\n"), {"is [], expected global [B, D]"});
  expect_words(image_error("  return x.flatten(1).argmax(1).unsqueeze(1)\n"), {"type Long", "floating point"});
  expect_words(image_error("  return x.flatten(1).double()\n"), {"type Double, expected Float"});
  expect_words(image_error("  return x.flatten(0, 1).flatten(1)\n"), {"[3, 16] for a batch of 1"});
  expect_words(image_error("  return 3\n"), {"of type int, expected a tensor, or a tuple or dict"});
  expect_words(image_error("  return x @ self.weight\n"), {"forward fails on [1, 3, 4, 4]: RuntimeError: "});
  expect_words(image_error("  assert False, \"too small\"\n  return x\n"), {"too small"});
}

TEST_F(TorchscriptImage, SaysWhichOutputsThereAre) {
  const std::string tuple = "  t = x.flatten(1)\n  return t, t.unsqueeze(1)\n";
  expect_words(image_error(tuple), {"\"0\": a tensor [1, 48], \"1\": a tensor [1, 1, 48]", "`outputs`"});
  expect_words(image_error(tuple, {"2", ""}), {"outputs.global is \"2\"", "\"1\": a tensor"});
  expect_words(image_error(tuple, {"1", ""}), {"its \"1\" (global) is [1, 1, 48], expected global [B, D]"});
  expect_words(image_error(kBoth, {"globl", ""}), {"did you mean \"global\"?"});
  expect_words(image_error("  return {\"pooled\": x.flatten(1)}\n"), {"\"pooled\": a tensor [1, 48]", "`outputs`"});
  expect_words(image_error(kLinear, {"global", ""}), {"a single tensor", "leave `outputs` out"});
  expect_words(image_error("  return x.flatten(1), 7\n", {"1", ""}), {"of type int, expected a tensor"});
}

TEST_F(TorchscriptImage, SaysThatABatchSizeIsBakedIn) {
  const std::vector<std::string> words = {"baked in", "torch.jit.trace", "torch.jit.script"};
  const std::string one = image_error("  return x.view(1, 48)\n"), two = image_error("  return x.view(2, 48)\n");
  expect_words(one, words);
  expect_words(one, {"a batch of 1 but not of 2"});
  expect_words(two, words);
  expect_words(two, {"a batch of 2 but not of 1"});
  expect_words(image_error("  return x.mean(0, keepdim=True).flatten(1)\n"), words);
  expect_words(image_error("  return x.flatten(0).unsqueeze(0).expand([x.size(0), -1])\n"),
               {"global 48 for a batch of 1 and global 96 for a batch of 2", "baked in"});
}

class TorchscriptText : public Archives {
 protected:
  /// An embedding of `rows` ids and this body of forward; 6 numbers per id.
  torch::jit::Module embedding(const std::string& arguments, const std::string& body, int64_t rows = 8) {
    torch::jit::Module module("m");
    module.register_parameter("weight", at::randn({rows, 6}).requires_grad_(), false);
    module.define("def forward(self, " + arguments + "):\n  t = torch.embedding(self.weight, ids)\n" + body);
    return module;
  }

  TorchscriptTextParams words(const torch::jit::Module& module) const {
    TorchscriptTextParams params;
    params.file = save(module);
    params.tokenizer = TorchscriptTextParams::Tokenizer::words;
    params.vocabulary = folder_.path() / "words.txt";
    params.context = 6;
    params.unknown = 1;
    write_text(params.vocabulary, "<pad>\n<unk>\nplane\nParked\ntwo\n");
    return params;
  }
  TorchscriptTextParams clip(const torch::jit::Module& module) const {
    TorchscriptTextParams params;
    params.file = save(module);
    params.vocabulary = folder_.path() / "merges.txt";
    params.context = 6;
    params.token_ids = 517;
    write_text(params.vocabulary, "#version: 0.2\nl o\nlo w</w>\ne r</w>\n");
    return params;
  }

  static TokenBatch batch_of(const TorchscriptTextEncoder& encoder, const std::vector<std::string>& texts,
                             int64_t more_padding = 0) {
    std::vector<Ids> ids;
    int64_t longest = 0;
    for (const std::string& text : texts) {
      ids.push_back(encoder.tokenize(text));
      longest = std::max(longest, static_cast<int64_t>(ids.back().size()));
    }
    TokenBatch batch;
    batch.ids = at::zeros({static_cast<int64_t>(ids.size()), longest + more_padding}, at::kLong);
    batch.lengths = at::zeros({static_cast<int64_t>(ids.size())}, at::kLong);
    for (size_t i = 0; i < ids.size(); ++i) {
      const auto row = static_cast<int64_t>(i), length = static_cast<int64_t>(ids[i].size());
      batch.ids[row].narrow(0, 0, length).copy_(at::tensor(ids[i]));
      batch.lengths[row] = length;
    }
    return batch;
  }
  static std::string text_error(const TorchscriptTextParams& params) {
    return error_of([&] { TorchscriptTextEncoder(params, Inputs{}).fit({}); });
  }
};

TEST_F(TorchscriptText, WordsWithoutAnIdForUnknownOnesAreRefused) {
  TorchscriptTextParams params = words(embedding("ids", "  return t.mean(1)\n"));
  params.unknown.reset();
  EXPECT_NE(text_error(params).find("`unknown` is missing"), std::string::npos);
}

TEST_F(TorchscriptText, WordsHaveTheNumbersOfTheirLines) {
  TorchscriptTextParams params = words(embedding("ids", "  return t.mean(1)\n"));
  const TorchscriptTextEncoder plain(params, Inputs{});
  // Outside `forward` each id travels as the next number.
  EXPECT_EQ(plain.tokenize("Two planes, PARKED plane."), (Ids{4 + 1, 1 + 1, 3 + 1, 2 + 1}));
  EXPECT_EQ(plain.tokenize("two two two two two two two two"), Ids(6, 4 + 1));
  EXPECT_EQ(plain.tokenize(" ."), (Ids{0 + 1}));
  params.unknown = -1;
  params.start = 5;
  params.end = 6;
  const TorchscriptTextEncoder framed(params, Inputs{});
  EXPECT_EQ(framed.tokenize("two planes"), (Ids{5 + 1, 4 + 1, 6 + 1}));
  EXPECT_EQ(framed.tokenize("two two two two two two two two"), (Ids{6, 5, 5, 5, 5, 7}));
  EXPECT_EQ(framed.tokenize(""), (Ids{6, 7}));
}

TEST_F(TorchscriptText, GivesTheModuleTheWholeContextAndKeepsTheBatchsTokens) {
  const torch::jit::Module module = embedding("ids", "  return {\"global\": t.sum(1), \"tokens\": t}\n");
  TorchscriptTextParams params = words(module);
  params.padding = 7;
  TorchscriptTextEncoder encoder(params, Inputs{});
  encoder.fit({});
  EXPECT_EQ(encoder.outputs().global, 6);
  EXPECT_EQ(encoder.outputs().tokens, 6);
  const Representation made = encoder.forward(batch_of(encoder, {"two", "plane parked plane"}));
  const at::Tensor weight = module.attr("weight").toTensor();
  EXPECT_TRUE(made.global[0].allclose(weight[4] + 5 * weight[7]));
  EXPECT_TRUE(made.global[1].allclose(2 * weight[2] + weight[3] + 3 * weight[7], 1e-4, 1e-5));
  EXPECT_EQ(made.tokens.sizes(), at::IntArrayRef({2, 3, 6}));
  EXPECT_TRUE(made.tokens[1][1].equal(weight[3]));
  EXPECT_EQ(made.tokens[0].narrow(0, 1, 2).abs().max().item<float>(), 0);
  EXPECT_TRUE(made.token_mask.equal(at::tensor({1, 0, 0, 1, 1, 1}).view({2, 3}).to(at::kBool)));
}

TEST_F(TorchscriptText, ACaptionsResultDoesNotDependOnTheBatchsPadding) {
  TorchscriptTextEncoder encoder(words(embedding("ids", "  return t.mean(1)\n")), Inputs{});
  encoder.fit({});
  const at::Tensor alone = encoder.forward(batch_of(encoder, {"two planes"})).global;
  EXPECT_TRUE(encoder.forward(batch_of(encoder, {"two planes"}, 3)).global.equal(alone));
  EXPECT_TRUE(encoder.forward(batch_of(encoder, {"two planes", "plane plane plane plane"})).global[0].equal(alone[0]));
}

TEST_F(TorchscriptText, GivesTheModuleAMaskWhereItTakesOne) {
  const torch::jit::Module integers =
      embedding("ids, mask", "  return (t * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True)\n");
  TorchscriptTextParams params = words(integers);
  params.mask = TorchscriptTextParams::Mask::integer;
  TorchscriptTextEncoder by_integers(params, Inputs{});
  const at::Tensor expected = (integers.attr("weight").toTensor()[4] + integers.attr("weight").toTensor()[2]) / 2;
  EXPECT_TRUE(by_integers.forward(batch_of(by_integers, {"two plane"})).global[0].allclose(expected));

  const torch::jit::Module booleans = embedding("ids, mask", "  return t.masked_fill(~mask.unsqueeze(2), 0.).sum(1)\n");
  params = words(booleans);
  params.mask = TorchscriptTextParams::Mask::boolean;
  TorchscriptTextEncoder by_booleans(params, Inputs{});
  EXPECT_TRUE(
      by_booleans.forward(batch_of(by_booleans, {"two"})).global[0].equal(booleans.attr("weight").toTensor()[4]));

  params.mask = TorchscriptTextParams::Mask::none;
  expect_words(text_error(params), {"missing value for argument 'mask'"});
}

TEST_F(TorchscriptText, TokenizesAsClipDoes) {
  const torch::jit::Module module = embedding("ids", "  return t.sum(1)\n", 517);
  TorchscriptTextEncoder encoder(clip(module), Inputs{});
  EXPECT_EQ(encoder.tokenize("low lower"), (Ids{515 + 1, 513 + 1, 512 + 1, 'w' - 33 + 1, 514 + 1, 516 + 1}));
  EXPECT_EQ(encoder.tokenize("low low low low low low"), (Ids{516, 514, 514, 514, 514, 517}));
  const at::Tensor weight = module.attr("weight").toTensor();
  EXPECT_TRUE(encoder.forward(batch_of(encoder, {"low"}))
                  .global[0]
                  .allclose(weight[515] + weight[513] + weight[516] + 3 * weight[0], 1e-4, 1e-5));
}

TEST_F(TorchscriptText, ItsVocabularyTravelsInTheCheckpoint) {
  const torch::jit::Module module = embedding("ids", "  return t.mean(1)\n", 517);
  for (TorchscriptTextParams params : {words(module), clip(module)}) {
    const TorchscriptTextEncoder trained(params, Inputs{});
    params.vocabulary = folder_.path() / "gone.txt";
    TorchscriptTextEncoder restored(params, Inputs{});
    restored.load_extra_state(trained.extra_state());
    EXPECT_EQ(restored.tokenize("two low planes"), trained.tokenize("two low planes"));
    EXPECT_EQ(restored.extra_state(), trained.extra_state());
    EXPECT_NE(text_error(params).find("cannot be read"), std::string::npos);
    params.tokenizer = params.tokenizer == TorchscriptTextParams::Tokenizer::words
                           ? TorchscriptTextParams::Tokenizer::clip_bpe
                           : TorchscriptTextParams::Tokenizer::words;
    params.token_ids.reset();
    params.unknown.reset();
    if (params.tokenizer == TorchscriptTextParams::Tokenizer::words) params.unknown = -1;
    TorchscriptTextEncoder other(params, Inputs{});
    expect_words(error_of([&] { other.load_extra_state(trained.extra_state()); }), {"trained with another"});
  }
}

TEST_F(TorchscriptText, LearnsThroughTheComponentsParameters) {
  TorchscriptTextEncoder encoder(words(embedding("ids", "  return t.mean(1)\n")), Inputs{});
  torch::optim::SGD sgd(encoder.parameters(), torch::optim::SGDOptions(1));
  const TokenBatch batch = batch_of(encoder, {"two"});
  const at::Tensor before = encoder.forward(batch).global;
  before.sum().backward();
  sgd.step();
  // The mean of six rows, of which one is the word and five the padding: their gradients are 1/6 and 5/6.
  EXPECT_TRUE(encoder.forward(batch).global.allclose(before - 1. / 36 - 25. / 36, 1e-4, 1e-5));
}

TEST_F(TorchscriptText, SaysWhatIsWrong) {
  TorchscriptTextParams params = words(embedding("ids", "  return t.mean(1)\n"));
  write_text(params.vocabulary, "a\nb\nA\n");
  expect_words(text_error(params), {"words.txt:3: \"a\" stands in line 1 already"});
  write_text(params.vocabulary, "a\n\nb\n");
  expect_words(text_error(params), {"words.txt:2: is empty"});
  write_text(params.vocabulary, "");
  expect_words(text_error(params), {"expected a word per line"});
  write_text(params.vocabulary, "a\nb\nc\nd\ne\nf\ng\nh\ni\n");
  expect_words(text_error(params), {"fails on the id 8, the largest of", "words.txt", "index out of range"});
  params.token_ids = 517;
  expect_words(text_error(params), {"`token_ids` belongs to the tokenizer \"clip_bpe\""});

  params = clip(embedding("ids", "  return t.mean(1)\n", 517));
  params.start = 3;
  expect_words(text_error(params), {"`start` belongs to the tokenizer \"words\""});
  params.start.reset();
  params.token_ids = 600;
  expect_words(text_error(params), {"holds 3 merges"});

  expect_words(text_error(words(embedding("ids", "  return t[:, 1:]\n"))),
               {"[1, 5, 6], expected one token for each of the 6 ids"});
  expect_words(text_error(words(embedding("ids", "  return ids\n"))), {"type Long", "floating point"});
  expect_words(text_error(words(embedding("ids", "  return t.reshape(1, 6, 6)\n"))), {"baked in"});
}

TEST_F(TorchscriptText, RefusesATextBeyondItsContext) {
  TorchscriptTextEncoder encoder(words(embedding("ids", "  return t.mean(1)\n")), Inputs{});
  EXPECT_THROW(encoder.forward(batch_of(encoder, {"two two two two two two"}, 1)), orbweaver::ShapeError);
}

/// The image tower inside a trace of a whole CLIP, made by Python.
TEST_F(TorchscriptImage, GivesTheFeaturesOfARealClipsTrace) {
  ORBWEAVER_NEEDS_TEST_DATA("golden/clip_vit_tiny.torchscript.pt");
  const fs::path golden = orbweaver::testing::test_data() / "golden";
  TorchscriptImageParams params;
  params.file = golden / "clip_vit_tiny.torchscript.pt";
  params.size = 64;
  // The whole one takes images and texts together, which is no image encoder.
  expect_words(error_of([&] { TorchscriptImageEncoder(params, Inputs{}); }), {"missing value for argument 'text'"});

  params.file = save(torch::jit::load(params.file.string()).attr("visual").toModule(), "visual.pt");
  TorchscriptImageEncoder encoder(params, Inputs{});
  encoder.eval();
  const auto expected = orbweaver::read_state_dict(golden / "clip_vit_tiny.io.safetensors");
  const at::Tensor made = encoder.forward(expected.at("in.image")).global;
  EXPECT_LT((made - expected.at("out.image")).abs().max().item<float>(), 1e-5);
  made.square().sum().backward();
  for (const auto& parameter : encoder.named_parameters())
    EXPECT_TRUE(parameter.value().grad().defined()) << parameter.key();
}

}  // namespace
