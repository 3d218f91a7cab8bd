#include "framework/model/encode.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <span>
#include <unordered_map>

#include "framework/model/check_outputs.h"

namespace orbweaver {
namespace {

/// Collects batches of completed Representations; nodes and tokens of different batches differ in length.
class Collector {
 public:
  explicit Collector(const Parts& keep) : keep_(keep) {}

  void add(const Representation& batch) {
    embeddings_.push_back(batch.embedding.detach().cpu());
    if (keep_.global) push(globals_, batch.global);
    if (keep_.local) push(locals_, batch.local);
    if (keep_.tokens) push(tokens_, batch.tokens);
    if (keep_.tokens && batch.token_mask.defined()) push(token_masks_, batch.token_mask);
    if (keep_.nodes) push(nodes_, batch.nodes);
    if (keep_.nodes) push(node_masks_, batch.node_mask);
    if (keep_.relations) push(relations_, batch.relations);
  }

  Representation take() {
    Representation out;
    out.embedding = at::cat(embeddings_);
    out.global = join(globals_);
    out.local = join(locals_);
    out.tokens = join(tokens_);
    out.token_mask = join(token_masks_);
    out.nodes = join(nodes_);
    out.node_mask = join(node_masks_);
    out.relations = join(relations_);
    return out;
  }

 private:
  static void push(std::vector<at::Tensor>& list, const at::Tensor& part) { list.push_back(part.detach().cpu()); }
  static at::Tensor join(std::vector<at::Tensor>& list) {
    if (list.empty()) return {};
    if (list[0].dim() < 2) return at::cat(list);
    int64_t length = 0;
    for (const at::Tensor& part : list) length = std::max(length, part.size(1));
    for (at::Tensor& part : list) {
      if (part.size(1) == length) continue;
      std::vector<int64_t> sizes = part.sizes().vec();
      sizes[1] = length - part.size(1);
      part = at::cat({part, at::zeros(sizes, part.options())}, 1);
    }
    return at::cat(list);
  }

  Parts keep_;
  std::vector<at::Tensor> embeddings_, globals_, locals_, tokens_, token_masks_, nodes_, node_masks_, relations_;
};

std::vector<int64_t> indices(int64_t begin, int64_t end) {
  std::vector<int64_t> out(static_cast<size_t>(end - begin));
  std::iota(out.begin(), out.end(), begin);
  return out;
}

/// The pairs that an interaction rescores in one direction, query after query.
struct Shortlists {
  std::vector<int64_t> items;
  std::vector<int64_t> begin = {0};  ///< [Q + 1], the first item of each query
  std::vector<float> last;           ///< [Q], the score that an item needs to be on the query's list

  int64_t queries() const { return static_cast<int64_t>(last.size()); }
  std::span<const int64_t> of(int64_t query) const {
    const size_t first = static_cast<size_t>(begin[static_cast<size_t>(query)]);
    return std::span(items).subspan(first, static_cast<size_t>(begin[static_cast<size_t>(query) + 1]) - first);
  }
};

/// @param scores  [Q, G]; all items tied with the last of a query's k best are on its list.
Shortlists shortlists(const at::Tensor& scores, int64_t k) {
  Shortlists out;
  for (int64_t q = 0; q < scores.size(0); ++q) {
    const at::Tensor row = scores[q];
    out.last.push_back(std::get<0>(row.topk(k)).min().item<float>());
    const at::Tensor on_it = at::nonzero(row >= out.last.back()).squeeze(1);
    out.items.insert(out.items.end(), on_it.data_ptr<int64_t>(), on_it.data_ptr<int64_t>() + on_it.numel());
    out.begin.push_back(static_cast<int64_t>(out.items.size()));
  }
  return out;
}

/// Items in the order in which they first occur, each once.
class Union {
 public:
  /// @return  its place among them.
  int64_t add(int64_t item) {
    const auto [known, added] = place_.try_emplace(item, static_cast<int64_t>(items_.size()));
    if (added) items_.push_back(item);
    return known->second;
  }
  std::span<const int64_t> items() const { return items_; }

