#include "framework/report/gallery.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "framework/eval/candidates.h"
#include "framework/eval/metrics.h"
#include "framework/io/npy.h"
#include "framework/report/html.h"
#include "framework/report/pictures.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr size_t sentence_queries = 10, image_queries = 4;
constexpr int64_t thumbnail_side = 96;

/// The run of each variant that the gallery shows: its first with ranks of this split and scores.
std::vector<const ReportedRun*> shown_runs(const ReportData& data, const ReportedOutcomes& outcomes,
                                           const ReportedSplit& split, Gallery& gallery) {
  std::vector<const ReportedRun*> first(data.variants.size());
  std::vector<std::string> why(data.variants.size());
  for (const ReportedRun& outcome : outcomes.runs) {
    if (first[outcome.variant]) continue;
    const std::string scores = fmt::format("scores.{}.npy", data.split);
    if (outcome.ranks.split_hash != split.hash || outcome.ranks.caption_image != split.caption_image)
      why[outcome.variant] =
          fmt::format("{} was evaluated on another split than the dataset has now", outcome.run->name);
    else if (!outcome.ranks.find("none"))
      why[outcome.variant] = fmt::format("{} has no plain ranks", outcome.run->name);
    else if (!fs::exists(outcome.run->folder / scores))
      why[outcome.variant] = fmt::format("{} is not in the folder of {}", scores, outcome.run->name);
    else
      first[outcome.variant] = &outcome;
  }
  std::vector<const ReportedRun*> runs;
  for (size_t v = 0; v < first.size(); ++v) {
    if (first[v]) runs.push_back(first[v]);
    if (!first[v] && !why[v].empty()) gallery.left_out.push_back(data.variants[v].name + ": " + why[v]);
  }
  return runs;
}

double plain_mean_recall(const ReportVariant& variant) {
  const ReportRow* row = variant.plain_row();
  const ReportMetric* metric = row ? row->metric("mR") : nullptr;
  return metric ? metric->mean : -1;
}

/// The baseline and the best, in the report's order.
void keep_few(const ReportData& data, std::vector<const ReportedRun*>& runs) {
  if (runs.size() <= gallery_variants) return;
  std::vector<const ReportedRun*> order = runs;
  std::stable_sort(order.begin(), order.end(), [&](const ReportedRun* a, const ReportedRun* b) {
    const auto key = [&](const ReportedRun* of) {
      const ReportVariant& variant = data.variants[of->variant];
      return std::pair(variant.name == data.baseline, plain_mean_recall(variant));
    };
    return key(a) > key(b);
  });
  order.resize(gallery_variants);
  std::erase_if(runs, [&](const ReportedRun* of) { return std::find(order.begin(), order.end(), of) == order.end(); });
}

/// One run's scores, both ways.
class RunScores {
 public:
  RunScores(const fs::path& file, int64_t images, int64_t captions) : i2t_(read_npy(file)) {
    fs::path other = file;
    other.replace_extension(".t2i.npy");
    if (fs::exists(other)) t2i_ = read_npy(other);
    check(file, of_images(), images, captions);
    check(other, of_sentences(), captions, images);
  }

  Scores of_images() const { return view(i2t_); }
  Scores of_sentences() const { return t2i_ ? view(*t2i_) : transposed(of_images()); }

 private:
  static Scores view(const NpyMatrix& matrix) {
    return std::visit([](const auto& of) -> Scores { return of.view(); }, matrix);
  }
  static void check(const fs::path& file, const Scores& scores, int64_t queries, int64_t items) {
    if (query_count(scores) != queries || gallery_count(scores) != items)
      throw InputError(fmt::format("{}: a matrix of {} x {}, expected {} x {}", file.string(), query_count(scores),
                                   gallery_count(scores), queries, items));
  }

  NpyMatrix i2t_;
  std::optional<NpyMatrix> t2i_;
};

/// The best items of a query, best first; of equal scores the lower number.
std::vector<int64_t> best_items(const Scores& scores, int64_t query) {
  std::vector<int64_t> items(static_cast<size_t>(gallery_count(scores)));
  std::iota(items.begin(), items.end(), int64_t{0});
  const size_t count = std::min(gallery_length, items.size());
  std::visit(
      [&](const auto& view) {
        std::partial_sort(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(count), items.end(),
                          [&](int64_t a, int64_t b) {
                            const double of_a = view(query, a), of_b = view(query, b);
                            return of_a != of_b ? of_a > of_b : a < b;
                          });
      },
      scores);
  items.resize(count);
  return items;
}

