#include <algorithm>

#include "command.h"
#include "framework/eval/saved_ranks.h"
#include "framework/eval/significance.h"
#include "framework/io/json.h"
#include "framework/io/safetensors.h"
#include "tests/event_file_reader.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

/// metrics.jsonl without what measures time.
std::string metrics_of(const fs::path& run) {
  std::string out;
  for (const std::string& line : read_lines(run / "metrics.jsonl")) {
    Value entry = parse_json(line, "metrics.jsonl");
    for (const char* of_time : {"seconds", "own_seconds", "waiting_seconds", "pairs_per_second"}) entry.erase(of_time);
    out += to_json(entry, -1) + "\n";
  }
  return out;
}

/// Steps and values of the run's one event file, without what measures time.
std::vector<std::pair<int64_t, std::map<std::string, float>>> events_of(const fs::path& run) {
  const std::vector<fs::path> files = event_files_in(run / "tensorboard");
  if (files.size() != 1) throw Error(std::to_string(files.size()) + " event files");
  std::vector<std::pair<int64_t, std::map<std::string, float>>> out;
  for (ReadEvent& event : read_event_file(files[0])) {
    event.scalars.erase("train/pairs_per_second");
    if (!event.scalars.empty()) out.emplace_back(event.step, std::move(event.scalars));
  }
  return out;
}

int64_t epochs_finished(const fs::path& run) {
  const fs::path file = run / "metrics.jsonl";
  return fs::exists(file) ? static_cast<int64_t>(read_lines(file).size()) : 0;
}

/// Changes the seconds that a checkpoint's epoch took until it was written.
void set_epoch_seconds(const fs::path& checkpoint, double seconds) {
  const SafetensorsFile file(checkpoint);
  auto metadata = file.metadata();
  Value facts = parse_json(metadata.at("orbweaver.facts"), "facts");
  EXPECT_GT(facts.at("progress").at("epoch_seconds").as_double(), 0);
  facts["progress"]["epoch_seconds"] = seconds;
  metadata["orbweaver.facts"] = to_json(facts, -1);
  write_safetensors(checkpoint, file.tensors(), metadata);
}

class Resume : public CommandTest {
 protected:
  /// The run that nothing happened to.
  fs::path undisturbed() const {
    const fs::path run = shared_ / "undisturbed";
    if (!fs::exists(run / "record.json")) {
      Command command(train_arguments(run), shared_);
      EXPECT_EQ(command.wait(), 0) << command.err();
    }
    return run;
  }

  void expect_same_end(const fs::path& run) {
    const fs::path other = undisturbed();
    EXPECT_EQ(hash_file(run / "best.safetensors"), hash_file(other / "best.safetensors"));
    EXPECT_EQ(metrics_of(run), metrics_of(other));
    EXPECT_EQ(events_of(run), events_of(other));
  }
};