 private:
  std::unordered_map<int64_t, int64_t> place_;
  std::vector<int64_t> items_;
};

int64_t bytes_of_a_row(const Representation& all) {
  int64_t bytes = 0;
  for (at::Tensor Representation::*name : all_parts) {
    const at::Tensor& part = all.*name;
    if (part.defined() && part.size(0) > 0) bytes += static_cast<int64_t>(part.nbytes()) / part.size(0);
  }
  return bytes;
}

/// The interactions' weighted scores of all pairs of `lists`, in their order.
///
/// In blocks of pairs: neighbouring queries have candidates in common, and interactions do what they do with an
/// item alone (projections, often most of its work) once in a block.
at::Tensor shortlist_scores(RetrievalModel& model, const Shortlists& lists, const Representation& queries,
                            const Representation& gallery, bool images_are_queries, int64_t chunk,
                            const RunReport& report) {
  constexpr int64_t kRowsBytes = 64 << 20;  // of a block's queries and candidates: tokens can be large
  const int64_t total = static_cast<int64_t>(lists.items.size());
  const int64_t query_bytes = bytes_of_a_row(queries), item_bytes = bytes_of_a_row(gallery);
  const at::Tensor scores = at::empty({total}, at::kFloat);
  int64_t query = 0;
  for (int64_t begin = 0; begin < total;) {
    Union block_queries, candidates;
    std::vector<int64_t> pairs;
    int64_t end = begin;
    for (; end < total && end - begin < chunk; ++end) {
      while (lists.begin[static_cast<size_t>(query) + 1] <= end) ++query;
      const int64_t own = block_queries.add(query), other = candidates.add(lists.items[static_cast<size_t>(end)]);
      pairs.push_back(images_are_queries ? own : other);
      pairs.push_back(images_are_queries ? other : own);
      const auto count = [](const Union& all) { return static_cast<int64_t>(all.items().size()); };
      if (count(block_queries) * query_bytes + count(candidates) * item_bytes >= kRowsBytes) {
        ++end;
        break;
      }
    }
    const Representation own = select_rows(queries, block_queries.items(), model.device());
    const Representation other = select_rows(gallery, candidates.items(), model.device());
    const at::Tensor index = at::tensor(pairs, at::kLong).view({-1, 2}).to(model.device());
    scores.slice(0, begin, end)
        .copy_(images_are_queries ? model.score_pairs(own, other, index) : model.score_pairs(other, own, index));
    begin = end;
    const int64_t done = query + (lists.begin[static_cast<size_t>(query) + 1] == end);
    report.progress("interaction", done, lists.queries(), "queries", "");
  }
  return scores;
}

/// Rescores one direction: rows of `scores` [Q, G] are queries. Returns the share of queries that have a match on their
/// shortlist.
template <class IsMatch>
double refine(RetrievalModel& model, at::Tensor& scores, const Representation& queries, const Representation& gallery,
              bool images_are_queries, int64_t chunk, const RunReport& report, IsMatch&& is_match) {
  const Shortlists lists = shortlists(scores, std::min(model.config().shortlist, scores.size(1)));
  const at::Tensor made = shortlist_scores(model, lists, queries, gallery, images_are_queries, chunk, report);
  int64_t found = 0;
  for (int64_t q = 0; q < lists.queries(); ++q) {
    const std::span<const int64_t> items = lists.of(q);
    found += std::any_of(items.begin(), items.end(), [&](int64_t item) { return is_match(q, item); });
    at::Tensor row = scores[q];
    const float last = lists.last[static_cast<size_t>(q)];
    const at::Tensor rest = row < last, shortlist = at::nonzero(row >= last).squeeze(1);
    const at::Tensor own = made.narrow(0, lists.begin[static_cast<size_t>(q)], static_cast<int64_t>(items.size()));
    const at::Tensor refined = model.config().embedding_weight * row.index_select(0, shortlist) + own;
    row.index_copy_(0, shortlist, refined);
    // Cosines lie within [-1, 1], so this puts all others below the shortlist and keeps their order.
    const float lowest = refined.min().item<float>();
    row.copy_(at::where(rest, row - last - 1 + std::min(lowest, 0.0f), row));
  }
  return lists.queries() ? static_cast<double>(found) / static_cast<double>(lists.queries()) : 0;
}

/// Final scores of all pairs, some images at a time.
at::Tensor exact_scores(RetrievalModel& model, const EncodedSplit& encoded, const RunReport& report) {
  constexpr int64_t block = 64;
  const int64_t images = encoded.images.embedding.size(0), texts = encoded.texts.embedding.size(0);
  const Representation all_texts = select_rows(encoded.texts, indices(0, texts), model.device());
  const at::Tensor scores = at::empty({images, texts}, at::kFloat);
  for (int64_t begin = 0; begin < images; begin += block) {
    const int64_t end = std::min(begin + block, images);
    const Representation rows = select_rows(encoded.images, indices(begin, end), model.device());
    scores.slice(0, begin, end).copy_(model.score_all_pairs(rows, all_texts));
    report.progress("interaction", end, images, "images", "");
  }
  return scores;
}

}  // namespace

Matrix<float> to_matrix(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kCPU, at::kFloat).contiguous();
  Matrix<float> out(flat.size(0), flat.size(1));
  std::copy_n(flat.data_ptr<float>(), flat.numel(), out.data());
  return out;
}

