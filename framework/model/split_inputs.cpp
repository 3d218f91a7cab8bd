#include "framework/model/split_inputs.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "framework/data/image.h"
#include "framework/data/prefetch.h"
#include "framework/io/json.h"
#include "framework/model/token_batch.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> out(static_cast<size_t>(end - begin));
  std::iota(out.begin(), out.end(), begin);
  return out;
}

at::Tensor tensor_of(std::span<const int64_t> numbers) {
  return at::from_blob(const_cast<int64_t*>(numbers.data()), {static_cast<int64_t>(numbers.size())}, at::kLong).clone();
}

/// Tokens of different batches are padded to different lengths.
at::Tensor pad_tokens(const at::Tensor& tokens, int64_t length) {
  if (tokens.size(1) == length) return tokens;
  std::vector<int64_t> sizes = tokens.sizes().vec();
  sizes[1] = length - tokens.size(1);
  return at::cat({tokens, at::zeros(sizes, tokens.options())}, 1);
}

/// Batches of one encoder, one below the other.
Representation concatenate(const std::vector<Representation>& parts) {
  Representation out;
  int64_t length = 0;
  bool masked = false;
  for (const Representation& part : parts) {
    if (part.tokens.defined()) length = std::max(length, part.tokens.size(1));
    masked = masked || part.token_mask.defined();
  }
  std::vector<at::Tensor> globals, tokens, masks;
  for (const Representation& part : parts) {
    if (part.global.defined()) globals.push_back(part.global);
    if (!part.tokens.defined()) continue;
    tokens.push_back(pad_tokens(part.tokens, length));
    const at::Tensor mask = part.token_mask.defined() ? part.token_mask
                                                      : at::ones({part.tokens.size(0), part.tokens.size(1)},
                                                                 part.tokens.options().dtype(at::kBool));
    if (masked) masks.push_back(pad_tokens(mask, length));
  }
  if (!globals.empty()) out.global = at::cat(globals);
  if (!tokens.empty()) out.tokens = at::cat(tokens);
  if (!masks.empty()) out.token_mask = at::cat(masks);
  return out;
}

Representation to_cpu(Representation representation) {
  for (at::Tensor* part : {&representation.global, &representation.tokens, &representation.token_mask})
    if (part->defined()) *part = part->cpu();
  return representation;
}

}  // namespace

Representation select_rows(const Representation& all, std::span<const int64_t> rows, const at::Device& device) {
  const at::Tensor index = tensor_of(rows);
  const auto select = [&](const at::Tensor& part) {
    if (!part.defined()) return at::Tensor();
    return part.index_select(0, index.to(part.device())).to(device);
  };
  return {select(all.global),    select(all.tokens), select(all.token_mask), select(all.nodes),
          select(all.node_mask), select(all.local),  select(all.embedding)};
}

SplitInputs::SplitInputs(RetrievalModel& model, const Split& split, const TripleTable& triples,
                         const FeatureCache& cache, const RunReport& report, const Options& options)
    : model_(model), split_(split), triples_(triples), cache_(cache), report_(report), options_(options) {
  for (const CaptionRecord& caption : split_.captions) caption_images_.push_back(caption.image);
}

const std::string& SplitInputs::images_hash() {
  if (!images_hash_.empty()) return images_hash_;
  OrderedPrefetch<std::string> hashes(
      image_count(), [&](int64_t i) { return hash_file(split_.images[static_cast<size_t>(i)].file); },
      static_cast<int>(options_.workers), 64);
  Hasher all;
  while (const auto hash = hashes.next()) all.add(std::string_view(*hash));
  return images_hash_ = all.hex();
}

std::vector<Object> SplitInputs::objects_of(int64_t image) const {
  if (!detected_.empty()) return detected_[static_cast<size_t>(image)];
  const auto& file = split_.images[static_cast<size_t>(image)].detections;
  return file.empty() ? std::vector<Object>() : read_detections(file);
}

void SplitInputs::detect_objects() {
  const std::string key = Hasher()
                              .add(std::string_view("objects"))
                              .add(std::string_view(model_.graph_identity(Side::image)))
                              .add(std::string_view(images_hash()))
                              .hex();
  if (const auto file = cache_.find(key)) {
    const auto bytes = file->at("objects").bytes;
    const Value lists = parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file->path().string());
    for (const Value& list : lists.as_list()) detected_.push_back(parse_detections(list, file->path().string()));
    return;
  }
  OrderedPrefetch<Image> images(
      image_count(), [&](int64_t i) { return decode_image(split_.images[static_cast<size_t>(i)].file); },
      static_cast<int>(options_.workers), 16);
  std::string json = "[";
  while (const auto image = images.next()) {
    detected_.push_back(detect(model_.detector(), image->view()));
    json += (detected_.size() > 1 ? ",\n" : "") + detections_json(detected_.back());
    report_.stop_point();
    report_.progress("objects of " + split_.name, static_cast<int64_t>(detected_.size()), image_count(), "images", "");
  }
  json += "]";
  cache_.store(key, {{"objects", {"U8", {static_cast<int64_t>(json.size())}, std::as_bytes(std::span(json))}}}, {});
}

