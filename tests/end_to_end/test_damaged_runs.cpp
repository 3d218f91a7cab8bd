// What a user sees of files that are damaged, of readers that would have no end, and of text that a terminal would act
// on.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "command.h"
#include "damaged_file.h"
#include "framework/io/json.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

class DamagedRuns : public CommandTest {
 protected:
  /// A finished run on frozen features, which the cache holds.
  fs::path finished() const {
    const fs::path run = shared_ / "run";
    if (fs::exists(run / "record.json")) return run;
    auto arguments = train_arguments(run);
    for (const char* more : {"--set", "model.image.encoder.freeze=true", "--set", "train.epochs=1"})
      arguments.push_back(more);
    Command command(arguments, shared_);
    EXPECT_EQ(command.wait(), 0) << command.err();
    return run;
  }
  fs::path copy_of_finished() const {
    fs::copy(finished(), folder_ / "run", fs::copy_options::recursive);
    return folder_ / "run";
  }
  static void flip_bit(const fs::path& file, size_t at) {
    std::string bytes = read_file(file);
    bytes.at(at) = static_cast<char>(bytes[at] ^ 4);
    put_bytes(file, bytes);
  }
  /// One line that names the file, and the status of wrong input.
  void expect_refused(const std::vector<std::string>& arguments, const fs::path& named) const {
    Command command = run(arguments);
    EXPECT_EQ(command.wait(), 2) << command.err();
    const std::string said = command.err();
    EXPECT_NE(said.find(named.string()), std::string::npos) << said;
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  }
};

TEST_F(DamagedRuns, AnEvaluationOfADamagedCheckpointIsRefused) {
  const fs::path copy = copy_of_finished(), best = copy / "best.safetensors";
  const size_t size = fs::file_size(best);
  const std::string record = read_file(copy / "record.json");
  flip_bit(best, size / 2);
  expect_refused({"eval", copy.string()}, best);
  flip_bit(best, size / 2);
  fs::resize_file(best, size - 1);
  expect_refused({"eval", copy.string()}, best);
  expect_refused({"infer", copy.string(), "--images", fs::directory_iterator(shared_ / "data/images")->path().string(),
                  "--texts", "a plane"},
                 best);
  EXPECT_EQ(read_file(copy / "record.json"), record);
  EXPECT_FALSE(fs::exists(copy / "ranks.test.safetensors"));
}

TEST_F(DamagedRuns, AnEvaluationMakesADamagedCacheEntryAgainAndGivesTheSameMetrics) {
  const fs::path copy = copy_of_finished();
  const auto rows = [&] {
    Command command = run({"eval", copy.string(), "--json"});
    EXPECT_EQ(command.wait(), 0) << command.err();
    return std::pair(parse_json(command.out(), "eval").at("rows"), command.err());
  };
  const Value before = rows().first;
  std::map<fs::path, std::string> entries;
  for (const auto& entry : fs::recursive_directory_iterator(shared_ / "cache"))
    if (entry.path().extension() == ".safetensors") entries[entry.path()] = read_file(entry.path());
  ASSERT_FALSE(entries.empty());
  for (const auto& [file, bytes] : entries) flip_bit(file, bytes.size() - 3);
  const auto [after, said] = rows();
  EXPECT_EQ(after, before);
  EXPECT_NE(said.find("made again"), std::string::npos) << said;
  size_t same = 0;
  for (const auto& [file, bytes] : entries) same += fs::exists(file) && read_file(file) == bytes;
  EXPECT_GT(same, 0u);
}

TEST_F(DamagedRuns, ADamagedConfigOfARunIsRefused) {
  const fs::path copy = copy_of_finished(), config = copy / "config.json";
  fs::resize_file(config, fs::file_size(config) / 2);
  expect_refused({"eval", copy.string()}, config);
  expect_refused({"train", copy.string(), "--resume"}, config);
}

TEST_F(DamagedRuns, ADamagedRecordCostsNoEvaluationItsResult) {
  const fs::path copy = copy_of_finished(), record = copy / "record.json";
  const std::string whole = read_file(record);
  for (const std::string& damaged : {whole.substr(0, whole.size() / 2), std::string("[]"), std::string("3"),
                                     std::string(R"({"evaluations": []})")}) {
    put_bytes(record, damaged);
    Command command = run({"eval", copy.string()});
    EXPECT_EQ(command.wait(), 1) << command.err();
    EXPECT_NE(command.out().find("identity"), std::string::npos) << command.out();
    EXPECT_NE(command.err().find(record.string() + ":"), std::string::npos) << command.err();
    EXPECT_NE(command.err().find("the result is printed, and not kept in the run's folder"), std::string::npos)
        << command.err();
    EXPECT_EQ(read_file(record), damaged);
    EXPECT_FALSE(fs::exists(copy / "ranks.test.safetensors"));
  }
}

