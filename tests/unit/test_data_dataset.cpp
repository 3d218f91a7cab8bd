#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <set>

#include "framework/data/dataset.h"
#include "framework/data/image.h"
#include "framework/io/files.h"
#include "orbweaver/error.h"
#include "test_data.h"

namespace orbweaver {
namespace {
namespace fs = std::filesystem;

/// A dataset in a temporary folder, to be spoilt by a test.
class DatasetTest : public ::testing::Test {
 protected:
  DatasetTest() {
    root_ = fs::temp_directory_path() / ("orbweaver_dataset_" + std::to_string(getpid()));
    fs::remove_all(root_);
    fs::create_directories(root_ / "images");
    params_.root = root_;
  }
  ~DatasetTest() override { fs::remove_all(root_); }

  void write(const std::string& name, const std::string& text) {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name, std::ios::binary) << text;
  }
  void image(const std::string& name, uint8_t grey = 90) {
    Image image{16, 12, std::vector<uint8_t>(16 * 12 * 3, grey)};
    for (size_t i = 0; i < image.pixels.size(); i += 7) image.pixels[i] = static_cast<uint8_t>(i);
    write_image(root_ / "images" / name, image.view());
  }
  void truncate(const std::string& name) {
    fs::resize_file(root_ / "images" / name, fs::file_size(root_ / "images" / name) * 3 / 5);
  }
  std::string error() {
    try {
      load_dataset(params_);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }
  void expect_error(const std::string& part) { EXPECT_NE(error().find(part), std::string::npos) << error(); }

  fs::path root_;
  DatasetParams params_;
};

std::vector<std::string> names(const Split& split) {
  std::vector<std::string> out;
  for (const ImageRecord& image : split.images) out.push_back(image.name);
  return out;
}

TEST_F(DatasetTest, LinksLeadOutOfItsFoldersOnlyWhereTheUserSaysSo) {
  const fs::path outside = root_.string() + "_outside";
  fs::create_directories(outside);
  std::ofstream(outside / "secret.jpg") << "x";
  write("train_filename.txt", "a.jpg\nsub/b.jpg\n");
  write("train_caps.txt", "one\ntwo\n");
  write("images/kept/b.jpg", "x");
  fs::create_directory_symlink(root_ / "images" / "kept", root_ / "images" / "sub");
  fs::create_symlink(root_ / "images" / "kept" / "b.jpg", root_ / "images" / "a.jpg");
  EXPECT_EQ(error(), "no error");

  fs::remove(root_ / "images" / "a.jpg");
  fs::create_symlink(outside / "secret.jpg", root_ / "images" / "a.jpg");
  expect_error("a.jpg: leads to " + fs::canonical(outside / "secret.jpg").string() + ", outside the dataset's folder");
  setenv("ORBWEAVER_OUTSIDE_LINKS", "1", 1);
  EXPECT_EQ(error(), "no error");
  unsetenv("ORBWEAVER_OUTSIDE_LINKS");

  fs::remove(root_ / "images" / "a.jpg");
  fs::remove(root_ / "images" / "sub");
  fs::create_directory_symlink(outside, root_ / "images" / "sub");
  expect_error("sub/b.jpg: leads to ");

  fs::remove(root_ / "images" / "sub");
  fs::rename(root_ / "train_caps.txt", outside / "caps.txt");
  fs::create_symlink(outside / "caps.txt", root_ / "train_caps.txt");
  expect_error("train_caps.txt: leads to ");
  fs::remove(root_ / "train_caps.txt");
  fs::rename(outside / "caps.txt", root_ / "train_caps.txt");

  // Whole folders may lie elsewhere: that is how large ones are laid out.
  fs::rename(root_ / "images", outside / "images");
  fs::create_directory_symlink(outside / "images", root_ / "images");
  EXPECT_EQ(error(), "no error");
  fs::remove_all(outside);
}

TEST_F(DatasetTest, InfersWhetherNamesStandOncePerImageOrOncePerCaption) {
  write("train_filename.txt", "a.jpg\nb.jpg\n");
  write("train_caps.txt", "a one\na two\nb one\nb two\n");
  write("test_filename.txt", "c.jpg\nc.jpg\nd.jpg\n");
  write("test_caps.txt", "c one\nc two\nd one\n");
  params_.val_fraction = 0;
  const Dataset dataset = load_dataset(params_);
  EXPECT_EQ(names(dataset.train), (std::vector<std::string>{"a.jpg", "b.jpg"}));
  ASSERT_EQ(dataset.train.captions.size(), 4u);
  EXPECT_EQ(dataset.train.captions[2].text, "b one");
  EXPECT_EQ(dataset.train.captions[2].image, 1);
  EXPECT_EQ(names(dataset.test), (std::vector<std::string>{"c.jpg", "d.jpg"}));
  ASSERT_EQ(dataset.test.captions.size(), 3u);
  EXPECT_EQ(dataset.test.captions[2].image, 1);
  EXPECT_TRUE(dataset.val.images.empty());
  EXPECT_EQ(dataset.val_source, "none");
}

TEST_F(DatasetTest, GroupsTheCaptionsOfAnImageWhoseNameComesBackLater) {
  write("test_filename.txt", "a.jpg\nb.jpg\na.jpg\n");
  write("test_caps.txt", "a one\nb one\na two\n");
  const Dataset dataset = load_dataset(params_);
  ASSERT_EQ(dataset.test.images.size(), 2u);
  EXPECT_EQ(dataset.test.captions[1].text, "a two");
  EXPECT_EQ(dataset.test.captions[1].image, 0);
}

TEST_F(DatasetTest, ReadsWindowsLineEndsAndAByteOrderMark) {
  write("test_filename.txt",
        "\xef\xbb\xbf"
        "a.jpg\r\nb.jpg\r\n");
  write("test_caps.txt", "one \r\ntwo\r\n");
  const Dataset dataset = load_dataset(params_);
  EXPECT_EQ(names(dataset.test), (std::vector<std::string>{"a.jpg", "b.jpg"}));
  EXPECT_EQ(dataset.test.captions[0].text, "one");
}

TEST_F(DatasetTest, NamesBothCountsWhenTheLinesDoNotFit) {
  write("train_filename.txt", "a.jpg\nb.jpg\n");
  write("train_caps.txt", "1\n2\n3\n\n\n");
  expect_error("5 captions do not fit the 2 file names of train_filename.txt");
  expect_error("train_caps.txt ends in 2 blank lines");
  write("train_caps.txt", "1\n");
  expect_error("1 captions do not fit the 2 file names");
}

TEST_F(DatasetTest, RefusesNamesThatLeaveTheFolder) {
  write("train_caps.txt", "1\n");
  for (const char* name : {"../secret.jpg", "/etc/passwd", "a/../../b.jpg", "..\\secret.jpg"}) {
    write("train_filename.txt", std::string(name) + "\n");
    expect_error("leaves the images' folder");
    expect_error("train_filename.txt:1");
  }
  write("train_filename.txt", std::string("..\0.jpg\n", 8));  // the system would read the name as ".."
  expect_error("holds a zero character");
}

TEST_F(DatasetTest, SaysWhatIsMissing) {
  expect_error("holds none of train_caps.txt, val_caps.txt, test_caps.txt");
  write("train_caps.txt", "1\n");
  expect_error("train_filename.txt: does not exist, but train_caps.txt does");
  write("train_filename.txt", "a.jpg\n");
  fs::remove_all(root_ / "images");
  expect_error("images: no such folder");
  params_.root = root_ / "nowhere";
  expect_error("nowhere: does not exist");
}

TEST_F(DatasetTest, RefusesAnImageNamedTwiceInAListOfImages) {
  write("train_filename.txt", "a.jpg\na.jpg\n");
  write("train_caps.txt", "1\n2\n3\n4\n");
  expect_error("train_filename.txt:2: \"a.jpg\" is listed twice");
}

TEST_F(DatasetTest, DrawsAValidationSplitByImageThatDependsOnItsSeedAlone) {
  std::string files, captions;
  for (int i = 0; i < 20; ++i) {
    files += "i" + std::to_string(i) + ".jpg\n";
    for (int k = 0; k < 2; ++k) captions += "caption " + std::to_string(i) + "." + std::to_string(k) + "\n";
  }
  write("train_filename.txt", files);
  write("train_caps.txt", captions);
  const Dataset dataset = load_dataset(params_);
  EXPECT_EQ(dataset.train.images.size(), 18u);
  EXPECT_EQ(dataset.val.images.size(), 2u);
  EXPECT_EQ(dataset.val_source, "seeded split of train (10% of images, seed 1)");
  std::set<std::string> all;
  for (const Split* split : {&dataset.train, &dataset.val}) {
    ASSERT_EQ(split->captions.size(), 2 * split->images.size());
    for (const CaptionRecord& caption : split->captions) {
      const std::string name = split->images[static_cast<size_t>(caption.image)].name;
      EXPECT_TRUE(caption.text.starts_with("caption " + name.substr(1, name.size() - 5) + "."));
    }
    for (const ImageRecord& image : split->images) all.insert(image.name);
  }
  EXPECT_EQ(all.size(), 20u);
  // Recorded once: any machine must draw the same images.
  EXPECT_EQ(names(dataset.val), (std::vector<std::string>{"i12.jpg", "i13.jpg"}));
  EXPECT_EQ(load_dataset(params_).val.hash(), dataset.val.hash());
  params_.val_seed = 2;
  EXPECT_NE(load_dataset(params_).val.hash(), dataset.val.hash());
}

TEST_F(DatasetTest, HashOfASplitDoesNotDependOnWhereItLies) {
  write("test_filename.txt", "a.jpg\n");
  write("test_caps.txt", "one\ntwo\n");
  const std::string hash = load_dataset(params_).test.hash();
  write("elsewhere/test_filename.txt", "a.jpg\na.jpg\n");
  write("elsewhere/test_caps.txt", "one\ntwo\n");
  params_.images = root_ / "images";
  params_.root = root_ / "elsewhere";
  EXPECT_EQ(load_dataset(params_).test.hash(), hash);
  write("elsewhere/test_caps.txt", "one\ntwo!\n");
  EXPECT_NE(load_dataset(params_).test.hash(), hash);
}

TEST_F(DatasetTest, ReadsKarpathyJson) {
  params_.format = DatasetParams::Format::karpathy;
  write("dataset_x.json", R"({"dataset": "x", "images": [
    {"filename": "a.jpg", "imgid": 0, "split": "train", "sentids": [0, 1],
     "sentences": [{"raw": "A plane .", "tokens": ["a", "plane"]}, {"tokens": ["two", "planes"]}]},
    {"filename": "b.jpg", "filepath": "sub", "split": "restval", "sentences": [{"raw": "b"}]},
    {"filename": "c.jpg", "split": "val", "sentences": [{"raw": "c"}]},
    {"filename": "d.jpg", "split": "test", "sentences": [{"raw": "d"}]}]})");
  const Dataset dataset = load_dataset(params_);
  EXPECT_EQ(names(dataset.train), (std::vector<std::string>{"a.jpg", "sub/b.jpg"}));
  EXPECT_EQ(dataset.train.captions[0].text, "A plane .");
  EXPECT_EQ(dataset.train.captions[1].text, "two planes");
  EXPECT_EQ(dataset.val_source, "on disk");
  EXPECT_EQ(names(dataset.test), (std::vector<std::string>{"d.jpg"}));
  EXPECT_EQ(guess_dataset(root_).format, DatasetParams::Format::karpathy);

