#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "framework/data/check.h"
#include "framework/data/synth.h"
#include "framework/io/files.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;

/// Objects of a scene that a phrase names: "two red cars" -> the red cars.
struct Named {
  std::vector<Object> objects;
  int64_t claimed = 0;  ///< the count that the phrase states; "a", "an" and nothing are one
};

Named resolve(const SynthScene& scene, std::string phrase) {
  static const std::vector<std::string> counts = {"",      "one",   "two",  "three", "four",   "five",  "six",
                                                  "seven", "eight", "nine", "ten",   "eleven", "twelve"};
  Named named;
  named.claimed = 1;
  for (size_t i = 1; i < counts.size(); ++i)
    if (phrase.starts_with(counts[i] + " ")) {
      named.claimed = static_cast<int64_t>(i);
      phrase.erase(0, counts[i].size() + 1);
      phrase.pop_back();  // the plural's s
    }
  for (const Object& object : scene.objects) {
    const std::string full = (object.attributes.empty() ? "" : object.attributes[0].name + " ") + object.label;
    if (full == phrase) named.objects.push_back(object);
  }
  return named;
}

struct Span {
  double left = 1e9, top = 1e9, right = -1e9, bottom = -1e9;
};

Span span_of(const std::vector<Object>& objects) {
  Span span;
  for (const Object& o : objects) {
    const double half_x = (std::abs(o.width * std::cos(o.angle)) + std::abs(o.height * std::sin(o.angle))) / 2;
    const double half_y = (std::abs(o.width * std::sin(o.angle)) + std::abs(o.height * std::cos(o.angle))) / 2;
    span = {std::min(span.left, o.cx - half_x), std::min(span.top, o.cy - half_y), std::max(span.right, o.cx + half_x),
            std::max(span.bottom, o.cy + half_y)};
  }
  return span;
}

bool is_surface(const std::string& phrase) {
  static const std::set<std::string> words = {"green meadow",  "brown bare land", "yellow sand",
                                              "gray concrete", "striped field",   "row"};
  return words.count(phrase) > 0;
}

TEST(SynthScene, CaptionsCountWhatTheImageHolds) {
  int64_t checked = 0;
  for (int64_t i = 0; i < 150; ++i) {
    const SynthScene scene = make_scene(1, i);
    ASSERT_EQ(scene.captions.size(), 5u);
    for (const SynthCaption& caption : scene.captions)
      for (const Triple& triple : caption.triples)
        for (const std::string& phrase : {triple.subject, triple.object}) {
          const Named named = resolve(scene, phrase);
          if (named.objects.empty()) {
            // The scene's own name, or its ground.
            EXPECT_TRUE(is_surface(phrase) || triple.relation == "with" || triple.relation == "in")
                << phrase << " in: " << caption.text;
            continue;
          }
          EXPECT_EQ(named.claimed, static_cast<int64_t>(named.objects.size())) << caption.text;
          ++checked;
        }
  }
  EXPECT_GT(checked, 1000);
}

TEST(SynthScene, DirectionsAndNeighboursAreTrue) {
  std::map<std::string, int> seen;
  for (int64_t i = 0; i < 200; ++i) {
    const SynthScene scene = make_scene(2, i);
    for (const SynthCaption& caption : scene.captions)
      for (const Triple& triple : caption.triples) {
        const std::vector<Object> subject = resolve(scene, triple.subject).objects,
                                  object = resolve(scene, triple.object).objects;
        if (subject.empty() || object.empty()) continue;
        const Span a = span_of(subject), b = span_of(object);
        ++seen[triple.relation];
        if (triple.relation == "left of") {
          EXPECT_LT(a.right, b.left) << caption.text;
        }
        if (triple.relation == "right of") {
          EXPECT_GT(a.left, b.right) << caption.text;
        }
        if (triple.relation == "above") {
          EXPECT_LT(a.bottom, b.top) << caption.text;
        }
        if (triple.relation == "below") {
          EXPECT_GT(a.top, b.bottom) << caption.text;
        }
        if (triple.relation == "next to" || triple.relation == "near")
          for (const Object& o : subject) {
            // Extents apart by more than the gap would mean that the boxes are.
            const Span s = span_of({o});
            EXPECT_LE(std::max({s.left - b.right, b.left - s.right, s.top - b.bottom, b.top - s.bottom}), 18.1)
                << caption.text;
          }
      }
  }
  for (const char* relation : {"left of", "right of", "above", "below", "next to", "near", "on", "in", "on both sides",
                               "along", "surrounded by", "crossing"})
    EXPECT_GE(seen[relation], 3) << relation;
}

