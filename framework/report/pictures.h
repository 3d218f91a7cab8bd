// Pictures inside a report: small JPEGs, and graphs drawn on their images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/data/image.h"
#include "framework/report/outcomes.h"

namespace orbweaver {

/// JPEG of the image as base64, of lower quality where it would have more than `most_bytes`: a report must not grow
/// with how busy its images are. @throws Error.
std::string jpeg_base64(const ImageView& image, size_t most_bytes);

/// The file's image, its longer side shrunk to `side` pixels (never enlarged), as base64 JPEG.
/// @throws InputError where it does not decode.
std::string thumbnail(const std::filesystem::path& file, int64_t side);

/// The graphs of an image and of one of its captions, as the variants named here build them.
struct GraphDrawing {
  std::vector<size_t> variants;
  std::string builders;  ///< "sog on regions; erg"
  int64_t image = 0, caption = 0;
  int64_t objects = 0, entities = 0;               ///< nodes
  std::string image_jpeg, caption_jpeg;            ///< base64; empty where that side has no graph
  std::string image_relations, caption_relations;  ///< in words
};

struct GraphDrawings {
  std::vector<GraphDrawing> drawings;
  std::vector<std::string> missing;  ///< "f1: ...": graphs that could not be made
};

/// For each way of building graphs among the variants (at most three) the graphs of some captions and their images.
/// @param captions  candidates, best first; those whose image or caption has an empty graph are passed over.
GraphDrawings draw_graphs(const ReportData& data, const ReportedSplit& split, const std::vector<int64_t>& captions);

}  // namespace orbweaver