/// Whether a caption belongs to an image, or is worded as one that does.
class Judge {
 public:
  explicit Judge(const ReportedSplit& split) : split_(split) {
    for (size_t c = 0; c < split.caption_image.size(); ++c)
      images_of_[split.split->captions[c].text].insert(split.caption_image[c]);
  }
  AnswerKind of(int64_t caption, int64_t image) const {
    if (split_.caption_image[static_cast<size_t>(caption)] == image) return AnswerKind::right;
    const auto& images = images_of_.at(split_.split->captions[static_cast<size_t>(caption)].text);
    return images.contains(image) ? AnswerKind::same_text : AnswerKind::wrong;
  }

 private:
  const ReportedSplit& split_;
  std::map<std::string, std::set<int64_t>> images_of_;
};

/// @throws InputError where the scores are not those that the run's ranks are of: answers would contradict the ranks.
void check_ranks(const ReportedRun& run, const RunScores& scores, const ReportedSplit& split) {
  const TwoWayRanks& ranks = run.ranks.find("none")->ranks;
  const TwoWayRelevance relevant = relevance(split.caption_image, std::ssize(split.split->images));
  if (best_ranks(scores.of_images(), relevant.i2t, TieRule::strict) != ranks.i2t ||
      best_ranks(scores.of_sentences(), relevant.t2i, TieRule::strict) != ranks.t2i)
    throw InputError(
        fmt::format("the scores of {} are of another evaluation than its ranks; evaluate it again with "
                    "--scores",
                    run.run->name));
}

void add_lines(Gallery& gallery, const ReportedRun& run, const RunScores& scores, const Judge& judge) {
  const TwoWayRanks& ranks = run.ranks.find("none")->ranks;
  for (GalleryQuery& query : gallery.sentences) {
    GalleryLine line{run.variant, ranks.t2i[static_cast<size_t>(query.item)], {}};
    for (const int64_t image : best_items(scores.of_sentences(), query.item))
      line.answers.push_back({image, judge.of(query.item, image)});
    query.lines.push_back(std::move(line));
  }
  for (GalleryQuery& query : gallery.images) {
    GalleryLine line{run.variant, ranks.i2t[static_cast<size_t>(query.item)], {}};
    for (const int64_t caption : best_items(scores.of_images(), query.item))
      line.answers.push_back({caption, judge.of(caption, query.item)});
    query.lines.push_back(std::move(line));
  }
}

void choose(Gallery& gallery, const std::vector<const ReportedRun*>& runs, const ReportedSplit& split) {
  std::vector<std::vector<int64_t>> t2i, i2t;
  for (const ReportedRun* run : runs) {
    const TwoWayRanks& ranks = run->ranks.find("none")->ranks;
    t2i.push_back(ranks.t2i);
    i2t.push_back(ranks.i2t);
  }
  std::vector<std::string> caption_classes;
  if (!split.classes.empty())
    for (const int64_t image : split.caption_image)
      caption_classes.push_back(split.classes[static_cast<size_t>(image)]);
  std::vector<int64_t> images(split.split->images.size());
  std::iota(images.begin(), images.end(), int64_t{0});
  for (const int64_t caption : choose_queries(t2i, split.caption_image, caption_classes, sentence_queries))
    gallery.sentences.push_back({caption, {}});
  for (const int64_t image : choose_queries(i2t, images, split.classes, image_queries))
    gallery.images.push_back({image, {}});
}

void add_thumbnails(Gallery& gallery, const ReportedSplit& split) {
  std::set<int64_t> wanted;
  for (const GalleryQuery& query : gallery.images) wanted.insert(query.item);
  for (const GalleryQuery& query : gallery.sentences) {
    wanted.insert(split.caption_image[static_cast<size_t>(query.item)]);
    for (const GalleryLine& line : query.lines)
      for (const GalleryAnswer& answer : line.answers) wanted.insert(answer.item);
  }
  for (const int64_t image : wanted) try {
      gallery.thumbnails[image] = thumbnail(split.split->images[static_cast<size_t>(image)].file, thumbnail_side);
    } catch (const InputError& error) {
      gallery.broken.push_back(error.what());
    }
}

/// A query and how much the variants disagree on it.
struct Disagreement {
  int64_t query = 0;
  int64_t split = 0;  ///< variants with a hit times variants without
  double spread = 0;  ///< of the logarithms of the ranks
};

