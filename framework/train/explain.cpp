#include "framework/train/explain.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "framework/data/image.h"
#include "framework/model/encode.h"
#include "orbweaver/assignment.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

/// Rows of unit length; zero rows stay zero.
Matrix<float> unit_rows(const MatrixView<const float>& rows) {
  Matrix<float> out(rows.rows(), rows.cols());
  for (int64_t r = 0; r < rows.rows(); ++r) {
    double square = 0;
    for (int64_t c = 0; c < rows.cols(); ++c) square += static_cast<double>(rows(r, c)) * rows(r, c);
    const double scale = square > 0 ? 1 / std::sqrt(square) : 0;
    for (int64_t c = 0; c < rows.cols(); ++c) out(r, c) = static_cast<float>(rows(r, c) * scale);
  }
  return out;
}

/// A graph's nodes as its encoder made them.
struct Nodes {
  std::vector<int64_t> places;  ///< in the graph, of each row
  Matrix<float> rows;
};

/// Nodes of the graph alone: of an empty graph none, also where its encoder puts a learned node in their place.
Nodes real_nodes(const Representation& side, int64_t item, const Graph& graph) {
  const at::Tensor nodes = side.nodes[item].to(at::kCPU, at::kFloat).contiguous();
  const at::Tensor mask = side.node_mask[item].cpu().contiguous();
  Nodes out;
  for (int64_t i = 0; i < std::min(graph.size(), nodes.size(0)); ++i)
    if (mask.data_ptr<bool>()[i]) out.places.push_back(i);
  const int64_t width = nodes.size(1);
  out.rows = Matrix<float>(static_cast<int64_t>(out.places.size()), width);
  for (size_t r = 0; r < out.places.size(); ++r)
    std::copy_n(nodes.data_ptr<float>() + out.places[r] * width, width,
                out.rows.data() + static_cast<int64_t>(r) * width);
  return out;
}

void require_equal_widths(const RetrievalModel& model, const EncodedSplit& encoded, const std::string& run) {
  const Config& config = model.config();
  const auto encoder = [](const SideConfig& side) {
    return fmt::format("{} ({})", side.graph_encoder->pointer, side.graph_encoder->id);
  };
  for (const bool image : {true, false})
    if (!(image ? encoded.images : encoded.texts).nodes.defined())
      throw InputError(
          fmt::format("{}: {} makes no nodes, which --explain joins; train a run with another graph "
                      "encoder there, such as rgcn",
                      run, encoder(image ? config.image : config.text)));
  const int64_t objects = encoded.images.nodes.size(2), entities = encoded.texts.nodes.size(2);
  if (objects != entities)
    throw InputError(
        fmt::format("{}: nodes of {} are {} wide, those of {} {}, and --explain joins nodes by their "
                    "cosine; train a run in which the two graph encoders make nodes of one width",
                    run, encoder(config.image), objects, encoder(config.text), entities));
}

void require_other_files(const std::vector<ExplainedPair>& pairs, const std::vector<fs::path>& images) {
  for (const ExplainedPair& pair : pairs)
    for (const fs::path& image : images) {
      std::error_code none_there;
      if (fs::equivalent(pair.file, image, none_there))
        throw InputError(fmt::format("--explain: its drawing {} would replace {} of --images; give another name",
                                     pair.file.string(), image.string()));
    }
}

std::vector<ExplainedPair> named_pairs(const MatrixView<const float>& scores, const std::vector<fs::path>& images,
                                       const fs::path& file) {
  if (scores.rows() == 1 && scores.cols() == 1) return {{0, 0, file}};
  std::set<std::string> stems;
  for (const fs::path& image : images) stems.insert(image.stem().string());
  std::set<std::string> used;
  std::vector<ExplainedPair> pairs;
  for (int64_t i = 0; i < scores.rows(); ++i) {
    const std::string stem = images[static_cast<size_t>(i)].stem().string();
    std::string name = stem;
    for (int copy = 2; (name != stem && stems.contains(name)) || !used.insert(name).second; ++copy)
      name = fmt::format("{}-{}", stem, copy);
    int64_t best = 0;
    for (int64_t t = 1; t < scores.cols(); ++t)
      if (scores(i, t) > scores(i, best)) best = t;
    pairs.push_back(
        {i, best, file.parent_path() / fmt::format("{}-{}{}", file.stem().string(), name, file.extension().string())});
  }
  return pairs;
}

}  // namespace