TEST_F(DamagedRuns, ADamagedScoresFileIsRefused) {
  const fs::path scores = folder_ / "scores.npy";
  Command eval = run({"eval", finished().string(), "--scores", scores.string(), "--no-rerank"});
  ASSERT_EQ(eval.wait(), 0) << eval.err();
  fs::resize_file(scores, fs::file_size(scores) - 1);
  expect_refused({"rerank", scores.string(), "--use", "multivariate", "--captions-per-image", "5"}, scores);
}

TEST_F(DamagedRuns, WhatHasNoEndIsRefused) {
  write_text(folder_ / "config.json", R"({"extends": "/dev/zero"})");
  expect_refused({"config", "show", (folder_ / "config.json").string()}, "/dev/zero");
  expect_refused({"rerank", "/dev/zero", "--use", "multivariate", "--captions-per-image", "5"}, "/dev/zero");
  expect_refused({"weights", "inspect", "/dev/zero"}, "/dev/zero");
  fs::create_directories(folder_ / "data/images");
  fs::create_symlink("/dev/zero", folder_ / "data/train_caps.txt");
  write_text(folder_ / "data/train_filename.txt", "a.png\n");
  expect_refused({"data", "stats", (folder_ / "data").string()}, folder_ / "data/train_caps.txt");
  auto arguments = train_arguments(folder_ / "run");
  for (const char* more : {"--set", "model.text.encoder.word_vectors=/dev/zero"}) arguments.push_back(more);
  Command train = run(arguments);
  EXPECT_EQ(train.wait(), 2);
  EXPECT_NE(train.err().find("/dev/zero: cannot be read (word_vectors of bigru)"), std::string::npos) << train.err();
}

TEST_F(DamagedRuns, ControlCharactersOfNamesAndCaptionsAreSpelledOut) {
  const std::string evil = "\x1b]0;owned\x07\x1b[2J";
  const auto is_clean = [](const std::string& text) {
    return std::none_of(text.begin(), text.end(),
                        [](unsigned char c) { return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f; });
  };
  fs::create_directories(folder_ / "data");
  fs::copy(shared_ / "data/images", folder_ / "data/images");
  for (const char* split : {"train", "val", "test"}) {
    const std::string names = std::string(split) + "_filename.txt", captions = std::string(split) + "_caps.txt";
    fs::copy(shared_ / "data" / names, folder_ / "data" / names);
    std::string text = read_file(shared_ / "data" / captions);
    for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += evil.size() + 1) text.insert(at, evil);
    write_text(folder_ / "data" / captions, text);
  }
  // A table on standard output.
  for (const char* what : {"check", "stats"}) {
    Command command = run({"data", what, (folder_ / "data").string()});
    command.wait();
    EXPECT_TRUE(is_clean(command.out())) << what;
    EXPECT_TRUE(is_clean(command.err())) << command.err();
  }
  // The same for machines has them as JSON spells them.
  Command json = run({"data", "check", (folder_ / "data").string(), "--json"});
  json.wait();
  EXPECT_TRUE(is_clean(json.out()));
  EXPECT_NE(to_json(parse_json(json.out(), "check")).find("\\u001b]0;owned\\u0007"), std::string::npos);
  // A message on standard error.
  write_text(folder_ / "config.json", "{\"evil\\u001b[2J\": 1}");
  Command message = run({"config", "show", (folder_ / "config.json").string()});
  EXPECT_EQ(message.wait(), 2);
  EXPECT_TRUE(is_clean(message.err()));
  EXPECT_NE(message.err().find("/evil\\x1b[2J: unknown parameter"), std::string::npos) << message.err();
  // Files keep what they were given.
  Command drawn = run({"detect", "--use", "regions", "--images", (folder_ / "data/images").string(), "--out",
                       (folder_ / ("out" + evil)).string()});
  EXPECT_EQ(drawn.wait(), 0) << drawn.err();
  EXPECT_TRUE(is_clean(drawn.out()) && is_clean(drawn.err()));
  EXPECT_TRUE(fs::exists(folder_ / ("out" + evil)));
}

}  // namespace
}  // namespace orbweaver::testing
