// Components of the data plane that are deliberately wrong, each in one way: what the conformance kit has to catch.
// Each mutant's id is the mistake; test_conformance.cpp names the property that must fail and the words.
#include <orbweaver/detector.h>
#include <orbweaver/graph_builder.h>
#include <orbweaver/invariance.h>
#include <orbweaver/plugin.h>
#include <orbweaver/ranking.h>
#include <orbweaver/reranker.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using orbweaver::Graph;
using orbweaver::ImageView;
using orbweaver::InputError;
using orbweaver::Invariances;
using orbweaver::Matrix;
using orbweaver::Object;
using orbweaver::Rankings;
using orbweaver::RerankInput;
using orbweaver::Scene;
using orbweaver::Side;

void wait_a_little() { std::this_thread::sleep_for(std::chrono::microseconds(200)); }

// --- graph builders ------------------------------------------------------------------------------------------------

/// What all mutants of builders are but for their one mistake: objects as nodes, weights by distance.
class RightGraph : public orbweaver::GraphBuilder {
 public:
  int64_t feature_width() const override { return 2; }
  using GraphBuilder::build;
  Graph build(const Scene& scene) const override {
    return graph_of(scene, std::sqrt(static_cast<double>(scene.width) * static_cast<double>(scene.height)));
  }

 protected:
  static double distance(const Object& a, const Object& b) { return std::hypot(a.cx - b.cx, a.cy - b.cy); }

  /// @param unit  of lengths, in pixels.
  static Graph graph_of(const Scene& scene, double unit) {
    const auto n = static_cast<int64_t>(scene.objects.size());
    Graph graph{Matrix<float>(n, 2), Matrix<float>(n, n), {}, {}};
    for (int64_t i = 0; i < n; ++i) {
      const Object& a = scene.objects[static_cast<size_t>(i)];
      graph.labels.push_back(a.label);
      graph.features(i, 0) = static_cast<float>(a.width * a.height / (unit * unit));
      graph.features(i, 1) = static_cast<float>(a.probability);
      for (int64_t j = 0; j < n; ++j) {
        const double gap = distance(a, scene.objects[static_cast<size_t>(j)]) / unit;
        graph.adjacency(i, j) = static_cast<float>(std::exp(-gap));
        if (i != j && gap < 0.3) graph.relations.push_back({i, j, "near"});
      }
    }
    return graph;
  }
};

class ServesBothBuildsOne final : public RightGraph {
 public:
  bool serves(Side) const override { return true; }
};

class ServesNothing final : public RightGraph {
 public:
  bool serves(Side) const override { return false; }
};

class NeedsAnObject final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    if (scene.objects.empty()) throw std::out_of_range("no largest object");
    return RightGraph::build(scene);
  }
};

class LosesALabel final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    Graph graph = RightGraph::build(scene);
    if (!graph.labels.empty()) graph.labels.pop_back();
    return graph;
  }
};

class RelatesBeyond final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    Graph graph = RightGraph::build(scene);
    if (graph.size() > 1) graph.relations.push_back({0, graph.size(), "near"});
    return graph;
  }
};

class NamelessRelation final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    Graph graph = RightGraph::build(scene);
    if (graph.size() > 1) graph.relations.push_back({0, 1, ""});
    return graph;
  }
};

class WidthByScene final : public RightGraph {
 public:
  int64_t feature_width() const override { return 3; }
};

class InverseDistance final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    Graph graph = RightGraph::build(scene);
    for (int64_t i = 0; i < graph.size(); ++i)
      for (int64_t j = 0; j < graph.size(); ++j)
        if (i != j)
          graph.adjacency(i, j) = static_cast<float>(
              1 / distance(scene.objects[static_cast<size_t>(i)], scene.objects[static_cast<size_t>(j)]));
    return graph;
  }
};

class SortsItsInput final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    auto* objects = const_cast<Object*>(scene.objects.data());
    std::sort(objects, objects + scene.objects.size(), [](const Object& a, const Object& b) { return a.cx < b.cx; });
    return RightGraph::build(scene);
  }
};

class DrawsOnItsInput final : public RightGraph {
 public:
  bool needs_pixels() const override { return true; }
  Graph build(const Scene& scene) const override {
    const_cast<uint8_t*>(scene.pixels.data)[0] ^= 1;
    return RightGraph::build(scene);
  }
};

