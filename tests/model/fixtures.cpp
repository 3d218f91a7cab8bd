// Small components whose results can be worked out by hand.
#include <ATen/ATen.h>
#include <torch/nn/modules/linear.h>

#include <fstream>
#include <set>
#include <sstream>

#include "orbweaver/graph_builder.h"
#include "orbweaver/plugin.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/graph_encoder.h"
#include "orbweaver/torch/image_encoder.h"
#include "orbweaver/torch/interaction.h"
#include "orbweaver/torch/loss.h"
#include "orbweaver/torch/text_encoder.h"

namespace {

using namespace orbweaver;

/// `global` is the mean colour, `tokens` the four quadrants' mean colours, of an 8 x 8 image.
class ColourEncoder final : public ImageEncoder {
 public:
  explicit ColourEncoder(const Inputs&) {}
  ImageInput input() const override { return {.height = 8, .width = 8}; }
  Widths outputs() const override { return {.global = 3, .tokens = 3}; }
  Representation forward(const at::Tensor& images) override {
    Representation out;
    out.global = images.mean({2, 3});
    out.tokens = at::adaptive_avg_pool2d(images, {2, 2}).flatten(2).transpose(1, 2).contiguous();
    return out;
  }
};

/// Adds a line to the file, unless its name is empty: how many items a forward had.
void note_items(const std::string& file, int64_t count) {
  if (!file.empty()) std::ofstream(file, std::ios::app) << count << "\n";
}

/// A trainable one: a linear map of the mean colour.
class LinearEncoder final : public ImageEncoder {
 public:
  struct Params {
    std::string note;
    static void describe(ParamSpec<Params>& p) { p.field("note", &Params::note, "File for the sizes of batches"); }
  };
  LinearEncoder(Params params, const Inputs&)
      : params_(std::move(params)), linear_(register_module("linear", torch::nn::Linear(3, 4))) {}
  ImageInput input() const override { return {.height = 8, .width = 8}; }
  Widths outputs() const override { return {.global = 4}; }
  Representation forward(const at::Tensor& images) override {
    note_items(params_.note, images.size(0));
    Representation out;
    out.global = linear_->forward(images.mean({2, 3}));
    return out;
  }

 private:
  Params params_;
  torch::nn::Linear linear_;
};

/// Ids are 1 + the word's length; `global` counts them.
class LengthEncoder final : public TextEncoder {
 public:
  struct Table {
    std::filesystem::path file;
    static void describe(ParamSpec<Table>& p) { p.field("file", &Table::file, "Not read"); }
  };
  struct Params {
    bool poison = false;
    bool forgets = false;
    std::string note;
    std::vector<std::filesystem::path> lists;
    Table table;
    static void describe(ParamSpec<Params>& p) {
      p.field("poison", &Params::poison, "Return NaN");
      p.field("forgets", &Params::forgets, "Give a text other ids when it comes again");
      p.field("note", &Params::note, "File for the sizes of batches");
      p.field("lists", &Params::lists, "Not read");
      p.field("table", &Params::table, "Not read");
    }
  };
  LengthEncoder(const Params& params, const Inputs&)
      : params_(params), linear_(register_module("linear", torch::nn::Linear(1, 3))) {}
  Widths outputs() const override { return {.global = 3}; }
  std::vector<int64_t> tokenize(const std::string& text) const override {
    std::istringstream words(text);
    std::vector<int64_t> ids;
    for (std::string word; words >> word;) ids.push_back(1 + static_cast<int64_t>(word.size()));
    if (ids.empty()) ids.push_back(1);
    if (params_.forgets && !seen_.insert(text).second) ++ids[0];
    return ids;
  }
  Representation forward(const TokenBatch& tokens) override {
    note_items(params_.note, tokens.ids.size(0));
    Representation out;
    out.global = linear_->forward(tokens.ids.sum(1, true).to(at::kFloat) / 10);
    if (params_.poison) out.global = out.global * std::numeric_limits<float>::quiet_NaN();
    return out;
  }

 private:
  Params params_;
  mutable std::set<std::string> seen_;
  torch::nn::Linear linear_;
};

/// Objects as nodes (x, y in image sides), all pairs adjacent, "right of" between neighbours in x; and words as nodes.
class PointsGraph final : public GraphBuilder {
 public:
  bool serves(Side) const override { return true; }
  int64_t feature_width() const override { return 2; }
  Graph build(const Scene& scene) const override {
    Graph graph = sized(static_cast<int64_t>(scene.objects.size()));
    for (int64_t i = 0; i < graph.features.rows(); ++i) {
      const Object& object = scene.objects[static_cast<size_t>(i)];
      graph.features(i, 0) = static_cast<float>(object.cx / static_cast<double>(scene.width));
      graph.features(i, 1) = static_cast<float>(object.cy / static_cast<double>(scene.height));
      graph.labels.push_back(object.label);
      for (int64_t j = 0; j < graph.features.rows(); ++j)
        if (object.cx > scene.objects[static_cast<size_t>(j)].cx) graph.relations.push_back({i, j, "right of"});
    }
    return graph;
  }
  Graph build(const Caption& caption) const override {
    std::istringstream words(caption.text);
    std::vector<std::string> labels;
    for (std::string word; words >> word;) labels.push_back(word);
    Graph graph = sized(static_cast<int64_t>(labels.size()));
    graph.labels = std::move(labels);
    return graph;
  }

