// GaLR's object level through the whole program: what the order and the number of detections may change, and what not.
#include <cmath>
#include <random>

#include "command.h"
#include "framework/io/json.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

class ObjectOrder : public CommandTest {
 protected:
  /// A detection file of `count` objects of three classes, in the order that `shuffle` gives.
  static void write_detections(const fs::path& file, int count, unsigned shuffle) {
    std::mt19937 random(static_cast<unsigned>(count));
    const auto number = [&] { return static_cast<double>(random() % 10000) / 10000; };
    std::vector<Value> objects;
    for (int i = 0; i < count; ++i) {
      Value object = Value::object();
      object["label"] = std::string(1, static_cast<char>('a' + random() % 3));
      Value box = Value::list();
      for (const double value :
           {256 * number(), 256 * number(), 4 + 30 * number(), 4 + 10 * number(), 3 * number(), number()})
        box.push_back(value);
      object["bbox"] = box;
      objects.push_back(object);
    }
    std::shuffle(objects.begin(), objects.end(), std::mt19937(shuffle));
    Value list = Value::list();
    for (Value& object : objects) list.push_back(std::move(object));
    write_atomically(file, to_json(list));
  }

  std::vector<double> scores(const fs::path& run, const fs::path& images, const fs::path& detections) {
    std::vector<std::string> arguments{
        "infer",        run.string(),        "--json",  "--texts", "two planes near a road",
        "--detections", detections.string(), "--images"};
    for (const int count : counts) arguments.push_back((images / (std::to_string(count) + ".jpg")).string());
    Command command(arguments, folder_);
    EXPECT_EQ(command.wait(), 0) << command.err();
    std::vector<double> out;
    const Value result = parse_json(command.out(), "infer");
    for (const Value& row : result.at("scores").as_list()) out.push_back(row.as_list().at(0).as_double());
    return out;
  }

  static constexpr int counts[] = {0, 1, 2, 20, 1000};
};

TEST_F(ObjectOrder, ChangesNoScoreWith0To1000ObjectsInAnImage) {
  const fs::path run = folder_ / "run";
  auto arguments = train_arguments(run);
  for (const char* set : {"train.epochs=1", "model.image.graph={\"use\": \"drea\"}",
                          "model.image.graph_encoder={\"use\": \"gcn\", \"readout\": \"flatten\"}",
                          "model.fusion={\"use\": \"midf\"}", "plugins=[\"drea\", \"gcn\", \"midf\"]"}) {
    arguments.push_back("--set");
    arguments.push_back(set);
  }
  Command train(arguments, folder_);
  ASSERT_EQ(train.wait(), 0) << train.err();

  // The same picture each time, so that scores differ by their objects alone.
  const fs::path picture = fs::directory_iterator(shared_ / "data" / "images")->path();
  fs::create_directory(folder_ / "images");
  for (const int count : counts) {
    const std::string stem = std::to_string(count);
    fs::copy_file(picture, folder_ / "images" / (stem + ".jpg"));
    for (const char* order : {"first", "second"}) {
      fs::create_directory(folder_ / order);
      write_detections(folder_ / order / (stem + ".json"), count, order == std::string("first") ? 1 : 2);
    }
  }
  ASSERT_NE(hash_file(folder_ / "first" / "20.json"), hash_file(folder_ / "second" / "20.json"));

  const std::vector<double> first = scores(run, folder_ / "images", folder_ / "first");
  const std::vector<double> second = scores(run, folder_ / "images", folder_ / "second");
  ASSERT_EQ(first.size(), std::size(counts));
  ASSERT_EQ(second.size(), first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    EXPECT_TRUE(std::isfinite(first[i]));
    EXPECT_NEAR(first[i], second[i], 1e-5) << counts[i] << " objects";
    for (size_t j = 0; j < i; ++j) EXPECT_NE(first[i], first[j]) << counts[i] << " and " << counts[j] << " objects";
  }
}

}  // namespace
}  // namespace orbweaver::testing
