// What `orbweaver graph` prints and draws.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <numbers>
#include <set>
#include <string>
#include <vector>

#include "framework/data/detect_draw.h"
#include "framework/data/graph_command.h"
#include "framework/data/graph_draw.h"
#include "framework/data/image.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"
#include "temporary_folder.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;

using Pixel = std::array<uint8_t, 3>;

Image grey(int64_t width, int64_t height) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 120)};
}

Pixel pixel(const Image& image, double x, double y) {
  const size_t at = (static_cast<size_t>(y) * static_cast<size_t>(image.width) + static_cast<size_t>(x)) * 3;
  return {image.pixels.at(at), image.pixels.at(at + 1), image.pixels.at(at + 2)};
}

Graph graph_of(const std::vector<std::string>& labels, const std::vector<Relation>& relations) {
  const auto count = static_cast<int64_t>(labels.size());
  return {Matrix<float>(count, 1), Matrix<float>(count, count), labels, relations};
}

// Drawing.

TEST(DrawGraph, MarksEachNodeAtItsPlaceInItsLabelsColour) {
  const Image image = grey(500, 400);
  const std::vector<Object> boxes{{100, 100, 60, 40, 0, 1, "car", {}}, {400, 300, 60, 40, 0.5, 1, "ship", {}}};
  const GraphPicture picture = draw_graph(image.view(), graph_of({"car", "ship"}, {{0, 1, "near"}}), boxes);
  // Enlarged to 1000 pixels.
  ASSERT_EQ(picture.nodes.size(), 2u);
  EXPECT_EQ(picture.nodes[0].x, 200);
  EXPECT_EQ(picture.nodes[1].y, 600);
  EXPECT_EQ(picture.image.width, 1400);  // the list beside it
  EXPECT_EQ(picture.image.height, 800);
  for (size_t i = 0; i < 2; ++i)  // the first pixels of the number's ground
    EXPECT_EQ(pixel(picture.image, picture.nodes[i].x - 12, picture.nodes[i].y - 8), label_colour(boxes[i].label));
  EXPECT_EQ(pixel(picture.image, 900, 30), (Pixel{120, 120, 120}));
  EXPECT_NE(pixel(picture.image, 350, 300), (Pixel{120, 120, 120})) << "the line between them";
}

TEST(DrawGraph, DrawsTheAdjacencyOfAGraphWithoutRelations) {
  const Image image = grey(1000, 500);
  const std::vector<Object> boxes{
      {100, 100, 20, 20, 0, 1, "a", {}}, {900, 100, 20, 20, 0, 1, "a", {}}, {900, 400, 20, 20, 0, 1, "a", {}}};
  Graph graph = graph_of({"a", "a", "a"}, {});
  graph.adjacency(0, 1) = graph.adjacency(1, 0) = 1;
  graph.adjacency(1, 2) = graph.adjacency(2, 1) = 0.2f;
  const GraphPicture picture = draw_graph(image.view(), graph, boxes);
  const int strong = pixel(picture.image, 500, 100)[0], weak = pixel(picture.image, 900, 250)[0];
  EXPECT_GT(strong, weak);
  EXPECT_GT(weak, 120);
  EXPECT_EQ(pixel(picture.image, 500, 250), (Pixel{120, 120, 120})) << "no edge";
}

TEST(DrawGraph, TakesAnyNumberOfNodesOnImagesOfAnySize) {
  for (const int count : {0, 1, 20, 200}) {
    std::vector<std::string> labels(static_cast<size_t>(count), "größe\n");
    std::vector<Relation> relations;
    std::vector<Object> boxes;
    for (int64_t i = 0; i < count; ++i) {
      boxes.push_back({10, 10, 5, 5, 0.3, 1, labels.front(), {}});
      for (const char* name : {"in", "contains", "other", ""}) relations.push_back({i, (i + 1) % count, name});
    }
    const Graph graph = graph_of(labels, relations);
    EXPECT_EQ(draw_graph(grey(30, 20).view(), graph, boxes).image.width, 1400);
    EXPECT_EQ(draw_graph(grey(3000, 20).view(), graph, boxes).image.width, 2000);
    const GraphPicture alone = draw_graph("a caption", graph);
    EXPECT_EQ(alone.nodes.size(), static_cast<size_t>(count));
    EXPECT_EQ(alone.image.width, 1000);
  }
}

