#include "framework/model/split_inputs.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include "framework/cache/graph_entry.h"
#include "framework/data/image.h"
#include "framework/data/prefetch.h"
#include "framework/io/json.h"
#include "framework/model/libtorch_version.h"
#include "framework/model/processor.h"
#include "framework/model/token_batch.h"
#include "framework/version.h"
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

/// The hash that an entry of the cache is named by, begun: what it is, and the version of whatever decodes images.
void begin_key(Hasher& hasher, std::string_view what) { hasher.add(what).add(std::string_view(ORBWEAVER_VERSION)); }

// Kinds of entries. Features have one for each part, so that methods share those they have in common and map no others.
std::string graphs_kind(Side side) { return std::string(side_name(side)) + "-graphs"; }
std::string global_kind(Side side) { return std::string(side_name(side)) + "-global"; }
std::string tokens_kind(Side side) { return std::string(side_name(side)) + "-tokens"; }

constexpr const char* part_names[] = {"global", "tokens", "token_mask"};
at::Tensor& part(Representation& representation, size_t index) {
  return index == 0 ? representation.global : index == 1 ? representation.tokens : representation.token_mask;
}

}  // namespace

Representation select_rows(const Representation& all, std::span<const int64_t> rows, const at::Device& device) {
  const at::Tensor index = tensor_of(rows);
  const auto select = [&](const at::Tensor& part) {
    if (!part.defined()) return at::Tensor();
    return part.index_select(0, index.to(part.device())).to(device);
  };
  Representation out;
  for (at::Tensor Representation::*part : all_parts) out.*part = select(all.*part);
  return out;
}

SplitInputs::SplitInputs(RetrievalModel& model, const Split& split, const TripleTable& triples,
                         const FeatureCache& cache, const RunReport& report, const Options& options)
    : model_(model),
      split_(split),
      triples_(triples),
      cache_(cache),
      report_(report),
      options_(options),
      hashes_(ContentHashes::records_in(cache.folder()), static_cast<int>(options.workers)) {
  for (const CaptionRecord& caption : split_.captions) caption_images_.push_back(caption.image);
}

const std::string& SplitInputs::images_hash() {
  if (!images_hash_.empty()) return images_hash_;
  std::vector<std::filesystem::path> files;
  for (const ImageRecord& image : split_.images) files.push_back(image.file);
  return images_hash_ = hash_of_files(files);
}

std::string SplitInputs::detections_hash() {
  std::vector<std::filesystem::path> files;
  for (const ImageRecord& image : split_.images) files.push_back(image.detections);
  return hash_of_files(files);
}

std::string SplitInputs::hash_of_files(const std::vector<std::filesystem::path>& files) {
  Hasher all;
  for (const std::string& hash : hashes_.of_files(files)) all.add(std::string_view(hash));
  hashes_.save();
  return all.hex();
}

std::function<void()> SplitInputs::waiting_for(const std::string& what) const {
  return [this, what, told = false]() mutable {
    if (!told) report_.line(fmt::format("{}: another run is making them; waiting for it", what));
    told = true;
    report_.stop_point();
  };
}

bool SplitInputs::objects_on_disk() const {
  return std::any_of(split_.images.begin(), split_.images.end(),
                     [](const ImageRecord& image) { return !image.detections.empty(); });
}

std::string SplitInputs::objects_key() {
  if (!cache_.enabled()) return {};
  Hasher hasher;
  begin_key(hasher, "objects");
  return hasher.add(std::string_view(model_.detector_identity(hashes_))).add(std::string_view(images_hash())).hex();
}

std::string SplitInputs::image_graphs_key() {
  if (!cache_.enabled()) return {};
  Hasher hasher;
  begin_key(hasher, "image graphs");
  hasher.add(std::string_view(model_.graph_identity(Side::image, hashes_))).add(std::string_view(images_hash()));
  if (objects_on_disk())
    hasher.add(std::string_view("files")).add(std::string_view(detections_hash()));
  else if (model_.detector())
    hasher.add(std::string_view("detector")).add(std::string_view(model_.detector_identity(hashes_)));
  return hasher.hex();
}