TEST(SynthScene, HasAtLeastTenKindsOfObjectsInsideThePicture) {
  std::set<std::string> labels;
  for (int64_t i = 0; i < 80; ++i)
    for (const Object& object : make_scene(3, i).objects) {
      labels.insert(object.label);
      EXPECT_GE(object.cx, 0);
      EXPECT_LE(object.cx, static_cast<double>(synth_size));
      EXPECT_GT(object.width * object.height, 0);
    }
  EXPECT_GE(labels.size(), 18u);
}

TEST(SynthScene, DependsOnSeedAndIndexAlone) {
  const SynthScene a = make_scene(5, 3), b = make_scene(5, 3), c = make_scene(5, 4), d = make_scene(6, 3);
  EXPECT_EQ(a.image.pixels, b.image.pixels);
  EXPECT_EQ(a.objects, b.objects);
  EXPECT_NE(a.image.pixels, c.image.pixels);
  EXPECT_NE(a.image.pixels, d.image.pixels);
}

class SynthDataset : public ::testing::Test {
 protected:
  SynthDataset() : root_(fs::temp_directory_path() / ("orbweaver_synth_" + std::to_string(getpid()))) {}
  ~SynthDataset() override { fs::remove_all(root_); }
  void write(const std::string& folder, int64_t images, int threads = 2, bool force = false) {
    SynthOptions options;
    options.folder = root_ / folder;
    options.images = images;
    options.threads = threads;
    options.force = force;
    write_synthetic_dataset(options);
  }
  /// A hash of every file with its name.
  std::map<std::string, std::string> contents(const std::string& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(root_ / folder))
      if (entry.is_regular_file()) files[fs::relative(entry.path(), root_ / folder).string()] = hash_file(entry.path());
    return files;
  }
  fs::path root_;
};

TEST_F(SynthDataset, LoadsAndPassesItsOwnCheck) {
  write("a", 40);
  const Dataset dataset = load_dataset(guess_dataset(root_ / "a"));
  EXPECT_EQ(dataset.train.images.size(), 32u);
  EXPECT_EQ(dataset.val.images.size(), 4u);
  EXPECT_EQ(dataset.test.images.size(), 4u);
  EXPECT_EQ(dataset.test.captions.size(), 20u);
  for (const CaptionRecord& caption : dataset.train.captions)
    EXPECT_TRUE(dataset.triples.contains(caption.text)) << caption.text;
  for (const ImageRecord& image : dataset.train.images) EXPECT_FALSE(read_detections(image.detections).empty());
  const CheckReport report = check_dataset(dataset, 2);
  EXPECT_TRUE(report.clean()) << report.text();
}

TEST_F(SynthDataset, HasTheSameBytesWhateverTheNumberOfThreads) {
  write("a", 12, 1);
  write("b", 12, 4);
  EXPECT_EQ(contents("a"), contents("b"));
  EXPECT_EQ(contents("a").size(), 12u * 2 + 3 * 2 + 2);
}

TEST_F(SynthDataset, ReplacesAnEarlierOneButNothingElse) {
  write("a", 12);
  write("a", 5);
  EXPECT_EQ(contents("a").size(), 5u * 2 + 3 * 2 + 2);
  fs::create_directories(root_ / "mine");
  std::ofstream(root_ / "mine/thesis.txt") << "precious";
  EXPECT_THROW(write("mine", 5), InputError);
  write("mine", 5, 2, true);
  EXPECT_EQ(read_file(root_ / "mine/thesis.txt"), "precious");
  EXPECT_THROW(write("b", 2), InputError);
  EXPECT_FALSE(fs::exists(root_ / "b"));
}

}  // namespace
}  // namespace orbweaver