  write("dataset_x.json", R"({"images": [{"filename": "a.jpg", "split": "tran", "sentences": [{"raw": "x"}]}]})");
  expect_error("/images/0/split: is \"tran\", expected train, restval, val or test");
  write("dataset_x.json", R"({"images": [{"filename": "a.jpg", "split": "train", "sentences": []}]})");
  expect_error("/images/0/sentences: is empty");
  write("dataset_y.json", "{}");
  expect_error("found dataset_x.json, dataset_y.json; dataset.annotations names it");
}

TEST_F(DatasetTest, KeysTriplesByTheCaptionsText) {
  write("test_filename.txt", "a.jpg\n");
  write("test_caps.txt", "two planes near a building \n");
  write("triples.jsonl",
        "{\"text\": \"two planes near a building\", \"triples\": [[\"planes\", \"near\", \"building\"]]}\r\n"
        "{\"text\": \"nothing\", \"triples\": []}\n");
  const Dataset dataset = load_dataset(params_);
  ASSERT_EQ(dataset.triples.size(), 2u);
  const auto found = dataset.triples.find(dataset.test.captions[0].text);
  ASSERT_NE(found, dataset.triples.end());
  EXPECT_EQ(found->second, (std::vector<Triple>{{"planes", "near", "building"}}));

  write("triples.jsonl",
        "{\"text\": \"a\", \"triples\": []}\n{\"text\": \"a\", \"triples\": [[\"x\", \"y\", \"z\"]]}\n");
  expect_error("triples.jsonl:2: \"a\" was given other triples before");
  write("triples.jsonl", "{\"text\": \"a\", \"triples\": [[\"x\", \"y\"]]}\n");
  expect_error("triples.jsonl:1: triple [\"x\", \"y\"], expected [subject, relation, object]");
}