EncodedSplit encode_split(RetrievalModel& model, SplitInputs& inputs, int64_t batch_size, const RunReport& report,
                          const Parts& keep) {
  at::NoGradGuard no_grad;
  model.train(false);
  const Parts kept = keep | model.interaction_reads();
  const std::string name = "encoding " + inputs.split().name;
  const int64_t total = inputs.image_count() + inputs.text_count();

  Collector images(kept), texts(kept);
  std::unique_ptr<ImageLoader> loader;
  const std::vector<int64_t> all = indices(0, inputs.image_count());
  if (inputs.loads_images()) loader = inputs.load_images(all, batch_size, 0);
  for (int64_t begin = 0; begin < inputs.image_count(); begin += batch_size) {
    const std::vector<int64_t> batch = indices(begin, std::min(begin + batch_size, inputs.image_count()));
    at::Tensor pixels;
    if (loader) pixels = inputs.pixels(*loader->next());
    Representation representation = inputs.encode_images(batch, pixels);
    model.complete(Side::image, representation, inputs.graphs(Side::image, batch));
    images.add(representation);
    report.progress(name, batch.back() + 1, total, "items", "");
  }
  for (int64_t begin = 0; begin < inputs.text_count(); begin += batch_size) {
    const std::vector<int64_t> batch = indices(begin, std::min(begin + batch_size, inputs.text_count()));
    Representation representation = inputs.encode_texts(batch);
    model.complete(Side::text, representation, inputs.graphs(Side::text, batch));
    texts.add(representation);
    report.progress(name, inputs.image_count() + batch.back() + 1, total, "items", "");
  }
  return {images.take(), texts.take()};
}

SplitScores score_split(RetrievalModel& model, const SplitInputs& inputs, const EncodedSplit& encoded, int64_t chunk,
                        const RunReport& report) {
  at::NoGradGuard no_grad;
  // Over distinct texts, then expanded: columns of one text are then equal to the bit.
  const std::vector<int64_t>& of_caption = inputs.caption_texts();
  const at::Tensor caption_texts =
      at::from_blob(const_cast<int64_t*>(of_caption.data()), {inputs.caption_count()}, at::kLong);
  SplitScores out;
  const bool exact = model.has_interactions() && model.config().shortlist == 0;
  if (exact) {
    out.i2t = to_matrix(exact_scores(model, encoded, report).index_select(1, caption_texts));
    return out;
  }
  const at::Tensor cosine = encoded.images.embedding.matmul(encoded.texts.embedding.t());
  if (!model.has_interactions()) {
    out.i2t = to_matrix(cosine.index_select(1, caption_texts));
    return out;
  }

  std::vector<std::vector<int64_t>> images_of_text(static_cast<size_t>(inputs.text_count()));
  for (size_t caption = 0; caption < of_caption.size(); ++caption)
    images_of_text[static_cast<size_t>(of_caption[caption])].push_back(inputs.caption_images()[caption]);
  const auto matches = [&](int64_t image, int64_t text) {
    const auto& images = images_of_text[static_cast<size_t>(text)];
    return std::find(images.begin(), images.end(), image) != images.end();
  };
  at::Tensor i2t = cosine.clone(), t2i = cosine.t().contiguous();
  out.i2t_shortlist_recall = refine(model, i2t, encoded.images, encoded.texts, true, chunk, report, matches);
  out.t2i_shortlist_recall = refine(model, t2i, encoded.texts, encoded.images, false, chunk, report,
                                    [&](int64_t text, int64_t image) { return matches(image, text); });
  out.i2t = to_matrix(i2t.index_select(1, caption_texts));
  out.t2i = to_matrix(t2i.index_select(0, caption_texts));
  return out;
}

}  // namespace orbweaver
