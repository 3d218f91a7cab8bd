// A retrieval method assembled from components: both sides, fusion, interaction and losses, as one module tree.
#pragma once

#include <torch/nn/module.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/model/check_outputs.h"
#include "framework/model/graph_batch.h"
#include "framework/model/tensor_file.h"
#include "framework/model/vocabulary.h"
#include "framework/plugin/hosted.h"
#include "orbweaver/torch/fusion.h"
#include "orbweaver/torch/graph_encoder.h"
#include "orbweaver/torch/image_encoder.h"
#include "orbweaver/torch/interaction.h"
#include "orbweaver/torch/loss.h"
#include "orbweaver/torch/text_encoder.h"

namespace orbweaver {

class ContentHashes;

/// What the components learnt that is no tensor, by name ("text.encoder", "labels", "relations").
using ExtraStates = std::map<std::string, std::string>;

/// What is fitted on training data before the first step.
struct FitData {
  std::vector<std::string> captions;
  GraphNames graph_names;  ///< of both sides together
};

/// The components stand in three groups by when they can be made: encoders and graph builders at construction; what
/// depends on their fitted widths in `fit` or `restore`, one of which must be called before anything else.
///
/// Names in the module tree, and so in checkpoints: image.encoder, image.graph_encoder, image.fusion, the same under
/// text, label_embedding, interaction (or interaction.0, interaction.1, ... of a list), loss.0, loss.1, ...
class RetrievalModel {
 public:
  /// @throws InputError naming both components where a stage needs what nobody makes (at fit or restore).
  RetrievalModel(const Config& config, PluginHost& plugins);

  /// Reads the synonym table of the config, which then travels in `extra_states`.
  void fit(const FitData& data);
  void restore(const ExtraStates& states);
  ExtraStates extra_states() const;

  /// Parameters and buffers by name.
  TensorMap state() const;
  /// @param source  file named in errors.
  /// @throws InputError listing missing, unexpected and mis-shaped names.
  void load_state(const TensorMap& state, const std::string& source);

  /// Training or evaluation mode; frozen components stay in evaluation mode.
  void train(bool on);
  void to(const at::Device& device);
  const at::Device& device() const { return device_; }
  torch::nn::Module& root() { return *root_; }

  struct ParameterGroup {
    double lr_scale = 1;
    std::vector<std::pair<std::string, at::Tensor>> parameters;
  };
  /// Trainable parameters by lr_scale, frozen ones left out.
  std::vector<ParameterGroup> parameter_groups() const;

  /// Encoder outputs alone, with only the parts that a later stage reads. A frozen encoder makes no gradients.
  Representation encode_images(const at::Tensor& images);
  Representation encode_texts(const TokenBatch& tokens);
  /// Adds the graph's parts and the embedding to an encoder's output.
  void complete(Side side, Representation& representation, const GraphBatch& graphs);

  bool encoder_is_frozen(Side side) const;
  bool has_graphs(Side side) const { return static_cast<bool>(graph_builder(side)); }
  GraphBatch collate(Side side, std::span<const Graph* const> graphs) const;

  /// Scores of a batch and the weighted sum of all losses, those of interactions among them.
  struct BatchLoss {
    at::Tensor total;
    std::vector<std::pair<std::string, at::Tensor>> parts;
  };
  BatchLoss loss(LossInput& batch);

  /// Final scores [M, N] of all pairs: embedding_weight x cosine + sum over interactions of weight x its score.
  at::Tensor score_all_pairs(const Representation& images, const Representation& texts);
  /// That sum alone, of pairs [P, 2] of (image, text): [P]. The model must have an interaction.
  at::Tensor score_pairs(const Representation& images, const Representation& texts, const at::Tensor& pairs);
  /// Each interaction's own scores, without its weight: [interactions, M, N]. The model must have one.
  at::Tensor interaction_scores(const Representation& images, const Representation& texts);

  /// Checks every output of the batch for values that are not finite; names the first component at fault.
  void find_fault(const LossInput& batch) const;

  ImageInput image_input() const { return image_encoder_.get().input(); }
  const Hosted<TextEncoder>& text_encoder() const { return text_encoder_; }
  const Hosted<ImageEncoder>& image_encoder() const { return image_encoder_; }
  const Hosted<GraphBuilder>& graph_builder(Side side) const { return graphs_[index(side)]; }
  const Hosted<Detector>& detector() const { return detector_; }
  bool has_interactions() const { return !interactions_.empty(); }
  /// Of all interactions together.
  Parts interaction_reads() const;
  const Config& config() const { return config_; }
  /// Parts of each encoder's output that later stages read and that exist.
  const Parts& reads() const { return reads_; }
  /// Those of them that losses and interactions read: what `loss` needs beside the embeddings.
  const Parts& batch_reads() const { return batch_reads_; }
  /// Identity of an encoder for caches: component, parameters, plugin, what counts of the files that parameters name
  /// (ContentHashes::of_path), and tensor values.
  std::string encoder_identity(Side side, ContentHashes& hashes) const;
  /// Identity of a graph builder, and of the detector: the same without tensors. The model must have them.
  std::string graph_identity(Side side, ContentHashes& hashes) const;
  std::string detector_identity(ContentHashes& hashes) const;

 private:
  static size_t index(Side side) { return side == Side::image ? 0 : 1; }
  const SideConfig& side_config(Side side) const { return side == Side::image ? config_.image : config_.text; }
  Inputs base_inputs(Side side) const;
  void assemble();
  std::shared_ptr<torch::nn::EmbeddingImpl> make_label_embedding() const;
  void encode_labels();
  void check_reads(const ComponentRef& reader, const Parts& reads, const Widths& made, Side side) const;
  void apply_freezing();
  Representation checked_encoder_output(Side side, Representation output, int64_t batch);
  at::Tensor all_scores(size_t interaction, const Representation& images, const Representation& texts, Finite finite);
  at::Tensor interaction_loss(size_t interaction, const LossInput& batch);

  Config config_;
  PluginHost& plugins_;
  at::Device device_ = at::Device(at::kCPU);
  bool training_ = false;

  std::shared_ptr<torch::nn::Module> root_;
  Hosted<ImageEncoder> image_encoder_;
  Hosted<TextEncoder> text_encoder_;
  Hosted<Detector> detector_;
  Hosted<GraphBuilder> graphs_[2];
  Hosted<GraphEncoder> graph_encoders_[2];
  Hosted<Fusion> fusions_[2];
  std::vector<Hosted<Interaction>> interactions_;
  std::vector<Hosted<Loss>> losses_;
  Vocabulary labels_, relations_;
  std::shared_ptr<torch::nn::EmbeddingImpl> label_embedding_;  ///< null without graphs
  Parts reads_, batch_reads_;
  Widths widths_[2];

  struct Part {
    std::string name;
    const ComponentConfig* config;
    ModelComponent* component;
  };
  std::vector<Part> parts_;
};

}  // namespace orbweaver
