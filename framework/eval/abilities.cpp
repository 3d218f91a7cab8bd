#include "framework/eval/abilities.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "framework/data/dataset.h"
#include "framework/eval/ability_oracle.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 3> score_names{"text", "image", "group"};

std::string trimmed(const std::string& text) {
  constexpr const char* blanks = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

/// "groups" of the file. @throws InputError where it is of another kind.
Value read_groups(const fs::path& file) {
  const Value value = read_json(file);
  const Value* format = value.find("orbweaver_abilities");
  if (!format || !(*format == Value(1)))
    throw InputError(fmt::format("{}: /orbweaver_abilities: is {}, expected 1; orbweaver data synth writes such a file",
                                 file.string(), format ? brief(*format) : "not there"));
  const Value* groups = value.find("groups");
  if (!groups || !groups->is_object())
    throw InputError(fmt::format("{}: /groups: is {}, expected an object with a list of pairs for each split",
                                 file.string(), groups ? brief(*groups) : "not there"));
  return *groups;
}

/// The groups of a split: a list, empty where the file has none.
Value::List groups_of(const fs::path& file, std::string_view split) {
  const Value groups = read_groups(file);
  const Value* list = groups.find(split);
  if (!list) return {};
  if (!list->is_list())
    throw InputError(
        fmt::format("{}: /groups/{}: is {}, expected a list of pairs", file.string(), split, brief(*list)));
  return list->as_list();
}

/// Names stand in metrics ("relation.group"), beside "i2t.R@1".
void check_ability_name(const std::string& name, const std::string& place) {
  if (name.empty() || name.find_first_of(". \t\n") != std::string::npos || name == "i2t" || name == "t2i")
    throw InputError(
        fmt::format("{}/ability: is \"{}\", expected a word without dots that is no direction", place, name));
}

std::string text_at(const Value& group, const char* key, const std::string& place) {
  const Value* value = group.find(key);
  if (!value || !value->is_string())
    throw InputError(fmt::format("{}/{}: is {}, expected a text", place, key, value ? brief(*value) : "not there"));
  return value->as_string();
}

/// One of the two entries of "images", "captions" or "rows".
const Value& entry_of(const Value& group, const char* key, size_t index, const std::string& place) {
  const Value* value = group.find(key);
  if (!value || !value->is_list() || value->as_list().size() != 2)
    throw InputError(
        fmt::format("{}/{}: is {}, expected a list of two", place, key, value ? brief(*value) : "not there"));
  return value->as_list()[index];
}

/// Finds what a file names in a loaded split.
class PairReader {
 public:
  PairReader(const Split& split, const std::set<std::string>& left_out) : split_(split), left_out_(left_out) {
    for (size_t image = 0; image < split.images.size(); ++image)
      image_of_.emplace(split.images[image].name, static_cast<int64_t>(image));
    first_caption_.resize(split.images.size(), static_cast<int64_t>(split.captions.size()));
    for (size_t caption = split.captions.size(); caption-- > 0;)
      first_caption_[static_cast<size_t>(split.captions[caption].image)] = static_cast<int64_t>(caption);
  }

  /// The pair, or nothing where one of its images was left out.
  std::optional<AbilityPair> read(const Value& group, const std::string& place) const {
    AbilityPair pair{
        text_at(group, "id", place), text_at(group, "ability", place), text_at(group, "kind", place), {}, {}};
    check_ability_name(pair.ability, place);
    bool whole = true;
    for (size_t i = 0; i < 2; ++i) {
      const std::optional<int64_t> image = find_image(group, i, place);
      whole = whole && image;
      if (!image) continue;
      pair.images[i] = *image;
      pair.captions[i] = find_caption(group, i, *image, place);
    }
    if (!whole) return {};
    if (pair.images[0] == pair.images[1])
      throw InputError(fmt::format("{}/images: names one image twice, expected two", place));
    return pair;
  }

 private:
  std::optional<int64_t> find_image(const Value& group, size_t index, const std::string& place) const {
    const Value& name = entry_of(group, "images", index, place);
    const auto found = name.is_string() ? image_of_.find(name.as_string()) : image_of_.end();
    if (found != image_of_.end()) return found->second;
    if (name.is_string() && left_out_.contains(name.as_string())) return {};
    throw InputError(
        fmt::format("{}/images/{}: is {}, which is no image of the {} split; the file belongs to another state of the "
                    "dataset: write both again, or remove it",
                    place, index, brief(name), split_.name));
  }

  int64_t find_caption(const Value& group, size_t index, int64_t image, const std::string& place) const {
    const Value& row = entry_of(group, "rows", index, place);
    const Value& text = entry_of(group, "captions", index, place);
    if (!row.is_int() || !text.is_string())
      throw InputError(fmt::format("{}: row {} and caption {}, expected a line's number and its text", place,
                                   brief(row), brief(text)));
    const std::string wanted = trimmed(text.as_string());
    if (left_out_.empty()) return caption_in_row(row.as_int(), wanted, image, index, place);
    // Where images are missing, rows stand earlier than in the list. Captions of one text are scored alike, so that the
    // first of an image's will do.
    const auto all = static_cast<int64_t>(split_.captions.size());
    for (int64_t at = first_caption_[static_cast<size_t>(image)]; at < all && caption(at).image == image; ++at)
      if (caption(at).text == wanted && at <= row.as_int()) return at;
    throw InputError(fmt::format("{}/captions/{}: \"{}\" is no caption of {} up to row {} of the {} split; {}", place,
                                 index, wanted, split_.images[static_cast<size_t>(image)].name, row.as_int(),
                                 split_.name, advice));
  }

  int64_t caption_in_row(int64_t row, const std::string& wanted, int64_t image, size_t index,
                         const std::string& place) const {
    if (row < 0 || row >= static_cast<int64_t>(split_.captions.size()))
      throw InputError(fmt::format("{}/rows/{}: is {}, but the {} split has {} captions; {}", place, index, row,
                                   split_.name, split_.captions.size(), advice));
    if (caption(row).image != image)
      throw InputError(fmt::format("{}/rows/{}: is {}, which is a caption of {}, expected one of {}; {}", place, index,
                                   row, split_.images[static_cast<size_t>(caption(row).image)].name,
                                   split_.images[static_cast<size_t>(image)].name, advice));
    if (caption(row).text != wanted)
      throw InputError(fmt::format("{}/captions/{}: is \"{}\", but row {} of the {} split says \"{}\"; {}", place,
                                   index, wanted, row, split_.name, caption(row).text, advice));
    return row;
  }

  const CaptionRecord& caption(int64_t at) const { return split_.captions[static_cast<size_t>(at)]; }

  static constexpr std::string_view advice =
      "the file belongs to another state of the dataset: write both again, or remove it";
  const Split& split_;
  const std::set<std::string>& left_out_;
  std::map<std::string, int64_t, std::less<>> image_of_;
  std::vector<int64_t> first_caption_;
};

/// Images of the lists that a loaded split has not.
std::set<std::string> left_out_of(const DatasetParams& params, const Dataset& dataset, const Split& split) {
  std::set<std::string> names;
  const fs::path images = params.images.empty() ? params.root / "images" : params.images;
  for (const SkippedItem& item : dataset.skipped) names.insert(item.file.lexically_relative(images).string());
  if (split.name == "train" && dataset.val_source.starts_with("seeded"))
    for (const ImageRecord& image : dataset.val.images) names.insert(image.name);
  return names;
}

double at(const Scores& scores, int64_t row, int64_t column) {
  return std::visit([&](const auto& view) { return static_cast<double>(view(row, column)); }, scores);
}

double percent(int64_t part, size_t of) { return 100.0 * static_cast<double>(part) / static_cast<double>(of); }

/// Recalls of some pairs' images and their captions as queries.
RetrievalMetrics recalls_of(const std::vector<const AbilityPair*>& pairs, const TwoWayRanks& ranks,
                            std::span<const int64_t> caption_image) {
  std::vector<char> queried(ranks.i2t.size());
  for (const AbilityPair* pair : pairs)
    for (const int64_t image : pair->images) queried[static_cast<size_t>(image)] = 1;
  TwoWayRanks own;
  for (size_t image = 0; image < queried.size(); ++image)
    if (queried[image]) own.i2t.push_back(ranks.i2t[image]);
  for (size_t caption = 0; caption < caption_image.size(); ++caption)
    if (queried[static_cast<size_t>(caption_image[caption])]) own.t2i.push_back(ranks.t2i[caption]);
  return {direction_metrics(own.i2t), direction_metrics(own.t2i)};
}

/// Pairs of one line with their outcomes.
struct Gathered {
  std::string ability, kind;
  std::vector<const AbilityPair*> pairs;
  int64_t text = 0, image = 0, group = 0;

  void add(const AbilityPair& pair, const PairOutcome& outcome) {
    pairs.push_back(&pair);
    text += outcome.text, image += outcome.image, group += outcome.group();
  }
  AbilityRow row(const TwoWayRanks* ranks, std::span<const int64_t> caption_image) const {
    AbilityRow out{ability,
                   kind,
                   static_cast<int64_t>(pairs.size()),
                   percent(text, pairs.size()),
                   percent(image, pairs.size()),
                   percent(group, pairs.size()),
                   {}};
    if (ranks) out.recalls = recalls_of(pairs, *ranks, caption_image);
    return out;
  }
};

Gathered& line_of(std::vector<Gathered>& lines, const std::string& ability, const std::string& kind) {
  const auto found =
      std::ranges::find_if(lines, [&](const Gathered& of) { return of.ability == ability && of.kind == kind; });
  return found == lines.end() ? lines.emplace_back(Gathered{ability, kind, {}}) : *found;
}

Value figures_of(const AbilityRow& row) {
  return Value(Value::Object{{"pairs", row.pairs}, {"text", row.text}, {"image", row.image}, {"group", row.group}});
}

/// The oracle's group accuracy and the row's share of it.
std::string oracle_cells(const AbilityRow& row) {
  const std::optional<double> share = row.oracle ? share_of_oracle(row.group, row.oracle->group) : std::nullopt;
  return fmt::format("{:>7}  {:>6}", row.oracle ? fmt::format("{:.2f}", row.oracle->group) : "-",
                     share ? fmt::format("{:.1f}%", *share) : "-");
}

std::string recall_cells(const DirectionMetrics& of) {
  return fmt::format("{:>6.2f} {:>6.2f} {:>6.2f}", of.r1, of.r5, of.r10);
}

}  // namespace

