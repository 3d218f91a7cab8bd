#include "framework/report/outcomes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "framework/eval/candidates.h"
#include "framework/eval/significance.h"
#include "framework/io/npy.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

/// A JSON member by its path, or null.
const Value* find_path(const Value& value, std::initializer_list<std::string_view> keys) {
  const Value* at = &value;
  for (const std::string_view key : keys)
    if (at) at = at->find(key);
  return at;
}

const Split& split_of(const Dataset& dataset, const std::string& name) {
  return name == "train" ? dataset.train : name == "val" ? dataset.val : dataset.test;
}

/// The hash of the split that a run was evaluated on, "" where its record does not say.
std::string evaluated_hash(const ReportRun& run, const std::string& split) {
  const Value* hash = find_path(run.record, {"evaluations", split, "protocol", "dataset", "splits", split, "hash"});
  if (!hash) hash = find_path(run.record, {"dataset", "splits", split, "hash"});
  return hash && hash->is_string() ? hash->as_string() : std::string();
}

/// The plain ranks that an evaluation would have saved. @throws InputError where the scores are of another one.
SavedRanks ranks_from_scores(const ReportRun& run, const std::string& split_name, const ReportedSplit& split) {
  const fs::path file = run.folder / fmt::format("scores.{}.npy", split_name);
  const NpyMatrix matrix = read_npy(file);
  const Scores i2t = std::visit([](const auto& of) -> Scores { return of.view(); }, matrix);
  const auto images = static_cast<int64_t>(split.split->images.size()), captions = std::ssize(split.caption_image);
  if (query_count(i2t) != images || gallery_count(i2t) != captions)
    throw InputError(fmt::format("{}: a matrix of {} x {}, expected {} x {}", file.string(), query_count(i2t),
                                 gallery_count(i2t), images, captions));
  fs::path other = file;
  other.replace_extension(".t2i.npy");
  std::optional<NpyMatrix> own;
  if (fs::exists(other)) own = read_npy(other);
  const Scores t2i = own ? std::visit([](const auto& of) -> Scores { return of.view(); }, *own) : transposed(i2t);
  const TwoWayRelevance relevant = relevance(split.caption_image, images);
  TwoWayRanks plain{best_ranks(i2t, relevant.i2t, TieRule::strict), best_ranks(t2i, relevant.t2i, TieRule::strict)};
  if (!run.rows.is_null() && !give_plain_row(plain, run.rows))
    throw InputError(
        fmt::format("{} is of another evaluation than the figures here: it gives other metrics; evaluate the run again",
                    file.filename().string()));
  SavedRanks out;
  out.split = split_name;
  out.split_hash = split.hash;
  out.caption_image = split.caption_image;
  out.rows.push_back({0, "none", std::move(plain)});
  return out;
}

SavedRanks ranks_of(const ReportRun& run, const std::string& split_name, const ReportedSplit& split) {
  const fs::path file = run.folder / ranks_file_name(split_name);
  if (fs::exists(file)) {
    SavedRanks ranks = read_ranks(file);
    const std::string why = run.rows.is_null() ? "" : why_not_of(ranks, run.rows, run.weights);
    if (!why.empty())
      throw InputError(fmt::format("{} is of another evaluation than the figures here: {}; evaluate the run again",
                                   ranks_file_name(split_name), why));
    return ranks;
  }
  if (!fs::exists(run.folder / fmt::format("scores.{}.npy", split_name)))
    throw InputError(fmt::format("neither {} nor scores.{}.npy is in its folder; orbweaver eval writes them",
                                 ranks_file_name(split_name), split_name));
  if (!split.split) throw InputError(split.missing);
  if (const std::string hash = evaluated_hash(run, split_name); !hash.empty() && hash != split.hash)
    throw InputError("it was evaluated on another split than the dataset has now");
  return ranks_from_scores(run, split_name, split);
}