TEST(DrawGraph, KeepsTheNodesOfACaptionApartAndOnTheCanvas) {
  std::vector<std::string> labels;
  std::vector<Relation> relations;
  for (int64_t i = 0; i < 20; ++i) {
    labels.push_back("a storage tank " + std::to_string(i));
    if (i % 5 > 0) relations.push_back({i - 1, i, "surrounded by"});
  }
  const GraphPicture picture = draw_graph(std::string(600, 'x') + " tanks", graph_of(labels, relations));
  for (size_t i = 0; i < labels.size(); ++i) {
    EXPECT_TRUE(picture.nodes[i].x > 0 && picture.nodes[i].x < static_cast<double>(picture.image.width));
    EXPECT_TRUE(picture.nodes[i].y > 0 && picture.nodes[i].y < static_cast<double>(picture.image.height));
    for (size_t j = 0; j < i; ++j)
      EXPECT_TRUE(std::abs(picture.nodes[i].x - picture.nodes[j].x) > 100 ||
                  std::abs(picture.nodes[i].y - picture.nodes[j].y) > 18)
          << i << " on " << j;
  }
}

// Two graphs joined.

class DrawMatch : public ::testing::Test {
 protected:
  MatchPicture draw() const {
    return draw_match({image_.view(), objects_, boxes_, entities_, matches_, "two cars on a road", {"score 0.5"}});
  }

  Image image_ = grey(400, 400);
  Graph objects_ = graph_of({"a", "b", "c"}, {{0, 2, "near"}, {0, 1, "in"}});
  std::vector<Object> boxes_{
      {60, 60, 40, 40, 0, 1, "a", {}}, {300, 300, 40, 40, 0, 1, "b", {}}, {60, 200, 40, 40, 0, 1, "c", {}}};
  Graph entities_ = graph_of({"car", "road", "field"}, {{0, 1, "on"}});
  std::vector<NodeMatch> matches_{{1, 0, 1.0}, {0, 1, 1.0}};
};

TEST_F(DrawMatch, JoinsMatchedNodesInAColourOfTheirOwn) {
  const MatchPicture picture = draw();
  ASSERT_EQ(picture.joints.size(), 2u);
  EXPECT_NE(picture.joints[0].colour, picture.joints[1].colour);
  for (const auto& [object, entity, colour] : picture.joints) {
    EXPECT_LT(object.x, entity.x);
    EXPECT_EQ(pixel(picture.image, entity.x - 5, entity.y), colour) << "the line's end";
    EXPECT_EQ(pixel(picture.image, entity.x + 3, entity.y), colour) << "the entity's box";
    EXPECT_EQ(pixel(picture.image, object.x - 9, object.y - 9), colour) << "the object's number";
  }
  // The objects' boxes, 840 pixels for 400: the upper object is joined with the upper row.
  EXPECT_NEAR(picture.joints[0].object.x - picture.joints[1].object.x, (300 - 60) * 2.1, 2);
  EXPECT_LT(picture.joints[1].entity.y, picture.joints[0].entity.y);
}

TEST_F(DrawMatch, LeavesUnmatchedNodesUnjoinedAndGrey) {
  const MatchPicture picture = draw();
  // "field" stands in the third row, one row's height below the second.
  const auto [first, second] = std::pair(picture.joints[1].entity, picture.joints[0].entity);
  const double third = second.y + (second.y - first.y);
  const Pixel ground = pixel(picture.image, 2, 2);
  EXPECT_EQ(pixel(picture.image, first.x - 5, third), ground);
  EXPECT_EQ(pixel(picture.image, first.x + 3, third), (Pixel{85, 85, 85}));
}

TEST_F(DrawMatch, ShowsASimilarPairMoreStronglyThanADissimilarOne) {
  matches_ = {{1, 0, 0.9}, {0, 1, 0.1}};
  const MatchPicture picture = draw();
  const Pixel ground = pixel(picture.image, 2, 2);
  const auto contrast = [&](size_t joint) {
    const auto& [object, entity, colour] = picture.joints[joint];
    double most = 0, rows = 0;
    for (int dy = -6; dy <= 6; ++dy) {
      const Pixel seen = pixel(picture.image, entity.x - 5, entity.y + dy);
      rows += seen[0] > ground[0] + 20 || seen[1] > ground[1] + 20;
      most = std::max(most, (seen[1] - ground[1]) / static_cast<double>(colour[1] - ground[1]));
    }
    return std::pair(most, rows);
  };
  EXPECT_GT(contrast(0).first, contrast(1).first + 0.2);
  EXPECT_GT(contrast(0).second, contrast(1).second) << "rows of pixels";
}

