// A training that ends before it saved anything leaves its folder as it was found, and one that is to replace a run
// leaves that until it begins.
#include <sys/file.h>

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

TEST_F(RefusedTraining, ThatCannotGoOnLosesNothingThatWasSaved) {
  const fs::path run = folder_ / "run";
  fs::copy(whole_run(), run, fs::copy_options::recursive);
  // Finished, and archived without its state.
  fs::remove(run / "last.safetensors");
  std::map<std::string, std::string> before = contents(run);
  EXPECT_EQ(status_of(train(run, {"--resume"})), 2);
  EXPECT_TRUE(err_.starts_with("orbweaver: " + (run / "last.safetensors").string() +
                               ": does not exist, and without its state the run cannot go on;"))
      << err_;
  EXPECT_EQ(contents(run), before);
  // Not finished, but some epochs old.
  fs::remove(run / "record.json");
  before = contents(run);
  EXPECT_EQ(status_of(train(run, {"--resume"})), 2);
  EXPECT_EQ(contents(run), before);
  // Without its config it is a run all the same.
  fs::remove(run / "config.json");
  before = contents(run);
  for (const std::vector<std::string>& how : {std::vector<std::string>{}, {"--resume"}}) {
    EXPECT_EQ(status_of(train(run, how)), 2);
    EXPECT_TRUE(err_.starts_with("orbweaver: " + (run / "config.json").string() +
                                 ": does not exist, but its folder holds files of a run;"))
        << err_;
    EXPECT_EQ(contents(run), before);
  }
  ASSERT_EQ(status_of(train(run, {"--overwrite"})), 0) << err_;
  expect_same_training(run, whole_run());
}

TEST_F(RefusedTraining, OfAFinishedRunOnOtherTestImagesLeavesWhatItsEvaluationsAreOf) {
  const fs::path data = folder_ / "data", run = folder_ / "run";
  fs::copy(shared_ / "data", data, fs::copy_options::recursive);
  const std::vector<std::string> words =
      train(run, {"--set", "dataset.root=" + data.string(), "--set", "train.epochs=1"});
  ASSERT_EQ(status_of(words), 0) << err_;
  ASSERT_EQ(status_of({"eval", run.string(), "--split", "val"}), 0) << err_;
  // Two images of the test split change places.
  const auto exchange = [&] {
    const std::vector<std::string> names = read_lines(data / "test_filename.txt");
    const fs::path one = data / "images" / names.front(), other = data / "images" / names.back();
    const std::string first = read_file(one), second = read_file(other);
    ASSERT_NE(first, second);
    write_text(one, second);
    write_text(other, first);
  };
  // Nothing was evaluated on that split: the run goes by what is there now.
  exchange();
  ASSERT_EQ(status_of({"train", run.string(), "--resume"}), 0) << err_;
  ASSERT_EQ(status_of({"eval", run.string()}), 0) << err_;
  EXPECT_EQ(err_.find("evaluated with other images than the run's"), std::string::npos) << err_;
  const auto record = [&] { return read_json(run / "record.json"); };
  const Value before = record();
  EXPECT_TRUE(before.at("evaluations").find("test"));
  exchange();
  ASSERT_EQ(status_of({"train", run.string(), "--resume"}), 0) << err_;
  EXPECT_EQ(record().at("dataset").at("splits"), before.at("dataset").at("splits"));
  EXPECT_EQ(record().at("evaluations"), before.at("evaluations"));
  EXPECT_EQ(status_of({"eval", run.string()}), 0);
  EXPECT_NE(err_.find("evaluated with other images than the run's"), std::string::npos) << err_;
  EXPECT_EQ(record().at("evaluations"), before.at("evaluations"));
}

