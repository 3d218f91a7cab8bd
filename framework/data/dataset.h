// Datasets: images, captions, detections and triples, split into train, validation and test.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "orbweaver/params.h"
#include "orbweaver/scene.h"

namespace orbweaver {

/// The "dataset" object of a config.
struct DatasetParams {
  enum class Format { precomp, karpathy };
  std::string name = "dataset";            ///< shown in results
  std::filesystem::path root;              ///< folder of the caption files
  Format format = Format::precomp;
  std::filesystem::path images;            ///< default: root/images
  std::filesystem::path annotations;       ///< karpathy: the JSON file; default: the only *.json in root
  std::filesystem::path detections;        ///< default: root/detections where it exists
  std::filesystem::path triples;           ///< default: root/triples.jsonl where it exists
  double val_fraction = 0.1;               ///< of the training images, where the dataset has no validation split
  int64_t val_seed = 1;                    ///< of that split; apart from the run's seed, so that seeds share it
  bool skip_broken = false;
  static void describe(ParamSpec<DatasetParams>& p);
};

struct ImageRecord {
  std::string name;                  ///< as the dataset writes it
  std::filesystem::path file;
  std::filesystem::path detections;  ///< empty when there are none on disk
};

struct CaptionRecord {
  std::string text;
  int64_t image = 0;  ///< index into Split::images
};

struct Split {
  std::string name;  ///< "train", "val" or "test"
  std::vector<ImageRecord> images;
  std::vector<CaptionRecord> captions;  ///< grouped by image, in the dataset's order
  /// Hash of image names and captions in order: what the split is, wherever it lies.
  std::string hash() const;
};

/// Triples that a dataset gives for a caption's text, keyed by that text.
using TripleTable = std::map<std::string, std::vector<Triple>, std::less<>>;

struct SkippedItem {
  std::filesystem::path file;
  std::string reason;
};

struct Dataset {
  std::string name;
  Split train, val, test;
  /// "on disk" or "seeded split of train (10% of images, seed 1)".
  std::string val_source;
  TripleTable triples;
  std::vector<SkippedItem> skipped;  ///< with skip_broken: what was left out and why
};

/// Reads a dataset's lists. Images are looked for, not decoded; call `check_files` for that.
/// @throws InputError naming file and line.
Dataset load_dataset(const DatasetParams& params);

/// Finds images that are missing or do not decode, in `threads` threads; results are kept by file identity (path, size,
/// time) in `cache` (a file; none when empty), so a second start is fast. Fatal (InputError: the first ten, and the count)
/// unless skip_broken, which removes them from the splits, records them in `dataset.skipped`, and keeps order.
void check_files(Dataset& dataset, const DatasetParams& params, int threads, const std::filesystem::path& cache = {});

/// Objects of an image from `detections/<stem>.json` (a JSON array of {"label", "bbox": [cx, cy, w, h, angle_rad,
/// probability]}) or DOTA labelTxt `<stem>.txt`. @throws InputError naming file and entry.
std::vector<Object> read_detections(const std::filesystem::path& file);

}  // namespace orbweaver