std::vector<Disagreement> by_disagreement(const std::vector<std::vector<int64_t>>& ranks) {
  std::vector<Disagreement> out;
  const auto variants = std::ssize(ranks);
  for (size_t query = 0; query < ranks.front().size(); ++query) {
    int64_t hits = 0;
    double low = INFINITY, high = -INFINITY;
    for (const auto& of : ranks) {
      hits += of[query] <= static_cast<int64_t>(gallery_length);
      low = std::min(low, std::log(static_cast<double>(of[query])));
      high = std::max(high, std::log(static_cast<double>(of[query])));
    }
    out.push_back({static_cast<int64_t>(query), hits * (variants - hits), high - low});
  }
  std::stable_sort(out.begin(), out.end(), [](const Disagreement& a, const Disagreement& b) {
    return a.split != b.split ? a.split > b.split : a.spread > b.spread;
  });
  return out;
}

/// Hits and misses of one system by turns, each from the whole range: every tenth first, then those between.
std::vector<Disagreement> by_turns(const std::vector<int64_t>& ranks) {
  std::vector<int64_t> kinds[2];
  for (size_t query = 0; query < ranks.size(); ++query)
    kinds[ranks[query] > static_cast<int64_t>(gallery_length)].push_back(static_cast<int64_t>(query));
  for (auto& kind : kinds) {
    const auto stride = std::max<int64_t>(1, std::ssize(kind) / 10);
    std::vector<int64_t> places(kind.size());
    std::iota(places.begin(), places.end(), int64_t{0});
    std::stable_sort(places.begin(), places.end(), [&](int64_t a, int64_t b) { return a % stride < b % stride; });
    std::vector<int64_t> spread;
    for (const int64_t place : places) spread.push_back(kind[static_cast<size_t>(place)]);
    kind = std::move(spread);
  }
  std::vector<Disagreement> out;
  for (size_t i = 0; i < std::max(kinds[0].size(), kinds[1].size()); ++i)
    for (const auto& kind : kinds)
      if (i < kind.size()) out.push_back({kind[i], 0, 0});
  return out;
}

}  // namespace

std::vector<int64_t> choose_queries(const std::vector<std::vector<int64_t>>& ranks, const std::vector<int64_t>& group,
                                    const std::vector<std::string>& classes, size_t count) {
  if (ranks.empty()) return {};
  const std::vector<Disagreement> order = ranks.size() == 1 ? by_turns(ranks.front()) : by_disagreement(ranks);
  std::vector<int64_t> chosen;
  std::set<int64_t> groups;
  std::map<std::string, int> of_class;
  for (const int limit : {2, 1 << 30})
    for (const Disagreement& candidate : order) {
      if (chosen.size() == count) return chosen;
      const auto query = static_cast<size_t>(candidate.query);
      const std::string name = classes.empty() ? fmt::format("\n{}", query) : classes[query];
      if (of_class[name] >= limit || !groups.insert(group[query]).second) continue;
      ++of_class[name];
      chosen.push_back(candidate.query);
    }
  return chosen;
}

Gallery make_gallery(const ReportData& data, const ReportedOutcomes& outcomes, const ReportedSplit& split) {
  Gallery gallery;
  if (!split.split) {
    gallery.missing = split.missing;
    return gallery;
  }
  std::vector<const ReportedRun*> runs = shown_runs(data, outcomes, split, gallery);
  keep_few(data, runs);
  if (runs.empty()) {
    gallery.missing = gallery.left_out.empty() ? "no run was evaluated" : gallery.left_out.front();
    return gallery;
  }
  choose(gallery, runs, split);
  const Judge judge(split);
  for (const ReportedRun* run : runs) try {
      const RunScores scores(run->run->folder / fmt::format("scores.{}.npy", data.split),
                             std::ssize(split.split->images), std::ssize(split.caption_image));
      check_ranks(*run, scores, split);
      add_lines(gallery, *run, scores, judge);
      gallery.variants.push_back(run->variant);
      gallery.runs.push_back(run->run->name);
    } catch (const InputError& error) {
      gallery.left_out.push_back(fmt::format("{}: {}", data.variants[run->variant].name, error.what()));
    }
  if (gallery.variants.empty()) {
    gallery.missing = gallery.left_out.front();
    gallery.sentences.clear();
    gallery.images.clear();
    return gallery;
  }
  add_thumbnails(gallery, split);
  return gallery;
}

}  // namespace orbweaver