std::vector<ExplainedPair> pairs_to_explain(const MatrixView<const float>& scores, const std::vector<fs::path>& images,
                                            const fs::path& file) {
  std::vector<ExplainedPair> pairs = named_pairs(scores, images, file);
  require_other_files(pairs, images);
  return pairs;
}

std::vector<NodeMatch> match_nodes(const MatrixView<const float>& objects, const MatrixView<const float>& entities) {
  if (objects.rows() == 0 || entities.rows() == 0) return {};
  if (objects.cols() != entities.cols())
    throw ShapeError(fmt::format("match_nodes: nodes are {} and {} wide", objects.cols(), entities.cols()));
  const Matrix<float> from = unit_rows(objects), to = unit_rows(entities);
  Matrix<double> cost(objects.rows(), entities.rows());
  for (int64_t i = 0; i < cost.rows(); ++i)
    for (int64_t j = 0; j < cost.cols(); ++j) {
      double cosine = 0;
      for (int64_t c = 0; c < from.cols(); ++c) cosine += static_cast<double>(from(i, c)) * to(j, c);
      cost(i, j) = 1 - cosine;
    }
  Hungarian hungarian;
  const auto entity_of = hungarian.solve(cost.data(), cost.rows(), cost.cols(), cost.cols());
  std::vector<NodeMatch> matches;
  for (int64_t i = 0; i < cost.rows(); ++i)
    if (const int64_t j = entity_of[static_cast<size_t>(i)]; j >= 0) matches.push_back({i, j, 1 - cost(i, j)});
  return matches;
}

void require_graphs(const Config& config, const std::string& run) {
  std::vector<std::string> missing;
  const auto need = [&](const std::optional<ComponentConfig>& part, const char* pointer) {
    if (!part) missing.push_back(pointer);
  };
  need(config.image.graph, "/model/image/graph");
  need(config.image.graph_encoder, "/model/image/graph_encoder");
  need(config.text.graph, "/model/text/graph");
  need(config.text.graph_encoder, "/model/text/graph_encoder");
  if (missing.empty()) return;
  throw InputError(
      fmt::format("{}: --explain joins an image's graph with a sentence's, and the run has no {}; train one with a "
                  "graph and a graph_encoder on both sides (such as sog and rgcn, erg and rgcn) and with loss hgac",
                  run, fmt::join(missing, ", no ")));
}

Explanation explain(const RetrievalModel& model, const SplitInputs& inputs, const EncodedSplit& encoded,
                    const ExplainedPair& pair, std::vector<std::string> facts, const std::string& run) {
  require_equal_widths(model, encoded, run);
  const size_t caption = static_cast<size_t>(pair.text);
  const int64_t text = inputs.caption_texts()[caption];
  const Graph& scene = inputs.graph(Side::image, pair.image);
  const Graph& sentence = inputs.graph(Side::text, text);
  const Nodes objects = real_nodes(encoded.images, pair.image, scene);
  const Nodes entities = real_nodes(encoded.texts, text, sentence);

  Explanation out{pair, scene.labels, sentence.labels, match_nodes(objects.rows.view(), entities.rows.view())};
  for (NodeMatch& match : out.matches) {
    match.object = objects.places[static_cast<size_t>(match.object)];
    match.entity = entities.places[static_cast<size_t>(match.entity)];
  }
  const Image image = decode_image(inputs.split().images[static_cast<size_t>(pair.image)].file);
  const auto build = [&](const Scene& other) { return build_graph(model.graph_builder(Side::image), other); };
  const std::vector<Object> boxes = node_boxes(build, scene, image.width, image.height);
  const MatchPicture picture = draw_match(
      {image.view(), scene, boxes, sentence, out.matches, inputs.split().captions[caption].text, std::move(facts)});
  write_image(pair.file, picture.image.view());
  return out;
}

}  // namespace orbweaver