TEST_F(DrawMatch, TakesEmptyGraphsAndImagesWithoutBoxes) {
  const Graph nothing;
  const auto drawn = [&](const Graph& objects, const std::vector<Object>& boxes, const Graph& entities,
                         const std::vector<NodeMatch>& matches) {
    return draw_match({image_.view(), objects, boxes, entities, matches, "", {}});
  };
  EXPECT_GT(drawn(nothing, {}, entities_, {}).image.width, 1000);
  EXPECT_GT(drawn(objects_, boxes_, nothing, {}).image.width, 1000);
  EXPECT_GT(drawn(nothing, {}, nothing, {}).image.width, 1000);
  const MatchPicture beside = drawn(objects_, {}, entities_, matches_);
  ASSERT_EQ(beside.joints.size(), 2u);
  EXPECT_GT(beside.joints[0].object.y, 420) << "below the image";
}

TEST_F(DrawMatch, KeepsManyNodesAndLongNamesOnTheCanvas) {
  const int count = 20;
  std::vector<std::string> labels;
  std::vector<Relation> relations;
  boxes_.clear(), matches_.clear();
  for (int64_t i = 0; i < count; ++i) {
    labels.push_back(std::string(60, 'w') + std::to_string(i));
    relations.push_back({i, (i * 7) % count, "surrounded by"});
    boxes_.push_back({200, 200, 50, 50, 0.3, 1, "w", {}});
    matches_.push_back({i, count - 1 - i, 0.02 * static_cast<double>(i) - 0.1});
  }
  objects_ = graph_of(labels, relations);
  entities_ = graph_of(labels, relations);
  const MatchPicture picture = draw();
  for (size_t i = 0; i < matches_.size(); ++i) {
    const auto& [object, entity, colour] = picture.joints[i];
    EXPECT_TRUE(entity.x > 0 && entity.x + 100 < static_cast<double>(picture.image.width));
    EXPECT_TRUE(entity.y > 0 && entity.y + 20 < static_cast<double>(picture.image.height));
    for (size_t j = 0; j < i; ++j) EXPECT_GT(std::abs(entity.y - picture.joints[j].entity.y), 40) << i << " and " << j;
  }
}

// Printing.

TEST(GraphText, IsJsonWithANodeOrRelationALine) {
  Graph graph = graph_of({"car", "road"}, {{0, 1, "on"}});
  graph.features(0, 0) = 0.1f;
  graph.adjacency(0, 1) = 2.5f;
  const std::string text = graph_text(graph_value(graph));
  EXPECT_EQ(text,
            "{\n"
            "  \"nodes\": [\n"
            "    {\"label\":\"car\",\"features\":[0.1]},\n"
            "    {\"label\":\"road\",\"features\":[0.0]}\n"
            "  ],\n"
            "  \"adjacency\": [\n"
            "    [0.0,2.5],\n"
            "    [0.0,0.0]\n"
            "  ],\n"
            "  \"relations\": [\n"
            "    {\"source\":0,\"relation\":\"on\",\"target\":1}\n"
            "  ]\n"
            "}\n");
  EXPECT_EQ(parse_json(text, "text"), graph_value(graph));
  EXPECT_EQ(parse_json(graph_text(graph_value({})), "text").at("nodes"), Value::list());
}

// The command.

class MakeGraphs : public ::testing::Test {
 protected:
  void SetUp() override {
    write_image(image_, grey(200, 100).view());
    testing::write_text(detections_, R"([{"label": "car", "bbox": [80, 50, 20, 10, 0, 0.9]},
                                         {"label": "lot", "bbox": [60, 50, 80, 40, 0, 1]}])");
    options_.use = "sog";
    options_.image = image_;
    options_.detections = detections_;
  }

  std::string run() const {
    std::string out;
    make_graphs(options_, [&](std::string_view text) { out += text; });
    return out;
  }
  void expect_error(const std::string& part) const {
    try {
      ADD_FAILURE() << run();
    } catch (const InputError& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  }

  testing::TemporaryFolder folder_;
  fs::path image_ = folder_.path() / "a.png", detections_ = folder_.path() / "a.json",
           drawing_ = folder_.path() / "drawn" / "graph.png";
  GraphOptions options_;
};

