#include "framework/data/graph_command.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "framework/data/dataset.h"
#include "framework/data/graph_draw.h"
#include "framework/data/image.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/plugin/hosted.h"
#include "framework/plugin/settings.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

/// The double that a float's shortest decimal is: 0.1f prints as 0.1.
double plain(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

void check_options(const GraphOptions& options) {
  if (options.use.empty())
    throw InputError("--use ID is missing: a graph builder, as orbweaver plugins list shows them");
  const int given = !options.image.empty() + options.text.has_value() + !options.text_file.empty();
  if (given != 1)
    throw InputError(fmt::format("{}; give one of --image FILE, --text TEXT, --text-file FILE",
                                 given == 0 ? "there is nothing to make a graph of" : "there is more than one input"));
  if (!options.detections.empty() && !options.detector.empty())
    throw InputError("--detections and --detector both give objects; leave one out");
  if (options.detector.empty() && !options.detector_set.empty())
    throw InputError("--detector-set is for a detector; name it with --detector ID");
  if (options.image.empty() && !(options.detections.empty() && options.detector.empty()))
    throw InputError("--detections and --detector are for an image; give it with --image FILE");
  if (!options.image.empty() && !options.triples.empty())
    throw InputError("--triples is for captions; give them with --text or --text-file");
  if (options.draw.empty()) return;
  if (!options.text_file.empty()) throw InputError("--draw shows one graph; give its caption with --text");
  if (!is_drawing(options.draw))
    throw InputError(fmt::format("--draw {}: expected a file name that ends in .png or .jpg", options.draw.string()));
}

/// The components of one call.
class Workshop {
 public:
  explicit Workshop(const GraphOptions& options) : options_(options), host_(host_searching(options.plugin_folders)) {
    for (const std::string& plugin : options.plugins) host_.load(plugin);
    builder_ = make<GraphBuilder>("--use", options.use, "--set", options.set);
    const Side side = options.image.empty() ? Side::text : Side::image,
               other = side == Side::text ? Side::image : Side::text;
    if (!serves(side))
      throw InputError(fmt::format("--use {}: makes no graphs of {}{}", options.use, plural(side),
                                   serves(other) ? fmt::format(", but of {}; give {}", plural(other),
                                                               other == Side::image ? "--image FILE" : "--text TEXT")
                                                 : ""));
    if (!options.triples.empty()) triples_ = read_triples(options.triples);
  }

  Graph build(const Scene& scene) const { return build_graph(builder_, scene); }

  Graph build(const std::string& text) const {
    Caption caption{text, {}, false};
    if (const auto found = triples_.find(trimmed(text)); found != triples_.end())
      caption.triples = found->second, caption.has_triples = true;
    return build_graph(builder_, caption);
  }

  std::vector<Object> objects(const ImageView& image) {
    if (!options_.detections.empty()) return read_objects();
    if (!options_.detector.empty())
      return detect(make<Detector>("--detector", options_.detector, "--detector-set", options_.detector_set), image);
    if (needs_pixels()) return {};
    throw InputError(fmt::format(
        "--use {}: makes its graph from the image's objects; give a file of them with --detections FILE, or find them "
        "with --detector ID (regions needs no weights)",
        options_.use));
  }

  bool needs_pixels() const {
    return builder_.call("needs_pixels", [](GraphBuilder& builder) { return builder.needs_pixels(); });
  }

 private:
  template <class I>
  Hosted<I> make(const std::string& option, const std::string& id, const std::string& set_option,
                 const std::vector<std::string>& settings) {
    const Component& component = host_.find(I::kind, id);
    const Value params = read_settings(set_option, settings, component.parameters);
    return create<I>(host_, id, params, nullptr, fmt::format("{} {}", option, id));
  }

  bool serves(Side side) const {
    return builder_.call("serves", [side](GraphBuilder& builder) { return builder.serves(side); });
  }
  static const char* plural(Side side) { return side == Side::image ? "images" : "captions"; }

  std::vector<Object> read_objects() const {
    if (fs::is_directory(options_.detections))
      throw InputError(
          fmt::format("--detections {}: is a folder; name the image's file in it", options_.detections.string()));
    return read_detections(options_.detections);
  }

  static std::string_view trimmed(std::string_view text) {
    const size_t begin = text.find_first_not_of(" \t\r"), end = text.find_last_not_of(" \t\r");
    return begin == std::string_view::npos ? std::string_view() : text.substr(begin, end - begin + 1);
  }

  const GraphOptions& options_;
  PluginHost host_;
  Hosted<GraphBuilder> builder_;
  TripleTable triples_;
};

std::string counts(const Graph& graph) {
  return fmt::format("{} nodes, {} relations", graph.size(), graph.relations.size());
}

class Output {
 public:
  Output(const GraphOptions& options, const std::function<void(std::string_view)>& print)
      : options_(options), print_(print) {}

  /// @param of  {"image": file} or {"text": caption}
  void graph(Value of, const Graph& graph) const {
    Value value;
    value["builder"] = options_.use;
    for (auto& [key, member] : of.as_object()) value[key] = std::move(member);
    Value parts = graph_value(graph);
    for (auto& [key, member] : parts.as_object()) value[key] = std::move(member);
    print_(options_.one_line || !options_.text_file.empty() ? to_json(value, -1) + "\n" : graph_text(value));
  }

  void picture(const Graph& graph, const GraphPicture& picture, const std::string& note) const {
    write_image(options_.draw, picture.image.view());
    if (!options_.one_line) print_(fmt::format("{}: {}{}\n", options_.draw.string(), counts(graph), note));
  }

 private:
  const GraphOptions& options_;
  const std::function<void(std::string_view)>& print_;
};

void graph_of_image(const GraphOptions& options, Workshop& workshop, const Output& output) {
  const Image image = decode_image(options.image);
  const std::vector<Object> objects = workshop.objects(image.view());
  const Scene scene{image.width, image.height, objects, image.view()};
  const Graph graph = workshop.build(scene);
  if (!options.draw.empty()) {
    const std::vector<Object> boxes =
        node_boxes([&](const Scene& other) { return workshop.build(other); }, graph, image.width, image.height);
    const bool placed = boxes.size() == static_cast<size_t>(graph.size());
    output.picture(
        graph, placed ? draw_graph(image.view(), graph, boxes) : draw_graph(options.image.filename().string(), graph),
        placed ? "" : "; its features do not begin with boxes, so it is drawn beside the image's name");
  }
  if (options.draw.empty() || options.one_line) {
    Value of;
    of["image"] = options.image.string();
    output.graph(std::move(of), graph);
  }
}

void graph_of_text(const GraphOptions& options, const Workshop& workshop, const Output& output,
                   const std::string& text) {
  const Graph graph = workshop.build(text);
  if (!options.draw.empty()) output.picture(graph, draw_graph(text, graph), "");
  if (options.draw.empty() || options.one_line) {
    Value of;
    of["text"] = text;
    output.graph(std::move(of), graph);
  }
}

}  // namespace