TEST_F(Resume, AfterKill9WithinAnEpochEndsWithTheSameBytesAsTheRunThatWasNotKilled) {
  const fs::path run = folder_ / "run";
  const auto arguments = train_arguments(run);
  {
    Command command(arguments, folder_);
    ASSERT_TRUE(command.wait_until([&] { return epochs_finished(run) >= 1; })) << command.err();
    // Into the second epoch, past a checkpoint: one is written every few steps.
    const auto saved = fs::last_write_time(run / "last.safetensors");
    ASSERT_TRUE(command.wait_until([&] { return fs::last_write_time(run / "last.safetensors") != saved; }))
        << command.err();
    command.send(SIGKILL);
    ASSERT_EQ(command.wait(), -SIGKILL);
  }
  ASSERT_LT(epochs_finished(run), 3);
  ASSERT_FALSE(fs::exists(run / "record.json"));

  auto resumed = arguments;
  resumed.push_back("--resume");
  Command command(resumed, folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_NE(command.err().find("resuming at epoch"), std::string::npos) << command.err();
  expect_same_end(run);
}

TEST_F(Resume, AfterKill9BeforeTheFirstCheckpointStartsFromTheBeginning) {
  const fs::path run = folder_ / "run";
  auto arguments = train_arguments(run);
  {
    Command command(arguments, folder_);
    ASSERT_TRUE(command.wait_until([&] { return fs::exists(run / "config.json"); }));
    command.send(SIGKILL);
    command.wait();
  }
  arguments.push_back("--resume");
  Command command(arguments, folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  expect_same_end(run);
}

TEST_F(Resume, InterruptFinishesTheStepSavesAndSaysHowToGoOn) {
  const fs::path run = folder_ / "run";
  {
    Command command(train_arguments(run), folder_);
    ASSERT_TRUE(command.wait_until([&] { return fs::exists(run / "last.safetensors"); })) << command.err();
    command.send(SIGINT);
    EXPECT_EQ(command.wait(), 1);
    EXPECT_NE(command.err().find("Continue with: orbweaver train " + run.string() + " --resume"), std::string::npos)
        << command.err();
  }
  // The time that its epoch took so far goes on as well.
  const int64_t finished = epochs_finished(run);
  set_epoch_seconds(run / "last.safetensors", 1000);
  // As it said: the run folder alone is enough.
  Command command({"train", run.string(), "--resume"}, folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  expect_same_end(run);
  const std::vector<std::string> lines = read_lines(run / "metrics.jsonl");
  const Value epoch = parse_json(lines.at(static_cast<size_t>(finished)), "metrics.jsonl");
  EXPECT_GT(epoch.at("seconds").as_double(), 1000);
  EXPECT_LT(epoch.at("pairs_per_second").as_double(), 1);
  EXPECT_LT(parse_json(lines.back(), "metrics.jsonl").at("seconds").as_double(), 1000);
}

TEST_F(Resume, ADamagedCheckpointIsRefusedByName) {
  const fs::path run = folder_ / "run";
  {
    Command command(train_arguments(run), folder_);
    ASSERT_TRUE(command.wait_until([&] { return fs::exists(run / "last.safetensors"); })) << command.err();
    command.send(SIGKILL);
    command.wait();
  }
  fs::resize_file(run / "last.safetensors", fs::file_size(run / "last.safetensors") - 5);
  Command command({"train", run.string(), "--resume"}, folder_);
  EXPECT_EQ(command.wait(), 2);
  EXPECT_NE(command.err().find("last.safetensors"), std::string::npos) << command.err();
}

class AfterTraining : public Resume {};

TEST_F(AfterTraining, TheEventFileHoldsTheFiguresOfEachEpochAtItsLastStep) {
  const fs::path run = undisturbed();
  std::map<int64_t, std::map<std::string, float>> epochs;
  for (const auto& [step, scalars] : events_of(run))
    if (!scalars.count("step/loss")) epochs[step] = scalars;
  const std::vector<std::string> lines = read_lines(run / "metrics.jsonl");
  ASSERT_EQ(epochs.size(), lines.size());
  for (const std::string& line : lines) {
    const Value entry = parse_json(line, "metrics.jsonl");
    const auto& scalars = epochs.at(entry.at("step").as_int());
    EXPECT_EQ(scalars.at("loss/total"), static_cast<float>(entry.at("loss").as_double()));
    EXPECT_EQ(scalars.at("train/lr"), static_cast<float>(entry.at("lr").as_double()));
    EXPECT_EQ(scalars.at("val/mR"), static_cast<float>(entry.at("val").at("mR").as_double()));
    EXPECT_EQ(scalars.at("val/t2i R@5"), static_cast<float>(entry.at("val").at("t2i").at("R@5").as_double()));
    for (const auto& [name, value] : entry.at("parts").as_object())
      EXPECT_EQ(scalars.at("loss/" + name), static_cast<float>(value.as_double()));
  }
}

TEST_F(AfterTraining, EvalPrintsThePlainRowTheIdentityRowAndEachReranker) {
  const fs::path run_folder = undisturbed();
  Command command({"eval", run_folder.string(), "--scores", (folder_ / "scores.npy").string(), "--trec",
                   (folder_ / "trec").string(), "--outcomes", (folder_ / "outcomes.csv").string()},
                  folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  const std::string out = command.out();
  for (const char* row : {"none", "identity", "multivariate", "cross_modal"})
    EXPECT_NE(out.find(row), std::string::npos) << out;
  for (const char* file : {"i2t.run", "i2t.qrels", "t2i.run", "t2i.qrels"})
    EXPECT_TRUE(fs::exists(folder_ / "trec" / file));
  const Value record = read_json(run_folder / "record.json");
  EXPECT_TRUE(record.at("evaluations").find("test"));

  // The ranks that were kept give each strict row's metrics again.
  const SavedRanks ranks = read_ranks(run_folder / ranks_file_name("test"));
  EXPECT_EQ(ranks.rows.size(), 4u);
  for (const RankedRow& row : ranks.rows) {
    const Value& of = record.at("evaluations").at("test").at("rows").as_list().at(static_cast<size_t>(row.row));
    EXPECT_EQ(of.at("reranker").as_string(), row.reranker);
    EXPECT_EQ(metric_of(of.at("metrics"), "i2t.R@10"), direction_metrics(row.ranks.i2t).r10);
    EXPECT_EQ(metric_of(of.at("metrics"), "t2i.meanR"), direction_metrics(row.ranks.t2i).mean_rank);
  }
  EXPECT_EQ(ranks.weights_hash, hash_file(run_folder / "best.safetensors"));

  // The pairs of the synthetic test split are scored, printed, and kept.
  EXPECT_NE(out.find("guessing gives 25, 25 and 16.67"), std::string::npos) << out;
  const Value& abilities = record.at("evaluations").at("test").at("abilities");
  ASSERT_TRUE(ranks.pairs);
  EXPECT_GT(ranks.pairs->outcomes.size(), 0u);
  EXPECT_EQ(abilities.at("pairs").as_int(), static_cast<int64_t>(ranks.pairs->outcomes.size()));
  const Value& first = abilities.at("rows").as_list().at(0);
  const std::vector<bool> right = ranks.pairs->right(first.at("ability").as_string(), "text");
  EXPECT_EQ(first.at("pairs").as_int(), std::ssize(right));
  const double found = static_cast<double>(std::count(right.begin(), right.end(), true));
  EXPECT_NEAR(first.at("text").as_double(), 100 * found / static_cast<double>(right.size()), 1e-9);
  EXPECT_EQ(read_file(folder_ / "outcomes.csv"), outcomes_csv(ranks.rows, ranks.caption_image));
  // Beside each ability stands the oracle, but for scene, whose captions no rule reads.
  EXPECT_NE(out.find("  oracle   share"), std::string::npos) << out;
  for (const Value& row : abilities.at("rows").as_list())
    EXPECT_EQ(row.find("oracle") != nullptr, row.at("ability").as_string() != "scene") << to_json(row);

  // The saved matrix gives the same metrics by way of the rerank command.
  Command rerank(
      {"rerank", (folder_ / "scores.npy").string(), "--captions-per-image", "5", "--use", "multivariate", "--json"},
      folder_);
  ASSERT_EQ(rerank.wait(), 0) << rerank.err();
  const Value again = parse_json(rerank.out(), "rerank");
  const double wanted =
      record.at("evaluations").at("test").at("rows").as_list().at(0).at("metrics").at("mR").as_double();
  EXPECT_NEAR(again.at("rows").as_list().at(0).at("metrics").at("mR").as_double(), wanted, 1e-9);
}

TEST_F(AfterTraining, InferPrintsOneScoreForEachImageAndSentence) {
  const fs::path run_folder = undisturbed();
  std::vector<std::string> arguments{"infer",      run_folder.string(), "--json",  "--texts",
                                     "two planes", "a river",           "--images"};
  for (const auto& entry : fs::directory_iterator(shared_ / "data" / "images"))
    if (arguments.size() < 10) arguments.push_back(entry.path().string());
  Command command(arguments, folder_);
  ASSERT_EQ(command.wait(), 0) << command.err();
  const Value result = parse_json(command.out(), "infer");
  ASSERT_EQ(result.at("scores").as_list().size(), 3u);
  ASSERT_EQ(result.at("scores").as_list()[0].as_list().size(), 2u);
}

TEST_F(AfterTraining, PythonsSafetensorsLayoutHolds) {
  // What the safetensors package checks: little-endian header length, JSON header, string metadata, data to the last
  // byte.
  const fs::path run_folder = undisturbed();
  const std::string bytes = read_file(run_folder / "best.safetensors");
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes[static_cast<size_t>(i)]);
  const Value header = parse_json(std::string_view(bytes).substr(8, length), "header");
  EXPECT_EQ(length % 8, 0u);
  int64_t end = 0;
  for (const auto& [name, entry] : header.as_object()) {
    if (name == "__metadata__") {
      for (const auto& [key, value] : entry.as_object()) EXPECT_TRUE(value.is_string()) << key;
      continue;
    }
    end = std::max(end, entry.at("data_offsets").as_list().at(1).as_int());
  }
  EXPECT_EQ(8 + length + static_cast<uint64_t>(end), bytes.size());
  EXPECT_TRUE(header.find("text.encoder.embedding.weight") || header.find("image.encoder.conv1.weight"));
}

class WrongInput : public CommandTest {};

TEST_F(WrongInput, EveryProblemOfAConfigIsOneLineWithPlaceAndSuggestion) {
  auto arguments = train_arguments(folder_ / "run");
  for (const char* text : {"train.epoch=3", "model.image.encoder.depth=\"deep\"", "loss.0.use=triplett", "seed=1.5"}) {
    arguments.push_back("--set");
    arguments.push_back(text);
  }
  Command command(arguments, folder_);
  EXPECT_EQ(command.wait(), 2);
  const std::string err = command.err();
  EXPECT_NE(err.find("/train/epoch: unknown parameter; did you mean \"epochs\"?"), std::string::npos) << err;
  EXPECT_NE(err.find("/model/image/encoder/depth: is \"deep\", expected integer"), std::string::npos) << err;
  EXPECT_NE(err.find("/loss/0/use: no loss \"triplett\""), std::string::npos) << err;
  EXPECT_NE(err.find("/seed: is 1.5, expected integer"), std::string::npos) << err;
  EXPECT_FALSE(fs::exists(folder_ / "run"));
}

TEST_F(WrongInput, ABrokenImageIsNamedBeforeTrainingStarts) {
  fs::copy(shared_ / "data", folder_ / "data", fs::copy_options::recursive);
  const std::string name = read_lines(folder_ / "data" / "train_filename.txt").at(0);
  fs::resize_file(folder_ / "data" / "images" / name, fs::file_size(folder_ / "data" / "images" / name) / 2);
  auto arguments = train_arguments(folder_ / "run");
  arguments.insert(arguments.end(), {"--set", "dataset.root=" + (folder_ / "data").string()});
  Command command(arguments, folder_);
  EXPECT_EQ(command.wait(), 2);
  EXPECT_NE(command.err().find(name), std::string::npos) << command.err();

  arguments.insert(arguments.end(), {"--overwrite", "--set", "dataset.skip_broken=true", "--set", "train.epochs=1"});
  Command skipping(arguments, folder_);
  EXPECT_EQ(skipping.wait(), 0) << skipping.err();
  EXPECT_EQ(read_json(folder_ / "run" / "record.json").at("dataset").at("skipped").as_list().size(), 1u);
}

}  // namespace
}  // namespace orbweaver::testing