fs::path abilities_file(const fs::path& root) { return root / "abilities.json"; }

std::vector<std::string> ability_names(const fs::path& file, std::string_view split) {
  std::vector<std::string> names;
  if (!fs::exists(file)) return names;
  const Value::List groups = groups_of(file, split);
  for (size_t i = 0; i < groups.size(); ++i) {
    const std::string place = fmt::format("{}: /groups/{}/{}", file.string(), split, i);
    const std::string name = text_at(groups[i], "ability", place);
    check_ability_name(name, place);
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

AbilityPairs read_ability_pairs(const fs::path& file, const Split& split, const std::set<std::string>& left_out) {
  const PairReader reader(split, left_out);
  const Value::List groups = groups_of(file, split.name);
  AbilityPairs out;
  for (size_t i = 0; i < groups.size(); ++i) {
    std::optional<AbilityPair> pair =
        reader.read(groups[i], fmt::format("{}: /groups/{}/{}", file.string(), split.name, i));
    if (pair)
      out.pairs.push_back(std::move(*pair));
    else
      ++out.left_out;
  }
  return out;
}

std::optional<AbilityPairs> ability_pairs_of(const DatasetParams& params, const Dataset& dataset, const Split& split) {
  const fs::path file = abilities_file(params.root);
  if (!fs::exists(file)) return {};
  AbilityPairs pairs = read_ability_pairs(file, split, left_out_of(params, dataset, split));
  if (pairs.pairs.empty() && pairs.left_out == 0) return {};
  return pairs;
}

PairOutcome outcome_of(const PairScores& scores) {
  for (const auto* direction : {&scores.i2t, &scores.t2i})
    for (const auto& row : *direction)
      for (const double score : row)
        if (std::isnan(score)) throw InputError("a score is not a number (NaN)");
  const auto own_first = [](const auto& of) { return of[0][0] > of[0][1] && of[1][1] > of[1][0]; };
  return {own_first(scores.i2t), own_first(scores.t2i)};
}

PairScorer pair_scorer(const Scores& i2t, const Scores& t2i) {
  return [i2t, t2i](const AbilityPair& pair) {
    PairScores scores;
    for (size_t a = 0; a < 2; ++a)
      for (size_t b = 0; b < 2; ++b) {
        scores.i2t[a][b] = at(i2t, pair.images[a], pair.captions[b]);
        scores.t2i[a][b] = at(t2i, pair.captions[a], pair.images[b]);
      }
    return scores;
  };
}

PairScorer pair_scorer(std::function<double(int64_t image, int64_t caption)> score) {
  return [score = std::move(score)](const AbilityPair& pair) {
    PairScores scores;
    for (size_t image = 0; image < 2; ++image)
      for (size_t caption = 0; caption < 2; ++caption)
        scores.i2t[image][caption] = scores.t2i[caption][image] = score(pair.images[image], pair.captions[caption]);
    return scores;
  };
}

std::vector<PairOutcome> pair_outcomes(std::span<const AbilityPair> pairs, const PairScorer& scorer) {
  std::vector<PairOutcome> outcomes;
  outcomes.reserve(pairs.size());
  for (const AbilityPair& pair : pairs) {
    try {
      outcomes.push_back(outcome_of(scorer(pair)));
    } catch (const InputError& error) {
      throw InputError(fmt::format("pair {}: {}", pair.id, error.what()));
    }
  }
  return outcomes;
}

std::vector<AbilityRow> ability_rows(std::span<const AbilityPair> pairs, std::span<const PairOutcome> outcomes,
                                     const TwoWayRanks* ranks, std::span<const int64_t> caption_image) {
  if (pairs.size() != outcomes.size())
    throw ShapeError(fmt::format("{} pairs, but outcomes of {}", pairs.size(), outcomes.size()));
  std::vector<Gathered> abilities, kinds;
  for (size_t at = 0; at < pairs.size(); ++at) {
    line_of(abilities, pairs[at].ability, "").add(pairs[at], outcomes[at]);
    if (!pairs[at].kind.empty()) line_of(kinds, pairs[at].ability, pairs[at].kind).add(pairs[at], outcomes[at]);
  }
  std::ranges::stable_sort(kinds, std::greater<>{}, [](const Gathered& of) { return of.pairs.size(); });
  std::vector<AbilityRow> rows;
  for (const Gathered& ability : abilities) {
    rows.push_back(ability.row(ranks, caption_image));
    for (const Gathered& kind : kinds)
      if (kind.ability == ability.ability) rows.push_back(kind.row(ranks, caption_image));
  }
  return rows;
}

Value to_value(std::span<const AbilityRow> rows) {
  Value::List list;
  for (const AbilityRow& row : rows) {
    Value entry = Value::object();
    entry[row.kind.empty() ? "ability" : "kind"] = Value(row.kind.empty() ? row.ability : row.kind);
    const Value figures = figures_of(row);
    for (const auto& [key, value] : figures.as_object()) entry[key] = value;
    if (row.oracle)
      entry["oracle"] =
          Value(Value::Object{{"text", row.oracle->text}, {"image", row.oracle->image}, {"group", row.oracle->group}});
    if (row.recalls) entry["metrics"] = to_value(*row.recalls);
    if (row.kind.empty()) {
      entry["kinds"] = Value::list();
      list.push_back(std::move(entry));
    } else {
      list.back()["kinds"].push_back(std::move(entry));
    }
  }
  return Value(std::move(list));
}

Value abilities_record(const AbilityPairs& pairs, std::span<const AbilityRow> rows) {
  Value out = Value::object();
  out["pairs"] = static_cast<int64_t>(pairs.pairs.size());
  out["left_out"] = pairs.left_out;
  out["rows"] = to_value(rows);
  return out;
}

std::string format_abilities(std::span<const AbilityRow> rows) {
  size_t width = std::string_view("ability").size();
  const auto name_of = [](const AbilityRow& row) { return row.kind.empty() ? row.ability : "  " + row.kind; };
  const auto is_shown = [](const AbilityRow& row) { return row.kind.empty() || row.pairs >= fewest_pairs_of_a_kind; };
  bool recalls = false, oracle = false, hidden = false;
  for (const AbilityRow& row : rows) {
    if (is_shown(row)) width = std::max(width, name_of(row).size());
    recalls |= row.recalls.has_value();
    oracle |= row.oracle.has_value();
    hidden |= !is_shown(row);
  }
  std::string table;
  if (recalls)
    table += fmt::format("{:{}}  {:20}  {:20}\n", "", width + (oracle ? 59 : 42), "image to text", "text to image");
  table += fmt::format("{:{}}  {:>6}  {:>6} {:>6} {:>6}", "ability", width, "pairs", "text", "image", "group");
  if (oracle) table += fmt::format("  {:>7}  {:>6}", "oracle", "share");
  if (recalls)
    table += fmt::format("  {:>6}     {:>6} {:>6} {:>6}  {:>6} {:>6} {:>6}", "mR", "R@1", "R@5", "R@10", "R@1", "R@5",
                         "R@10");
  table += "\n";
  for (const AbilityRow& row : rows) {
    if (!is_shown(row)) continue;
    table += fmt::format("{:{}}  {:>6}  {:>6.2f} {:>6.2f} {:>6.2f}", name_of(row), width, row.pairs, row.text,
                         row.image, row.group);
    if (oracle) table += "  " + oracle_cells(row);
    if (row.recalls)
      table += fmt::format("  {:>6.2f}     {}  {}", row.recalls->mean_recall(), recall_cells(row.recalls->i2t),
                           recall_cells(row.recalls->t2i));
    table += "\n";
  }
  table +=
      "pairs of images that differ in one thing, without rerank, in percent; guessing gives 25, 25 and 16.67:\n"
      "text = each image prefers its own caption of the two; image = each caption its own image; group = both;\n"
      "a tie is no preference";
  if (recalls) table += "; recalls are those of the pairs' images and all their captions, among the whole split";
  if (oracle)
    table += fmt::format(
        "\noracle = group accuracy of the geometry oracle; share = group in percent of it; its text and image: --json\n"
        "the oracle is {}",
        oracle_is);
  if (hidden) table += fmt::format("\nkinds of fewer than {} pairs: --json", fewest_pairs_of_a_kind);
  return table + "\n";
}

std::optional<AbilityMetric> ability_metric(std::string_view name) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return {};
  const std::string_view ability = name.substr(0, dot), score = name.substr(dot + 1);
  const bool known = std::ranges::find(score_names, score) != score_names.end();
  if (!known || ability == "i2t" || ability == "t2i" || ability.find_first_of(". \t\n") != std::string_view::npos)
    return {};
  return AbilityMetric{std::string(ability), std::string(score)};
}

Value abilities_of_row(std::span<const AbilityRow> rows) {
  Value out = Value::object();
  for (const AbilityRow& row : rows)
    if (row.kind.empty()) out[row.ability] = figures_of(row);
  return out;
}

std::optional<double> ability_metric_of(const Value& row, std::string_view name) {
  const std::optional<AbilityMetric> metric = ability_metric(name);
  const Value* abilities = metric ? row.find("abilities") : nullptr;
  const Value* ability = abilities ? abilities->find(metric->ability) : nullptr;
  const Value* value = ability ? ability->find(metric->score) : nullptr;
  if (!value || !value->is_number()) return {};
  return value->as_double();
}

std::vector<std::string> ability_metrics_of(const Value& row) {
  std::vector<std::string> names;
  const Value* abilities = row.find("abilities");
  if (!abilities || !abilities->is_object()) return names;
  for (const auto& [ability, figures] : abilities->as_object())
    for (const std::string_view score : score_names) names.push_back(fmt::format("{}.{}", ability, score));
  return names;
}

bool is_right(const PairOutcome& outcome, std::string_view score) {
  if (score == "text") return outcome.text;
  return score == "image" ? outcome.image : outcome.group();
}

}  // namespace orbweaver