std::string SplitInputs::text_graphs_key() {
  if (!cache_.enabled()) return {};
  Hasher hasher;
  begin_key(hasher, "text graphs");
  hasher.add(std::string_view(model_.graph_identity(Side::text, hashes_)));
  for (const CaptionRecord& record : split_.captions) {
    const Caption caption = caption_of(record);
    hasher.add(std::string_view(caption.text));
    hasher.add(std::string_view(caption.has_triples ? std::to_string(caption.triples.size()) : "none"));
    for (const Triple& triple : caption.triples)
      for (const std::string* word : {&triple.subject, &triple.relation, &triple.object})
        hasher.add(std::string_view(*word));
  }
  return hasher.hex();
}

std::string SplitInputs::features_key(Side side) {
  if (!cache_.enabled()) return {};
  Hasher hasher;
  begin_key(hasher, side == Side::image ? "image features" : "text features");
  hasher.add(std::string_view(model_.encoder_identity(side, hashes_)));
  // The last bits of a feature depend on what computes it, and how.
  hasher.add(std::string_view(fmt::format("LibTorch {}, {}, {} threads, batches of {}", libtorch_version().text,
                                          processor_name(model_.device().str()), model_.config().train.threads,
                                          options_.batch_size)));
  if (side == Side::image) return hasher.add(std::string_view(images_hash())).hex();
  for (const std::vector<int64_t>& tokens : text_tokens_)
    hasher.add(std::as_bytes(std::span(tokens))).add(std::string_view("."));
  return hasher.hex();
}

std::vector<Object> SplitInputs::objects_of(int64_t image) const {
  if (!detected_.empty()) return detected_[static_cast<size_t>(image)];
  const auto& file = split_.images[static_cast<size_t>(image)].detections;
  return file.empty() ? std::vector<Object>() : read_detections(file);
}

void SplitInputs::detect_objects() {
  if (!detected_.empty()) return;
  const std::string what = "objects of " + split_.name;
  const std::string key = objects_key();
  const FeatureCache::Claim claim = cache_.claim(key, {"objects"}, waiting_for(what));
  if (!claim.entries.empty()) {
    const SafetensorsFile& file = *claim.entries.at("objects");
    const auto bytes = file.at("objects").bytes;
    const Value lists = parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.path().string());
    for (const Value& list : lists.as_list()) detected_.push_back(parse_detections(list, file.path().string()));
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
    report_.progress(what, static_cast<int64_t>(detected_.size()), image_count(), "images", "");
  }
  json += "]";
  cache_.store({key, "objects"},
               {{"objects", {"U8", {static_cast<int64_t>(json.size())}, std::as_bytes(std::span(json))}}},
               {{"content", what}});
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
  const bool detects = !objects_on_disk() && model_.detector();
  if (!objects_on_disk() && !model_.detector())
    report_.line(fmt::format("{}: no image of {} has detections and the config names no detector: its graphs are empty",
                             builder.ref().where(), split_.name));
  if (detects && options_.augmented) detect_objects();  // the graphs of moved images are made of them
  image_graphs_ = cached_graphs(image_graphs_key(), Side::image, [&] {
    if (detects) detect_objects();
    OrderedPrefetch<Graph> graphs(
        image_count(),
        [&](int64_t i) {
          const std::vector<Object> objects = objects_of(i);
          // Boxes are in pixels of the image, so its size is needed even where its pixels are not.
          const Image image = decode_image(split_.images[static_cast<size_t>(i)].file);
          return graph_of(objects, image);
        },
        static_cast<int>(options_.workers), 64);
    std::vector<Graph> made;
    while (auto graph = graphs.next()) {
      made.push_back(std::move(*graph));
      report_.stop_point();
      report_.progress("graphs of " + split_.name, static_cast<int64_t>(made.size()), image_count(), "images", "");
    }
    return made;
  });
}

void SplitInputs::build_text_graphs() {
  text_graphs_ = cached_graphs(text_graphs_key(), Side::text, [&] {
    std::vector<Graph> made;
    for (const CaptionRecord& record : split_.captions)
      made.push_back(build_graph(model_.graph_builder(Side::text), caption_of(record)));
    return made;
  });
}

void SplitInputs::build_graphs() {
  if (model_.has_graphs(Side::image)) build_image_graphs();
  if (model_.has_graphs(Side::text)) build_text_graphs();
}

Caption SplitInputs::caption_of(const CaptionRecord& record) const {
  const auto triples = triples_.find(record.text);
  Caption caption{record.text, {}, triples != triples_.end()};
  if (caption.has_triples) caption.triples = triples->second;
  return caption;
}