/// The labels of ranked rows: those of the variant's strict rows with own positives, in the same order.
std::vector<std::string> labels_of(const SavedRanks& ranks, const ReportVariant& variant) {
  std::vector<std::string> labels;
  std::map<std::string, size_t> seen;
  for (const RankedRow& ranked : ranks.rows) {
    const size_t earlier = seen[ranked.reranker]++;
    labels.push_back(row_label(ranked.reranker, earlier));
    size_t place = 0;
    for (const ReportRow& row : variant.rows)
      if (row.strict() && !row.duplicate_aware && row.reranker == ranked.reranker && place++ == earlier)
        labels.back() = row.label;
  }
  return labels;
}

double recall_at(const std::vector<int64_t>& ranks, int64_t k) {
  const auto hits = std::count_if(ranks.begin(), ranks.end(), [k](int64_t rank) { return rank <= k; });
  return ranks.empty() ? 0 : 100.0 * static_cast<double>(hits) / static_cast<double>(ranks.size());
}

/// Sums of the six recalls' hits over some queries.
struct HitCounts {
  std::array<int64_t, 3> i2t{}, t2i{};
  int64_t images = 0, captions = 0;

  static void count(std::array<int64_t, 3>& hits, int64_t rank) {
    static constexpr std::array<int64_t, 3> ks{1, 5, 10};
    for (size_t i = 0; i < ks.size(); ++i) hits[i] += rank <= ks[i];
  }
  double mean_recall() const {
    double sum = 0;
    for (size_t i = 0; i < 3; ++i)
      sum += 100.0 * static_cast<double>(i2t[i]) / static_cast<double>(images) +
             100.0 * static_cast<double>(t2i[i]) / static_cast<double>(captions);
    return sum / 6;
  }
};

/// mR of each class in one run.
std::map<std::string, double> class_means(const SavedRanks& ranks, const RankedRow& row,
                                          const std::vector<std::string>& classes) {
  std::map<std::string, HitCounts> counts;
  for (size_t image = 0; image < classes.size(); ++image) {
    HitCounts& of = counts[classes[image]];
    ++of.images;
    HitCounts::count(of.i2t, row.ranks.i2t[image]);
  }
  for (size_t caption = 0; caption < ranks.caption_image.size(); ++caption) {
    HitCounts& of = counts[classes[static_cast<size_t>(ranks.caption_image[caption])]];
    ++of.captions;
    HitCounts::count(of.t2i, row.ranks.t2i[caption]);
  }
  std::map<std::string, double> means;
  for (const auto& [name, of] : counts) means[name] = of.mean_recall();
  return means;
}

ReportComparison report_comparison(const Comparison& of) {
  return {of.to, of.metric, of.difference, of.low, of.high, of.seed_std, of.p, of.p_holm, of.significant, 1, {}};
}

/// Of run folders: each ability's group accuracy against the first run's, pair by pair.
void compare_pairs_with_first(ReportData& data, const std::vector<const ReportedRun*>& runs,
                              const std::vector<ReportRow*>& rows) {
  std::vector<const ReportedRun*> with_pairs;
  std::vector<ReportRow*> rows_of;
  for (size_t i = 0; i < runs.size(); ++i) {
    const auto& pairs = runs[i]->ranks.pairs;
    if (!pairs || (!with_pairs.empty() && pairs->hash != with_pairs.front()->ranks.pairs->hash)) continue;
    with_pairs.push_back(runs[i]);
    rows_of.push_back(rows[i]);
  }
  if (with_pairs.empty() || with_pairs.front() != runs.front()) return;
  const std::vector<std::string>& all = with_pairs.front()->ranks.pairs->abilities;
  for (const std::string& ability : std::set<std::string>(all.begin(), all.end())) {
    const std::string metric = AbilityMetric{ability, "group"}.name();
    std::vector<SystemPairs> systems;
    for (const ReportedRun* run : with_pairs)
      systems.push_back({data.variants[run->variant].name, {{0, run->ranks.pairs->right(ability, "group")}}});
    const auto compared = compare_all_pairs(systems, data.baseline, metric);
    for (size_t i = 0; i < compared.size(); ++i)
      if (compared[i]) rows_of[i]->ability_comparisons.emplace(metric, report_comparison(*compared[i]));
  }
}

}  // namespace

