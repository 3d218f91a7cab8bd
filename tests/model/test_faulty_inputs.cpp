// Checkpoints damaged anywhere, and datasets that changed under a run.
#include <ATen/ATen.h>
#include <torch/utils.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "damaged_file.h"
#include "framework/cache/file_hashes.h"
#include "framework/io/files.h"
#include "framework/train/checkpoint.h"
#include "framework/train/evaluate.h"
#include "framework/train/train.h"
#include "model_test.h"
#include "orbweaver/error.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

TEST(DamagedCheckpoint, IsRefusedWithItsNameOrHoldsTheSame) {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "last.safetensors";
  Checkpoint checkpoint;
  checkpoint.model["text.words"] = at::arange(6, at::kFloat).reshape({2, 3});
  checkpoint.training["optimizer/text.words/step"] = at::tensor({3}, at::kLong);
  checkpoint.extra["text"] = "plane\nship\n";
  checkpoint.facts = parse_json(R"({"progress": {"epoch": 1, "done": false}, "data": "0123"})", "facts");
  save_checkpoint(path, checkpoint);
  int accepted = 0;
  for_each_damage(path, read_file(path), [&](const std::string& what) {
    const Reading reading = read_or_refuse(path, what, [&] {
      const Checkpoint read = load_checkpoint(path);  // blanks at the end of the header may be zeros
      EXPECT_TRUE(read.model.at("text.words").equal(checkpoint.model["text.words"])) << what;
      EXPECT_EQ(read.extra, checkpoint.extra) << what;
      EXPECT_EQ(read.facts, checkpoint.facts) << what;
    });
    accepted += reading == Reading::accepted;
  });
  EXPECT_LT(accepted, 8);
  EXPECT_EQ(load_checkpoint(path).extra, checkpoint.extra);
}

/// A run that was stopped after its first epoch.
class ChangedDataset : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    write_text(data() / "triples.jsonl", "{\"text\": \"red\", \"triples\": [[\"field\", \"near\", \"field\"]]}\n");
    options_.config_or_run = folder_.path() / "config.json";
    options_.folder = run();
    begin({"model.image.graph={\"use\": \"points\"}", "model.image.graph_encoder={\"use\": \"label_mean\"}",
           "model.text.graph={\"use\": \"points\"}", "model.text.graph_encoder={\"use\": \"label_mean\"}",
           "plugins=[\"weighted_sum\"]", "model.fusion.use=weighted_sum", "model.label_dim=5"});
  }

  void begin(const std::vector<std::string>& overrides) {
    options_.resume = false;
    options_.overrides = {"plugin_paths=[\"" ORBWEAVER_BUILD_DIR "/tests/model_plugins\"]",
                          "cache=" + (folder_.path() / "cache").string(), "train.epochs=3"};
    options_.overrides.insert(options_.overrides.end(), overrides.begin(), overrides.end());
    std::atomic<bool> stop = false;
    RunReport report;
    report.stop = &stop;
    report.line = [&](const std::string& line) { stop = stop || line.starts_with("epoch 1:"); };
    ASSERT_FALSE(train(options_, report).finished);
    options_.resume = true;
  }

  fs::path data() const { return folder_.path() / "data"; }
  fs::path run() const { return folder_.path() / "run"; }

  /// What resuming says; empty where it goes on to the end.
  std::string resumed() {
    try {
      EXPECT_TRUE(train(options_, {}).finished);
    } catch (const InputError& error) {
      return error.what();
    }
    return "";
  }

  /// An image of another colour under the same name, its size and time of writing those of the old one.
  void exchange_image(const std::string& name) const {
    const fs::path file = data() / "images" / name;
    const auto time = fs::last_write_time(file);
    Image image{8, 8, std::vector<uint8_t>(3 * 64, 77)};
    write_image(file, image.view());
    fs::last_write_time(file, time);
  }

  void finish_and_evaluate() {
    ASSERT_EQ(resumed(), "");
    ASSERT_EQ(not_kept(), "");
  }

  /// Evaluates the run. @return why its result was not kept; empty where it was.
  std::string not_kept(const std::string& split = "test") const {
    std::string last;
    RunReport report;
    report.line = [&](const std::string& line) { last = line; };
    EvalOptions eval;
    eval.config_or_run = run();
    eval.split = split;
    evaluate_run(eval, report);
    return last.starts_with("not kept in ") ? last : "";
  }

  TrainOptions options_;
};

