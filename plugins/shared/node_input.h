// What a graph encoder's first layer reads of a node: its features, and the label embedding that both sides share.
#pragma once

#include <ATen/ATen.h>
#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>

#include <memory>
#include <string>

#include "orbweaver/error.h"
#include "orbweaver/torch/inputs.h"
#include "orbweaver/torch/representation.h"

namespace {

/// linear(features) + label embedding; the embedding passes a linear map where its width is another. A graph builder
/// without features leaves the labels, a model without label embedding the features.
///
/// Names in the owner: features, labels.
class NodeInput {
 public:
  NodeInput() = default;

  /// @param component  who asks, in errors: "graph_encoder gcn"
  /// @throws InputError where there are neither features nor labels.
  NodeInput(torch::nn::Module& owner, const std::string& component, const orbweaver::Inputs& inputs, int64_t width)
      : embedding_(inputs.label_embedding) {
    const int64_t features = inputs.node_features();
    if (features == 0 && !embedding_)
      throw orbweaver::InputError(component +
                                  ": there are neither node features nor labels to encode; add a `graph` beside the "
                                  "graph_encoder");
    if (features > 0) features_ = owner.register_module("features", torch::nn::Linear(features, width));
    if (embedding_ && embedding_->options.embedding_dim() != width)
      labels_ = owner.register_module(
          "labels",
          torch::nn::Linear(torch::nn::LinearOptions(embedding_->options.embedding_dim(), width).bias(false)));
  }

  /// [B, N, width]; padding is not zero yet.
  at::Tensor forward(const orbweaver::GraphBatch& graphs) {
    at::Tensor sum;
    if (features_) sum = features_(graphs.features);
    if (embedding_) {
      const at::Tensor embedded = embedding_->forward(graphs.labels);
      const at::Tensor named = labels_ ? labels_(embedded) : embedded;
      sum = sum.defined() ? sum + named : named;
    }
    return sum;
  }

 private:
  std::shared_ptr<torch::nn::EmbeddingImpl> embedding_;  // the model's
  torch::nn::Linear features_{nullptr}, labels_{nullptr};
};

}  // namespace
