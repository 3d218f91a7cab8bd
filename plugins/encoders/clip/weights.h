// CLIP weights of every family under the names of OpenAI's files, and what they tell: sizes and activation.
#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbweaver/error.h"
#include "orbweaver/torch/weights.h"
#include "sizes.h"

namespace {

/// A weights file under OpenAI's names.
struct ClipWeights {
  std::filesystem::path file;
  orbweaver::StateDict visual;  ///< the image encoder's, without "visual."
  orbweaver::StateDict text;    ///< all others but logit_scale
  Activation activation = Activation::quick_gelu;
  std::string activation_reason;  ///< why, for the user
  std::string some_names;         ///< of the file's tensors, for errors
};

inline bool erase_suffix(std::string& name, std::string_view suffix) {
  if (!name.ends_with(suffix)) return false;
  name.resize(name.size() - suffix.size());
  return true;
}

/// Begins with `from`: begins with `to` afterwards.
inline bool replace_prefix(std::string& name, std::string_view from, std::string_view to) {
  if (!name.starts_with(from)) return false;
  name.replace(0, from.size(), to);
  return true;
}

/// The name that OpenAI's files have for a tensor of a Hugging Face CLIP file; other names stay as they are.
inline std::string openai_name(std::string name) {
  static constexpr std::pair<const char*, const char*> kParts[] = {
      {"vision_model.embeddings.patch_embedding.", "visual.conv1."},
      {"vision_model.embeddings.class_embedding", "visual.class_embedding"},
      {"vision_model.embeddings.position_embedding.weight", "visual.positional_embedding"},
      {"vision_model.pre_layrnorm.", "visual.ln_pre."},  // so spelt there
      {"vision_model.post_layernorm.", "visual.ln_post."},
      {"vision_model.encoder.layers.", "visual.transformer.resblocks."},
      {"visual_projection.weight", "visual.proj"},
      {"text_model.embeddings.token_embedding.", "token_embedding."},
      {"text_model.embeddings.position_embedding.weight", "positional_embedding"},
      {"text_model.final_layer_norm.", "ln_final."},
      {"text_model.encoder.layers.", "transformer.resblocks."},
      {"text_projection.weight", "text_projection"}};
  static constexpr std::pair<const char*, const char*> kLayerParts[] = {{".layer_norm1.", ".ln_1."},
                                                                        {".layer_norm2.", ".ln_2."},
                                                                        {".mlp.fc1.", ".mlp.c_fc."},
                                                                        {".mlp.fc2.", ".mlp.c_proj."},
                                                                        {".self_attn.", ".attn."}};
  for (const auto& [from, to] : kParts)
    if (replace_prefix(name, from, to)) break;
  for (const auto& [from, to] : kLayerParts)
    if (const size_t at = name.find(from); at != std::string::npos) name.replace(at, std::string_view(from).size(), to);
  return name;
}

/// Hugging Face's file as OpenAI's: names, q/k/v of a layer in one matrix, projections transposed.
inline orbweaver::StateDict from_hugging_face(const orbweaver::StateDict& weights) {
  orbweaver::StateDict out;
  for (const auto& [name, tensor] : weights) {
    const bool projection = name == "visual_projection.weight" || name == "text_projection.weight";
    if (!name.ends_with(".position_ids")) out[openai_name(name)] = projection ? tensor.t() : tensor;
  }
  for (const std::string part : {"weight", "bias"}) {
    std::vector<std::string> layers;
    for (const auto& [name, tensor] : out)
      if (std::string layer = name; erase_suffix(layer, "q_proj." + part)) layers.push_back(layer);
    for (const std::string& layer : layers) {
      std::vector<at::Tensor> thirds;
      for (const char* third : {"q_proj.", "k_proj.", "v_proj."})
        if (const auto found = out.find(layer + third + part); found != out.end()) thirds.push_back(found->second);
      if (thirds.size() < 3) continue;  // what is there is reported as unexpected, the whole as missing
      for (const char* third : {"q_proj.", "k_proj.", "v_proj."}) out.erase(layer + third + part);
      out[layer + "in_proj_" + part] = at::cat(thirds);
    }
  }
  return out;
}

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream;
  std::error_code none;
  if (std::filesystem::is_regular_file(file, none)) stream.open(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

/// The word or string after "key": in a JSON text; "" where there is none.
inline std::string json_value(const std::string& json, const std::string& key) {
  size_t at = json.find('"' + key + '"');
  if (at == std::string::npos) return "";
  at = json.find_first_not_of(" \t\r\n:\"", at + key.size() + 2);
  if (at == std::string::npos) return "";
  return json.substr(at, json.find_first_of(",}\"\r\n ", at) - at);
}

/// A wrong activation loads without error and costs points, and no tensor tells which it is. So it follows from the
/// family: OpenAI's weights and what was tuned from them (RemoteCLIP, GeoRSCLIP) use QuickGELU, and so do Hugging Face
/// files unless the config.json beside them says otherwise; open_clip's own models use GELU unless the
/// open_clip_config.json beside them says otherwise.
inline void choose_activation(bool hugging_face, bool openai_archive, ClipWeights& weights) {
  const auto choose = [&](Activation activation, const std::string& reason) {
    weights.activation = activation;
    weights.activation_reason = reason;
  };
  const std::filesystem::path folder = weights.file.parent_path();
  if (hugging_face) {
    const std::string name = json_value(text_of(folder / "config.json"), "hidden_act");
    if (name.empty()) return choose(Activation::quick_gelu, "the default of Hugging Face CLIP");
    if (name != "gelu" && name != "quick_gelu")
      throw orbweaver::InputError((folder / "config.json").string() + ": hidden_act is \"" + name +
                                  "\", which is not supported; there are quick_gelu and gelu");
    return choose(name == "gelu" ? Activation::gelu : Activation::quick_gelu, "as config.json beside the file says");
  }
  if (openai_archive) return choose(Activation::quick_gelu, "OpenAI's archive");
  if (const std::string config = text_of(folder / "open_clip_config.json"); !config.empty())
    return choose(json_value(config, "quick_gelu") == "true" ? Activation::quick_gelu : Activation::gelu,
                  "as open_clip_config.json beside the file says");
  std::string name = weights.file.filename().string();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const char* trained_by_open_clip : {"laion2b", "laion-2b", "datacomp", "commonpool", "open_clip_"})
    if (name.find(trained_by_open_clip) != std::string::npos && name.find("quickgelu") == std::string::npos)
      return choose(Activation::gelu, "its name is one of open_clip's own models");
  choose(Activation::quick_gelu, "as OpenAI's and what is tuned from them; say activation \"gelu\" if it is another");
}

/// @throws InputError where the file cannot be read.
inline ClipWeights read_clip_weights(const std::filesystem::path& file) {
  ClipWeights out;
  out.file = file;
  orbweaver::StateDict weights = orbweaver::read_state_dict(file);
  size_t shown = 0;
  for (const auto& [name, tensor] : weights)
    if (shown++ < 3) out.some_names += (out.some_names.empty() ? "" : ", ") + name;

  const auto any = [&](const char* prefix) {
    const auto found = weights.lower_bound(prefix);
    return found != weights.end() && found->first.starts_with(prefix);
  };
  const bool hugging_face = any("vision_model.") || any("text_model.");
  const bool openai_archive = weights.contains("input_resolution") && weights.contains("context_length");
  if (hugging_face) weights = from_hugging_face(weights);
  for (auto& [full_name, tensor] : weights) {
    std::string name = full_name;
    if (replace_prefix(name, "visual.", "")) {
      // Writers that know no scalars make one entry of a batch norm's counter.
      out.visual[name] = name.ends_with("num_batches_tracked") && tensor.numel() == 1 ? tensor.reshape({}) : tensor;
      continue;
    }
    replace_prefix(name, "text.", "");  // open_clip's models of two towers
    // OpenAI's archives hold these three numbers and the causal mask beside the weights.
    const bool no_weight = name == "input_resolution" || name == "context_length" || name == "vocab_size" ||
                           name == "logit_scale" || name == "logit_bias" || name.ends_with("attn_mask");
    if (!no_weight) out.text[name] = tensor;
  }
  std::erase_if(out.visual, [](const auto& entry) { return entry.first.ends_with("attn_mask"); });
  choose_activation(hugging_face, openai_archive, out);
  return out;
}

/// The weights of a file, the same ones as long as anybody holds them: both sides of a model name one file, and read it
/// once.
inline std::shared_ptr<const ClipWeights> shared_clip_weights(const std::filesystem::path& file) {
  struct Last {
    std::filesystem::path file;
    std::filesystem::file_time_type time;
    std::weak_ptr<const ClipWeights> weights;
  };
  static std::mutex mutex;
  static Last last;
  const std::lock_guard lock(mutex);
  std::error_code unreadable;
  const auto time = std::filesystem::last_write_time(file, unreadable);
  if (!unreadable && file == last.file && time == last.time)
    if (auto kept = last.weights.lock()) return kept;
  auto weights = std::make_shared<const ClipWeights>(read_clip_weights(file));
  last = {file, time, weights};
  return weights;
}

/// Looks sizes up in one encoder's weights.
class SizeReader {
 public:
  /// @param what    "image" or "text".
  /// @param prefix  of the names in OpenAI's files.
  SizeReader(const ClipWeights& weights, const orbweaver::StateDict& state, std::string what, std::string prefix)
      : weights_(weights), state_(state), what_(std::move(what)), prefix_(std::move(prefix)) {}

