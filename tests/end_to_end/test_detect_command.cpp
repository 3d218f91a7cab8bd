#include <map>

#include "command.h"
#include "framework/data/dataset.h"
#include "framework/io/json.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

class Detect : public CommandTest {
 protected:
  std::vector<std::string> arguments(std::vector<std::string> more) const {
    std::vector<std::string> all{
        "detect", "--images", (shared_ / "data" / "images").string(), "--out", (folder_ / "detections").string(),
        "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// name -> content of the detection files.
  std::map<std::string, std::string> files() const {
    std::map<std::string, std::string> out;
    for (const auto& entry : fs::directory_iterator(folder_ / "detections"))
      if (entry.path().extension() == ".json" && !entry.path().filename().string().starts_with('.'))
        out[entry.path().filename()] = read_file(entry.path());
    return out;
  }
};

TEST_F(Detect, WritesAFilePerImageThatADatasetReadsWithTheAttributes) {
  Command command = run(arguments({"--use", "regions", "--set", "max_objects=5"}));
  ASSERT_EQ(command.wait(), 0) << command.err();
  const Value result = parse_json(command.out(), "detect");
  EXPECT_EQ(result.at("images").as_int(), 60);
  EXPECT_EQ(result.at("written").as_int(), 60);
  DatasetParams params = guess_dataset(shared_ / "data");
  params.detections = folder_ / "detections";
  const Dataset dataset = load_dataset(params);
  int64_t objects = 0;
  for (const Split* split : {&dataset.train, &dataset.val, &dataset.test})
    for (const ImageRecord& image : split->images) {
      const auto found = read_detections(image.detections);
      ASSERT_GE(found.size(), 1u);
      EXPECT_LE(found.size(), 5u);
      EXPECT_EQ(found[0].attributes.at(0).name, "area");
      objects += static_cast<int64_t>(found.size());
    }
  EXPECT_EQ(objects, result.at("objects").as_int());
}

TEST_F(Detect, GivesTheSameFilesWithAnyNumberOfThreads) {
  ASSERT_EQ(run(arguments({"--use", "regions", "--threads", "1"})).wait(), 0);
  const auto one = files();
  EXPECT_EQ(one.size(), 60u);
  ASSERT_EQ(run(arguments({"--use", "regions", "--threads", "4", "--overwrite"})).wait(), 0);
  EXPECT_EQ(files(), one);
}

TEST_F(Detect, GoesOnAfterAKillAndAfterAnInterruptWithTheSameFiles) {
  ASSERT_EQ(run(arguments({"--use", "regions"})).wait(), 0);
  const auto expected = files();
  for (const int signal : {SIGKILL, SIGINT}) {
    fs::remove_all(folder_ / "detections");
    {
      Command command = run(arguments({"--use", "regions", "--threads", "1"}));
      command.wait_until([&] { return fs::exists(folder_ / "detections") && files().size() >= 3; });
      command.send(signal);
      command.wait();
    }
    for (const auto& [name, text] : files()) EXPECT_EQ(text, expected.at(name));
    Command command = run(arguments({"--use", "regions"}));
    ASSERT_EQ(command.wait(), 0) << command.err();
    EXPECT_GE(parse_json(command.out(), "detect").at("kept").as_int(), 3);
    EXPECT_EQ(files(), expected);
  }
}

TEST_F(Detect, ABrokenImageIsListedAndTheExitStatusSaysSo) {
  fs::copy(shared_ / "data" / "images", folder_ / "images");
  fs::path broken;
  for (const auto& entry : fs::directory_iterator(folder_ / "images")) broken = std::max(broken, entry.path());
  fs::resize_file(broken, fs::file_size(broken) / 2);
  Command command = run({"detect", "--use", "regions", "--images", (folder_ / "images").string(), "--out",
                         (folder_ / "detections").string()});
  EXPECT_EQ(command.wait(), 1);
  EXPECT_NE(command.out().find(broken.filename().string() + ": ends early"), std::string::npos) << command.out();
  EXPECT_EQ(files().size(), 59u);
}

TEST_F(Detect, AnswersWrongInputWithStatus2AndOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"--use", "region"}, "did you mean \"regions\"?"},
      {{"--use", "regions", "--set", "max_object=3"}, "did you mean \"max_objects\"?"},
      {{"--use", "regions", "--set", "max_objects=0"}, "max_objects"},
      {{"--use", "regions", "--set", "max_objects"}, "expected NAME=VALUE"},
      {{"--use", "yolo"}, "weights"},
      {{"--use", "yolo", "--set", "weights=absent.onnx"}, "absent.onnx: cannot be read"},
      {{}, "--use ID"}};
  for (const auto& [more, part] : cases) {
    Command command = run(arguments(more));
    EXPECT_EQ(command.wait(), 2) << part;
    const std::string err = command.err();
    EXPECT_NE(err.find(part), std::string::npos) << err;
    EXPECT_EQ(err.find('\n'), err.size() - 1) << err;
    EXPECT_EQ(command.out(), "");
    EXPECT_FALSE(fs::exists(folder_ / "detections"));
  }
}

}  // namespace
}  // namespace orbweaver::testing
