#include "framework/eval/saved_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <map>

#include "framework/eval/significance.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/io/lenient.h"
#include "framework/io/safetensors.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view format_number = "1";

TensorEntry entry_of(const std::vector<int64_t>& numbers) {
  return {"I64", {static_cast<int64_t>(numbers.size())}, std::as_bytes(std::span(numbers))};
}

std::vector<int64_t> numbers_of(const SafetensorsFile& file, const std::string& name) {
  const TensorEntry& entry = file.at(name);
  if (entry.dtype != "I64" || entry.shape.size() != 1)
    throw InputError(fmt::format("{}: tensor {} is {} with {} dimensions, expected I64 with 1; evaluate the run again",
                                 file.path().string(), name, entry.dtype, entry.shape.size()));
  std::vector<int64_t> numbers(entry.bytes.size() / sizeof(int64_t));
  std::memcpy(numbers.data(), entry.bytes.data(), entry.bytes.size());
  return numbers;
}

std::string metadata_of(const SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end())
    throw InputError(
        fmt::format("{}: has no \"{}\" in its metadata, so it is no file of ranks", file.path().string(), key));
  return found->second;
}

/// "4.multivariate" -> 4 and "multivariate".
RankedRow row_named(const SafetensorsFile& file, const std::string& name) {
  RankedRow row;
  const char* const end = name.data() + name.size();
  const auto [after, error] = std::from_chars(name.data(), end, row.row);
  if (error != std::errc{} || after == end || *after != '.' || row.row < 0)
    throw InputError(fmt::format("{}: tensor {}.i2t does not begin with a row's number, as in \"0.none.i2t\"",
                                 file.path().string(), name));
  row.reranker.assign(after + 1, end);
  return row;
}

void check_sizes(const SafetensorsFile& file, const SavedRanks& ranks) {
  const size_t images = ranks.rows.empty() ? 0 : ranks.rows.front().ranks.i2t.size();
  for (const RankedRow& row : ranks.rows)
    if (row.ranks.i2t.size() != images || row.ranks.t2i.size() != ranks.caption_image.size())
      throw InputError(fmt::format("{}: row {} has ranks of {} images and {} captions, expected {} and {}",
                                   file.path().string(), row.name(), row.ranks.i2t.size(), row.ranks.t2i.size(), images,
                                   ranks.caption_image.size()));
}

void append_outcomes(std::string& csv, const RankedRow& row, std::string_view direction, std::span<const int64_t> ranks,
                     std::span<const int64_t> image_of_query) {
  for (size_t query = 0; query < ranks.size(); ++query) {
    const int64_t rank = ranks[query];
    const int64_t image = image_of_query.empty() ? static_cast<int64_t>(query) : image_of_query[query];
    fmt::format_to(std::back_inserter(csv), "{},{},{},{},{},{},{:d},{:d},{:d}\n", row.row, row.reranker, direction,
                   query, image, rank, rank <= 1, rank <= 5, rank <= 10);
  }
}

/// Ranks are kept of these alone.
bool has_ranks(const Value& row) {
  return row.at("tie_rule").as_string() == tie_rule_name(TieRule::strict) && !row.at("duplicate_aware").as_bool();
}

// ---- pairs

/// Pairs as tensors: their numbers must outlive the entries.
struct PairNumbers {
  std::vector<std::string> names;
  std::vector<int64_t> ability, text, image;

  explicit PairNumbers(const SavedPairs& pairs) {
    for (size_t at = 0; at < pairs.outcomes.size(); ++at) {
      auto name = std::ranges::find(names, pairs.abilities[at]);
      if (name == names.end()) name = names.insert(names.end(), pairs.abilities[at]);
      ability.push_back(name - names.begin());
      text.push_back(pairs.outcomes[at].text);
      image.push_back(pairs.outcomes[at].image);
    }
  }
  std::string names_json() const {
    Value list = Value::list();
    for (const std::string& name : names) list.push_back(name);
    return to_json(list, -1);
  }
};

