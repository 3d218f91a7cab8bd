#include "framework/eval/ability_oracle.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "framework/data/oracle.h"
#include "framework/io/lenient.h"

namespace orbweaver {
namespace {

bool can_be_asked_of(const AbilityPair& pair, const Split& split, const TripleTable& triples) {
  const auto is_seen = [&](int64_t image) { return !split.images[static_cast<size_t>(image)].detections.empty(); };
  const auto is_read = [&](int64_t caption) {
    const auto found = triples.find(split.captions[static_cast<size_t>(caption)].text);
    return found != triples.end() && oracle_reads(found->second);
  };
  return std::ranges::all_of(pair.images, is_seen) && std::ranges::all_of(pair.captions, is_read);
}

/// A row's place in the list and its figures; nothing where one of them is missing.
std::optional<AbilityRow> row_from(const Value& entry, const Value& figures, const std::string& ability) {
  const auto text = number_of(member(figures, "text")), image = number_of(member(figures, "image")),
             group = number_of(member(figures, "group"));
  if (ability.empty() || !text || !image || !group) return {};
  AbilityRow row;
  row.ability = ability;
  row.kind = text_of(member(entry, "kind"));
  row.pairs = integer_of(member(entry, "pairs")).value_or(0);
  row.text = *text, row.image = *image, row.group = *group;
  return row;
}

/// @param key  the member of an entry that has its figures; empty: it has them itself
std::vector<AbilityRow> rows_from(const Value& list, std::string_view key) {
  std::vector<AbilityRow> rows;
  const auto add = [&](const Value& entry, const std::string& ability) {
    std::optional<AbilityRow> row = row_from(entry, key.empty() ? entry : member(entry, key), ability);
    if (row) rows.push_back(std::move(*row));
    return row.has_value();
  };
  for (const Value& entry : list_of(list)) {
    const std::string ability = text_of(member(entry, "ability"));
    if (!add(entry, ability)) continue;
    for (const Value& kind : list_of(member(entry, "kinds"))) add(kind, ability);
  }
  return rows;
}

}  // namespace

std::vector<AbilityRow> oracle_rows(std::span<const AbilityPair> pairs, const Split& split,
                                    const TripleTable& triples) {
  std::set<std::string> left_out;
  for (const AbilityPair& pair : pairs)
    if (!left_out.contains(pair.ability) && !can_be_asked_of(pair, split, triples)) left_out.insert(pair.ability);
  std::vector<AbilityPair> asked;
  std::ranges::copy_if(pairs, std::back_inserter(asked),
                       [&](const AbilityPair& pair) { return !left_out.contains(pair.ability); });
  return ability_rows(asked, pair_outcomes(asked, pair_scorer(GeometryOracle(split, triples))));
}

const AbilityRow* find_row(std::span<const AbilityRow> rows, std::string_view ability, std::string_view kind) {
  const auto found =
      std::ranges::find_if(rows, [&](const AbilityRow& row) { return row.ability == ability && row.kind == kind; });
  return found == rows.end() ? nullptr : &*found;
}

void put_beside(std::vector<AbilityRow>& rows, std::span<const AbilityRow> oracle) {
  for (AbilityRow& row : rows)
    if (const AbilityRow* of = find_row(oracle, row.ability, row.kind))
      row.oracle = PairAccuracy{of->text, of->image, of->group};
}

std::optional<double> share_of_oracle(double group, double oracle_group) {
  if (oracle_group <= 0) return {};
  return 100 * group / oracle_group;
}

std::optional<double> DatasetOracle::metric(std::string_view name) const {
  const std::optional<AbilityMetric> of = ability_metric(name);
  const AbilityRow* row = of ? find_row(rows, of->ability) : nullptr;
  if (!row) return {};
  return of->score == "text" ? row->text : of->score == "image" ? row->image : row->group;
}

void add_oracle(std::vector<DatasetOracle>& oracles, const std::string& variant, std::vector<AbilityRow> rows) {
  const Value wanted = to_value(std::span<const AbilityRow>(rows));
  const auto same = std::ranges::find_if(oracles, [&](const DatasetOracle& oracle) {
    return to_value(std::span<const AbilityRow>(oracle.rows)) == wanted;
  });
  DatasetOracle& oracle = same == oracles.end() ? oracles.emplace_back(DatasetOracle{{}, std::move(rows)}) : *same;
  if (std::ranges::find(oracle.variants, variant) == oracle.variants.end()) oracle.variants.push_back(variant);
}

Value to_value(std::span<const DatasetOracle> oracles) {
  Value list = Value::list();
  for (const DatasetOracle& oracle : oracles) {
    Value entry = Value::object();
    entry["variants"] = Value::list();
    for (const std::string& name : oracle.variants) entry["variants"].push_back(Value(name));
    entry["rows"] = to_value(std::span<const AbilityRow>(oracle.rows));
    list.push_back(std::move(entry));
  }
  return list;
}

std::vector<DatasetOracle> oracles_from(const Value& value) {
  std::vector<DatasetOracle> oracles;
  for (const Value& entry : list_of(value)) {
    DatasetOracle oracle{texts_of(member(entry, "variants")), rows_from(member(entry, "rows"), "")};
    if (!oracle.rows.empty()) oracles.push_back(std::move(oracle));
  }
  return oracles;
}

std::vector<AbilityRow> recorded_oracle(const Value& rows) { return rows_from(rows, "oracle"); }

std::string oracle_name(const DatasetOracle& oracle, size_t oracles) {
  if (oracles < 2) return "oracle";
  constexpr size_t shown = 3;
  std::string names;
  for (size_t at = 0; at < std::min(shown, oracle.variants.size()); ++at)
    names += (at ? ", " : "") + oracle.variants[at];
  if (oracle.variants.size() > shown) names += fmt::format(" and {} more", oracle.variants.size() - shown);
  return "oracle on the data of " + names;
}

}  // namespace orbweaver
