// Connects every pair of objects closer than `radius`.
#include <orbweaver/graph_builder.h>
#include <orbweaver/plugin.h>

#include <cmath>

namespace {

struct Params {
  double radius = 0.25;
  static void describe(orbweaver::ParamSpec<Params>& p) {
    p.field("radius", &Params::radius, "Distance that makes an edge, in image sides").range(0, 2);
  }
};

class RadiusGraph final : public orbweaver::GraphBuilder {
 public:
  using Params = ::Params;
  explicit RadiusGraph(Params params) : params_(params) {}
  int64_t feature_width() const override { return 2; }  // the centre, in image sides

  orbweaver::Graph build(const orbweaver::Scene& scene) const override {
    const auto n = static_cast<int64_t>(scene.objects.size());
    orbweaver::Graph graph{orbweaver::Matrix<float>(n, 2), orbweaver::Matrix<float>(n, n), {}, {}};
    for (int64_t i = 0; i < n; ++i) {
      graph.labels.push_back(scene.objects[i].label);
      graph.features(i, 0) = static_cast<float>(scene.objects[i].cx / scene.width);
      graph.features(i, 1) = static_cast<float>(scene.objects[i].cy / scene.height);
      for (int64_t j = 0; j < i; ++j) {
        const float dx = graph.features(i, 0) - graph.features(j, 0), dy = graph.features(i, 1) - graph.features(j, 1);
        if (std::hypot(dx, dy) < params_.radius) graph.adjacency(i, j) = graph.adjacency(j, i) = 1;
      }
    }
    return graph;
  }

 private:
  Params params_;
};
}  // namespace

ORBWEAVER_PLUGIN("radius_graph", "0.1.0", registrar) {
  registrar.add<orbweaver::GraphBuilder, RadiusGraph>("radius", "Edges below a distance");
}