std::vector<Graph> SplitInputs::cached_graphs(const std::string& key, Side side,
                                              const std::function<std::vector<Graph>()>& make) {
  const std::string kind = graphs_kind(side);
  const std::string what = fmt::format("{} graphs of {}", side_name(side), split_.name);
  const FeatureCache::Claim claim = cache_.claim(key, {kind}, waiting_for(what));
  if (!claim.entries.empty()) return read_graphs(*claim.entries.at(kind));
  std::vector<Graph> made = make();
  write_graphs(made, [&](const auto& tensors) { cache_.store({key, kind}, tensors, {{"content", what}}); });
  return made;
}

void SplitInputs::count_names(GraphNames& names) const {
  for (const Graph& graph : image_graphs_) names.count(graph);
  for (const Graph& graph : text_graphs_) names.count(graph);
}

void SplitInputs::tokenize() {
  const Hosted<TextEncoder>& encoder = model_.text_encoder();
  // By their hashes: the sequences themselves are in text_tokens_, and half a million of them would be there twice.
  std::unordered_multimap<size_t, int64_t> known_tokens;
  std::vector<int64_t> text_of_tokens;  // one of the texts that have them
  std::unordered_map<std::string_view, int64_t> known_texts;
  const bool by_text = model_.has_graphs(Side::text);
  const auto number_of = [&](const std::vector<int64_t>& tokens, size_t hash) {
    const auto [begin, end] = known_tokens.equal_range(hash);
    const auto found = std::find_if(begin, end, [&](const auto& known) {
      return text_tokens_[static_cast<size_t>(text_of_tokens[static_cast<size_t>(known.second)])] == tokens;
    });
    return found == end ? -1 : found->second;
  };
  for (int64_t i = 0; i < caption_count(); ++i) {
    const std::string& text = split_.captions[static_cast<size_t>(i)].text;
    std::vector<int64_t> tokens = encoder.call("tokenize", [&](TextEncoder& e) { return e.tokenize(text); });
    if (tokens.empty() || std::find(tokens.begin(), tokens.end(), 0) != tokens.end())
      contract_violation(encoder.ref(), "tokenize", "no ids, or a 0 among them", "at least one id, none of them 0");
    const auto bytes = std::as_bytes(std::span(tokens));
    const size_t hash = std::hash<std::string_view>{}({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    int64_t number = number_of(tokens, hash);
    const bool new_tokens = number < 0;
    if (new_tokens) {
      number = std::ssize(text_of_tokens);
      known_tokens.emplace(hash, number);
      text_of_tokens.push_back(text_count());
    }
    int64_t place = text_of_tokens[static_cast<size_t>(number)];
    bool new_text = new_tokens;
    if (by_text) {
      const auto [entry, added] = known_texts.emplace(text, text_count());
      if (!added && text_tokens_[static_cast<size_t>(entry->second)] != tokens)
        contract_violation(encoder.ref(), "tokenize", "other ids for a text that it was given before",
                           "the same ids for the same text");
      place = entry->second;
      new_text = added;
    }
    if (new_text) {
      text_captions_.push_back(i);
      text_tokens_.push_back(std::move(tokens));
    }
    caption_tokens_.push_back(number);
    caption_texts_.push_back(place);
  }
}

void SplitInputs::prepare() {
  tokenize();
  if (model_.encoder_is_frozen(Side::image) && !unread(Side::image)) {
    if (options_.augmented)
      report_.line(
          fmt::format("image features of {}: not cached: train.augment moves the images, so the frozen encoder "
                      "runs in every step",
                      split_.name));
    else
      prepare_images();
  }
  if (model_.encoder_is_frozen(Side::text) && !unread(Side::text)) prepare_texts();
}

std::vector<std::string> SplitInputs::feature_kinds(Side side) const {
  std::vector<std::string> kinds;
  if (model_.reads().global) kinds.push_back(global_kind(side));
  if (model_.reads().tokens) kinds.push_back(tokens_kind(side));
  return kinds;
}

std::vector<CachedPart> SplitInputs::look_up() {
  std::vector<CachedPart> out;
  const auto add = [&](const std::string& what, const std::string& hash, const std::vector<std::string>& kinds) {
    const bool cached = std::all_of(kinds.begin(), kinds.end(), [&](const std::string& kind) {
      return cache_.contains({hash, kind});
    });
    out.push_back({fmt::format("{} of {}", what, split_.name), cached});
  };
  if (model_.has_graphs(Side::image)) {
    if (!objects_on_disk() && model_.detector()) add("objects", objects_key(), {"objects"});
    add("image graphs", image_graphs_key(), {graphs_kind(Side::image)});
  }
  if (model_.has_graphs(Side::text)) add("text graphs", text_graphs_key(), {graphs_kind(Side::text)});
  tokenize();
  for (const Side side : {Side::image, Side::text})
    if (model_.encoder_is_frozen(side) && !unread(side) && !(side == Side::image && options_.augmented))
      add(fmt::format("{} features", side_name(side)), features_key(side), feature_kinds(side));
  return out;
}

Representation SplitInputs::cached_features(const std::string& key, Side side, int64_t count,
                                            const std::function<Representation()>& make) {
  const std::string what = fmt::format("{} features of {}", side_name(side), split_.name);
  const std::vector<std::string> kinds = feature_kinds(side);
  const auto mapped = [&](std::map<std::string, std::unique_ptr<SafetensorsFile>>& entries) {
    Representation out;
    for (auto& [kind, file] : entries) {
      for (size_t i = 0; i < std::size(part_names); ++i)
        if (const auto found = file->tensors().find(part_names[i]); found != file->tensors().end())
          part(out, i) = view_tensor(found->second);
      open_.push_back(std::move(file));
    }
    return out;
  };

  FeatureCache::Claim claim = cache_.claim(key, kinds, waiting_for(what));
  if (!claim.entries.empty()) {
    report_.line(fmt::format("{}: {} from the cache", what, count));
    return mapped(claim.entries);
  }
  Representation made = make();
  int64_t bytes = 0;
  for (size_t i = 0; i < std::size(part_names); ++i)
    if (part(made, i).defined()) bytes += static_cast<int64_t>(part(made, i).nbytes());
  if (!cache_.has_room(what, bytes)) return made;
  const auto store = [&](const std::string& kind, std::initializer_list<size_t> parts) {
    if (cache_.contains({key, kind})) return;
    TensorMap tensors;
    for (const size_t i : parts)
      if (part(made, i).defined()) tensors[part_names[i]] = part(made, i);
    if (!tensors.empty())
      with_entries(tensors, [&](const auto& entries) { cache_.store({key, kind}, entries, {{"content", what}}); });
  };
  store(global_kind(side), {0});
  store(tokens_kind(side), {1, 2});
  // Read back, so that runs side by side share one copy in memory.
  std::map<std::string, std::unique_ptr<SafetensorsFile>> entries;
  for (const std::string& kind : kinds)
    if (auto file = cache_.find({key, kind})) entries[kind] = std::move(file);
  return entries.size() == kinds.size() ? mapped(entries) : made;
}

void SplitInputs::prepare_images() {
  image_features_ = cached_features(features_key(Side::image), Side::image, image_count(), [&] {
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
  text_features_ = cached_features(features_key(Side::text), Side::text, text_count(), [&] {
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
  if (unread(Side::image)) return {};
  return images_are_cached() ? select_rows(image_features_, images, model_.device()) : model_.encode_images(pixels);
}

Representation SplitInputs::encode_texts(std::span<const int64_t> texts) {
  if (unread(Side::text)) return {};
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
  ImageLoaderOptions options;
  options.batch_size = batch_size;
  options.threads = static_cast<int>(options_.workers);
  options.first_batch = first_batch;
  options.transform = std::move(transform);
  // Not their paths: an epoch of half a million captions would hold as many.
  const auto file_of = [this, order = std::vector<int64_t>(images.begin(), images.end())](
                           int64_t position) -> const std::filesystem::path& {
    return split_.images[static_cast<size_t>(order[static_cast<size_t>(position)])].file;
  };
  return std::make_unique<ImageLoader>(std::ssize(images), file_of, model_.image_input(), options);
}

at::Tensor SplitInputs::pixels(const ImageBatch& batch) const {
  const ImageInput input = model_.image_input();
  return at::from_blob(const_cast<float*>(batch.data.data()), {batch.count, 3, input.height, input.width}, at::kFloat)
      .to(model_.device(), at::kFloat, /*non_blocking=*/false, /*copy=*/true);
}

}  // namespace orbweaver