Graph SplitInputs::graph_of(std::span<const Object> objects, const Image& image) const {
  const Hosted<GraphBuilder>& builder = model_.graph_builder(Side::image);
  Scene scene{image.width, image.height, objects, {}};
  if (builder.get().needs_pixels()) scene.pixels = image.view();
  return build_graph(builder, scene);
}

Graph SplitInputs::moved_graph(int64_t image, const Image& moved_image, const Motion& motion) const {
  return graph_of(moved(objects_of(image), motion, moved_image.width, moved_image.height), moved_image);
}

void SplitInputs::build_image_graphs() {
  const Hosted<GraphBuilder>& builder = model_.graph_builder(Side::image);
  const bool any_on_disk = std::any_of(split_.images.begin(), split_.images.end(),
                                       [](const ImageRecord& image) { return !image.detections.empty(); });
  if (!any_on_disk && model_.detector()) detect_objects();
  if (!any_on_disk && !model_.detector())
    report_.line(fmt::format("{}: no image of {} has detections and the config names no detector: its graphs are empty",
                             builder.ref().where(), split_.name));
  OrderedPrefetch<Graph> graphs(
      image_count(),
      [&](int64_t i) {
        const std::vector<Object> objects = objects_of(i);
        // Boxes are in pixels of the image, so its size is needed even where its pixels are not.
        const Image image = decode_image(split_.images[static_cast<size_t>(i)].file);
        return graph_of(objects, image);
      },
      static_cast<int>(options_.workers), 64);
  while (auto graph = graphs.next()) {
    image_graphs_.push_back(std::move(*graph));
    report_.stop_point();
    report_.progress("graphs of " + split_.name, static_cast<int64_t>(image_graphs_.size()), image_count(), "images",
                     "");
  }
}

void SplitInputs::build_graphs() {
  if (model_.has_graphs(Side::image)) build_image_graphs();
  if (!model_.has_graphs(Side::text)) return;
  for (const CaptionRecord& record : split_.captions) {
    const auto triples = triples_.find(record.text);
    Caption caption{record.text, {}, triples != triples_.end()};
    if (caption.has_triples) caption.triples = triples->second;
    text_graphs_.push_back(build_graph(model_.graph_builder(Side::text), caption));
  }
}

void SplitInputs::count_names(GraphNames& names) const {
  for (const Graph& graph : image_graphs_) names.count(graph);
  for (const Graph& graph : text_graphs_) names.count(graph);
}

void SplitInputs::prepare() {
  const Hosted<TextEncoder>& encoder = model_.text_encoder();
  std::map<std::vector<int64_t>, int64_t> known_tokens;
  std::map<std::pair<int64_t, std::string>, int64_t> known_texts;
  for (int64_t i = 0; i < caption_count(); ++i) {
    const std::string& text = split_.captions[static_cast<size_t>(i)].text;
    std::vector<int64_t> tokens = encoder.call("tokenize", [&](TextEncoder& e) { return e.tokenize(text); });
    if (tokens.empty() || std::find(tokens.begin(), tokens.end(), 0) != tokens.end())
      contract_violation(encoder.ref(), "tokenize", "no ids, or a 0 among them", "at least one id, none of them 0");
    const int64_t same_tokens = known_tokens.emplace(tokens, static_cast<int64_t>(known_tokens.size())).first->second;
    caption_tokens_.push_back(same_tokens);
    const auto key = std::pair(same_tokens, model_.has_graphs(Side::text) ? text : std::string());
    const auto [place, added] = known_texts.emplace(key, text_count());
    if (added) {
      text_captions_.push_back(i);
      text_tokens_.push_back(std::move(tokens));
    }
    caption_texts_.push_back(place->second);
  }
  if (model_.encoder_is_frozen(Side::image) && !options_.augmented) prepare_images();
  if (model_.encoder_is_frozen(Side::text)) prepare_texts();
}

Representation SplitInputs::cached(const std::string& key, const std::string& what, int64_t count,
                                   const std::function<Representation()>& make) {
  if (auto file = cache_.find(key)) {
    Representation out;
    const auto read = [&](const char* name) {
      const auto found = file->tensors().find(name);
      return found == file->tensors().end() ? at::Tensor() : view_tensor(found->second);
    };
    out.global = read("global");
    out.tokens = read("tokens");
    out.token_mask = read("token_mask");
    open_.push_back(std::move(file));
    report_.line(fmt::format("{}: {} from the cache", what, count));
    return out;
  }
  const Representation made = make();
  std::map<std::string, TensorEntry> entries;
  std::vector<at::Tensor> alive;
  const auto add = [&](const char* name, const at::Tensor& part) {
    if (!part.defined()) return;
    alive.push_back(part.contiguous());
    const at::Tensor& flat = alive.back();
    entries[name] = {flat.scalar_type() == at::kBool     ? "BOOL"
                     : flat.scalar_type() == at::kDouble ? "F64"
                                                         : "F32",
                     flat.sizes().vec(),
                     {static_cast<const std::byte*>(flat.data_ptr()), static_cast<size_t>(flat.nbytes())}};
  };
  add("global", made.global);
  add("tokens", made.tokens);
  add("token_mask", made.token_mask);
  cache_.store(key, entries, {{"content", what}});
  return made;
}

