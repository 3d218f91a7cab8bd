#include "framework/model/encode.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

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
  std::vector<at::Tensor> embeddings_, globals_, locals_, tokens_, token_masks_, nodes_, node_masks_;
};

std::vector<int64_t> indices(int64_t begin, int64_t end) {
  std::vector<int64_t> out(static_cast<size_t>(end - begin));
  std::iota(out.begin(), out.end(), begin);
  return out;
}

/// Rescores one direction: rows of `scores` [Q, G] are queries. Returns per query whether a match was on its shortlist.
template <class IsMatch>
double refine(RetrievalModel& model, at::Tensor& scores, const Representation& queries, const Representation& gallery,
              bool images_are_queries, int64_t chunk, const RunReport& report, IsMatch&& is_match) {
  const InteractionKeys& part = model.config().interaction->interaction;
  const int64_t query_count = scores.size(0), k = std::min(part.shortlist, scores.size(1));
  int64_t found = 0;
  for (int64_t q = 0; q < query_count; ++q) {
    at::Tensor row = scores[q];
    const float last = std::get<0>(row.topk(k)).min().item<float>();
    const at::Tensor shortlist = at::nonzero(row >= last).squeeze(1);
    const at::Tensor rest = row < last;
    const std::vector<int64_t> items(shortlist.data_ptr<int64_t>(), shortlist.data_ptr<int64_t>() + shortlist.numel());
    found += std::any_of(items.begin(), items.end(), [&](int64_t item) { return is_match(q, item); });

    const Representation query = select_rows(queries, std::span(&q, 1), model.device());
    std::vector<at::Tensor> parts;
    for (size_t begin = 0; begin < items.size(); begin += static_cast<size_t>(chunk)) {
      const size_t count = std::min(items.size() - begin, static_cast<size_t>(chunk));
      const Representation candidates = select_rows(gallery, std::span(items).subspan(begin, count), model.device());
      const at::Tensor own =
          at::zeros({static_cast<int64_t>(count)}, at::TensorOptions().dtype(at::kLong).device(model.device()));
      const at::Tensor other = at::arange(static_cast<int64_t>(count), own.options());
      const at::Tensor pairs = images_are_queries ? at::stack({own, other}, 1) : at::stack({other, own}, 1);
      const at::Tensor made = model.interaction().call("score_pairs", [&](Interaction& interaction) {
        return images_are_queries ? interaction.score_pairs(query, candidates, pairs)
                                  : interaction.score_pairs(candidates, query, pairs);
      });
      check_output(model.interaction().ref(), "scores", made, {static_cast<int64_t>(count)}, true);
      parts.push_back(made.cpu());
    }
    const at::Tensor refined = part.embedding_weight * row.index_select(0, shortlist) + part.weight * at::cat(parts);
    row.index_copy_(0, shortlist, refined);
    // Cosines lie within [-1, 1], so this puts all others below the shortlist and keeps their order.
    const float lowest = refined.min().item<float>();
    row.copy_(at::where(rest, row - last - 1 + std::min(lowest, 0.0f), row));
    report.progress("interaction", q + 1, query_count, "queries", "");
  }
  return query_count ? static_cast<double>(found) / static_cast<double>(query_count) : 0;
}

/// Final scores of all pairs, some images at a time.
at::Tensor exact_scores(RetrievalModel& model, const EncodedSplit& encoded, const RunReport& report) {
  constexpr int64_t block = 64;
  const int64_t images = encoded.images.embedding.size(0), texts = encoded.texts.embedding.size(0);
  const Representation all_texts = select_rows(encoded.texts, indices(0, texts), model.device());
  std::vector<at::Tensor> parts;
  for (int64_t begin = 0; begin < images; begin += block) {
    const int64_t end = std::min(begin + block, images);
    const Representation rows = select_rows(encoded.images, indices(begin, end), model.device());
    parts.push_back(model.score_all_pairs(rows, all_texts).cpu());
    report.progress("interaction", end, images, "images", "");
  }
  return at::cat(parts);
}

Matrix<float> to_matrix(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.to(at::kFloat).contiguous();
  Matrix<float> out(flat.size(0), flat.size(1));
  std::copy_n(flat.data_ptr<float>(), flat.numel(), out.data());
  return out;
}

}  // namespace

EncodedSplit encode_split(RetrievalModel& model, SplitInputs& inputs, int64_t batch_size, const RunReport& report,
                          const Parts& keep) {
  at::NoGradGuard no_grad;
  model.train(false);
  const Parts kept = model.interaction() ? keep | model.interaction().get().reads() : keep;
  const std::string name = "encoding " + inputs.split().name;
  const int64_t total = inputs.image_count() + inputs.text_count();

  Collector images(kept), texts(kept);
  std::unique_ptr<ImageLoader> loader;
  const std::vector<int64_t> all = indices(0, inputs.image_count());
  if (!inputs.images_are_cached()) loader = inputs.load_images(all, batch_size, 0);
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
  const bool exact = model.interaction() && model.config().interaction->interaction.shortlist == 0;
  if (exact) {
    out.i2t = to_matrix(exact_scores(model, encoded, report).index_select(1, caption_texts));
    return out;
  }
  const at::Tensor cosine = encoded.images.embedding.matmul(encoded.texts.embedding.t());
  if (!model.interaction()) {
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