TEST_F(DatasetTest, FindsDetectionsByStemInJsonAndDotaForm) {
  write("test_filename.txt", "a.jpg\nb.jpg\nc.jpg\n");
  write("test_caps.txt", "1\n2\n3\n");
  write("detections/a.json",
        R"([{"label": "plane", "bbox": [10, 20.5, 4, 2, 0.5, 0.9], "attributes": {"red": 0.25}}])");
  write("detections/b.txt", "imagesource:GoogleEarth\r\ngsd:0.25\r\n10 10 20 20 15 25 5 15 small-vehicle 1\r\n");
  const Dataset dataset = load_dataset(params_);
  EXPECT_TRUE(dataset.test.images[2].detections.empty());

  const std::vector<Object> a = read_detections(dataset.test.images[0].detections);
  ASSERT_EQ(a.size(), 1u);
  EXPECT_EQ(a[0], (Object{10, 20.5, 4, 2, 0.5, 0.9, "plane", {{"red", 0.25}}}));
  write("round.json", detections_json(a));
  EXPECT_EQ(read_detections(root_ / "round.json"), a);

  // A rectangle turned by 45 degrees: sides 10*sqrt(2) and 5*sqrt(2) around (12.5, 17.5).
  const std::vector<Object> b = read_detections(dataset.test.images[1].detections);
  ASSERT_EQ(b.size(), 1u);
  EXPECT_DOUBLE_EQ(b[0].cx, 12.5);
  EXPECT_DOUBLE_EQ(b[0].cy, 17.5);
  EXPECT_NEAR(b[0].width, 10 * std::numbers::sqrt2, 1e-12);
  EXPECT_NEAR(b[0].height, 5 * std::numbers::sqrt2, 1e-12);
  EXPECT_NEAR(b[0].angle, std::numbers::pi / 4, 1e-12);
  EXPECT_EQ(b[0].label, "small-vehicle");
  EXPECT_EQ(b[0].attributes, (std::vector<Attribute>{{"difficult", 1}}));
}

