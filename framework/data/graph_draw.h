// Graphs drawn, to be looked at.
#pragma once

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

}  // namespace orbweaver