  bool has(const std::string& name) const { return state_.contains(name); }

  /// @throws InputError where the tensor is missing or has another rank.
  const at::Tensor& tensor(const std::string& name, int64_t rank) const {
    const auto found = state_.find(name);
    if (found == state_.end())
      fail("holds no CLIP " + what_ + " encoder: " + prefix_ + name + " is missing (its tensors are called " +
           weights_.some_names + ", ...)");
    if (found->second.dim() != rank)
      fail(prefix_ + name + " has " + std::to_string(found->second.dim()) + " dimensions, expected " +
           std::to_string(rank));
    return found->second;
  }

  /// Modules "prefix.0.", "prefix.1.", ...
  int64_t count(const std::string& prefix) const {
    int64_t count = 0;
    const auto exists = [&](int64_t i) {
      const std::string beginning = prefix + "." + std::to_string(i) + ".";
      const auto found = state_.lower_bound(beginning);
      return found != state_.end() && found->first.starts_with(beginning);
    };
    while (exists(count)) ++count;
    if (count == 0) fail("holds no CLIP " + what_ + " encoder: nothing is called " + prefix_ + prefix + ".0.*");
    return count;
  }

  /// Side of the square grid of a table of positions, the first of which is no part of it.
  int64_t grid(const std::string& name) const {
    const int64_t rows = tensor(name, 2).size(0) - 1;
    const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(std::max<int64_t>(rows, 0)))));
    if (side < 1 || side * side != rows)
      fail(prefix_ + name + " has " + std::to_string(rows + 1) + " rows, expected one more than a square");
    return side;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw orbweaver::InputError(weights_.file.string() + ": " + what);
  }

 private:
  const ClipWeights& weights_;
  const orbweaver::StateDict& state_;
  std::string what_, prefix_;
};

