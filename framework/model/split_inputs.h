// A split as a model takes it: token ids, graphs, features of frozen encoders, images on demand.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "framework/cache/feature_cache.h"
#include "framework/cache/file_hashes.h"
#include "framework/data/augment.h"
#include "framework/data/dataset.h"
#include "framework/data/loader.h"
#include "framework/io/report.h"
#include "framework/model/cached_parts.h"
#include "framework/model/retrieval_model.h"

namespace orbweaver {

/// Every tensor that a Representation has.
inline constexpr at::Tensor Representation::*all_parts[] = {
    &Representation::global,    &Representation::tokens,    &Representation::token_mask, &Representation::nodes,
    &Representation::node_mask, &Representation::relations, &Representation::local,      &Representation::embedding};

/// Rows of a Representation, on `device`; parts that are undefined stay so.
Representation select_rows(const Representation& all, std::span<const int64_t> rows, const at::Device& device);

class SplitInputs {
 public:
  struct Options {
    int64_t batch_size = 128;  ///< for encoding what is frozen
    int64_t workers = 2;
    bool augmented = false;  ///< images come moved, differently each time: nothing made of them is cached
  };
  /// Keeps references to all of them.
  SplitInputs(RetrievalModel& model, const Split& split, const TripleTable& triples, const FeatureCache& cache,
              const RunReport& report, const Options& options);

  /// Reads or detects objects and builds the graphs of both sides, as far as the model has builders. Before
  /// RetrievalModel::fit, which learns their names.
  void build_graphs();
  void count_names(GraphNames& names) const;

  /// What build_graphs and prepare would find in the cache. Instead of them.
  std::vector<CachedPart> look_up();

  /// Tokenises, and encodes what is frozen (or reads it from the cache). After fit or restore.
  void prepare();

  const Split& split() const { return split_; }
  int64_t image_count() const { return static_cast<int64_t>(split_.images.size()); }
  int64_t caption_count() const { return static_cast<int64_t>(split_.captions.size()); }
  /// Distinct captions: equal token sequences share one (where the model reads the caption's graph, equal texts).
  int64_t text_count() const { return static_cast<int64_t>(text_captions_.size()); }
  /// The distinct text of each caption, and the image of each caption.
  const std::vector<int64_t>& caption_texts() const { return caption_texts_; }
  const std::vector<int64_t>& caption_images() const { return caption_images_; }
  /// Equal for captions with the same tokens.
  int64_t token_hash(int64_t caption) const { return caption_tokens_[static_cast<size_t>(caption)]; }

  /// Whether encode_images reads made features, whatever pixels it is given.
  bool images_are_cached() const { return image_features_.global.defined() || image_features_.tokens.defined(); }
  /// Whether encode_images wants pixels, or the graphs of moved images are made of them.
  bool loads_images() const { return !images_are_cached() && (!unread(Side::image) || options_.augmented); }
  /// Encoder outputs of images: from the frozen features, or by encoding `pixels` [B, 3, H, W] of just these images.
  /// Empty where the encoder is frozen and nothing reads what it makes.
  Representation encode_images(std::span<const int64_t> images, const at::Tensor& pixels);
  Representation encode_texts(std::span<const int64_t> texts);
  GraphBatch graphs(Side side, std::span<const int64_t> items) const;
  /// The graph of an image or of a distinct text, where the model has a builder for that side.
  const Graph& graph(Side side, int64_t item) const;
  /// The graph of an image that was moved. Concurrent calls are allowed.
  Graph moved_graph(int64_t image, const Image& moved_image, const Motion& motion) const;
  /// Decodes images in the order given, in worker threads. `transform` as ImageLoaderOptions has it.
  std::unique_ptr<ImageLoader> load_images(std::span<const int64_t> images, int64_t batch_size, int64_t first_batch,
                                           std::function<void(Image&, int64_t position)> transform = {}) const;
  at::Tensor pixels(const ImageBatch& batch) const;

 private:
  std::vector<Object> objects_of(int64_t image) const;
  Graph graph_of(std::span<const Object> objects, const Image& image) const;
  bool objects_on_disk() const;
  void build_image_graphs();
  void build_text_graphs();
  void detect_objects();
  /// The graphs of an entry of the cache, or those that `make` makes, which then is stored.
  std::vector<Graph> cached_graphs(const std::string& key, Side side, const std::function<std::vector<Graph>()>& make);
  void tokenize();
  /// Kinds of the entries that hold what later stages read of an encoder.
  std::vector<std::string> feature_kinds(Side side) const;
  /// Whether running the encoder would change nothing.
  bool unread(Side side) const { return feature_kinds(side).empty() && model_.encoder_is_frozen(side); }
  TokenBatch token_batch(std::span<const int64_t> texts) const;
  void prepare_images();
  void prepare_texts();
  const std::string& images_hash();
  std::string detections_hash();
  std::string hash_of_files(const std::vector<std::filesystem::path>& files);
  Caption caption_of(const CaptionRecord& record) const;
  // Names of entries in the cache: hashes of everything that the content depends on. Empty without a cache.
  std::string objects_key();
  std::string image_graphs_key();
  std::string text_graphs_key();
  std::string features_key(Side side);
  /// Features of an entry for each part that a later stage reads, or those that `make` makes, which then are stored.
  Representation cached_features(const std::string& key, Side side, int64_t count,
                                 const std::function<Representation()>& make);
  /// What the cache calls while another run makes `what`.
  std::function<void()> waiting_for(const std::string& what) const;

  RetrievalModel& model_;
  const Split& split_;
  const TripleTable& triples_;
  const FeatureCache& cache_;
  const RunReport& report_;
  Options options_;
  ContentHashes hashes_;

  std::vector<Graph> image_graphs_, text_graphs_;  // per image, per caption
  std::vector<std::vector<Object>> detected_;      // per image, where a detector makes the objects
  std::vector<std::vector<int64_t>> text_tokens_;  // per distinct text
  std::vector<int64_t> text_captions_;             // a caption of each distinct text
  std::vector<int64_t> caption_texts_, caption_images_, caption_tokens_;
  Representation image_features_, text_features_;       // of frozen encoders
  std::vector<std::unique_ptr<SafetensorsFile>> open_;  // keeps mapped features alive
  std::string images_hash_;
};

}  // namespace orbweaver
