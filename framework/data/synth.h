// A synthetic dataset: aerial scenes with captions, rotated boxes and triples that are all true of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/data/dataset.h"
#include "framework/data/image.h"
#include "orbweaver/scene.h"

namespace orbweaver {

struct SynthCaption {
  std::string text;
  std::vector<Triple> triples;  ///< phrases as in the text: "two red cars" - "on" - "road"
};

/// Scenes are 224 x 224, as RSICD's images are.
inline constexpr int64_t synth_size = 224;

struct SynthScene {
  Image image;
  std::vector<Object> objects;         ///< colour as an attribute ("red" 1); also roads, runways and water
  std::vector<SynthCaption> captions;  ///< five, all different
};

/// Scene `index` of the endless series that `seed` begins: a function of the two alone.
///
/// A theme (airport, port, residential area, ...) places groups of objects without overlap on ground, roads and water.
/// Captions state what holds in the resulting geometry, never what was merely intended. A group is named with its exact
/// count and colour; "next to" means a gap of at most 18 pixels for each of its members, "to the left of" (right,
/// above, below) that all of them lie wholly on that side and more so than across.
SynthScene make_scene(uint64_t seed, int64_t index);

struct SynthOptions {
  std::filesystem::path folder;
  int64_t images = 1000;  ///< at least 3: one a split
  uint64_t seed = 1;
  int threads = 2;
  bool force = false;  ///< write into a folder that holds other things
};

/// Writes the dataset in format precomp: images/scene_NNNNNN.jpg, {train,val,test}_caps.txt and _filename.txt
/// (80/10/10), detections/scene_NNNNNN.json, triples.jsonl, and synth.json, which says how it was made. What an earlier
/// call wrote there is replaced. The same options give the same bytes.
/// @throws InputError when the folder is not empty and was not written by this function, unless `force`.
void write_synthetic_dataset(const SynthOptions& options, const ProgressFunction& progress = {});

}  // namespace orbweaver
