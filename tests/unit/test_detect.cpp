#include <gtest/gtest.h>

#include <array>
#include <numbers>
#include <vector>

#include "framework/data/detect.h"
#include "framework/data/detect_draw.h"
#include "framework/data/image.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"
#include "temporary_folder.h"
#include "test_data.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;

using testing::write_text;

std::array<int, 3> pixel(const Image& image, int64_t x, int64_t y) {
  const uint8_t* p = image.pixels.data() + (y * image.width + x) * 3;
  return {p[0], p[1], p[2]};
}

Image grey(int64_t width, int64_t height) {
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 120)};
}

TEST(DrawObjects, DrawsTheTurnedBoxAndLeavesTheRestOfTheImage) {
  const Image image = grey(700, 700);
  const Object object{350, 350, 200, 40, std::numbers::pi / 4, 1, "ship", {}};
  const Image drawn = draw_objects(image.view(), std::vector{object});
  EXPECT_EQ(drawn.width, 700);
  EXPECT_GT(drawn.height, 700);  // the legend
  // The middle of the first side: 20 pixels from the centre, up and to the right; clockwise the width goes down.
  EXPECT_NE(pixel(drawn, 350 + 14, 350 - 14), (std::array<int, 3>{120, 120, 120}));
  EXPECT_NE(pixel(drawn, 350 + 71, 350 + 71), (std::array<int, 3>{120, 120, 120}));  // the middle of a short side
  EXPECT_EQ(pixel(drawn, 350 + 71, 350 - 71), (std::array<int, 3>{120, 120, 120}));
  EXPECT_EQ(pixel(drawn, 350 + 40, 350 + 40), (std::array<int, 3>{120, 120, 120}));
  EXPECT_EQ(pixel(drawn, 5, 5), (std::array<int, 3>{120, 120, 120}));
}

TEST(DrawObjects, EnlargesSmallImagesAndTakesAnyNumberAndName) {
  EXPECT_EQ(draw_objects(grey(224, 200).view(), {}).width, 672);
  EXPECT_GT(draw_objects(grey(1, 1).view(), {}).width, 1);
  std::vector<Object> many(600, Object{10, 10, 5, 5, 0.3, 0.5, "größe\n", {}});
  many.push_back({-500, 9000, 1e4, 3, 2, 1, "", {}});
  EXPECT_EQ(draw_objects(grey(224, 224).view(), many).width, 672);
}

class DetectFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    write_image(folder_.path() / "images/a.png", grey(30, 20).view());
    write_image(folder_.path() / "images/sub/b.jpg", grey(30, 20).view());
    write_text(folder_.path() / "labelTxt/a.txt", "gsd:0.5\n5 5 15 5 15 10 5 10 plane 0\n1 1 2 1 2 2 1 2 ship 1\n");
    write_text(folder_.path() / "labelTxt/sub/b.txt", "");
    options_.from = folder_.path() / "labelTxt";
    options_.images = folder_.path() / "images";
    options_.out = folder_.path() / "out";
  }

  std::string error() const {
    try {
      detect_folder(options_, {});
    } catch (const InputError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      return error.what();
    }
    return "no error";
  }
  void expect_error(const std::string& part) const { EXPECT_NE(error().find(part), std::string::npos) << error(); }

  testing::TemporaryFolder folder_;
  DetectOptions options_;
};

TEST_F(DetectFolder, ConvertsDotaToJsonWithItsAttributes) {
  const DetectResult result = detect_folder(options_, {});
  EXPECT_EQ(result.images, 2);
  EXPECT_EQ(result.written, 2);
  EXPECT_EQ(result.objects, 2);
  EXPECT_EQ(result.labels.at("ship"), 1);
  const auto objects = read_detections(options_.out / "a.json");
  EXPECT_EQ(objects, read_detections(options_.from / "a.txt"));
  EXPECT_EQ(objects.at(0), (Object{10, 7.5, 10, 5, 0, 1, "plane", {}}));
  EXPECT_EQ(objects.at(1).attributes.at(0).name, "difficult");
  EXPECT_TRUE(read_detections(options_.out / "sub/b.json").empty());
}

TEST_F(DetectFolder, ConvertsWithoutImagesToo) {
  options_.images.clear();
  EXPECT_EQ(detect_folder(options_, {}).written, 2);
  EXPECT_TRUE(fs::exists(options_.out / "sub/b.json"));
}

TEST_F(DetectFolder, KeepsFilesThatExistUnlessTheyAreToBeReplaced) {
  detect_folder(options_, {});
  write_text(options_.out / "a.json", "[]");
  fs::remove(options_.out / "sub/b.json");
  DetectResult result = detect_folder(options_, {});
  EXPECT_EQ(result.kept, 1);
  EXPECT_EQ(result.written, 1);
  EXPECT_EQ(read_file(options_.out / "a.json"), "[]");
  options_.overwrite = true;
  EXPECT_EQ(detect_folder(options_, {}).written, 2);
  EXPECT_EQ(read_detections(options_.out / "a.json").size(), 2u);
}

