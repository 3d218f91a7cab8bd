// Graphs as a user sees them.
#include "command.h"
#include "framework/data/image.h"
#include "framework/io/json.h"

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;

class GraphCommand : public CommandTest {
 protected:
  static fs::path image() { return *fs::directory_iterator(shared_ / "data" / "images"); }
};

TEST_F(GraphCommand, PrintsAndDrawsTheGraphOfAnImage) {
  const std::vector<std::string> arguments{"graph", "--use", "sog", "--image", image(), "--detector", "regions"};
  Command print = run(arguments);
  ASSERT_EQ(print.wait(), 0) << print.err();
  const Value graph = parse_json(print.out(), "graph");
  EXPECT_EQ(graph.at("nodes").as_list().size(), graph.at("adjacency").as_list().size());

  auto with_drawing = arguments;
  with_drawing.insert(with_drawing.end(), {"--draw", folder_ / "graph.png"});
  Command draw = run(with_drawing);
  ASSERT_EQ(draw.wait(), 0) << draw.err();
  EXPECT_NE(draw.out().find("graph.png: "), std::string::npos) << draw.out();
  EXPECT_GT(decode_image(folder_ / "graph.png").width, 1000);
}

TEST_F(GraphCommand, PrintsALineOfJsonForEachCaption) {
  write_text(folder_ / "captions.txt", "two planes are next to a terminal\n\nthe river is surrounded by trees\n");
  Command command = run({"graph", "--use", "erg", "--text-file", folder_ / "captions.txt"});
  ASSERT_EQ(command.wait(), 0) << command.err();
  write_text(folder_ / "graphs.jsonl", command.out());
  const auto lines = read_lines(folder_ / "graphs.jsonl");
  ASSERT_EQ(lines.size(), 2u);
  const Value graph = parse_json(lines[1], "graph");
  EXPECT_EQ(graph.at("text").as_string(), "the river is surrounded by trees");
  ASSERT_EQ(graph.at("nodes").as_list().size(), 2u);
  const Value& relation = graph.at("relations").as_list().at(0);
  const auto label = [&](const char* end) {
    return graph.at("nodes").as_list().at(static_cast<size_t>(relation.at(end).as_int())).at("label").as_string();
  };
  EXPECT_EQ(label("source") + " " + relation.at("relation").as_string() + " " + label("target"),
            "river surrounded by tree");
}

TEST_F(GraphCommand, DrawsTheGraphOfACaption) {
  Command command = run({"graph", "--use", "erg", "--text", "two planes are next to a terminal", "--draw",
                         folder_ / "graph.png", "--json"});
  ASSERT_EQ(command.wait(), 0) << command.err();
  EXPECT_EQ(parse_json(command.out(), "graph").at("nodes").as_list().size(), 2u);
  EXPECT_EQ(decode_image(folder_ / "graph.png").width, 1000);
}

TEST_F(GraphCommand, AnswersWrongInputWithStatus2AndOneLine) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{}, "--use ID"},
      {{"--use", "sog"}, "--image FILE"},
      {{"--use", "sog", "--text", "two planes"}, "makes no graphs of captions"},
      {{"--use", "erg", "--image", image(), "--detector", "regions"}, "makes no graphs of images"},
      {{"--use", "sog", "--image", image()}, "--detections FILE"},
      {{"--use", "sog", "--image", image(), "--detector", "region"}, "did you mean \"regions\"?"},
      {{"--use", "sog", "--imgae", image()}, "--imgae"}};
  for (const auto& [more, part] : cases) {
    std::vector<std::string> arguments{"graph"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Command command = run(arguments);
    EXPECT_EQ(command.wait(), 2) << part;
    const std::string err = command.err();
    EXPECT_NE(err.find(part), std::string::npos) << err;
    EXPECT_EQ(err.find('\n'), err.size() - 1) << err;
    EXPECT_EQ(command.out(), "");
  }
}

}  // namespace
}  // namespace orbweaver::testing
