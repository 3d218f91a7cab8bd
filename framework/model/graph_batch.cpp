#include "framework/model/graph_batch.h"

#include <ATen/ATen.h>

#include <algorithm>

namespace orbweaver {

void GraphNames::count(const Graph& graph) {
  for (const std::string& label : graph.labels) ++labels[label];
  for (const Relation& relation : graph.relations) ++relations[relation.name];
}

GraphBatch collate(std::span<const Graph* const> graphs, int64_t feature_width, const Vocabulary& labels,
                   const Vocabulary& relations) {
  const int64_t batch = static_cast<int64_t>(graphs.size());
  int64_t nodes = 1, edges = 0;
  for (const Graph* graph : graphs) {
    nodes = std::max(nodes, graph->size());
    edges += static_cast<int64_t>(graph->relations.size());
  }
  GraphBatch out;
  out.features = at::zeros({batch, nodes, feature_width}, at::kFloat);
  out.adjacency = at::zeros({batch, nodes, nodes}, at::kFloat);
  out.mask = at::zeros({batch, nodes}, at::kBool);
  out.labels = at::zeros({batch, nodes}, at::kLong);
  out.relations = at::empty({4, edges}, at::kLong);
  float* features = out.features.data_ptr<float>();
  float* adjacency = out.adjacency.data_ptr<float>();
  bool* mask = out.mask.data_ptr<bool>();
  int64_t* label = out.labels.data_ptr<int64_t>();
  int64_t* relation = out.relations.data_ptr<int64_t>();
  int64_t edge = 0;
  for (int64_t b = 0; b < batch; ++b) {
    const Graph& graph = *graphs[static_cast<size_t>(b)];
    for (int64_t i = 0; i < graph.size(); ++i) {
      const int64_t row = b * nodes + i;
      std::copy_n(graph.features.data() + i * feature_width, feature_width, features + row * feature_width);
      std::copy_n(graph.adjacency.data() + i * graph.size(), graph.size(), adjacency + row * nodes);
      mask[row] = true;
      label[row] = labels.id(graph.labels[static_cast<size_t>(i)]);
    }
    for (const Relation& named : graph.relations) {
      relation[edge] = b;
      relation[edges + edge] = named.source;
      relation[2 * edges + edge] = named.target;
      relation[3 * edges + edge] = relations.id(named.name);
      ++edge;
    }
  }
  return out;
}

at::Tensor relation_rows(const at::Tensor& relations, int64_t graphs) {
  const at::Tensor owner = relations[0], counts = at::bincount(owner, {}, graphs);
  const int64_t longest = relations.size(1) == 0 ? 1 : counts.max().item<int64_t>();
  // Stable: a graph's relations keep the order in which its builder named them.
  const at::Tensor order = std::get<1>(owner.sort(/*stable=*/true, 0, /*descending=*/false));
  const at::Tensor sorted = owner.index_select(0, order), first = counts.cumsum(0) - counts;
  const at::Tensor place = at::arange(relations.size(1), relations.options()) - first.index_select(0, sorted);
  return at::zeros({graphs * longest, 3}, relations.options())
      .index_copy(0, sorted * longest + place, relations.slice(0, 1).index_select(1, order).t().contiguous())
      .view({graphs, longest, 3});
}

GraphBatch to_device(const GraphBatch& batch, const at::Device& device) {
  if (!batch.defined()) return batch;
  return {batch.features.to(device), batch.adjacency.to(device), batch.mask.to(device), batch.labels.to(device),
          batch.relations.to(device)};
}

}  // namespace orbweaver