TEST_F(DetectFolder, DrawsWhatTheOutFolderHoldsAlready) {
  detect_folder(options_, {});
  options_.draw = folder_.path() / "drawn";
  const DetectResult result = detect_folder(options_, {});
  EXPECT_EQ(result.written, 0);
  EXPECT_EQ(result.drawn, 2);
  EXPECT_EQ(result.objects, 2);
  EXPECT_EQ(decode_image(options_.draw / "sub/b.png").width, 660);
}

TEST_F(DetectFolder, ListsWhatCannotBeReadAndDoesTheRest) {
  write_text(options_.from / "a.txt", "5 5 15 5\n");
  write_text(options_.images / "c.png", "no image");
  options_.draw = folder_.path() / "drawn";
  const DetectResult result = detect_folder(options_, {});
  EXPECT_EQ(result.written, 1);
  ASSERT_EQ(result.broken.size(), 2u);
  EXPECT_NE(result.broken[0].reason.find("has 4 words"), std::string::npos) << result.broken[0].reason;
  EXPECT_EQ(result.broken[1].file.filename(), "c.png");
  EXPECT_NE(result.text().find("c.png: does not decode"), std::string::npos) << result.text();
  EXPECT_EQ(result.value().at("broken").as_list().size(), 2u);
}

TEST_F(DetectFolder, AnImageWithoutDetectionsIsListed) {
  fs::remove(options_.from / "a.txt");
  const DetectResult result = detect_folder(options_, {});
  ASSERT_EQ(result.broken.size(), 1u);
  EXPECT_NE(result.broken[0].reason.find("has no detections"), std::string::npos) << result.broken[0].reason;
}

TEST_F(DetectFolder, StopsWhenAskedAndGoesOnLater) {
  std::atomic<bool> stop{true};
  RunReport report;
  report.stop = &stop;
  EXPECT_TRUE(detect_folder(options_, report).interrupted);
  const DetectResult result = detect_folder(options_, {});
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.written + result.kept, 2);
  EXPECT_EQ(read_detections(options_.out / "a.json").size(), 2u);
}

TEST_F(DetectFolder, RefusesAFolderThatSomethingElseMadeAndOneHalfOverwritten) {
  detect_folder(options_, {});
  fs::rename(options_.from, folder_.path() / "other");
  options_.from = folder_.path() / "other";
  expect_error("its detections were made by {\"from\":");
  options_.overwrite = true;
  std::atomic<bool> stop{true};
  RunReport report;
  report.stop = &stop;
  detect_folder(options_, report);
  options_.overwrite = false;
  expect_error("a run with --overwrite was interrupted there");
  options_.overwrite = true;
  detect_folder(options_, {});
  options_.overwrite = false;
  EXPECT_EQ(detect_folder(options_, {}).kept, 2);
}

TEST_F(DetectFolder, RefusesOptionsThatMakeNoSense) {
  const DetectOptions good = options_;
  options_.use = "regions";
  expect_error("--use ID, or existing detections with --from DIR, not both");
  options_ = good;
  options_.out.clear();
  expect_error("give --out DIR");
  options_ = good;
  options_.out = options_.from;
  expect_error("is the folder that --from reads");
  options_ = good;
  options_.images.clear();
  options_.draw = folder_.path() / "drawn";
  expect_error("--images DIR is missing");
  options_ = good;
  options_.images = folder_.path() / "absent";
  expect_error("is no folder");
  options_ = good;
  options_.images = folder_.path() / "labelTxt";
  expect_error("holds no images");
  options_ = good;
  write_image(options_.images / "a.k.png", grey(3, 3).view());
  write_image(options_.images / "a.tif", grey(3, 3).view());
  expect_error("a.tif has the same name but for its extension");
}

TEST(DotaExample, Has600Objects) {
  ORBWEAVER_NEEDS_TEST_DATA("data/dota_example/labelTxt");
  const testing::TemporaryFolder folder;
  DetectOptions options;
  options.from = testing::test_data() / "data/dota_example/labelTxt";
  options.images = testing::test_data() / "data/dota_example/images";
  options.out = folder.path() / "out";
  options.draw = folder.path() / "drawn";
  const DetectResult result = detect_folder(options, {});
  EXPECT_EQ(result.objects, 600);
  EXPECT_EQ(result.labels.at("ship"), 531);
  EXPECT_EQ(result.drawn, 2);
}

}  // namespace
}  // namespace orbweaver