 private:
  static Graph sized(int64_t count) {
    Graph graph;
    graph.features = Matrix<float>(count, 2);
    graph.adjacency = Matrix<float>(count, count);
    return graph;
  }
};

/// `nodes` = label embedding, `local` = their mean over real nodes, 0 for an empty graph.
class LabelMean final : public GraphEncoder {
 public:
  explicit LabelMean(const Inputs& inputs)
      : embedding_(inputs.label_embedding), width_(embedding_->options.embedding_dim()) {}
  Widths outputs() const override { return {.nodes = width_, .local = width_}; }
  Representation forward(const GraphBatch& graphs) override {
    Representation out;
    const at::Tensor mask = graphs.mask.unsqueeze(2).to(at::kFloat);
    out.nodes = embedding_->forward(graphs.labels) * mask;
    out.node_mask = graphs.mask;
    out.local = out.nodes.sum(1) / mask.sum(1).clamp_min(1);
    return out;
  }

 private:
  std::shared_ptr<torch::nn::EmbeddingImpl> embedding_;
  int64_t width_;
};

/// Reads what no encoder here makes.
class NodeReader final : public Fusion {
 public:
  NodeReader(const Inputs&) {}
  Parts reads() const override { return {.nodes = true}; }
  at::Tensor forward(const Representation& side) override { return side.nodes.select(1, 0); }
};

/// The first E entries of `global`, so that embeddings are known.
class Identity final : public Fusion {
 public:
  explicit Identity(const Inputs& inputs) : width_(inputs.embed_dim) {}
  at::Tensor forward(const Representation& side) override { return l2_normalize(side.global.slice(1, 0, width_)); }

 private:
  int64_t width_;
};

/// Reads both parts of the image side's encoder.
class BothParts final : public Fusion {
 public:
  explicit BothParts(const Inputs& inputs) : tokens_(inputs.side == Side::image) {}
  Parts reads() const override { return {.global = true, .tokens = tokens_}; }
  at::Tensor forward(const Representation& side) override {
    return l2_normalize(tokens_ ? side.global + side.tokens.sum(1) : side.global);
  }

 private:
  bool tokens_;
};

/// The first E entries of `local`: no encoder is read.
class LocalAlone final : public Fusion {
 public:
  explicit LocalAlone(const Inputs& inputs) : width_(inputs.embed_dim) {}
  Parts reads() const override { return {.global = false, .local = true}; }
  at::Tensor forward(const Representation& side) override { return l2_normalize(side.local.slice(1, 0, width_)); }

 private:
  int64_t width_;
};

/// Minus the squared distance of the globals, times a learnable scale.
class Distance final : public Interaction {
 public:
  explicit Distance(const Inputs&) : scale_(register_parameter("scale", at::ones({1}))) {}
  Parts reads() const override { return {.global = true}; }
  at::Tensor score_pairs(const Representation& images, const Representation& texts, const at::Tensor& pairs) override {
    const at::Tensor v = images.global.index_select(0, pairs.select(1, 0));
    const at::Tensor t = texts.global.index_select(0, pairs.select(1, 1));
    return -scale_ * (v - t).square().sum(1);
  }

 private:
  at::Tensor scale_;
};

class RelationReader final : public Interaction {
 public:
  explicit RelationReader(const Inputs&) {}
  Parts reads() const override { return {.relations = true}; }
  at::Tensor score_pairs(const Representation& images, const Representation& texts, const at::Tensor& pairs) override {
    const auto number = [&](const Representation& side, int64_t end) {
      return side.relations.select(2, 2).ne(0).sum(1).index_select(0, pairs.select(1, end)).to(at::kFloat);
    };
    return -(number(images, 0) - number(texts, 1)).abs();
  }
};

}  // namespace

ORBWEAVER_PLUGIN("fixtures", "0.1.0", registrar) {
  registrar.add<ImageEncoder, ColourEncoder>("colour", "Mean colours");
  registrar.add<ImageEncoder, LinearEncoder>("linear", "Linear map of the mean colour");
  registrar.add<TextEncoder, LengthEncoder>("length", "Word lengths");
  registrar.add<GraphBuilder, PointsGraph>("points", "Objects or words as nodes");
  registrar.add<GraphEncoder, LabelMean>("label_mean", "Mean of the label embeddings");
  registrar.add<Fusion, NodeReader>("node_reader", "Reads nodes");
  registrar.add<Fusion, BothParts>("both_parts", "The globals, and the tokens of images");
  registrar.add<Fusion, LocalAlone>("local_alone", "The locals as they are");
  registrar.add<Fusion, Identity>("identity", "The globals as they are");
  registrar.add<Interaction, Distance>("distance", "Squared distance of the globals");
  registrar.add<Interaction, RelationReader>("relation_reader", "How many relations either graph has");
}