std::optional<SavedPairs> read_pairs(const SafetensorsFile& file) {
  if (!file.metadata().contains("pairs_hash")) return {};
  const std::vector<std::string> names =
      texts_of(parse_json(metadata_of(file, "abilities"), file.path().string() + ": abilities"));
  const std::vector<int64_t> ability = numbers_of(file, "pairs.ability"), text = numbers_of(file, "pairs.text"),
                             image = numbers_of(file, "pairs.image");
  const auto is_known = [&](int64_t place) { return place >= 0 && place < std::ssize(names); };
  if (text.size() != ability.size() || image.size() != ability.size() || !std::ranges::all_of(ability, is_known))
    throw InputError(fmt::format("{}: has {} pairs of {} abilities, {} text and {} image outcomes, which do not fit",
                                 file.path().string(), ability.size(), names.size(), text.size(), image.size()));
  SavedPairs pairs;
  pairs.hash = metadata_of(file, "pairs_hash");
  for (size_t at = 0; at < ability.size(); ++at) {
    pairs.abilities.push_back(names[static_cast<size_t>(ability[at])]);
    pairs.outcomes.push_back({text[at] != 0, image[at] != 0});
  }
  return pairs;
}

/// Why the outcomes of pairs are not those of a row (to_value), or "".
std::string why_not_pairs_of(const std::optional<SavedPairs>& pairs, const Value& row) {
  for (const std::string& name : ability_metrics_of(row)) {
    if (!pairs) return "they lack the pairs of the run's evaluation";
    const AbilityMetric metric = *ability_metric(name);
    const std::vector<bool> right = pairs->right(metric.ability, metric.score);
    const double own =
        100.0 * static_cast<double>(std::count(right.begin(), right.end(), true)) / static_cast<double>(right.size());
    const std::optional<double> expected = ability_metric_of(row, name);
    if (right.empty() || !expected || std::abs(own - *expected) > 1e-6)
      return fmt::format("their pairs give another {} than the run's evaluation", name);
  }
  return "";
}

/// The metrics say the same up to the rounding of another compiler.
bool gives(const TwoWayRanks& ranks, const Value& metrics) {
  const RetrievalMetrics own{direction_metrics(ranks.i2t), direction_metrics(ranks.t2i)};
  return std::ranges::all_of(metric_names(), [&](std::string_view name) {
    return std::abs(metric_of(own, name) - metric_of(metrics, name)) < 1e-6;
  });
}

}  // namespace

std::vector<bool> SavedPairs::right(std::string_view ability, std::string_view score) const {
  std::vector<bool> right;
  for (size_t at = 0; at < outcomes.size(); ++at)
    if (abilities[at] == ability) right.push_back(is_right(outcomes[at], score));
  return right;
}

std::optional<SavedPairs> saved_pairs(std::span<const AbilityPair> pairs, std::span<const EvaluationRow> rows) {
  const auto row = std::ranges::find_if(rows, [](const EvaluationRow& of) { return !of.pair_outcomes.empty(); });
  if (row == rows.end()) return {};
  SavedPairs out;
  Hasher hasher;
  for (const AbilityPair& pair : pairs) {
    hasher.add(std::string_view(pair.id)).add(std::string_view(pair.ability)).add(std::string_view(pair.kind));
    out.abilities.push_back(pair.ability);
  }
  out.hash = hasher.hex();
  out.outcomes = row->pair_outcomes;
  return out;
}

std::string RankedRow::name() const { return fmt::format("{}.{}", row, reranker); }

const RankedRow* SavedRanks::find(std::string_view reranker) const {
  const auto found = std::ranges::find(rows, reranker, &RankedRow::reranker);
  return found == rows.end() ? nullptr : &*found;
}

std::vector<RankedRow> ranked_rows(std::span<const EvaluationRow> rows) {
  std::vector<RankedRow> ranked;
  for (size_t at = 0; at < rows.size(); ++at)
    if (rows[at].ranks) ranked.push_back({static_cast<int64_t>(at), rows[at].reranker, *rows[at].ranks});
  return ranked;
}

std::string ranks_file_name(std::string_view split) { return fmt::format("ranks.{}.safetensors", split); }

