// The graph that a builder makes of an image or of captions: the work of `orbweaver graph`.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "orbweaver/scene.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// Exactly one of `image`, `text` and `text_file` is given.
struct GraphOptions {
  std::string use;                   ///< id of the graph builder
  std::vector<std::string> set;      ///< "name=value": its parameters; values are JSON, else strings
  std::vector<std::string> plugins;  ///< that hold components of another name: stems or absolute paths
  std::vector<std::filesystem::path> plugin_folders;

  std::filesystem::path image;
  /// The image's objects: a file (.json, or DOTA .txt), or what a detector finds. One of the two, but for a builder
  /// that needs pixels, which may do without objects.
  std::filesystem::path detections;
  std::string detector;
  std::vector<std::string> detector_set;

  std::optional<std::string> text;
  std::filesystem::path text_file;  ///< a caption a line; blank lines are passed over
  std::filesystem::path triples;    ///< JSONL of captions and their triples, as a dataset has it; may be empty

  std::filesystem::path draw;  ///< .png or .jpg to write; not with `text_file`; may be empty
  bool one_line = false;       ///< JSON without line breaks; always so with `text_file`
};

/// A graph as JSON: {"nodes": [{"label", "features"}], "adjacency": [[...]], "relations": [{"source", "relation",
/// "target"}]}; source and target count nodes from 0.
Value graph_value(const Graph& graph);

/// The JSON text of an object to be read by people too: each item of a member that is a list (a node, a row of the
/// adjacency, a relation) stands on a line.
std::string graph_text(const Value& value);

/// Makes the graph, or one of each caption, and gives `print` its JSON, line end included. With `draw` it is drawn, and
/// `print` gets one line that says so instead of the JSON, unless `one_line` asks for that.
///
/// An image's graph is drawn on the image where the builder's features begin as those of sog and drea do (centre, size,
/// sine and cosine of twice the angle, in image sides), else by itself.
/// @throws InputError on wrong options, on a builder that does not serve that side, on an image without objects; what
///         the components throw.
void make_graphs(const GraphOptions& options, const std::function<void(std::string_view text)>& print);

}  // namespace orbweaver
