#include "framework/eval/rerank_scores.h"

#include <fmt/format.h>

#include <algorithm>

#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

void append_lists(std::string& out, const EvaluatedReranker& reranker, const char* direction, const Rankings& rankings,
                  int64_t top) {
  for (int64_t query = 0; query < rankings.query_count(); ++query) {
    const auto items = rankings.items_of(query);
    const size_t count = top > 0 ? std::min(items.size(), static_cast<size_t>(top)) : items.size();
    const auto scores = rankings.scores_of(query).first(count);
    Value line = Value::object();
    line["reranker"] = reranker.id;
    line["direction"] = direction;
    line["query"] = query;
    line["items"] = Value(Value::List(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(count)));
    line["scores"] = Value(Value::List(scores.begin(), scores.end()));
    out += to_json(line, -1) + "\n";
  }
}

}  // namespace

void require_bank(const EvaluatedReranker& reranker, const SavedScores& scores) {
  if (reranker.needs_bank && !scores.has_banks())
    throw InputError(
        fmt::format("--use {}: reads scores of training queries; give --image-bank FILE.npy [training images, "
                    "captions] and --text-bank FILE.npy [training captions, images]",
                    reranker.id));
}

RerankScoresResult rerank_scores(const RerankScoresOptions& options) {
  PluginHost host = open_plugins(options);
  std::vector<EvaluatedReranker> rerankers;
  for (const NamedReranker& named : named_rerankers(options)) rerankers.push_back(open_reranker(host, named));
  const SavedScores scores(options);
  for (const EvaluatedReranker& reranker : rerankers) require_bank(reranker, scores);

  RerankScoresResult result;
  if (options.lists)
    for (const EvaluatedReranker& reranker : rerankers) {
      append_lists(result.lists, reranker, "i2t", reranker.rerank({scores.i2t(), scores.image_bank()}), options.top);
      append_lists(result.lists, reranker, "t2i", reranker.rerank({scores.t2i(), scores.text_bank()}), options.top);
    }
  result.record = scores.record();
  result.record["plugins"] = plugins_record(host);
  if (!scores.grouped()) return result;

  EvaluationInput input = scores.evaluation_input();
  input.rerankers = std::move(rerankers);
  result.rows = evaluate(input);
  result.record["rows"] = to_value(result.rows);
  return result;
}

}  // namespace orbweaver
