// Connects every pair of objects closer than `radius`: a good plugin, as somebody outside the project would write it.
#include <orbweaver/graph_builder.h>
#include <orbweaver/plugin.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "witness.h"

namespace {

struct Params {
  double radius = 0.25;
  int64_t max_nodes = 20;
  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("radius", &Params::radius, "Distance that makes an edge, in image sides").range(0, 2);
    p.field("max_nodes", &Params::max_nodes, "Objects kept, largest first").range(1, 512);
  }
};

class RadiusGraph final : public orbweaver::GraphBuilder {
 public:
  using Params = ::Params;
  explicit RadiusGraph(Params params) : params_(params) {}
  int64_t feature_width() const override { return 2; }
  orbweaver::Graph build(const orbweaver::Scene& scene) const override;

 private:
  Params params_;
};

/// Features are the centre in image sides; adjacency is 1 below the radius; each edge is named "near", both ways.
orbweaver::Graph RadiusGraph::build(const orbweaver::Scene& scene) const {
  std::vector<size_t> order(scene.objects.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return scene.objects[a].width * scene.objects[a].height > scene.objects[b].width * scene.objects[b].height;
  });
  order.resize(std::min(order.size(), static_cast<size_t>(params_.max_nodes)));

  const auto n = static_cast<int64_t>(order.size());
  orbweaver::Graph graph{orbweaver::Matrix<float>(n, 2), orbweaver::Matrix<float>(n, n), {}, {}};
  for (int64_t i = 0; i < n; ++i) {
    const orbweaver::Object& object = scene.objects[order[static_cast<size_t>(i)]];
    graph.labels.push_back(object.label);
    graph.features(i, 0) = static_cast<float>(object.cx / static_cast<double>(scene.width));
    graph.features(i, 1) = static_cast<float>(object.cy / static_cast<double>(scene.height));
  }
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      const double distance =
          std::hypot(graph.features(i, 0) - graph.features(j, 0), graph.features(i, 1) - graph.features(j, 1));
      if (i == j || distance >= params_.radius) continue;
      graph.adjacency(i, j) = 1;
      graph.relations.push_back({i, j, "near"});
    }
  return graph;
}

}  // namespace

ORBWEAVER_PLUGIN("radius_graph", "0.1.0", registrar) {
  registrar.add<orbweaver::GraphBuilder, RadiusGraph>("radius", "Edges below a distance");
}
