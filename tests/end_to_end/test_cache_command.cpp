#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "command.h"
#include "framework/io/json.h"

namespace orbweaver::testing {
namespace {

class CacheCommand : public CommandTest {
 protected:
  std::vector<std::string> frozen_run(const std::string& name, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = train_arguments(folder_ / name);
    for (const std::string& override : {"cache=" + (folder_ / "cache").string(), std::string("train.epochs=1"),
                                        std::string("model.image.encoder.freeze=true")})
      words.insert(words.end(), {"--set", override});
    for (const std::string& override : more) words.insert(words.end(), {"--set", override});
    return words;
  }
  /// A run whose output lies in a folder of its own, as several at once need.
  Command start(const std::string& name, const std::vector<std::string>& more = {}) const {
    std::filesystem::create_directories(folder_ / (name + "-output"));
    return Command(frozen_run(name, more), folder_ / (name + "-output"));
  }
  Value stats() const {
    Command command = run({"cache", "stats", "--json", "--cache", (folder_ / "cache").string()});
    EXPECT_EQ(command.wait(), 0) << command.err();
    return parse_json(command.out(), "stats");
  }
  std::string weights(const std::string& name) const { return hash_file(folder_ / name / "best.safetensors"); }
};

TEST_F(CacheCommand, TwoRunsAtOnceMakeTheFeaturesOnceAndTrainTheSameAsOneWithoutACache) {
  Command one = start("one"), two = start("two");
  EXPECT_EQ(one.wait(), 0) << one.err();
  EXPECT_EQ(two.wait(), 0) << two.err();
  EXPECT_EQ(stats().at("kinds").at("image-global").at("entries").as_int(), 2);  // training and validation split
  const auto from_cache = [](const Command& run) {
    return run.err().find("image features of train: 48 from the cache") != std::string::npos;
  };
  EXPECT_NE(from_cache(one), from_cache(two)) << one.err() << two.err();

  Command without = start("without", {"cache="});
  EXPECT_EQ(without.wait(), 0) << without.err();
  EXPECT_FALSE(from_cache(without));
  EXPECT_EQ(read_json(folder_ / "without" / "config.json").at("cache").as_string(), "");
  EXPECT_EQ(weights("one"), weights("two"));
  EXPECT_EQ(weights("one"), weights("without"));
}

TEST_F(CacheCommand, AugmentationSaysThatItSwitchesTheEncodersCacheOff) {
  Command command = start("moved", {"train.augment={\"flip\": true}"});
  EXPECT_EQ(command.wait(), 0) << command.err();
  EXPECT_NE(command.err().find("image features of train: not cached: train.augment moves the images"),
            std::string::npos)
      << command.err();
  EXPECT_EQ(stats().at("kinds").at("image-global").at("entries").as_int(), 1);  // the validation split alone
}

TEST_F(CacheCommand, StatsCountsByKindAndClearRemovesWhatItIsAskedTo) {
  Command command = start("run");
  ASSERT_EQ(command.wait(), 0) << command.err();
  const Value before = stats();
  EXPECT_GE(before.at("bytes").as_int(), before.at("kinds").at("image-global").at("bytes").as_int());
  EXPECT_EQ(before.at("limit").as_int(), int64_t{20} << 30);
  EXPECT_EQ(before.at("leftovers").at("files").as_int(), 0);
  EXPECT_EQ(before.at("oldest").as_string().size(), std::string("2026-11-21T10:46:18Z").size());

  const std::string cache = (folder_ / "cache").string();
  Command text = run({"cache", "stats", "--cache", cache});
  EXPECT_EQ(text.wait(), 0);
  EXPECT_NE(text.out().find("image-global"), std::string::npos) << text.out();
  Command young = run({"cache", "clear", "--cache", cache, "--older-than", "1", "--json"});
  EXPECT_EQ(young.wait(), 0) << young.err();
  EXPECT_EQ(parse_json(young.out(), "clear").at("entries").as_int(), 0);
  Command kind = run({"cache", "clear", "--cache", cache, "--kind", "image-global", "--json"});
  EXPECT_EQ(kind.wait(), 0) << kind.err();
  EXPECT_EQ(parse_json(kind.out(), "clear").at("entries").as_int(), 2);
  EXPECT_FALSE(stats().at("kinds").find("image-global"));
  Command all = run({"cache", "clear", "--cache", cache});
  EXPECT_EQ(all.wait(), 0) << all.err();
  EXPECT_EQ(stats().at("entries").as_int(), 0);
}

TEST_F(CacheCommand, WhatIsKnownOfTheDatasFilesIsUsedByEveryRunThatAsks) {
  Command train = start("run");
  ASSERT_EQ(train.wait(), 0) << train.err();
  const auto entries = [&] { return std::filesystem::directory_iterator(folder_ / "cache" / "files"); };
  for (const auto& entry : entries())
    last_write_time(entry.path(), std::filesystem::file_time_type::clock::now() - std::chrono::hours(240));
  Command eval = run({"eval", (folder_ / "run").string()});
  ASSERT_EQ(eval.wait(), 0) << eval.err();
  int found = 0;
  for (const auto& entry : entries()) {
    ++found;
    EXPECT_LT(std::filesystem::file_time_type::clock::now() - last_write_time(entry.path()), std::chrono::hours(1))
        << entry.path();
  }
  EXPECT_GE(found, 1);
}

TEST_F(CacheCommand, AKindThatDoesNotExistIsTheUsersMistake) {
  Command command = run({"cache", "clear", "--cache", folder_.string(), "--kind", "image-tokns"});
  EXPECT_EQ(command.wait(), 2);
  EXPECT_NE(command.err().find("did you mean \"image-tokens\"?"), std::string::npos) << command.err();
}

}  // namespace
}  // namespace orbweaver::testing
