// Sizes of CLIP's two encoders, as weights, parameters and checkpoints tell them.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "orbweaver/error.h"

namespace {

/// Between the two layers of each block's MLP. `automatic` is settled by the weights' family before a model is made.
enum class Activation { automatic, quick_gelu, gelu };

inline std::string activation_name(Activation activation) {
  return activation == Activation::gelu ? "gelu" : "quick_gelu";
}

/// Defaults are ViT-B/32's.
struct VisionSizes {
  int64_t width = 768;          ///< of the ViT, or of the ResNet's first stage
  int64_t layers = 12;          ///< of the ViT
  int64_t patch = 32;           ///< side of the ViT's patches, in pixels
  std::vector<int64_t> blocks;  ///< of the ResNet's four stages; empty for a ViT
  int64_t image = 224;          ///< height and width
  int64_t output = 512;         ///< of the projected feature
  Activation activation = Activation::quick_gelu;

  bool is_resnet() const { return !blocks.empty(); }
  /// Pixels between neighbouring tokens.
  int64_t stride() const { return is_resnet() ? 32 : patch; }
  int64_t token_width() const { return is_resnet() ? 32 * width : width; }
  bool operator==(const VisionSizes&) const = default;
};

/// Defaults are those beside ViT-B/32.
struct TextSizes {
  int64_t width = 512, layers = 12;
  int64_t vocabulary = 49408;  ///< token ids
  int64_t positions = 77;      ///< rows of the positional embedding
  int64_t context = 77;        ///< most ids of a caption, at most `positions`
  int64_t output = 512;
  Activation activation = Activation::quick_gelu;
  bool operator==(const TextSizes&) const = default;
};

/// CLIP's heads are 64 wide.
inline int64_t head_count(int64_t width, const std::string& what) {
  if (width < 64 || width % 64 != 0)
    throw orbweaver::InputError(what + " is " + std::to_string(width) +
                                " wide; CLIP's attention heads are 64 wide, so it must be a multiple of that");
  return width / 64;
}

/// Words "name=number[,number...]" of a line; the first word stands under "".
class SizesLine {
 public:
  SizesLine(std::string_view line, std::string component) : component_(std::move(component)) {
    std::istringstream words{std::string(line)};
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos)
        values_[""] = word;
      else
        values_[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }

  const std::string& text(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) fail(name);
    return found->second;
  }

  std::vector<int64_t> numbers(const std::string& name) const {
    std::vector<int64_t> out;
    std::istringstream items(text(name));
    for (std::string item; std::getline(items, item, ',');) {
      int64_t number = 0;
      const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), number);
      if (error != std::errc() || end != item.data() + item.size() || number <= 0) fail(name);
      out.push_back(number);
    }
    if (out.empty()) fail(name);
    return out;
  }

  int64_t number(const std::string& name) const { return numbers(name).front(); }

  Activation activation() const {
    const std::string& name = text("activation");
    if (name != "gelu" && name != "quick_gelu") fail("activation");
    return name == "gelu" ? Activation::gelu : Activation::quick_gelu;
  }

  [[noreturn]] void fail(const std::string& name) const {
    throw orbweaver::InputError(component_ + ": the sizes in the checkpoint are damaged or from another component (" +
                                (name.empty() ? "their kind" : "\"" + name + "\"") + " is missing or wrong)");
  }

 private:
  std::string component_;
  std::map<std::string, std::string> values_;
};

inline std::string sizes_line(const VisionSizes& sizes) {
  std::ostringstream out;
  if (sizes.is_resnet()) {
    out << "resnet blocks=";
    for (size_t i = 0; i < sizes.blocks.size(); ++i) out << (i > 0 ? "," : "") << sizes.blocks[i];
  } else {
    out << "vit layers=" << sizes.layers << " patch=" << sizes.patch;
  }
  out << " width=" << sizes.width << " image=" << sizes.image << " output=" << sizes.output
      << " activation=" << activation_name(sizes.activation);
  return out.str();
}

inline std::string sizes_line(const TextSizes& sizes) {
  std::ostringstream out;
  out << "text width=" << sizes.width << " layers=" << sizes.layers << " vocabulary=" << sizes.vocabulary
      << " positions=" << sizes.positions << " context=" << sizes.context << " output=" << sizes.output
      << " activation=" << activation_name(sizes.activation);
  return out.str();
}

/// @throws InputError where the line is none of sizes_line(VisionSizes).
inline VisionSizes parse_vision_sizes(std::string_view line, const std::string& component) {
  const SizesLine words(line, component);
  VisionSizes sizes;
  if (words.text("") == "resnet") {
    sizes.blocks = words.numbers("blocks");
    if (sizes.blocks.size() != 4) words.fail("blocks");
  } else if (words.text("") == "vit") {
    sizes.layers = words.number("layers");
    sizes.patch = words.number("patch");
  } else {
    words.fail("");
  }
  sizes.width = words.number("width");
  sizes.image = words.number("image");
  sizes.output = words.number("output");
  sizes.activation = words.activation();
  return sizes;
}

/// @throws InputError where the line is none of sizes_line(TextSizes).
inline TextSizes parse_text_sizes(std::string_view line, const std::string& component) {
  const SizesLine words(line, component);
  if (words.text("") != "text") words.fail("");
  TextSizes sizes;
  sizes.width = words.number("width");
  sizes.layers = words.number("layers");
  sizes.vocabulary = words.number("vocabulary");
  sizes.positions = words.number("positions");
  sizes.context = words.number("context");
  sizes.output = words.number("output");
  sizes.activation = words.activation();
  return sizes;
}

}  // namespace
