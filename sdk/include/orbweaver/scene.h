// What a graph is built from (a scene or a caption) and the graph itself.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "orbweaver/matrix.h"

namespace orbweaver {
inline namespace v1 {

/// The two modalities. Everything that exists per side is indexed by it.
enum class Side { image, text };
inline const char* side_name(Side side) { return side == Side::image ? "image" : "text"; }

/// 8-bit RGB pixels, rows top to bottom, `stride` bytes from one row to the next. Owns nothing.
struct ImageView {
  const uint8_t* data = nullptr;
  int64_t width = 0, height = 0, stride = 0;
  bool empty() const { return data == nullptr; }
};

/// A named measurement of an object ("red" 0.8, "texture_entropy" 3.1).
struct Attribute {
  std::string name;
  double value = 0;
  bool operator==(const Attribute&) const = default;
};

/// A detected object: a rotated box with a label.
struct Object {
  double cx = 0, cy = 0;         ///< centre in pixels of the scene, origin top left, y downwards
  double width = 0, height = 0;  ///< sides in pixels, before rotation
  double angle = 0;              ///< radians, clockwise on screen
  double probability = 1;        ///< 0..1
  std::string label;
  std::vector<Attribute> attributes;
  bool operator==(const Object&) const = default;
};

/// An image as a graph builder sees it.
struct Scene {
  int64_t width = 0, height = 0;  ///< pixels
  std::span<const Object> objects;
  ImageView pixels;  ///< empty unless the builder declares that it needs them
};

/// "two planes" - "next to" - "terminal".
struct Triple {
  std::string subject, relation, object;
  bool operator==(const Triple&) const = default;
};

/// A caption as a graph builder sees it: its own text and nothing of its image.
struct Caption {
  std::string text;
  std::span<const Triple> triples;  ///< given by the dataset for this very text
  bool has_triples = false;         ///< the dataset knows this text, even if it has no triples for it
};

/// A directed named edge between two nodes.
struct Relation {
  int64_t source = 0, target = 0;
  std::string name;
  bool operator==(const Relation&) const = default;
};

/// Nodes with features and labels, a weighted adjacency and named relations. No nodes at all is legal everywhere.
struct Graph {
  Matrix<float> features;           ///< [N, F]; F is the same for every graph of one builder
  Matrix<float> adjacency;          ///< [N, N] as the method defines it, not normalised
  std::vector<std::string> labels;  ///< N
  std::vector<Relation> relations;  ///< indices below N
  int64_t size() const { return static_cast<int64_t>(labels.size()); }
};

}  // namespace v1
}  // namespace orbweaver