Value graph_value(const Graph& graph) {
  Value out = Value::object();
  out["nodes"] = Value::list();
  out["adjacency"] = Value::list();
  out["relations"] = Value::list();
  for (int64_t i = 0; i < graph.size(); ++i) {
    Value node = Value::object(), features = Value::list(), row = Value::list();
    for (int64_t f = 0; f < graph.features.cols(); ++f) features.push_back(plain(graph.features(i, f)));
    for (int64_t j = 0; j < graph.size(); ++j) row.push_back(plain(graph.adjacency(i, j)));
    node["label"] = graph.labels[static_cast<size_t>(i)];
    node["features"] = std::move(features);
    out["nodes"].push_back(std::move(node));
    out["adjacency"].push_back(std::move(row));
  }
  for (const Relation& relation : graph.relations) {
    Value edge = Value::object();
    edge["source"] = relation.source;
    edge["relation"] = relation.name;
    edge["target"] = relation.target;
    out["relations"].push_back(std::move(edge));
  }
  return out;
}

std::string graph_text(const Value& value) {
  std::string out = "{";
  for (const auto& [key, member] : value.as_object()) {
    out += fmt::format("{}\n  {}: ", out.size() > 1 ? "," : "", to_json(Value(key), -1));
    if (!member.is_list() || member.as_list().empty()) {
      out += to_json(member, -1);
      continue;
    }
    const char* separator = "[\n    ";
    for (const Value& item : member.as_list()) out += std::exchange(separator, ",\n    ") + to_json(item, -1);
    out += "\n  ]";
  }
  return out + "\n}\n";
}

void make_graphs(const GraphOptions& options, const std::function<void(std::string_view)>& print) {
  check_options(options);
  Workshop workshop(options);
  const Output output(options, print);
  if (!options.image.empty()) return graph_of_image(options, workshop, output);
  if (options.text) return graph_of_text(options, workshop, output, *options.text);
  for (const std::string& line : read_lines(options.text_file))
    if (line.find_first_not_of(" \t\r") != std::string::npos) graph_of_text(options, workshop, output, line);
}

}  // namespace orbweaver