TEST_F(MakeGraphs, PrintsTheGraphOfAnImagesDetections) {
  const Value graph = parse_json(run(), "graph");
  EXPECT_EQ(graph.at("builder").as_string(), "sog");
  EXPECT_EQ(graph.at("image").as_string(), image_.string());
  EXPECT_EQ(graph.at("nodes").as_list().at(1).at("label").as_string(), "car");
  EXPECT_EQ(graph.at("nodes").as_list().at(1).at("features").as_list().at(7).as_double(), 0.9);
  const Value& relation = graph.at("relations").as_list().at(1);
  EXPECT_EQ(relation.at("source").as_int(), 1);
  EXPECT_EQ(relation.at("relation").as_string(), "in");
  EXPECT_EQ(relation.at("target").as_int(), 0);
}

TEST_F(MakeGraphs, GivesTheBuilderItsParameters) {
  options_.set = {"classes=[\"car\"]"};
  EXPECT_EQ(parse_json(run(), "graph").at("nodes").as_list().size(), 1u);
}

TEST_F(MakeGraphs, FindsTheObjectsByADetector) {
  options_.detections.clear();
  options_.detector = "regions";
  options_.detector_set = {"max_objects=3"};
  EXPECT_GE(parse_json(run(), "graph").at("nodes").as_list().size(), 1u);
}

TEST_F(MakeGraphs, PrintsOneLineOnDemandAndNothingElseWithADrawing) {
  options_.one_line = true;
  options_.draw = drawing_;
  const std::string out = run();
  EXPECT_EQ(out.find('\n'), out.size() - 1);
  EXPECT_EQ(parse_json(out, "graph").at("nodes").as_list().size(), 2u);
  EXPECT_TRUE(fs::exists(drawing_));
}

TEST_F(MakeGraphs, DrawsOnTheImageWhereTheFeaturesBeginWithABox) {
  for (const char* use : {"sog", "drea"}) {
    options_.use = use;
    options_.draw = drawing_;
    EXPECT_EQ(run(),
              drawing_.string() + (options_.use == "sog" ? ": 2 nodes, 2 relations\n" : ": 2 nodes, 0 relations\n"));
    const Image drawn = decode_image(drawing_);
    EXPECT_EQ(drawn.width, 1400);
    // The upper side of the larger box, 40 x 30 in the image, enlarged by 5.
    EXPECT_EQ(pixel(drawn, 150, 150), label_colour("lot"));
    EXPECT_EQ(pixel(drawn, 700, 250), (Pixel{120, 120, 120}));
  }
}

TEST_F(MakeGraphs, RefusesWhatDoesNotFitTogether) {
  const GraphOptions good = options_;
  const auto expect = [&](const std::string& part, const std::function<void(GraphOptions&)>& change) {
    options_ = good;
    change(options_);
    expect_error(part);
  };
  expect("--use ID is missing", [](GraphOptions& o) { o.use.clear(); });
  expect("did you mean \"sog\"?", [](GraphOptions& o) { o.use = "sgo"; });
  expect("nothing to make a graph of; give one of --image", [](GraphOptions& o) { o.image.clear(); });
  expect("more than one input", [](GraphOptions& o) { o.text = "a"; });
  expect("makes no graphs of captions, but of images; give --image FILE", [](GraphOptions& o) {
    o.image.clear(), o.detections.clear();
    o.text = "a plane";
  });
  expect("--detections FILE, or find them with --detector ID", [](GraphOptions& o) { o.detections.clear(); });
  expect("both give objects", [](GraphOptions& o) { o.detector = "regions"; });
  expect("name it with --detector ID", [](GraphOptions& o) { o.detector_set = {"a=1"}; });
  expect("is a folder; name the image's file in it", [](GraphOptions& o) { o.detections = "/"; });
  expect("absent.json", [](GraphOptions& o) { o.detections = "absent.json"; });
  expect("absent.png", [](GraphOptions& o) { o.image = "absent.png"; });
  expect("does not decode", [this](GraphOptions& o) { o.image = detections_; });
  expect("--triples is for captions", [](GraphOptions& o) { o.triples = "t.jsonl"; });
  expect("expected a file name that ends in .png or .jpg", [](GraphOptions& o) { o.draw = "graph.svg"; });
  expect("did you mean \"max_nodes\"?", [](GraphOptions& o) { o.set = {"max_node=3"}; });
  expect("expected NAME=VALUE", [](GraphOptions& o) { o.set = {"max_nodes"}; });
  expect("near is less than next_to", [](GraphOptions& o) { o.set = {"near=0.5"}; });
  expect("--draw shows one graph", [this](GraphOptions& o) {
    o.image.clear(), o.detections.clear();
    o.text_file = detections_, o.draw = drawing_;
  });
}

}  // namespace
}  // namespace orbweaver