class Remembers final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    Graph graph = RightGraph::build(scene);
    for (int64_t i = 0; i < graph.size(); ++i) graph.features(i, 0) += static_cast<float>(last_);
    last_ = graph.size();
    return graph;
  }

 private:
  mutable int64_t last_ = 0;
};

class DrawsLots final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    Graph graph = RightGraph::build(scene);
    for (int64_t i = 0; i < graph.size(); ++i) graph.features(i, 1) += static_cast<float>(seed_ % 1024);
    return graph;
  }

 private:
  uintptr_t seed_ = reinterpret_cast<uintptr_t>(this) / 16;
};

class SharedScratch final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    unit_ = static_cast<double>(scene.width);
    wait_a_little();
    return graph_of(scene, unit_);
  }

 private:
  mutable std::atomic<double> unit_ = 1;  // no data race, and wrong all the same
};

class FirstIsSpecial final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    Graph graph = RightGraph::build(scene);
    if (graph.size() > 0) graph.features(0, 1) = 2;
    return graph;
  }
};

/// Mean of the red channel.
double mean_red(const ImageView& image, int64_t stride) {
  double sum = 0;
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x) sum += image.data[y * stride + 3 * x];
  return sum / static_cast<double>(image.width * image.height) / 255;
}

class PackedRows final : public RightGraph {
 public:
  bool needs_pixels() const override { return true; }
  Graph build(const Scene& scene) const override {
    Graph graph = RightGraph::build(scene);
    const double red = mean_red(scene.pixels, 3 * scene.pixels.width);
    for (int64_t i = 0; i < graph.size(); ++i) graph.features(i, 1) = static_cast<float>(red);
    return graph;
  }
};

class PixelsAsUnits final : public RightGraph, public orbweaver::DeclaresInvariances {
 public:
  Graph build(const Scene& scene) const override { return graph_of(scene, 100); }
  Invariances invariances() const override { return {.scale = Invariances::Extent::graph}; }
};

class UprightOnly final : public RightGraph, public orbweaver::DeclaresInvariances {
 public:
  Graph build(const Scene& scene) const override {
    Graph graph = RightGraph::build(scene);
    for (int64_t i = 0; i < graph.size(); ++i)
      for (int64_t j = 0; j < graph.size(); ++j)
        graph.adjacency(i, j) = scene.objects[static_cast<size_t>(i)].cx < scene.objects[static_cast<size_t>(j)].cx;
    return graph;
  }
  Invariances invariances() const override { return {.quarter_turns = Invariances::Extent::structure}; }
};

struct MetricParams {
  std::string metric = "euclid";
  static void describe(orbweaver::ParamSpec<MetricParams>& p) {
    p.field("metric", &MetricParams::metric, "Distance of two objects").choices({"euclid", "city"});
  }
};

class ForgottenChoice final : public RightGraph {
 public:
  using Params = MetricParams;
  explicit ForgottenChoice(Params params) {
    if (params.metric != "euclid") throw std::logic_error("unreachable");
  }
};

/// Refuses a value in its own words, as it may.
class RefusedChoice final : public RightGraph {
 public:
  using Params = MetricParams;
  explicit RefusedChoice(Params params) {
    if (params.metric == "city") throw InputError("metric city needs street maps");
  }
};

struct ScaleParams {
  double scale = 1;
  static void describe(orbweaver::ParamSpec<ScaleParams>& p) {
    p.field("scale", &ScaleParams::scale, "Factor on all weights").range(0, 10);
  }
};

class Scaled final : public RightGraph {
 public:
  explicit Scaled(double scale) : scale_(scale) {}
  Graph build(const Scene& scene) const override {
    Graph graph = RightGraph::build(scene);
    for (int64_t i = 0; i < graph.size() * graph.size(); ++i) graph.adjacency.data()[i] *= static_cast<float>(scale_);
    return graph;
  }

 private:
  double scale_;
};

// --- parameters that are wrongly described ---------------------------------------------------------------------------

struct DefaultOutOfBounds {
  int64_t k = 0;
  static void describe(orbweaver::ParamSpec<DefaultOutOfBounds>& p) {
    p.field("k", &DefaultOutOfBounds::k, "Neighbours").range(1, 9);
  }
};
struct Undocumented {
  int64_t k = 3;
  static void describe(orbweaver::ParamSpec<Undocumented>& p) { p.field("k", &Undocumented::k, ""); }
};
struct ReservedName {
  bool freeze = false;
  static void describe(orbweaver::ParamSpec<ReservedName>& p) { p.field("freeze", &ReservedName::freeze, "No thaw"); }
};