void SplitInputs::prepare_images() {
  const Parts& reads = model_.reads();
  const std::string key = Hasher()
                              .add(std::string_view("images"))
                              .add(std::string_view(model_.encoder_identity(Side::image)))
                              .add(std::string_view(images_hash()))
                              .add(std::string_view(fmt::format("{}{}", reads.global, reads.tokens)))
                              .hex();
  image_features_ = cached(key, "image features of " + split_.name, image_count(), [&] {
    at::NoGradGuard no_grad;
    model_.train(false);
    std::vector<Representation> parts;
    const auto all = range(0, image_count());
    const auto loader = load_images(all, options_.batch_size, 0);
    while (const auto batch = loader->next()) {
      parts.push_back(to_cpu(model_.encode_images(pixels(*batch))));
      report_.stop_point();
      report_.progress("image features of " + split_.name, batch->first + batch->count, image_count(), "images", "");
    }
    return concatenate(parts);
  });
}

void SplitInputs::prepare_texts() {
  Hasher hasher;
  hasher.add(std::string_view("texts")).add(std::string_view(model_.encoder_identity(Side::text)));
  for (const std::vector<int64_t>& tokens : text_tokens_)
    hasher.add(std::as_bytes(std::span(tokens))).add(std::string_view("."));
  hasher.add(std::string_view(fmt::format("{}{}", model_.reads().global, model_.reads().tokens)));
  text_features_ = cached(hasher.hex(), "text features of " + split_.name, text_count(), [&] {
    at::NoGradGuard no_grad;
    model_.train(false);
    std::vector<Representation> parts;
    for (int64_t begin = 0; begin < text_count(); begin += options_.batch_size) {
      const int64_t end = std::min(begin + options_.batch_size, text_count());
      parts.push_back(to_cpu(model_.encode_texts(token_batch(range(begin, end)))));
      report_.stop_point();
      report_.progress("text features of " + split_.name, end, text_count(), "texts", "");
    }
    return concatenate(parts);
  });
}

TokenBatch SplitInputs::token_batch(std::span<const int64_t> texts) const {
  std::vector<const std::vector<int64_t>*> batch;
  for (const int64_t text : texts) batch.push_back(&text_tokens_[static_cast<size_t>(text)]);
  return to_device(pad_texts(batch), model_.device());
}

Representation SplitInputs::encode_images(std::span<const int64_t> images, const at::Tensor& pixels) {
  return images_are_cached() ? select_rows(image_features_, images, model_.device()) : model_.encode_images(pixels);
}

Representation SplitInputs::encode_texts(std::span<const int64_t> texts) {
  const bool cached = text_features_.global.defined() || text_features_.tokens.defined();
  return cached ? select_rows(text_features_, texts, model_.device()) : model_.encode_texts(token_batch(texts));
}

GraphBatch SplitInputs::graphs(Side side, std::span<const int64_t> items) const {
  if (!model_.has_graphs(side)) return {};
  std::vector<const Graph*> batch;
  for (const int64_t item : items) batch.push_back(&graph(side, item));
  return model_.collate(side, batch);
}

const Graph& SplitInputs::graph(Side side, int64_t item) const {
  const size_t i = static_cast<size_t>(item);
  return side == Side::image ? image_graphs_[i] : text_graphs_[static_cast<size_t>(text_captions_[i])];
}

std::unique_ptr<ImageLoader> SplitInputs::load_images(std::span<const int64_t> images, int64_t batch_size,
                                                      int64_t first_batch,
                                                      std::function<void(Image&, int64_t)> transform) const {
  std::vector<std::filesystem::path> files;
  for (const int64_t image : images) files.push_back(split_.images[static_cast<size_t>(image)].file);
  ImageLoaderOptions options;
  options.batch_size = batch_size;
  options.threads = static_cast<int>(options_.workers);
  options.first_batch = first_batch;
  options.transform = std::move(transform);
  return std::make_unique<ImageLoader>(std::move(files), model_.image_input(), options);
}

at::Tensor SplitInputs::pixels(const ImageBatch& batch) const {
  const ImageInput input = model_.image_input();
  return at::from_blob(const_cast<float*>(batch.data.data()), {batch.count, 3, input.height, input.width}, at::kFloat)
      .to(model_.device(), at::kFloat, /*non_blocking=*/false, /*copy=*/true);
}

}  // namespace orbweaver