std::vector<std::string> classes_of(const std::vector<std::string>& names) {
  std::vector<std::string> classes;
  std::set<std::string> distinct;
  size_t known = 0;
  for (const std::string& name : names) {
    std::string stem = fs::path(name).stem().string();
    const size_t end = stem.find_last_not_of("0123456789");
    const bool numbered = end == std::string::npos || end + 1 < stem.size();
    stem.erase(end == std::string::npos ? 0 : end + 1);
    stem.erase(stem.find_last_not_of("_-. ") + 1);
    classes.push_back(numbered ? stem : "");
    if (classes.back().empty()) continue;
    distinct.insert(stem);
    ++known;
  }
  // As many classes as names would be names, not classes.
  if (distinct.size() < 2 || 2 * known < names.size() || 2 * distinct.size() > names.size()) classes.clear();
  return classes;
}

ReportedSplit open_reported_split(const ReportData& data) {
  ReportedSplit out;
  const Value* params = nullptr;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRun& run : variant.runs)
      if (!params) params = run.config.find("dataset");
  if (!params) {
    out.missing = "no run has a config.json that names its dataset";
    return out;
  }
  try {
    if (const auto problems = validate(schema_of<DatasetParams>(), *params, "/dataset"); !problems.empty())
      throw InputError(problems.front().pointer + ": " + problems.front().message);
    const auto where = read_params<DatasetParams>(*params);
    Dataset dataset = load_dataset(where);
    if (where.skip_broken) check_files(dataset, where, 2);
    out.dataset = std::make_shared<const Dataset>(std::move(dataset));
  } catch (const InputError& error) {
    out.missing = error.what();
    return out;
  }
  out.split = &split_of(*out.dataset, data.split);
  out.hash = out.split->hash();
  for (const CaptionRecord& caption : out.split->captions) out.caption_image.push_back(caption.image);
  std::vector<std::string> names;
  for (const ImageRecord& image : out.split->images) names.push_back(image.name);
  out.classes = classes_of(names);
  return out;
}

bool one_split(const ReportData& data) {
  std::set<std::string> hashes;
  for (const ReportVariant& variant : data.variants)
    for (const ReportRun& run : variant.runs)
      if (const std::string hash = evaluated_hash(run, data.split); !hash.empty()) hashes.insert(hash);
  return hashes.size() < 2;
}

ReportedOutcomes read_outcomes(const ReportData& data, const ReportedSplit& split) {
  ReportedOutcomes out;
  for (size_t v = 0; v < data.variants.size(); ++v)
    for (const ReportRun& run : data.variants[v].runs) {
      if (!run.finished()) continue;
      try {
        ReportedRun outcome{v, &run, ranks_of(run, data.split, split), {}};
        outcome.labels = labels_of(outcome.ranks, data.variants[v]);
        out.runs.push_back(std::move(outcome));
      } catch (const InputError& error) {
        out.missing.push_back(fmt::format("{}: {}", run.name, error.what()));
      }
    }
  return out;
}