void write_ranks(const fs::path& file, const SavedRanks& ranks) {
  std::map<std::string, TensorEntry> tensors{{"caption_image", entry_of(ranks.caption_image)}};
  for (const RankedRow& row : ranks.rows) {
    tensors.emplace(row.name() + ".i2t", entry_of(row.ranks.i2t));
    tensors.emplace(row.name() + ".t2i", entry_of(row.ranks.t2i));
  }
  std::map<std::string, std::string> metadata{{"format", std::string(format_number)},
                                              {"split", ranks.split},
                                              {"split_hash", ranks.split_hash},
                                              {"weights_hash", ranks.weights_hash}};
  std::optional<PairNumbers> pairs;
  if (ranks.pairs) {
    pairs.emplace(*ranks.pairs);
    tensors.emplace("pairs.ability", entry_of(pairs->ability));
    tensors.emplace("pairs.text", entry_of(pairs->text));
    tensors.emplace("pairs.image", entry_of(pairs->image));
    metadata["abilities"] = pairs->names_json();
    metadata["pairs_hash"] = ranks.pairs->hash;
  }
  write_safetensors(file, tensors, metadata);
}

SavedRanks read_ranks(const fs::path& path) {
  const SafetensorsFile file(path);
  file.require_checksum();
  const std::string format = metadata_of(file, "format");
  if (format != format_number)
    throw InputError(fmt::format("{}: is of format \"{}\", expected \"{}\"; evaluate the run again", path.string(),
                                 format, format_number));
  SavedRanks ranks{metadata_of(file, "split"),
                   metadata_of(file, "split_hash"),
                   metadata_of(file, "weights_hash"),
                   numbers_of(file, "caption_image"),
                   {},
                   read_pairs(file)};
  constexpr std::string_view ending = ".i2t";
  for (const auto& [tensor, entry] : file.tensors()) {
    if (!tensor.ends_with(ending)) continue;
    const std::string name = tensor.substr(0, tensor.size() - ending.size());
    RankedRow row = row_named(file, name);
    row.ranks = {numbers_of(file, tensor), numbers_of(file, name + ".t2i")};
    ranks.rows.push_back(std::move(row));
  }
  std::ranges::sort(ranks.rows, {}, &RankedRow::row);
  check_sizes(file, ranks);
  return ranks;
}

std::string why_not_of(const SavedRanks& ranks, const Value& rows, std::string_view weights_hash) {
  if (!weights_hash.empty() && ranks.weights_hash != weights_hash) return "they are of other weights than the run's";
  std::map<std::string, const Value*> expected;
  for (size_t at = 0; at < rows.as_list().size(); ++at) {
    const Value& row = rows.as_list()[at];
    if (has_ranks(row)) expected[RankedRow{static_cast<int64_t>(at), row.at("reranker").as_string(), {}}.name()] = &row;
  }
  for (const RankedRow& row : ranks.rows)
    if (!expected.contains(row.name()))
      return fmt::format("they have a row {}, which the run's evaluation has not", row.name());
  for (const auto& [name, row] : expected) {
    const auto own = std::ranges::find(ranks.rows, name, &RankedRow::name);
    if (own == ranks.rows.end()) return fmt::format("they lack row {} of the run's evaluation", name);
    if (!gives(own->ranks, row->at("metrics")))
      return fmt::format("row {} has other metrics than in the run's evaluation", name);
    if (std::string why = why_not_pairs_of(ranks.pairs, *row); !why.empty()) return why;
  }
  return "";
}

bool give_plain_row(const TwoWayRanks& ranks, const Value& rows) {
  const auto plain = std::ranges::find_if(
      rows.as_list(), [](const Value& row) { return has_ranks(row) && row.at("reranker").as_string() == "none"; });
  return plain != rows.as_list().end() && gives(ranks, plain->at("metrics"));
}

std::string outcomes_csv(std::span<const RankedRow> rows, std::span<const int64_t> caption_image) {
  std::string csv = "row,reranker,direction,query,image,rank,hit@1,hit@5,hit@10\n";
  for (const RankedRow& row : rows) {
    append_outcomes(csv, row, "i2t", row.ranks.i2t, {});
    append_outcomes(csv, row, "t2i", row.ranks.t2i, caption_image);
  }
  return csv;
}

}  // namespace orbweaver
