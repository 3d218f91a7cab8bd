// A training that ends before it saved anything leaves its folder as it was found.
#include "faults.h"

namespace orbweaver::testing {
namespace {

class RefusedTraining : public FaultTest {
 protected:
  int status_of(const std::vector<std::string>& words) {
    Command command(words, folder_);
    const int status = command.wait();
    err_ = command.err();
    return status;
  }
  std::string err_;
};

TEST_F(RefusedTraining, LeavesNoRunBehindSoThatTheCorrectedCommandWorks) {
  const fs::path broken = folder_ / "broken", run = folder_ / "runs" / "new";
  fs::copy(shared_ / "data", broken, fs::copy_options::recursive);
  fs::remove(files_below(broken / "images").front());
  // Found when the data are looked at, and when the model is there.
  EXPECT_EQ(status_of(train(run, {"--set", "dataset.root=" + broken.string()})), 2);
  EXPECT_NE(err_.find("images cannot be used"), std::string::npos) << err_;
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
  EXPECT_EQ(status_of(train(run, {"--resume", "--set", "train.batch_size=5000"})), 2);
  EXPECT_NE(err_.find("/train/batch_size"), std::string::npos) << err_;
  EXPECT_FALSE(fs::exists(folder_ / "runs"));
  ASSERT_EQ(status_of(train(run)), 0) << err_;
  expect_same_training(run, whole_run());
}

TEST_F(RefusedTraining, LeavesWhatWasInItsFolderBefore) {
  const fs::path run = folder_ / "run";
  write_text(run / "notes.md", "mine");
  write_text(run / "tensorboard" / "mine", "too");
  const std::map<std::string, std::string> before = contents(run);
  EXPECT_EQ(status_of(train(run, {"--set", "train.batch_size=5000"})), 2);
  EXPECT_EQ(contents(run), before);
}

TEST_F(RefusedTraining, LeavesARunThatSavedAState) {
  const fs::path data = folder_ / "data", run = folder_ / "run";
  fs::copy(shared_ / "data", data, fs::copy_options::recursive);
  const std::vector<std::string> words =
      train(run, {"--resume", "--set", "dataset.root=" + data.string(), "--set", "train.epochs=1"});
  ASSERT_EQ(status_of(words), 0) << err_;
  std::map<std::string, std::string> before = contents(run);
  std::string captions = read_file(data / "train_caps.txt");
  write_text(data / "train_caps.txt", captions.insert(captions.find('\n'), " indeed"));
  EXPECT_EQ(status_of(words), 2);
  EXPECT_NE(err_.find("was trained on other data than"), std::string::npos) << err_;
  EXPECT_EQ(contents(run), before);
}

TEST_F(RefusedTraining, ThatFailedOnABatchKeepsItAndItsLog) {
  const fs::path run = folder_ / "run";
  EXPECT_EQ(status_of(train(
                run, {"--set", "train.optimizer=sgd", "--set", "train.lr=100", "--set", "train.weight_decay=10",
                      "--set", "train.clip_norm=0", "--set", "train.warmup_epochs=0", "--set", "train.batch_size=8"})),
            1);
  for (const char* name : {"config.json", "log.txt", "bad_batch.json"}) EXPECT_TRUE(fs::exists(run / name)) << name;
  EXPECT_EQ(status_of(train(run)), 2);
  EXPECT_NE(err_.find("holds a run already"), std::string::npos) << err_;
}

}  // namespace
}  // namespace orbweaver::testing