/// @throws InputError where the file holds no image encoder of CLIP.
inline VisionSizes vision_sizes(const ClipWeights& weights) {
  const SizeReader reader(weights, weights.visual, "image", "visual.");
  VisionSizes sizes;
  sizes.activation = weights.activation;
  if (reader.has("layer1.0.conv1.weight")) {
    sizes.width = reader.tensor("layer1.0.conv1.weight", 4).size(0);
    for (int stage = 1; stage <= 4; ++stage) sizes.blocks.push_back(reader.count("layer" + std::to_string(stage)));
    sizes.image = 32 * reader.grid("attnpool.positional_embedding");
    sizes.output = reader.tensor("attnpool.c_proj.weight", 2).size(0);
    return sizes;
  }
  const at::Tensor& patches = reader.tensor("conv1.weight", 4);
  sizes.width = patches.size(0);
  sizes.patch = patches.size(2);
  sizes.layers = reader.count("transformer.resblocks");
  sizes.image = sizes.patch * reader.grid("positional_embedding");
  sizes.output = reader.tensor("proj", 2).size(1);
  return sizes;
}

/// @throws InputError where the file holds no text encoder of CLIP.
inline TextSizes text_sizes(const ClipWeights& weights) {
  const SizeReader reader(weights, weights.text, "text", "");
  TextSizes sizes;
  sizes.activation = weights.activation;
  const at::Tensor& tokens = reader.tensor("token_embedding.weight", 2);
  sizes.vocabulary = tokens.size(0);
  sizes.width = tokens.size(1);
  sizes.layers = reader.count("transformer.resblocks");
  sizes.positions = sizes.context = reader.tensor("positional_embedding", 2).size(0);
  sizes.output = reader.tensor("text_projection", 2).size(1);
  return sizes;
}

/// A table of positions for another grid: bicubic and antialiased, as open_clip does it. The first row, which is no
/// part of the grid, stays.
///
/// @param table  [1 + g * g, width]
/// @return       [1 + grid * grid, width]
inline at::Tensor resized_positions(const at::Tensor& table, int64_t grid) {
  const int64_t width = table.size(1), old = std::lround(std::sqrt(static_cast<double>(table.size(0) - 1)));
  const at::Tensor map =
      table.narrow(0, 1, old * old).to(at::kFloat).view({old, old, width}).permute({2, 0, 1}).unsqueeze(0).contiguous();
  const at::Tensor resized = at::_upsample_bicubic2d_aa(map, {grid, grid}, /*align_corners=*/false);
  const at::Tensor rows = resized.squeeze(0).flatten(1).t();
  return at::cat({table.narrow(0, 0, 1).to(at::kFloat), rows});
}

}  // namespace
