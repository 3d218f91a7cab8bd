#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "framework/data/check.h"
#include "framework/data/fingerprint.h"
#include "framework/data/stats.h"
#include "framework/data/synth.h"
#include "test_data.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;

Image scene(int64_t index) { return make_scene(11, index).image; }

TEST(Fingerprint, FindsACopyOfAnotherSizeAndBrightness) {
  const Image original = scene(0);
  Image copy = resize(original.view(), 256, 256, ImageInput::Interpolation::bicubic);
  for (uint8_t& value : copy.pixels) value = static_cast<uint8_t>(std::min(255, value + value / 12));
  EXPECT_TRUE(near_duplicates(fingerprint(original.view()), fingerprint(copy.view())));
}

TEST(Fingerprint, TellsDifferentScenesApart) {
  std::vector<Fingerprint> prints;
  for (int64_t i = 0; i < 60; ++i) prints.push_back(fingerprint(scene(i).view()));
  EXPECT_TRUE(find_near_duplicates(prints).empty());
  prints.push_back(prints[7]);
  const std::vector<DuplicatePair> pairs = find_near_duplicates(prints);
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0].first, 7u);
  EXPECT_EQ(pairs[0].second, 60u);
  EXPECT_EQ(pairs[0].bits, 0);
  EXPECT_NEAR(pairs[0].correlation, 1, 1e-6);
}

