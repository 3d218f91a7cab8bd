#include "framework/eval/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "framework/eval/candidates.h"
#include "orbweaver/error.h"
#include "orbweaver/ranking.h"

namespace orbweaver {
namespace {

void check_sizes(const EvaluationInput& input, const Scores& t2i) {
  const int64_t images = query_count(input.i2t), texts = gallery_count(input.i2t);
  if (query_count(t2i) != texts || gallery_count(t2i) != images)
    throw ShapeError(fmt::format("scores: i2t is [{}, {}] but t2i is [{}, {}], expected [{}, {}]", images, texts,
                                 query_count(t2i), gallery_count(t2i), texts, images));
  if (static_cast<int64_t>(input.caption_image.size()) != texts)
    throw ShapeError(
        fmt::format("scores: {} texts, but the image of {} captions is known", texts, input.caption_image.size()));
}

double candidate_recall(const Rankings& rankings, const Relevance& relevance) {
  int64_t hits = 0;
  for (int64_t query = 0; query < rankings.query_count(); ++query) {
    const std::span<const int64_t> matches = relevance.of(query);
    const auto is_match = [&](int64_t item) { return std::binary_search(matches.begin(), matches.end(), item); };
    const std::span<const int64_t> items = rankings.items_of(query);
    hits += std::any_of(items.begin(), items.end(), is_match);
  }
  return 100.0 * static_cast<double>(hits) / static_cast<double>(rankings.query_count());
}

struct TwoWayRankings {
  Rankings i2t, t2i;
};

/// The scores of one evaluation, and rows from them.
class RowMaker {
 public:
  RowMaker(const Scores& i2t, const Scores& t2i) : i2t_(i2t), t2i_(t2i) {}

  TwoWayRanks ranks(const TwoWayRelevance& relevance, TieRule rule, const TwoWayRankings* reranked = nullptr) const {
    return {best_ranks(i2t_, relevance.i2t, rule, reranked ? &reranked->i2t : nullptr),
            best_ranks(t2i_, relevance.t2i, rule, reranked ? &reranked->t2i : nullptr)};
  }

  EvaluationRow row(const TwoWayRelevance& relevance, const TwoWayRanks& ranks, TieRule rule,
                    const TwoWayRankings* reranked = nullptr) const {
    EvaluationRow row;
    row.reranker = "none";
    row.tie_rule = rule;
    row.images = query_count(i2t_);
    row.captions = query_count(t2i_);
    row.metrics = {direction_metrics(ranks.i2t), direction_metrics(ranks.t2i)};
    if (reranked) {
      row.i2t_candidate_recall = candidate_recall(reranked->i2t, relevance.i2t);
      row.t2i_candidate_recall = candidate_recall(reranked->t2i, relevance.t2i);
    }
    return row;
  }

