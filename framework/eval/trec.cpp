#include "framework/eval/trec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <iterator>

#include "framework/eval/candidates.h"
#include "framework/eval/metrics.h"
#include "framework/io/files.h"
#include "orbweaver/error.h"
#include "orbweaver/ranking.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;

/// One direction: what its queries and its items are called ('i' or 't' before their index).
struct Direction {
  const char* name;
  char query, item;
};

void write_run(const fs::path& folder, const Direction& direction, const Scores& scores, const std::string& tag) {
  const Rankings best = top_candidates(scores, trec_run_length);
  std::string text;
  for (int64_t query = 0; query < best.query_count(); ++query) {
    // Items tied with the last are cut: a run's length is fixed.
    const size_t count = std::min(best.items_of(query).size(), static_cast<size_t>(trec_run_length));
    for (size_t place = 0; place < count; ++place)
      fmt::format_to(std::back_inserter(text), "{}{} Q0 {}{} {} {} {}\n", direction.query, query, direction.item,
                     best.items_of(query)[place], place + 1, best.scores_of(query)[place], tag);
  }
  write_atomically(folder / fmt::format("{}.run", direction.name), text);
}

void write_qrels(const fs::path& folder, const Direction& direction, const Relevance& relevance) {
  std::string text;
  for (int64_t query = 0; query < relevance.query_count(); ++query)
    for (const int64_t item : relevance.of(query))
      fmt::format_to(std::back_inserter(text), "{}{} 0 {}{} 1\n", direction.query, query, direction.item, item);
  write_atomically(folder / fmt::format("{}.qrels", direction.name), text);
}

}  // namespace

void write_trec(const fs::path& folder, const Scores& i2t, const std::optional<Scores>& t2i,
                std::span<const int64_t> caption_image, const std::string& tag) {
  const Scores other = t2i ? *t2i : transposed(i2t);
  const int64_t images = query_count(i2t), texts = gallery_count(i2t);
  if (query_count(other) != texts || gallery_count(other) != images ||
      static_cast<int64_t>(caption_image.size()) != texts)
    throw ShapeError(fmt::format("TREC files: scores [{}, {}] and [{}, {}] with {} captions do not fit", images, texts,
                                 query_count(other), gallery_count(other), caption_image.size()));
  const TwoWayRelevance relevant = relevance(caption_image, images);
  std::string word = tag.empty() ? "orbweaver" : tag;
  std::replace_if(
      word.begin(), word.end(), [](unsigned char c) { return std::isspace(c) != 0; }, '_');

  const Direction from_image{"i2t", 'i', 't'}, from_text{"t2i", 't', 'i'};
  write_run(folder, from_image, i2t, word);
  write_qrels(folder, from_image, relevant.i2t);
  write_run(folder, from_text, other, word);
  write_qrels(folder, from_text, relevant.t2i);
}

}  // namespace orbweaver
