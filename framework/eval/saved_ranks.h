// Per-query outcomes of an evaluation, kept: ranks.<split>.safetensors in a run folder, and as CSV for anybody's own
// statistics.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/eval/evaluation.h"
#include "framework/eval/paired.h"

namespace orbweaver {

/// Ranks of one row of an evaluation: a strict row in which every caption has its own image only as a match.
struct RankedRow {
  int64_t row = 0;       ///< its number among all rows of that evaluation's record (/evaluations/<split>/rows), from 0
  std::string reranker;  ///< EvaluationRow::reranker
  TwoWayRanks ranks;
  std::string name() const;  ///< "0.none", "4.multivariate"
};

/// Outcomes of the pairs of framework/eval/abilities.h: of the row without a reranker.
struct SavedPairs {
  std::string hash;                    ///< of all pairs' ids, abilities and kinds, in order
  std::vector<std::string> abilities;  ///< of each pair
  std::vector<PairOutcome> outcomes;   ///< of each pair

  /// Whether each pair of an ability is right by a score ("text", "image", "group").
  std::vector<bool> right(std::string_view ability, std::string_view score) const;
};

/// Of an evaluation's rows; nothing where it had no pairs.
std::optional<SavedPairs> saved_pairs(std::span<const AbilityPair> pairs, std::span<const EvaluationRow> rows);

struct SavedRanks {
  std::string split;         ///< "test"
  std::string split_hash;    ///< Split::hash
  std::string weights_hash;  ///< hash_file of the checkpoint; empty: none (a config without training)
  std::vector<int64_t> caption_image;
  std::vector<RankedRow> rows;
  std::optional<SavedPairs> pairs{};

  /// The row of a reranker, the first of several; null where there is none.
  const RankedRow* find(std::string_view reranker) const;
};

/// The rows of an evaluation that have ranks, numbered as to_value(rows) lists them.
std::vector<RankedRow> ranked_rows(std::span<const EvaluationRow> rows);

/// "ranks.test.safetensors"
std::string ranks_file_name(std::string_view split);

/// Atomically: int64 tensors "caption_image" [T] and, for each row, "<name>.i2t" [I] and "<name>.t2i" [T] with the
/// 1-based rank of each query's best match; metadata "format" (1), "split", "split_hash", "weights_hash". With pairs
/// also int64 tensors "pairs.text" and "pairs.image" [P] of 0 and 1, "pairs.ability" [P] with the place of each pair's
/// ability in the metadata's "abilities" (a JSON list), and "pairs_hash".
void write_ranks(const std::filesystem::path& file, const SavedRanks& ranks);
/// @throws InputError naming the file and what is wrong with it.
SavedRanks read_ranks(const std::filesystem::path& file);

/// Why these are not the ranks of an evaluation, one line; empty: they are. The evaluation is known by its rows
/// (to_value) and the hash of its weights. Its strict rows with own positives must be here under their numbers and give
/// their metrics again: so ranks of other parameters of the same reranker are found out as well. So must the outcomes
/// of pairs, where the evaluation has abilities.
/// @param weights_hash  empty: unknown, not compared
std::string why_not_of(const SavedRanks& ranks, const Value& rows, std::string_view weights_hash);

/// Whether ranks without a reranker, strict and with own positives, give the metrics of that row of an evaluation
/// (to_value of its rows) again: what scores must do before they count as those of the evaluation.
bool give_plain_row(const TwoWayRanks& ranks, const Value& rows);

/// Columns row, reranker, direction, query, image, rank, hit@1, hit@5, hit@10, with a header. A line for each query of
/// each row: direction i2t with the image's number as query, or t2i with the caption's; `image` is the query's image,
/// the unit of the comparisons in framework/eval/significance.h. Numbers are places in the split, from 0.
std::string outcomes_csv(std::span<const RankedRow> rows, std::span<const int64_t> caption_image);

}  // namespace orbweaver
