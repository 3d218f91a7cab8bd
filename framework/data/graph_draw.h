// Graphs drawn, to be looked at.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "framework/data/image.h"
#include "orbweaver/scene.h"

namespace orbweaver {

/// A drawing, and where in it each node stands.
struct GraphPicture {
  struct Point {
    double x = 0, y = 0;
  };
  Image image;
  std::vector<Point> nodes;  ///< pixels of the drawing
};

/// An image's graph on its image: each node's box in its label's colour with the node's number, a line for each pair of
/// nodes that relations join, with their names where there is room, and beside the image a list of all nodes and
/// relations. Of two relations that say the same from both ends ("left of" and "right of") one is written on the line;
/// an arrow shows how to read it. A graph without relations has its adjacency drawn, stronger edges more opaque.
///
/// The image is enlarged or shrunk to a size at which this can be read.
/// @param boxes  of the nodes, in pixels of the image; their labels are those of the graph.
GraphPicture draw_graph(const ImageView& image, const Graph& graph, std::span<const Object> boxes);

/// A graph by itself: nodes as named boxes, placed so that joined ones lie close, arrows with the relations' names.
/// @param title  written above it: the caption.
GraphPicture draw_graph(const std::string& title, const Graph& graph);

/// An object of an image's graph and an entity of a caption's graph that belong together.
struct NodeMatch {
  int64_t object = 0, entity = 0;
  double similarity = 0;  ///< cosine, -1..1
  bool operator==(const NodeMatch&) const = default;
};

/// What draw_match shows. Owns nothing.
struct MatchedGraphs {
  ImageView image;
  const Graph& objects;
  /// Of the objects, in pixels of the image; empty where they are not known: the graph then stands below the image.
  std::span<const Object> boxes;
  const Graph& entities;
  std::span<const NodeMatch> matches;  ///< at most one of each node
  std::string caption;
  std::vector<std::string> facts;  ///< a line each, below the caption
};

struct MatchPicture {
  Image image;
  /// Where the line of a match starts, at the centre of the object's number, and where it meets the left edge of the
  /// entity's box; in pixels of the drawing.
  struct Joint {
    GraphPicture::Point object, entity;
    std::array<uint8_t, 3> colour{};  ///< red, green, blue
  };
  std::vector<Joint> joints;  ///< parallel to `matches`
};

/// On the left the image with its objects, on the right the caption's entities, one below the other, with arrows of
/// their relations. Each match has a number and a colour of its own, on its box, its entity and the line between them;
/// the more alike the two, the thicker the line and the more opaque; their cosine stands beside the entity. Nodes
/// without a match are grey. Of the image's relations those are drawn that join objects whose entities the caption
/// relates too, and with at most four matches all between matched objects: more would hide the image. Without boxes the
/// image stands above a drawing of its graph. An empty side says "no objects" or "no entities".
MatchPicture draw_match(const MatchedGraphs& graphs);

/// The boxes that an image's nodes stand for, in pixels.
///
/// A graph does not say where its nodes lie. sog and drea begin their features with centre, size, and sine and cosine
/// of twice the angle, in image sides; whether a builder does so too is asked by having it build one known object.
/// @param build  the builder
/// @return       none where it does not.
std::vector<Object> node_boxes(const std::function<Graph(const Scene&)>& build, const Graph& graph, int64_t width,
                               int64_t height);

/// Whether drawings can be written under this name: .png, .jpg, .jpeg.
bool is_drawing(const std::filesystem::path& file);

}  // namespace orbweaver