void compare_with_first(ReportData& data, const ReportedOutcomes& outcomes) {
  if (outcomes.runs.size() < 2 || outcomes.runs.front().variant != 0) return;
  const SavedRanks& first = outcomes.runs.front().ranks;
  data.baseline = data.variants.front().name;
  for (const std::string& label : outcomes.runs.front().labels) {
    std::vector<SystemRanks> systems;
    std::vector<ReportRow*> rows;
    std::vector<const ReportedRun*> runs;
    for (const ReportedRun& outcome : outcomes.runs) {
      const auto at = std::find(outcome.labels.begin(), outcome.labels.end(), label) - outcome.labels.begin();
      ReportVariant& variant = data.variants[outcome.variant];
      const auto row = std::find_if(variant.rows.begin(), variant.rows.end(),
                                    [&](const ReportRow& of) { return of.label == label; });
      if (at == std::ssize(outcome.labels) || row == variant.rows.end()) continue;
      if (outcome.ranks.split_hash != first.split_hash || outcome.ranks.caption_image != first.caption_image) continue;
      // Each is a system of its own: their seeds need not be the same to be compared.
      systems.push_back({variant.name, {{0, outcome.ranks.rows[static_cast<size_t>(at)].ranks}}});
      rows.push_back(&*row);
      runs.push_back(&outcome);
    }
    const auto compared = compare_all(systems, data.baseline, first.caption_image, "mR");
    for (size_t i = 0; i < rows.size(); ++i)
      if (compared[i]) rows[i]->comparison = report_comparison(*compared[i]);
    if (!rows.empty() && rows.front()->reranker == "none") compare_pairs_with_first(data, runs, rows);
  }
  data.statistics = to_value(SignificanceOptions{});
}

std::vector<int64_t> recall_ks(const ReportedOutcomes& outcomes) {
  int64_t most = 1;
  for (const ReportedRun& outcome : outcomes.runs) most = std::max({most, std::ssize(outcome.ranks.caption_image)});
  std::vector<int64_t> ks;
  for (const int64_t k : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100})
    if (k <= most) ks.push_back(k);
  return ks;
}

std::vector<RecallCurve> recall_curves(const ReportedOutcomes& outcomes) {
  const std::vector<int64_t> ks = recall_ks(outcomes);
  std::vector<RecallCurve> curves;
  for (const ReportedRun& outcome : outcomes.runs)
    for (size_t r = 0; r < outcome.labels.size(); ++r) {
      auto curve = std::find_if(curves.begin(), curves.end(), [&](const RecallCurve& of) {
        return of.label == outcome.labels[r] && of.variant == outcome.variant;
      });
      if (curve == curves.end()) {
        curves.push_back({outcome.labels[r], outcome.variant, 0, {}, {}});
        curve = curves.end() - 1;
        curve->i2t.resize(ks.size());
        curve->t2i.resize(ks.size());
      }
      ++curve->seeds;
      const TwoWayRanks& ranks = outcome.ranks.rows[r].ranks;
      for (size_t i = 0; i < ks.size(); ++i) {
        curve->i2t[i] += recall_at(ranks.i2t, ks[i]);
        curve->t2i[i] += recall_at(ranks.t2i, ks[i]);
      }
    }
  for (RecallCurve& curve : curves)
    for (size_t i = 0; i < ks.size(); ++i) {
      curve.i2t[i] /= static_cast<double>(curve.seeds);
      curve.t2i[i] /= static_cast<double>(curve.seeds);
    }
  return curves;
}

std::vector<ClassRow> class_rows(const ReportData& data, const ReportedOutcomes& outcomes, const ReportedSplit& split) {
  if (split.classes.empty()) return {};
  std::map<std::string, ClassRow> rows;
  for (const std::string& name : split.classes) {
    ClassRow& row = rows[name];
    row.name = name;
    ++row.images;
    row.values.resize(data.variants.size());
  }
  std::vector<double> runs(data.variants.size());
  for (const ReportedRun& outcome : outcomes.runs) {
    const RankedRow* plain = outcome.ranks.find("none");
    if (!plain || outcome.ranks.split_hash != split.hash) continue;
    ++runs[outcome.variant];
    for (const auto& [name, mean] : class_means(outcome.ranks, *plain, split.classes)) {
      std::optional<double>& value = rows.at(name).values[outcome.variant];
      value = value.value_or(0) + mean;
    }
  }
  std::vector<ClassRow> out;
  for (auto& [name, row] : rows) {
    for (size_t v = 0; v < runs.size(); ++v)
      if (row.values[v]) *row.values[v] /= runs[v];
    out.push_back(std::move(row));
  }
  std::stable_partition(out.begin(), out.end(), [](const ClassRow& row) { return !row.name.empty(); });
  return out;
}

}  // namespace orbweaver