TEST_F(ChangedDataset, AResumedRunGoesOnWhereNothingChanged) { EXPECT_EQ(resumed(), ""); }

TEST_F(ChangedDataset, AResumedRunGoesOnWhereTheDatasetMoved) {
  fs::rename(data(), folder_.path() / "moved");
  write_text(folder_.path() / "moved/README", "a file that is not the dataset's");
  options_.config_or_run = run();
  fs::create_directory_symlink(folder_.path() / "moved", data());
  EXPECT_EQ(resumed(), "");
}

TEST_F(ChangedDataset, AResumedRunRefusesOtherCaptionsOrAnotherOrder) {
  const std::string wanted = (run() / "last.safetensors").string() + ": was trained on other data than " +
                             data().string() + " holds now; start a new run with --overwrite";
  const std::string captions = read_file(data() / "train_caps.txt"), names = read_file(data() / "train_filename.txt");
  std::string edited = captions;
  edited.replace(edited.find("red"), 3, "rad");
  write_text(data() / "train_caps.txt", edited);
  EXPECT_EQ(resumed(), wanted);
  write_text(data() / "train_caps.txt", captions);

  write_text(data() / "train_filename.txt", "image_1.png\nimage_0.png\nimage_2.png\nimage_3.png\n");
  EXPECT_EQ(resumed(), wanted);
  write_text(data() / "train_filename.txt", names);

  write_text(data() / "val_caps.txt", "cyan pool\nanother\n");
  EXPECT_EQ(resumed(), wanted);
  write_text(data() / "val_caps.txt", "cyan pool\nsome cyan\n");
  EXPECT_EQ(resumed(), "");
}

TEST_F(ChangedDataset, AResumedRunRefusesAnImageThatIsGone) {
  fs::remove(data() / "images/image_2.png");
  const std::string text = resumed();
  EXPECT_NE(text.find("image_2.png: does not exist"), std::string::npos) << text;
}

TEST_F(ChangedDataset, AResumedRunThatSkipsBrokenImagesRefusesToGoOnWithoutOne) {
  // As a run that was begun so.
  Value config = read_json(run() / "config.json");
  config["dataset"]["skip_broken"] = true;
  write_text(run() / "config.json", to_json(config));
  options_.overrides.push_back("dataset.skip_broken=true");
  put_bytes(data() / "images/image_2.png", "cut short");
  const std::string text = resumed();
  EXPECT_NE(text.find("was trained on other data than"), std::string::npos) << text;
}

TEST_F(ChangedDataset, AResumedRunRefusesAnotherImageUnderTheSameName) {
  exchange_image("image_2.png");
  EXPECT_EQ(resumed(), (run() / "last.safetensors").string() + ": was trained on other images than " + data().string() +
                           " holds now (split train); start a new run with --overwrite");
}

TEST_F(ChangedDataset, AResumedRunRefusesOtherDetectionsOrTriples) {
  const fs::path detections = data() / "detections/image_4.json";
  write_text(detections, R"([{"label": "plane", "bbox": [2, 2, 1, 1, 0, 0.9]}])");
  std::string text = resumed();
  EXPECT_NE(text.find("was trained on other detections than"), std::string::npos) << text;
  EXPECT_NE(text.find("(split val)"), std::string::npos) << text;
  write_text(detections, "[]");
  write_text(data() / "triples.jsonl", "{\"text\": \"red\", \"triples\": []}\n");
  text = resumed();
  EXPECT_NE(text.find("was trained on other triples than"), std::string::npos) << text;
}

