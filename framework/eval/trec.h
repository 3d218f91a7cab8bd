// TREC files: runs and relevance judgements that trec_eval and its relatives read.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "orbweaver/reranker.h"

namespace orbweaver {

/// Items of each query in a run file.
inline constexpr int64_t trec_run_length = 1000;

/// Writes i2t.run, i2t.qrels, t2i.run and t2i.qrels into `folder`, one file after the other, each atomically.
///
/// Runs have six columns, "query Q0 item rank score tag", the 1,000 best items of each query; judgements have four,
/// "query 0 item 1". Images are called i0, i1, ..., captions t0, t1, ..., by their place in the scores. trec_eval
/// orders by score and breaks ties by item name, not by rank, so its figures are those of yet another tie rule.
///
/// @param i2t            [I, T]
/// @param t2i            [T, I]; absent: i2t transposed
/// @param caption_image  T entries: the image each caption describes
/// @param tag            names the run; blanks become "_"
/// @throws ShapeError on sizes that do not fit.
void write_trec(const std::filesystem::path& folder, const Scores& i2t, const std::optional<Scores>& t2i,
                std::span<const int64_t> caption_image, const std::string& tag);

}  // namespace orbweaver