TEST_F(DatasetTest, NamesTheEntryOfABadDetection) {
  const auto message = [&](const std::string& name, const std::string& text) -> std::string {
    write(name, text);
    try {
      read_detections(root_ / name);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_NE(
      message("d.json", R"([{"label": "x", "bbox": [1, 2, 3]}])").find("d.json: /0/bbox: has 3 numbers, expected 6"),
      std::string::npos);
  EXPECT_NE(message("d.json", R"([{"bbox": [1, 2, 3, 4, 5, 0.5]}])").find("/0: has no \"label\""), std::string::npos);
  EXPECT_NE(message("d.json", R"([{"label": "x", "bbox": [1, 2, 3, -4, 5, 0.5]}])").find("must not be negative"),
            std::string::npos);
  EXPECT_NE(message("d.txt", "1e308 0 1e308 0 1e308 0 1e308 0 ship 0\n").find("d.txt:1: its coordinates are too large"),
            std::string::npos);
  EXPECT_NE(message("d.txt", "1 2 3 4 5 6 7 x ship 0\n").find("d.txt:1: \"x\" is no coordinate"), std::string::npos);
  EXPECT_NE(message("d.txt", "\n1 2 3 ship 0\n").find("d.txt:2: has 5 words"), std::string::npos);
}

class BrokenFiles : public DatasetTest {
 protected:
  BrokenFiles() {
    write("test_filename.txt", "good.jpg\ncut.jpg\ngone.jpg\ncut.png\ntext.jpg\nempty.png\nlast.png\n");
    write("test_caps.txt", "1\n2\n3\n4\n5\n6\n7\n");
    for (const char* name : {"good.jpg", "cut.jpg", "cut.png", "last.png"}) image(name);
    truncate("cut.jpg");
    truncate("cut.png");
    write("images/text.jpg", "this is no image");
    write("images/empty.png", "");
    write("images/gone.JPEG", "");
  }
};

TEST_F(BrokenFiles, AreListedWithTheirReasonsBeforeAnythingStarts) {
  Dataset dataset = load_dataset(params_);
  ::testing::internal::CaptureStderr();
  try {
    check_files(dataset, params_, 2);
    FAIL() << "no error";
  } catch (const InputError& error) {
    const std::string text = error.what();
    for (const char* part :
         {"5 of 7 images cannot be used (1 missing, 4 broken)", "dataset.skip_broken",
          "cut.jpg: ends early (truncated JPEG)", "gone.jpg: does not exist", "cut.png: ends early (truncated PNG)",
          "text.jpg: does not decode as an image", "empty.png: is empty", "gone.JPEG is there"})
      EXPECT_NE(text.find(part), std::string::npos) << part << " not in " << text;
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(BrokenFiles, AreLeftOutInOrderAndRecordedWhenSkipped) {
  Dataset dataset = load_dataset(params_);
  params_.skip_broken = true;
  check_files(dataset, params_, 3);
  EXPECT_EQ(names(dataset.test), (std::vector<std::string>{"good.jpg", "last.png"}));
  ASSERT_EQ(dataset.test.captions.size(), 2u);
  EXPECT_EQ(dataset.test.captions[1].text, "7");
  EXPECT_EQ(dataset.test.captions[1].image, 1);
  ASSERT_EQ(dataset.skipped.size(), 5u);
  EXPECT_EQ(dataset.skipped[0].file, root_ / "images/cut.jpg");
}

TEST_F(BrokenFiles, AreRememberedUntilTheFileChanges) {
  const Dataset dataset = load_dataset(params_);
  const fs::path cache = root_ / "check.txt";
  EXPECT_EQ(find_broken_files(dataset, 2, cache).size(), 5u);
  const std::string saved = read_file(cache);
  EXPECT_NE(saved.find("truncated JPEG"), std::string::npos);
  EXPECT_EQ(find_broken_files(dataset, 2, cache).size(), 5u);
  EXPECT_EQ(read_file(cache), saved);
  image("cut.jpg", 120);
  EXPECT_EQ(find_broken_files(dataset, 2, cache).size(), 4u);
  write("check.txt", "rubbish\n");
  EXPECT_EQ(find_broken_files(dataset, 2, cache).size(), 4u);
}

TEST_F(DatasetTest, WithoutASingleImageIsFatalEvenWhenBrokenOnesMayBeSkipped) {
  write("test_filename.txt", "a.jpg\n");
  write("test_caps.txt", "1\n");
  Dataset dataset = load_dataset(params_);
  params_.skip_broken = true;
  EXPECT_THROW(check_files(dataset, params_, 2), InputError);
}

TEST(Rsicd, HasTheCountsOfItsOfficialTestSplit) {
  ORBWEAVER_NEEDS_TEST_DATA("data/rsicd");
  DatasetParams params;
  params.root = testing::test_data() / "data/rsicd";
  const Dataset dataset = load_dataset(params);
  EXPECT_EQ(dataset.train.images.size(), 2184u);
  EXPECT_EQ(dataset.val.images.size(), 219u);
  EXPECT_EQ(dataset.test.images.size(), 1093u);
  EXPECT_EQ(dataset.test.captions.size(), 5465u);
  EXPECT_EQ(dataset.val_source, "on disk");
}

TEST(DotaExample, HasSixHundredObjects) {
  ORBWEAVER_NEEDS_TEST_DATA("data/dota_example");
  size_t count = 0;
  for (const char* name : {"P0706.txt", "P1888.txt"})
    count += read_detections(testing::test_data() / "data/dota_example/labelTxt" / name).size();
  EXPECT_EQ(count, 600u);
}

}  // namespace
}  // namespace orbweaver
