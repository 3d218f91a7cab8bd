// A split through a model: embeddings of all images and texts, and their scores.
#pragma once

#include <optional>

#include "framework/model/split_inputs.h"
#include "orbweaver/matrix.h"

namespace orbweaver {

struct EncodedSplit {
  Representation images;  ///< per image; embedding, what an interaction reads, what was to be kept; on the CPU
  Representation texts;   ///< per distinct text
};

/// Encodes every image and every distinct text once, in evaluation mode.
/// @param keep  parts to keep beside what an interaction reads; those must be made.
EncodedSplit encode_split(RetrievalModel& model, SplitInputs& inputs, int64_t batch_size, const RunReport& report,
                          const Parts& keep = {});

/// A copy of a matrix of any device and type.
Matrix<float> to_matrix(const at::Tensor& tensor);

struct SplitScores {
  Matrix<float> i2t;                 ///< [images, captions]
  std::optional<Matrix<float>> t2i;  ///< [captions, images]; present where an interaction refined a shortlist
  /// Share of queries (0..1) with a match on the shortlist that the interaction rescored.
  double i2t_shortlist_recall = 0, t2i_shortlist_recall = 0;
};

/// Cosine of all pairs; with interactions, embedding_weight x cosine + sum of weight x interaction: of all pairs when
/// the shortlist is 0, else on each direction's own shortlist (all items tied with its last are on it), other pairs
/// below it in embedding order. Queries are scored in blocks; a query's scores depend on the others in rounding alone.
SplitScores score_split(RetrievalModel& model, const SplitInputs& inputs, const EncodedSplit& encoded, int64_t chunk,
                        const RunReport& report);

}  // namespace orbweaver