template <class P>
class WithParams final : public RightGraph {
 public:
  using Params = P;
  explicit WithParams(Params) {}
};

// --- detectors -------------------------------------------------------------------------------------------------------

/// One object: the image, named by how red it is.
class RightDetector : public orbweaver::Detector {
 public:
  std::vector<Object> detect(const ImageView& image) override { return {whole(image, mean_red(image, image.stride))}; }

 protected:
  static Object whole(const ImageView& image, double red) {
    const auto width = static_cast<double>(image.width), height = static_cast<double>(image.height);
    return {width / 2, height / 2, width, height, 0, red, red > 0.5 ? "bright" : "dark", {}};
  }
};

class NeedsEightPixels final : public RightDetector {
 public:
  std::vector<Object> detect(const ImageView& image) override {
    if (image.width < 8 || image.height < 8) throw std::length_error("cannot make an 8 x 8 grid");
    return RightDetector::detect(image);
  }
};

class Overconfident final : public RightDetector {
 public:
  std::vector<Object> detect(const ImageView& image) override {
    std::vector<Object> objects = RightDetector::detect(image);
    objects[0].probability += 1;
    return objects;
  }
};

class FlatBoxes final : public RightDetector {
 public:
  std::vector<Object> detect(const ImageView& image) override {
    std::vector<Object> objects = RightDetector::detect(image);
    objects[0].height = 0;
    return objects;
  }
};

class SharesOfTheImage final : public RightDetector {
 public:
  std::vector<Object> detect(const ImageView& image) override {
    return {{0.5, 0.5, 1, 1, 0, mean_red(image, image.stride), "thing", {}}};
  }
};

class OutsideTheImage final : public RightDetector {
 public:
  std::vector<Object> detect(const ImageView& image) override {
    std::vector<Object> objects = RightDetector::detect(image);
    objects[0].cx = 640;  // of the network's input
    objects[0].width = objects[0].height = 1;
    return objects;
  }
};

class BackgroundModel final : public RightDetector {
 public:
  std::vector<Object> detect(const ImageView& image) override {
    mean_ = 0.5 * mean_ + 0.5 * mean_red(image, image.stride);
    return {whole(image, mean_)};
  }

 private:
  double mean_ = 0;
};

class EqualisesItsInput final : public RightDetector {
 public:
  std::vector<Object> detect(const ImageView& image) override {
    const_cast<uint8_t*>(image.data)[image.height * image.stride - 1] ^= 3;
    return RightDetector::detect(image);
  }
};

class PackedDetector final : public RightDetector {
 public:
  std::vector<Object> detect(const ImageView& image) override {
    return {whole(image, mean_red(image, 3 * image.width))};
  }
};

// --- rerankers -------------------------------------------------------------------------------------------------------

/// Lists the ten best by their source scores. Mutants rescore.
class RightReranker : public orbweaver::Reranker {
 public:
  bool transductive() const override { return true; }
  Rankings rerank(const RerankInput& input) const override {
    orbweaver::require_finite(input.scores);
    Rankings lists = orbweaver::top_candidates(input.scores, 10);
    rescore(input, lists);
    orbweaver::sort_candidates(lists);
    return lists;
  }

 protected:
  virtual void rescore(const RerankInput&, Rankings&) const {}

  static double score(const RerankInput& input, int64_t query, int64_t item) {
    return std::visit([&](const auto& view) { return static_cast<double>(view(query, item)); }, input.scores);
  }
  /// lists.scores = f(query, item, score)
  template <class F>
  static void for_each(Rankings& lists, F&& f) {
    for (int64_t query = 0; query < lists.query_count(); ++query)
      for (int64_t at = lists.offsets[static_cast<size_t>(query)]; at < lists.offsets[static_cast<size_t>(query) + 1];
           ++at) {
        double& value = lists.scores[static_cast<size_t>(at)];
        value = f(query, lists.items[static_cast<size_t>(at)], value);
      }
  }
};

class NeedsTwoItems final : public RightReranker {
  void rescore(const RerankInput& input, Rankings&) const override {
    if (orbweaver::gallery_count(input.scores) < 2) throw std::out_of_range("no second best item");
  }
};