TEST(Fingerprint, OfManyCopiesEachIsPairedWithTheFirstOnesAlone) {
  // All pairs would be two hundred million, and of plain images none is one.
  std::vector<Fingerprint> prints(20'000, fingerprint(scene(3).view()));
  const std::vector<DuplicatePair> pairs = find_near_duplicates(prints);
  EXPECT_EQ(pairs.size(), 45u + (20'000 - 10) * most_pairs_each);
  for (const DuplicatePair& pair : pairs) ASSERT_LT(pair.first, most_pairs_each);
  EXPECT_TRUE(may_be_more(pairs));
  EXPECT_FALSE(may_be_more(find_near_duplicates(std::span(prints).first(10))));  // 45 pairs, all there are
  EXPECT_EQ(pairs.front().second, 1u);
  const Image plain{8, 8, std::vector<uint8_t>(3 * 64, 7)};
  prints.assign(20'000, fingerprint(plain.view()));
  EXPECT_TRUE(find_near_duplicates(prints).empty());
}

class CheckTest : public ::testing::Test {
 protected:
  CheckTest() : root_(fs::temp_directory_path() / ("orbweaver_check_" + std::to_string(getpid()))) {
    fs::create_directories(root_);
  }
  ~CheckTest() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
  }
  /// A dataset of one train, one val and one test image with two captions each; scenes by index.
  void dataset(const std::string& name, int64_t train, int64_t val, int64_t test) {
    const auto split = [&](const std::string& part, int64_t index) {
      fs::create_directories(root_ / name / "images");
      write_image(root_ / name / "images" / (part + ".png"), scene(index).view());
      write(name + "/" + part + "_filename.txt", part + ".png\n");
      write(name + "/" + part + "_caps.txt", part + " one of " + name + "\n" + part + " two of " + name + "\n");
    };
    split("train", train);
    split("val", val);
    split("test", test);
  }
  Dataset load(const std::string& name) { return load_dataset(guess_dataset(root_ / name)); }

  fs::path root_;
};

const Finding* find(const CheckReport& report, const std::string& id) {
  for (const Finding& finding : report.findings)
    if (finding.id == id) return &finding;
  return nullptr;
}

TEST_F(CheckTest, FindsNothingInACleanDataset) {
  dataset("a", 1, 2, 3);
  const CheckReport report = check_dataset(load("a"), 2);
  EXPECT_TRUE(report.clean());
  EXPECT_TRUE(report.findings.empty()) << report.text();
  EXPECT_EQ(report.summary[0],
            "a: train 1 image, 2 captions; val 1 image, 2 captions; test 1 image, 2 captions; validation on disk");
}

TEST_F(CheckTest, CountsATestImageThatTrainHoldsTooAsAProblem) {
  dataset("a", 1, 2, 1);
  const CheckReport report = check_dataset(load("a"), 2);
  EXPECT_FALSE(report.clean());
  const Finding* finding = find(report, "near_duplicates_of_test_images");
  ASSERT_TRUE(finding);
  ASSERT_EQ(finding->examples.size(), 1u);
  EXPECT_TRUE(finding->examples[0].starts_with("train train.png ~ test test.png")) << finding->examples[0];
}

TEST_F(CheckTest, SaysThatThereMayBeMorePairsThanItTells) {
  dataset("a", 1, 2, 3);
  std::string names, captions;
  for (int i = 0; i < 12; ++i) {
    const std::string name = "copy" + std::to_string(i) + ".png";
    fs::copy(root_ / "a/images/train.png", root_ / "a/images" / name);
    names += name + "\n";
    captions += name + " one\n" + name + " two\n";
  }
  write("a/train_filename.txt", names);
  write("a/train_caps.txt", captions);
  const CheckReport report = check_dataset(load("a"), 2);
  ASSERT_TRUE(find(report, "near_duplicates_within_a_split"));
  EXPECT_EQ(find(report, "near_duplicates_within_a_split")->text,
            "at least 65 pairs of nearly identical images within a split");
}

TEST_F(CheckTest, OnlyNotesAnImageSharedByTrainAndValidation) {
  dataset("a", 1, 1, 2);
  const CheckReport report = check_dataset(load("a"), 2);
  EXPECT_TRUE(report.clean());
  EXPECT_TRUE(find(report, "near_duplicates_of_train_and_val"));
}

TEST_F(CheckTest, FindsBlankAndRepeatedCaptionsAndBadFiles) {
  dataset("a", 1, 2, 3);
  write("a/train_caps.txt", "train twice\ntrain twice\n");
  write("a/test_caps.txt", " .\ntrain twice\n");
  write("a/images/val.png", "rubbish");
  fs::remove(root_ / "a/images/train.png");
  write("a/detections/test.json", "[{}]");
  const CheckReport report = check_dataset(load("a"), 2);
  for (const char* id : {"blank_captions_test", "broken_images", "missing_images", "bad_detections"}) {
    ASSERT_TRUE(find(report, id)) << id;
    EXPECT_EQ(find(report, id)->severity, Severity::problem) << id;
    EXPECT_EQ(find(report, id)->examples.size(), 1u) << id;
  }
  EXPECT_EQ(find(report, "broken_images")->examples[0], "val val.png: does not decode as an image (jpg, png, tif)");
  EXPECT_EQ(find(report, "repeated_captions")->examples[0], "train train.png: 2 x \"train twice\"");
  EXPECT_EQ(find(report, "captions_in_train_and_test")->examples[0], "train twice");
  EXPECT_EQ(report.value().at("clean").as_bool(), false);
  EXPECT_NE(report.text().find("4 problems that would falsify results"), std::string::npos) << report.text();
}

TEST_F(CheckTest, FindsWhatOneDatasetTestsAndTheOtherTrainsOn) {
  dataset("a", 1, 2, 3);
  dataset("b", 3, 4, 5);
  const CheckReport report = check_overlap(load("a"), load("b"), 2);
  EXPECT_FALSE(report.clean());
  ASSERT_TRUE(find(report, "near_duplicates_of_test_images"));
  EXPECT_TRUE(
      find(report, "near_duplicates_of_test_images")->examples[0].starts_with("a test test.png ~ b train train.png"));

  dataset("b", 1, 4, 5);
  const CheckReport same_use = check_overlap(load("a"), load("b"), 2);
  EXPECT_TRUE(same_use.clean());
  EXPECT_TRUE(find(same_use, "near_duplicates_between_datasets"));
}

TEST_F(CheckTest, StatsCountWhatIsThere) {
  dataset("a", 1, 2, 3);
  write("a/train_caps.txt", "A plane .\nThe plane's two long wings\n");
  write("a/detections/train.json",
        R"([{"label": "plane", "bbox": [1, 1, 1, 1, 0, 1]}, {"label": "plane", "bbox": [5, 1, 1, 1, 0, 1]}])");
  write("a/triples.jsonl", R"({"text": "A plane .", "triples": [["plane", "on", "ground"]]})");
  const Value stats = dataset_stats(load("a"), 2);
  const Value& train = stats.at("splits").at("train");
  EXPECT_EQ(train.at("images").as_int(), 1);
  EXPECT_EQ(train.at("captions").as_int(), 2);
  EXPECT_EQ(train.at("caption_words").at("min").as_int(), 2);
  EXPECT_EQ(train.at("caption_words").at("max").as_int(), 5);
  EXPECT_EQ(train.at("caption_words").at("mean").as_double(), 3.5);
  EXPECT_EQ(train.at("sizes").at("224 x 224").as_int(), 1);
  EXPECT_EQ(train.at("objects").at("labels").at("plane").as_int(), 2);
  EXPECT_EQ(train.at("triples").at("captions_with_triples").as_int(), 1);
  EXPECT_EQ(stats.at("vocabulary").at("words").as_int(), 7);  // a plane the plane's two long wings
  EXPECT_EQ(stats.at("vocabulary").at("words_seen_5_times").as_int(), 0);
  EXPECT_NE(stats_text(stats).find("train: 1 images, 2 captions"), std::string::npos);
}

/// Each word of a caption is a node; triples, where the dataset has some, its relations.
Graph words_as_nodes(const Caption& caption) {
  Graph graph;
  std::istringstream words(caption.text);
  for (std::string word; words >> word;)
    if (word != ".") graph.labels.push_back(word);
  for (const Triple& triple : caption.triples) {
    const auto node = [&](const std::string& label) {
      return static_cast<int64_t>(std::find(graph.labels.begin(), graph.labels.end(), label) - graph.labels.begin());
    };
    graph.relations.push_back({node(triple.subject), node(triple.object), triple.relation});
  }
  graph.features = Matrix<float>(static_cast<int64_t>(graph.labels.size()), 1);
  return graph;
}

TEST_F(CheckTest, StatsOfCaptionGraphsCountEveryCaptionAndTheShareOfOther) {
  dataset("a", 1, 2, 3);
  write("a/train_caps.txt", "plane runway .\nplane runway .\nplane tree grass .\n.\n");
  write("a/triples.jsonl",
        R"({"text": "plane runway .", "triples": [["plane", "on", "runway"]]})"
        "\n"
        R"({"text": "plane tree grass .", "triples": [["tree", "other", "grass"], ["plane", "near", "tree"]]})"
        "\n");
  const Dataset data = load("a");
  Value stats = dataset_stats(data, 2);
  EXPECT_FALSE(stats.at("splits").at("train").find("graphs"));
  int64_t last = 0, total = 0;
  add_graph_stats(stats, data, "words", words_as_nodes, [&](int64_t done, int64_t all) { last = done, total = all; });
  EXPECT_EQ(last, total);
  EXPECT_EQ(total, 8);  // 4 of train, 2 of each other split
  const Value& graphs = stats.at("splits").at("train").at("graphs");
  EXPECT_EQ(graphs.at("captions_with_entities").as_int(), 3);
  EXPECT_EQ(graphs.at("share_with_entities").as_double(), 0.75);
  EXPECT_EQ(graphs.at("entities_per_caption").at("mean").as_double(), 1.75);
  EXPECT_EQ(graphs.at("relations_per_caption").at("mean").as_double(), 1);
  EXPECT_EQ(graphs.at("share_other").as_double(), 0.25);
  EXPECT_EQ(graphs.at("relations").as_object().front().first, "on");
  EXPECT_EQ(graphs.at("other_pairs").at("tree -> grass").as_int(), 1);
  EXPECT_EQ(graphs.at("labels").as_object().front().first, "plane");
  EXPECT_EQ(graphs.at("distinct_labels").as_int(), 4);
  const std::string text = stats_text(stats);
  EXPECT_NE(text.find("graphs of captions by words\n"), std::string::npos) << text;
  EXPECT_NE(text.find("75.0% of captions have one"), std::string::npos) << text;
  EXPECT_NE(text.find("25.0% of relations"), std::string::npos) << text;
}

TEST(RsicdAndRsitmd, ShareTheAirportThatOneTrainsOnAndTheOtherTests) {
  ORBWEAVER_NEEDS_TEST_DATA("data/rsitmd/images/airport_2.tif");
  const fs::path data = testing::test_data() / "data";
  const auto print = [&](const char* file) { return fingerprint(decode_image(data / file).view()); };
  EXPECT_TRUE(near_duplicates(print("rsitmd/images/airport_2.tif"), print("rsicd/images/airport_19.jpg")));
  EXPECT_FALSE(near_duplicates(print("rsitmd/images/airport_2.tif"), print("rsicd/images/airport_1.jpg")));
}

}  // namespace
}  // namespace orbweaver