TEST_F(RefusedTraining, ThatWasToReplaceARunLeavesIt) {
  const fs::path broken = folder_ / "broken", run = folder_ / "run";
  fs::copy(shared_ / "data", broken, fs::copy_options::recursive);
  fs::remove(files_below(broken / "images").front());
  fs::copy(whole_run(), run, fs::copy_options::recursive);
  ASSERT_EQ(status_of({"eval", run.string(), "--scores", (run / "scores.test.npy").string()}), 0) << err_;
  const std::map<std::string, std::string> before = contents(run);
  EXPECT_EQ(before.count("scores.test.npy") + before.count("ranks.test.safetensors"), 2u);
  const std::string missing = (folder_ / "missing").string();
  for (const std::string& wrong : {"dataset.root=" + broken.string(), "dataset.root=" + missing,
                                   "model.image.encoder.weights=" + missing, std::string("train.batch_size=5000")}) {
    EXPECT_EQ(status_of(train(run, {"--overwrite", "--set", wrong})), 2) << err_;
    EXPECT_EQ(contents(run), before) << wrong;
  }
  // The one that is not refused leaves nothing of it.
  ASSERT_EQ(status_of(train(run, {"--overwrite", "--set", "seed=2"})), 0) << err_;
  EXPECT_EQ(read_json(run / "config.json").at("seed").as_int(), 2);
  EXPECT_EQ(read_json(run / "record.json").at("seed").as_int(), 2);
  EXPECT_FALSE(fs::exists(run / "scores.test.npy"));
  EXPECT_FALSE(fs::exists(run / "ranks.test.safetensors"));
  EXPECT_EQ(read_lines(run / "metrics.jsonl").size(), 3u);
  // The lines of its preparation are in its log.
  EXPECT_NE(read_file(run / "log.txt").find("trainable parameters"), std::string::npos);
}

TEST_F(RefusedTraining, WhereAnotherIsAtWorkInTheFolder) {
  const fs::path run = folder_ / "run", first = folder_ / "first", lock = run / "lock";
  fs::create_directories(first);
  Command running(train(run, {"--set", "train.epochs=100000"}), first);
  ASSERT_TRUE(running.wait_until([&] { return fs::exists(run / "last.safetensors"); })) << running.err();
  for (const char* how : {"--resume", "--overwrite"}) {
    EXPECT_EQ(status_of(train(run, {how, "--set", "train.epochs=100000"})), 2);
    EXPECT_EQ(err_, "orbweaver: " + run.string() + ": another training is at work in it (process " +
                        std::to_string(running.pid()) + "); wait for its end, or choose another folder with --out\n");
  }
  EXPECT_TRUE(running.running());
  EXPECT_TRUE(fs::exists(run / "last.safetensors"));
  // A killed process holds nothing.
  running.send(SIGKILL);
  EXPECT_EQ(running.wait(), -SIGKILL);
  EXPECT_TRUE(fs::exists(lock));
  EXPECT_EQ(status_of(train(run, {"--overwrite", "--set", "train.epochs=1"})), 0) << err_;
  EXPECT_FALSE(fs::exists(lock));
}

TEST_F(RefusedTraining, TakesNothingFromTheOneThatHoldsTheFolder) {
  // Its first moment: the folder is locked, and empty.
  const fs::path run = folder_ / "run";
  write_text(run / "lock", "4711\n");
  const int holder = open((run / "lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(flock(holder, LOCK_EX), 0);
  EXPECT_EQ(status_of(train(run)), 2);
  EXPECT_NE(err_.find("(process 4711)"), std::string::npos) << err_;
  EXPECT_EQ(files_below(run), std::vector<fs::path>{run / "lock"});
  close(holder);
  EXPECT_EQ(status_of(train(run, {"--set", "train.batch_size=5000"})), 2);
  EXPECT_FALSE(fs::exists(run / "config.json"));
}

TEST_F(RefusedTraining, IsNoneWhereTheFileSystemHasNoLocks) {
  FAULTS_NEED_INJECTION();
  const fs::path run = folder_ / "run";
  const Injection injection(folder_, {run}, {{"", "NOLOCKS"}});
  EXPECT_EQ(status_of(train(run, {"--set", "train.batch_size=5000"})), 2);
  EXPECT_FALSE(fs::exists(run));
  ASSERT_EQ(status_of(train(run)), 0) << err_;
  EXPECT_NE(err_.find("a second training in this folder would not be noticed"), std::string::npos) << err_;
  EXPECT_FALSE(fs::exists(run / "lock"));
  expect_same_training(run, whole_run());
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