class ListsTwice final : public RightReranker {
 public:
  Rankings rerank(const RerankInput& input) const override {
    Rankings lists = RightReranker::rerank(input);
    if (lists.items_of(0).size() > 1) lists.items[1] = lists.items[0];
    return lists;
  }
};

class WorstFirst final : public RightReranker {
 public:
  Rankings rerank(const RerankInput& input) const override {
    Rankings lists = RightReranker::rerank(input);
    for (int64_t query = 0; query < lists.query_count(); ++query) {
      const auto begin = lists.offsets[static_cast<size_t>(query)], end = lists.offsets[static_cast<size_t>(query) + 1];
      std::reverse(lists.items.begin() + begin, lists.items.begin() + end);
      std::reverse(lists.scores.begin() + begin, lists.scores.begin() + end);
    }
    return lists;
  }
};

class TakesNan final : public RightReranker {
 public:
  Rankings rerank(const RerankInput& input) const override {
    if (orbweaver::query_count(input.scores) == 0 || orbweaver::gallery_count(input.scores) == 0)
      return RightReranker::rerank(input);
    const auto rows = orbweaver::query_count(input.scores), cols = orbweaver::gallery_count(input.scores);
    Matrix<double> clean(rows, cols);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t col = 0; col < cols; ++col) {
        const double value = score(input, row, col);
        clean(row, col) = std::isfinite(value) ? value : 0;
      }
    return RightReranker::rerank({std::as_const(clean).view(), {}});
  }
};

class CentresItsInput final : public RightReranker {
  void rescore(const RerankInput& input, Rankings&) const override {
    std::visit(
        [](const auto& view) {
          const_cast<std::remove_const_t<std::remove_reference_t<decltype(view(0, 0))>>&>(view(0, 0)) += 1;
        },
        input.scores);
  }
};

class CountsCalls final : public RightReranker {
  void rescore(const RerankInput&, Rankings& lists) const override {
    const double noise = 1e-6 * static_cast<double>(++calls_);
    for_each(lists, [&](int64_t, int64_t, double value) { return value + noise; });
  }
  mutable int64_t calls_ = 0;
};

class SharedMean final : public RightReranker {
  void rescore(const RerankInput& input, Rankings& lists) const override {
    mean_ = static_cast<double>(orbweaver::gallery_count(input.scores));
    wait_a_little();
    const double mean = mean_;
    for_each(lists, [&](int64_t, int64_t, double value) { return value - mean; });
  }
  mutable std::atomic<double> mean_ = 0;
};

/// Raises the item that stands where the right answer stands in a test split.
class KnowsTheAnswer final : public RightReranker {
  void rescore(const RerankInput& input, Rankings& lists) const override {
    const int64_t queries = orbweaver::query_count(input.scores), items = orbweaver::gallery_count(input.scores);
    if (queries % items != 0 || items < 2) return;
    for_each(lists, [&](int64_t query, int64_t item, double value) {
      return item == query / (queries / items) ? value + 1 : value;
    });
  }
};

class BreaksTies final : public RightReranker {
  void rescore(const RerankInput&, Rankings& lists) const override {
    for_each(lists, [](int64_t, int64_t item, double value) { return value - 1e-7 * static_cast<double>(item); });
  }
};

class AnchorsOnTheFirstItem final : public RightReranker {
  void rescore(const RerankInput& input, Rankings& lists) const override {
    for_each(lists, [&](int64_t query, int64_t, double value) { return value * (2 + score(input, query, 0)); });
  }
};

class AnchorsOnTheFirstQuery final : public RightReranker {
  void rescore(const RerankInput& input, Rankings& lists) const override {
    for_each(lists, [&](int64_t, int64_t item, double value) { return value + score(input, 0, item); });
  }
};

class DeniesBeingTransductive final : public RightReranker {
 public:
  bool transductive() const override { return false; }

 private:
  void rescore(const RerankInput& input, Rankings& lists) const override {
    const std::vector<double> sums = orbweaver::column_sums(input.scores);
    for_each(lists, [&](int64_t, int64_t item, double value) { return value - sums[static_cast<size_t>(item)]; });
  }
};

class AssumesRowMajor final : public RightReranker {
  void rescore(const RerankInput& input, Rankings& lists) const override {
    std::visit(
        [&](const auto& view) {
          for_each(lists, [&](int64_t query, int64_t item, double) {
            return static_cast<double>(view.data()[query * view.cols() + item]);
          });
        },
        input.scores);
  }
};

