// Why a model finds an image and a sentence alike: the nodes of their graphs, matched and drawn.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/data/graph_draw.h"
#include "orbweaver/matrix.h"

namespace orbweaver {

class RetrievalModel;
class SplitInputs;
struct Config;
struct EncodedSplit;

/// An image and a text, by their numbers, and the file that their drawing is written to.
struct ExplainedPair {
  int64_t image = 0, text = 0;
  std::filesystem::path file;
  bool operator==(const ExplainedPair&) const = default;
};

/// Which pairs are drawn, and where: the one pair of one image and one text into `file` itself; else each image with
/// its best text (the first of several equal ones) into "<file's stem>-<image's stem><extension>". Images of the same
/// stem get "-2", "-3" and so on, whatever other images are called.
/// @param scores  [images, texts].
/// @throws InputError where a drawing would replace one of the images.
std::vector<ExplainedPair> pairs_to_explain(const MatrixView<const float>& scores,
                                            const std::vector<std::filesystem::path>& images,
                                            const std::filesystem::path& file);

/// Pairs objects and entities so that the sum of 1 - cosine is least (Hungarian assignment): as many pairs as the
/// smaller side has nodes. A node that is zero has cosine 0 with every other.
///
/// @param objects, entities  [N, D] and [M, D], real nodes alone.
/// @return                   by object.
std::vector<NodeMatch> match_nodes(const MatrixView<const float>& objects, const MatrixView<const float>& entities);

/// @param run  named in errors.
/// @throws InputError unless both sides have a graph and a graph encoder; says what is missing and what to train.
void require_graphs(const Config& config, const std::string& run);

struct Explanation {
  ExplainedPair pair;
  std::vector<std::string> objects, entities;  ///< labels of the two graphs' nodes
  std::vector<NodeMatch> matches;
};

/// Matches the nodes of one pair and writes the drawing.
///
/// Neither padding nor a node that an encoder puts in the place of an empty graph is matched.
/// @param encoded  with `nodes` of both sides.
/// @param facts    lines below the caption.
/// @throws InputError where nodes are missing, or differ in width between the sides.
Explanation explain(const RetrievalModel& model, const SplitInputs& inputs, const EncodedSplit& encoded,
                    const ExplainedPair& pair, std::vector<std::string> facts, const std::string& run);

}  // namespace orbweaver