 private:
  const Scores& i2t_;
  const Scores& t2i_;
};

Scores t2i_of(const EvaluationInput& input) { return input.t2i ? *input.t2i : transposed(input.i2t); }

TwoWayRankings rerank_both(const EvaluationInput& input, const Scores& t2i, const EvaluatedReranker& reranker) {
  return {reranker.rerank({input.i2t, input.image_bank}), reranker.rerank({t2i, input.text_bank})};
}

std::string cells(const DirectionMetrics& of) {
  return fmt::format("{:>6.2f} {:>6.2f} {:>6.2f} {:>5.0f}", of.r1, of.r5, of.r10, of.median_rank);
}

/// What a footnote says of a row's reranker.
std::string note_of(const EvaluationRow& row) {
  std::string note = row.reranker + " " + brief(row.parameters, 400);
  if (row.tuning.is_null()) return note;
  const auto size = [&](const char* key) {
    const Value* tuned = row.tuning.find(key);
    return tuned && tuned->is_int() ? fmt::format("{}", tuned->as_int()) : std::string("?");
  };
  note += fmt::format("; tuned on {} images and {} captions", size("images"), size("captions"));
  if (!row.tuned_for_these_sizes())
    note +=
        fmt::format(", applied to {} and {}: what gains among those may lose among these", row.images, row.captions);
  return note;
}

/// The reranker's name with the number of its note, which is added to `notes` when it is new.
std::string noted_name(const EvaluationRow& row, std::vector<std::string>& notes) {
  if (row.parameters.is_null()) return row.reranker;
  const std::string note = note_of(row);
  auto known = std::find(notes.begin(), notes.end(), note);
  if (known == notes.end()) known = notes.insert(notes.end(), note);
  return fmt::format("{} [{}]", row.reranker, known - notes.begin() + 1);
}

}  // namespace

Rankings identity_rerank(const Scores& scores, int64_t k) {
  const int64_t kept = std::min(std::max<int64_t>(k, 0), gallery_count(scores));
  const Rankings best = top_candidates(scores, kept);
  Rankings result;
  for (int64_t query = 0; query < best.query_count(); ++query) {
    const std::span<const int64_t> items = best.items_of(query).first(static_cast<size_t>(kept));
    result.items.insert(result.items.end(), items.begin(), items.end());
    for (int64_t place = 0; place < kept; ++place) result.scores.push_back(static_cast<double>(kept - place));
    result.offsets.push_back(static_cast<int64_t>(result.items.size()));
  }
  return result;
}

std::vector<int64_t> text_ids_of(std::span<const std::string> texts) {
  std::map<std::string_view, int64_t> seen;
  std::vector<int64_t> ids;
  ids.reserve(texts.size());
  for (const std::string& text : texts)
    ids.push_back(seen.emplace(text, static_cast<int64_t>(seen.size())).first->second);
  return ids;
}

const char* tie_rule_name(TieRule rule) { return rule == TieRule::strict ? "strict" : "arbitrary"; }

Value valid_tuning(const Value& tuning, const Value& parameters) {
  const Value* found = tuning.find("found");
  if (!found || !found->is_object()) return tuning;
  for (const auto& [name, value] : found->as_object()) {
    const Value* now = parameters.find(name);
    const bool numbers = now && now->is_number() && value.is_number();
    if (!now || (numbers ? now->as_double() != value.as_double() : !(*now == value))) return {};
  }
  return tuning;
}

bool EvaluationRow::tuned_for_these_sizes() const {
  const auto says = [&](const char* key, int64_t size) {
    const Value* tuned = tuning.find(key);
    return !tuned || !tuned->is_int() || tuned->as_int() == size;
  };
  return says("images", images) && says("captions", captions);
}

RetrievalMetrics reranked_metrics(const EvaluationInput& input, const TwoWayRelevance& relevance,
                                  const EvaluatedReranker& reranker) {
  const Scores t2i = t2i_of(input);
  const TwoWayRankings reranked = rerank_both(input, t2i, reranker);
  const TwoWayRanks ranks = RowMaker(input.i2t, t2i).ranks(relevance, TieRule::strict, &reranked);
  return {direction_metrics(ranks.i2t), direction_metrics(ranks.t2i)};
}

std::vector<EvaluationRow> evaluate(const EvaluationInput& input) {
  const Scores t2i = t2i_of(input);
  check_sizes(input, t2i);
  const int64_t images = query_count(input.i2t);
  const TwoWayRelevance strict = relevance(input.caption_image, images);
  std::optional<TwoWayRelevance> duplicates;
  if (!input.text_ids.empty()) duplicates = duplicate_aware_relevance(input.caption_image, images, input.text_ids);

  const RowMaker maker(input.i2t, t2i);
  std::vector<EvaluationRow> rows;
  const auto add = [&](EvaluationRow row, bool duplicate_aware, const EvaluatedReranker* reranker) -> EvaluationRow& {
    row.duplicate_aware = duplicate_aware;
    if (reranker) {
      row.reranker = reranker->id;
      row.parameters = reranker->parameters;
      row.transductive = reranker->transductive;
      row.tuning = reranker->tuning;
    }
    return rows.emplace_back(std::move(row));
  };

  const TwoWayRanks plain = maker.ranks(strict, TieRule::strict);
  EvaluationRow& plain_row = add(maker.row(strict, plain, TieRule::strict), false, nullptr);
  plain_row.ranks = plain;
  if (!input.pairs.empty()) {
    plain_row.pair_outcomes = pair_outcomes(input.pairs, pair_scorer(input.i2t, t2i));
    plain_row.abilities = ability_rows(input.pairs, plain_row.pair_outcomes, &plain, input.caption_image);
  }
  TwoWayRanks plain_duplicates;
  if (duplicates) {
    plain_duplicates = maker.ranks(*duplicates, TieRule::strict);
    add(maker.row(*duplicates, plain_duplicates, TieRule::strict), true, nullptr);
  }
  add(maker.row(strict, maker.ranks(strict, TieRule::arbitrary), TieRule::arbitrary), false, nullptr);

  const PairedBootstrap bootstrap(input.caption_image, images);
  const EvaluatedReranker identity{"identity", Value(Value::Object{{"k", Value(identity_candidates)}}), false, {}};
  const TwoWayRankings in_source_order{identity_rerank(input.i2t), identity_rerank(t2i)};
  const TwoWayRanks identity_ranks = maker.ranks(strict, TieRule::strict, &in_source_order);
  EvaluationRow& identity_row =
      add(maker.row(strict, identity_ranks, TieRule::strict, &in_source_order), false, &identity);
  identity_row.differences = {{"none", bootstrap.compare(identity_ranks, plain)}};
  identity_row.ranks = identity_ranks;

  for (const EvaluatedReranker& reranker : input.rerankers) {
    const TwoWayRankings reranked = rerank_both(input, t2i, reranker);
    const TwoWayRanks ranks = maker.ranks(strict, TieRule::strict, &reranked);
    EvaluationRow& row = add(maker.row(strict, ranks, TieRule::strict, &reranked), false, &reranker);
    row.differences = {{"none", bootstrap.compare(ranks, plain)},
                       {"identity", bootstrap.compare(ranks, identity_ranks)}};
    row.ranks = ranks;
    if (!duplicates) continue;
    const TwoWayRanks aware = maker.ranks(*duplicates, TieRule::strict, &reranked);
    add(maker.row(*duplicates, aware, TieRule::strict, &reranked), true, &reranker).differences = {
        {"none", bootstrap.compare(aware, plain_duplicates)}};
  }
  return rows;
}

Value to_value(const EvaluationRow& row) {
  Value value = Value::object();
  value["reranker"] = row.reranker;
  value["parameters"] = row.parameters;
  value["transductive"] = row.transductive;
  value["tie_rule"] = tie_rule_name(row.tie_rule);
  value["duplicate_aware"] = row.duplicate_aware;
  if (row.reranker != "none")
    value["candidate_recall"] =
        Value(Value::Object{{"i2t", row.i2t_candidate_recall}, {"t2i", row.t2i_candidate_recall}});
  value["metrics"] = to_value(row.metrics);
  if (!row.differences.empty()) {
    Value& differences = value["mR_difference"];
    for (const RowDifference& difference : row.differences)
      differences[difference.to] = to_value(difference.mean_recall);
    differences["resamples"] = PairedBootstrap::resamples;
    differences["seed"] = PairedBootstrap::seed;
  }
  if (!row.tuning.is_null()) {
    value["tuning"] = row.tuning;
    value["applied_to"] = Value(Value::Object{{"images", row.images}, {"captions", row.captions}});
    value["tuned_for_these_sizes"] = row.tuned_for_these_sizes();
  }
  if (!row.abilities.empty()) value["abilities"] = abilities_of_row(row.abilities);
  return value;
}

Value to_value(std::span<const EvaluationRow> rows) {
  Value list = Value::list();
  for (const EvaluationRow& row : rows) list.push_back(to_value(row));
  return list;
}

std::string format_table(std::span<const EvaluationRow> rows) {
  size_t width = std::string_view("reranker").size();
  for (const EvaluationRow& row : rows) width = std::max(width, row.reranker.size() + 4);  // room for a note, " [1]"

  std::string table = fmt::format("{:{}}  {:27}  {:27}\n", "", width + 31, "image to text", "text to image");
  table +=
      fmt::format("{:{}}  {:9}  {:10}  {:4}  {:>6} {:>6} {:>6} {:>5}  {:>6} {:>6} {:>6} {:>5}  {:>6}\n", "reranker",
                  width, "ties", "positives", "sees", "R@1", "R@5", "R@10", "medR", "R@1", "R@5", "R@10", "medR", "mR");
  std::vector<std::string> notes;
  std::string differences;
  for (const EvaluationRow& row : rows) {
    const std::string name = noted_name(row, notes);
    const char* positives = row.duplicate_aware ? "same text" : "own";
    table += fmt::format("{:{}}  {:9}  {:10}  {:4}  {}  {}  {:>6.2f}\n", name, width, tie_rule_name(row.tie_rule),
                         positives, row.transductive ? "all" : "one", cells(row.metrics.i2t), cells(row.metrics.t2i),
                         row.metrics.mean_recall());
    if (row.differences.empty()) continue;
    differences += fmt::format("{:{}}  {:10}", name, width, positives);
    for (const RowDifference& difference : row.differences)
      differences += fmt::format("  to {} {:24}", difference.to, format_difference(difference.mean_recall));
    differences.erase(differences.find_last_not_of(' ') + 1);
    differences += "\n";
  }
  if (!differences.empty())
    table += fmt::format("\ndifference in mR, with the 95% interval of {} paired resamples of the images:\n{}\n",
                         PairedBootstrap::resamples, differences);
  for (size_t at = 0; at < notes.size(); ++at) table += fmt::format("[{}] {}\n", at + 1, notes[at]);
  table +=
      "ties: strict = a tie counts against the model; arbitrary = by gallery index, as a sort leaves it\n"
      "positives: own = its own image or captions; same text = those of captions with identical text as well\n"
      "sees: one = a query's result depends on that query alone; all = on all queries (transductive)\n";
  return table;
}

}  // namespace orbweaver
