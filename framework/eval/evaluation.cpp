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

/// The scores of one evaluation and what counts as right in them.
class RowMaker {
 public:
  RowMaker(const Scores& i2t, const Scores& t2i) : i2t_(i2t), t2i_(t2i) {}

  EvaluationRow row(const TwoWayRelevance& relevance, TieRule rule, const TwoWayRankings* reranked = nullptr) const {
    EvaluationRow row;
    row.reranker = "none";
    row.tie_rule = rule;
    row.metrics.i2t = direction_metrics(best_ranks(i2t_, relevance.i2t, rule, reranked ? &reranked->i2t : nullptr));
    row.metrics.t2i = direction_metrics(best_ranks(t2i_, relevance.t2i, rule, reranked ? &reranked->t2i : nullptr));
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

std::string cells(const DirectionMetrics& of) {
  return fmt::format("{:>6.2f} {:>6.2f} {:>6.2f} {:>5.0f}", of.r1, of.r5, of.r10, of.median_rank);
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

std::vector<EvaluationRow> evaluate(const EvaluationInput& input) {
  const Scores t2i = input.t2i ? *input.t2i : transposed(input.i2t);
  check_sizes(input, t2i);
  const int64_t images = query_count(input.i2t);
  const TwoWayRelevance strict = relevance(input.caption_image, images);
  std::optional<TwoWayRelevance> duplicates;
  if (!input.text_ids.empty()) duplicates = duplicate_aware_relevance(input.caption_image, images, input.text_ids);

  const RowMaker maker(input.i2t, t2i);
  std::vector<EvaluationRow> rows;
  const auto add = [&](EvaluationRow row, bool duplicate_aware, const EvaluatedReranker* reranker) {
    row.duplicate_aware = duplicate_aware;
    if (reranker) {
      row.reranker = reranker->id;
      row.parameters = reranker->parameters;
      row.transductive = reranker->transductive;
    }
    rows.push_back(std::move(row));
  };

  add(maker.row(strict, TieRule::strict), false, nullptr);
  if (duplicates) add(maker.row(*duplicates, TieRule::strict), true, nullptr);
  add(maker.row(strict, TieRule::arbitrary), false, nullptr);

  const EvaluatedReranker identity{"identity", Value(Value::Object{{"k", Value(identity_candidates)}}), false, {}};
  const TwoWayRankings in_source_order{identity_rerank(input.i2t), identity_rerank(t2i)};
  add(maker.row(strict, TieRule::strict, &in_source_order), false, &identity);

  for (const EvaluatedReranker& reranker : input.rerankers) {
    const TwoWayRankings reranked{reranker.rerank({input.i2t, input.image_bank}),
                                  reranker.rerank({t2i, input.text_bank})};
    add(maker.row(strict, TieRule::strict, &reranked), false, &reranker);
    if (duplicates) add(maker.row(*duplicates, TieRule::strict, &reranked), true, &reranker);
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
  for (const EvaluationRow& row : rows) {
    std::string name = row.reranker;
    if (!row.parameters.is_null()) {
      const std::string note = row.reranker + " " + brief(row.parameters, 400);
      auto known = std::find(notes.begin(), notes.end(), note);
      if (known == notes.end()) known = notes.insert(notes.end(), note);
      name += fmt::format(" [{}]", known - notes.begin() + 1);
    }
    table += fmt::format("{:{}}  {:9}  {:10}  {:4}  {}  {}  {:>6.2f}\n", name, width, tie_rule_name(row.tie_rule),
                         row.duplicate_aware ? "same text" : "own", row.transductive ? "all" : "one",
                         cells(row.metrics.i2t), cells(row.metrics.t2i), row.metrics.mean_recall());
  }
  for (size_t at = 0; at < notes.size(); ++at) table += fmt::format("[{}] {}\n", at + 1, notes[at]);
  table +=
      "ties: strict = a tie counts against the model; arbitrary = by gallery index, as a sort leaves it\n"
      "positives: own = its own image or captions; same text = those of captions with identical text as well\n"
      "sees: one = a query's result depends on that query alone; all = on all queries (transductive)\n";
  return table;
}

}  // namespace orbweaver