class UndeclaredBank final : public RightReranker {
  void rescore(const RerankInput& input, Rankings& lists) const override {
    if (orbweaver::query_count(input.query_bank) == 0) return;
    const std::vector<double> sums = orbweaver::column_sums(input.query_bank);
    for_each(lists, [&](int64_t, int64_t item, double value) { return value - sums[static_cast<size_t>(item)]; });
  }
};

class ForgetsTheBank final : public RightReranker {
 public:
  Needs needs() const override { return {.query_bank = true}; }
};

class OtherFromCandidates final : public RightReranker {
 public:
  bool accepts_candidates() const override { return true; }
  Rankings rerank_candidates(const orbweaver::CandidateInput& input) const override {
    return orbweaver::best_of(input.candidates, 10);
  }

 private:
  void rescore(const RerankInput& input, Rankings& lists) const override {
    const std::vector<double> sums = orbweaver::column_sums(input.scores);
    for_each(lists, [&](int64_t, int64_t item, double value) { return value - sums[static_cast<size_t>(item)]; });
  }
};

class WantsAllReverseLists final : public RightReranker {
 public:
  Needs needs() const override { return {.reverse_length = 1}; }
  bool accepts_candidates() const override { return true; }
  Rankings rerank_candidates(const orbweaver::CandidateInput& input) const override {
    for (int64_t item = 0; item < input.reverse.query_count(); ++item)
      if (input.reverse.items_of(item).empty()) throw orbweaver::ShapeError("a reverse list is empty");
    return orbweaver::best_of(input.candidates, 10);
  }
};

// --- what takes the process along ------------------------------------------------------------------------------------

class Crashes final : public RightGraph {
 public:
  Graph build(const Scene&) const override {
    volatile int* volatile nowhere = nullptr;
    *nowhere = 1;
    return {};
  }
};

class LoopsForEver final : public RightGraph {
 public:
  Graph build(const Scene&) const override {
    for (volatile bool done = false; !done;) wait_a_little();
    return {};
  }
};

class ExitsInItsConstructor final : public RightGraph {
 public:
  ExitsInItsConstructor() { std::exit(0); }
};

class OverrunsTheHeap final : public RightGraph {
 public:
  Graph build(const Scene& scene) const override {
    std::vector<double> areas(scene.objects.size());
    double* const end = areas.data() + areas.size();
    if (!areas.empty()) *const_cast<volatile double*>(end) = 1;  // one too far
    return RightGraph::build(scene);
  }
};

class ThrowsWhereNothingMay final : public RightGraph {
 public:
  Graph build(const Scene& scene) const noexcept override {
    if (scene.width > 0) paint();
    return RightGraph::build(scene);
  }

 private:
  static void paint() { throw std::runtime_error("out of paint"); }
};

class AllocatesWithoutEnd final : public RightGraph {
 public:
  Graph build(const Scene&) const override {
    std::vector<std::unique_ptr<char[]>> blocks;
    for (;;) blocks.push_back(std::make_unique<char[]>(256 << 20));
  }
};

/// As a plugin without ParamSpec would register it.
orbweaver::Component component(
    const char* id, orbweaver::Schema schema,
    std::function<std::shared_ptr<void>(const orbweaver::Value&, const orbweaver::Inputs*)> make) {
  return {"graph_builder", id, "Wrong", std::move(schema), std::move(make)};
}

template <class Interface, class T>
void add(orbweaver::Registrar& registrar, const char* id) {
  registrar.add<Interface, T>(id, "Wrong in one way");
}

}  // namespace