TEST_F(ChangedDataset, AResumedRunWithoutGraphsDoesNotMindDetectionsAndTriples) {
  options_.folder = folder_.path() / "plain";
  begin({});
  write_text(data() / "detections/image_0.json", R"([{"label": "plane", "bbox": [2, 2, 1, 1, 0, 0.9]}])");
  write_text(data() / "triples.jsonl", "{\"text\": \"red\", \"triples\": []}\n");
  EXPECT_EQ(resumed(), "");
}

TEST_F(ChangedDataset, AResumedRunDoesNotMindTheTestSplit) {
  write_text(data() / "test_caps.txt", "brown earth\nother soil\n");
  exchange_image("image_5.png");
  EXPECT_EQ(resumed(), "");
}

TEST_F(ChangedDataset, ADamagedMemoryOfHashesIsNoChange) {
  // Remembered is what was last changed over two seconds ago.
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  const fs::path records = ContentHashes::records_in(folder_.path() / "cache");
  const fs::path image = fs::absolute(data() / "images/image_2.png");
  const std::string hash = ContentHashes(records).of_files({image}).at(0);
  bool damaged = false;
  for (const auto& entry : fs::directory_iterator(records)) {
    std::string text = read_file(entry.path());
    const size_t at = text.find(hash);
    if (at == std::string::npos) continue;
    put_bytes(entry.path(), text.replace(at, 1, text[at] == '0' ? "1" : "0"));
    damaged = true;
  }
  ASSERT_TRUE(damaged);
  ASSERT_NE(ContentHashes(records).of_files({image}).at(0), hash);
  EXPECT_EQ(resumed(), "");
}

TEST_F(ChangedDataset, ARunOfAnEarlierVersionIsResumedWithoutHashesOfContents) {
  Checkpoint checkpoint = load_checkpoint(run() / "last.safetensors");
  ASSERT_TRUE(checkpoint.facts.erase("content"));
  save_checkpoint(run() / "last.safetensors", checkpoint);
  exchange_image("image_2.png");
  EXPECT_EQ(resumed(), "");
}

TEST_F(ChangedDataset, AnEvaluationOnOtherImagesOrDetectionsIsNotTheRunsOwn) {
  finish_and_evaluate();
  write_text(data() / "detections/image_5.json", "[]");
  std::string text = not_kept();
  EXPECT_NE(text.find("evaluated with other detections than the run's"), std::string::npos) << text;
  exchange_image("image_5.png");
  text = not_kept();
  EXPECT_NE(text.find("evaluated with other images than the run's"), std::string::npos) << text;
  EXPECT_EQ(not_kept("val"), "");
}

TEST_F(ChangedDataset, AnEvaluationWithADamagedImageNamesIt) {
  finish_and_evaluate();
  const std::string whole = read_file(data() / "images/image_5.png");
  put_bytes(data() / "images/image_5.png", whole.substr(0, whole.size() / 2));
  try {
    not_kept();
    ADD_FAILURE() << "evaluated";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("image_5.png"), std::string::npos) << error.what();
  }
}

TEST_F(ChangedDataset, AnImageDamagedWhileTheRunGoesOnIsNamedAndTheRunResumesOnceItIsMended) {
  const fs::path file = data() / "images/image_2.png";
  const std::string whole = read_file(file);
  RunReport report;
  report.line = [&](const std::string& line) {
    // The images have been checked by then.
    if (line.find("training images") != std::string::npos) put_bytes(file, whole.substr(0, whole.size() / 2));
  };
  const std::string checkpoint = read_file(run() / "last.safetensors");
  try {
    train(options_, report);
    ADD_FAILURE() << "trained";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find(file.string()), std::string::npos) << error.what();
  }
  EXPECT_EQ(read_file(run() / "last.safetensors"), checkpoint);
  put_bytes(file, whole);
  EXPECT_EQ(resumed(), "");
}

}  // namespace
}  // namespace orbweaver::testing