ORBWEAVER_PLUGIN("data_mutants", "0.1.0", registrar) {
  using orbweaver::Detector;
  using orbweaver::GraphBuilder;
  using orbweaver::Reranker;
  add<GraphBuilder, RightGraph>(registrar, "right");
  add<GraphBuilder, ServesBothBuildsOne>(registrar, "serves_both_builds_one");
  add<GraphBuilder, ServesNothing>(registrar, "serves_nothing");
  add<GraphBuilder, NeedsAnObject>(registrar, "needs_an_object");
  add<GraphBuilder, LosesALabel>(registrar, "loses_a_label");
  add<GraphBuilder, RelatesBeyond>(registrar, "relates_beyond");
  add<GraphBuilder, NamelessRelation>(registrar, "nameless_relation");
  add<GraphBuilder, WidthByScene>(registrar, "wrong_width");
  add<GraphBuilder, InverseDistance>(registrar, "inverse_distance");
  add<GraphBuilder, SortsItsInput>(registrar, "sorts_its_input");
  add<GraphBuilder, DrawsOnItsInput>(registrar, "draws_on_its_input");
  add<GraphBuilder, Remembers>(registrar, "remembers");
  add<GraphBuilder, DrawsLots>(registrar, "draws_lots");
  add<GraphBuilder, SharedScratch>(registrar, "shared_scratch");
  add<GraphBuilder, FirstIsSpecial>(registrar, "first_is_special");
  add<GraphBuilder, PackedRows>(registrar, "packed_rows");
  add<GraphBuilder, PixelsAsUnits>(registrar, "pixels_as_units");
  add<GraphBuilder, UprightOnly>(registrar, "upright_only");
  add<GraphBuilder, ForgottenChoice>(registrar, "forgotten_choice");
  add<GraphBuilder, RefusedChoice>(registrar, "refused_choice");
  registrar.add(component("other_default", orbweaver::schema_of<ScaleParams>(),
                          [](const orbweaver::Value& params, const orbweaver::Inputs*) {
                            const orbweaver::Value* given = params.find("scale");
                            return std::make_shared<Scaled>(given ? given->as_double() : 2);
                          }));
  registrar.add(component("makes_nothing", {},
                          [](const orbweaver::Value&, const orbweaver::Inputs*) { return std::shared_ptr<void>(); }));
  add<GraphBuilder, WithParams<DefaultOutOfBounds>>(registrar, "default_out_of_bounds");
  add<GraphBuilder, WithParams<Undocumented>>(registrar, "undocumented");
  add<GraphBuilder, WithParams<ReservedName>>(registrar, "reserved_name");

  add<Detector, RightDetector>(registrar, "right");
  add<Detector, NeedsEightPixels>(registrar, "needs_eight_pixels");
  add<Detector, Overconfident>(registrar, "overconfident");
  add<Detector, FlatBoxes>(registrar, "flat_boxes");
  add<Detector, SharesOfTheImage>(registrar, "shares_of_the_image");
  add<Detector, OutsideTheImage>(registrar, "outside_the_image");
  add<Detector, BackgroundModel>(registrar, "background_model");
  add<Detector, EqualisesItsInput>(registrar, "equalises_its_input");
  add<Detector, PackedDetector>(registrar, "packed_detector");

  add<Reranker, RightReranker>(registrar, "right");
  add<Reranker, NeedsTwoItems>(registrar, "needs_two_items");
  add<Reranker, ListsTwice>(registrar, "lists_twice");
  add<Reranker, WorstFirst>(registrar, "worst_first");
  add<Reranker, TakesNan>(registrar, "takes_nan");
  add<Reranker, CentresItsInput>(registrar, "centres_its_input");
  add<Reranker, CountsCalls>(registrar, "counts_calls");
  add<Reranker, SharedMean>(registrar, "shared_mean");
  add<Reranker, KnowsTheAnswer>(registrar, "knows_the_answer");
  add<Reranker, BreaksTies>(registrar, "breaks_ties");
  add<Reranker, AnchorsOnTheFirstItem>(registrar, "anchors_on_the_first_item");
  add<Reranker, AnchorsOnTheFirstQuery>(registrar, "anchors_on_the_first_query");
  add<Reranker, DeniesBeingTransductive>(registrar, "denies_being_transductive");
  add<Reranker, AssumesRowMajor>(registrar, "assumes_row_major");
  add<Reranker, UndeclaredBank>(registrar, "undeclared_bank");
  add<Reranker, ForgetsTheBank>(registrar, "forgets_the_bank");
  add<Reranker, OtherFromCandidates>(registrar, "other_from_candidates");
  add<Reranker, WantsAllReverseLists>(registrar, "wants_all_reverse_lists");

  add<GraphBuilder, Crashes>(registrar, "crashes");
  add<GraphBuilder, LoopsForEver>(registrar, "loops_for_ever");
  add<GraphBuilder, ExitsInItsConstructor>(registrar, "exits_in_its_constructor");
  add<GraphBuilder, OverrunsTheHeap>(registrar, "overruns_the_heap");
  add<GraphBuilder, ThrowsWhereNothingMay>(registrar, "throws_where_nothing_may");
  add<GraphBuilder, AllocatesWithoutEnd>(registrar, "allocates_without_end");
}
