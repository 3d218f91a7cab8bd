// Datasets: images, captions, detections and triples, split into train, validation and test.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "orbweaver/params.h"
#include "orbweaver/scene.h"

namespace orbweaver {

/// The "dataset" object of a config.
///
/// precomp: `{train,val,test}_caps.txt`, a caption a line, beside `{train,val,test}_filename.txt`, a file name a line,
/// once per image or once per caption; which of the two follows from the line counts. Captions of an image follow each
/// other.
///
/// karpathy: one JSON file, `images[]{filename, filepath?, split, sentences[]{raw, tokens}}`; split is train, restval
/// (part of train), val or test.
///
/// Either may lack splits: a missing validation split is drawn from train; a missing train or test split is empty, and
/// the command that needs it says so. Blanks around names and captions do not count.
struct DatasetParams {
  enum class Format { precomp, karpathy };
  std::string name = "dataset";  ///< shown in results
  std::filesystem::path root;    ///< folder of the caption files
  Format format = Format::precomp;
  std::filesystem::path images;       ///< default: root/images
  std::filesystem::path annotations;  ///< karpathy: the JSON file; default: the only *.json in root
  std::filesystem::path detections;   ///< default: root/detections, else root/labelTxt, where one exists
  std::filesystem::path triples;      ///< default: root/triples.jsonl where it exists
  double val_fraction = 0.1;          ///< of the training images, where the dataset has no validation split
  int64_t val_seed = 1;               ///< of that split; apart from the run's seed, so that seeds share it
  bool skip_broken = false;
  static void describe(ParamSpec<DatasetParams>& p);
};

struct ImageRecord {
  std::string name;  ///< as the dataset writes it
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

/// Reads a dataset's lists. The images' folder must exist; the images themselves are looked for by `check_files`.
/// @throws InputError naming file and line.
Dataset load_dataset(const DatasetParams& params);

/// The dataset that a folder (or a karpathy JSON file) holds, its format found out by looking. @throws InputError.
DatasetParams guess_dataset(const std::filesystem::path& path);

/// Called now and then with how much of a long piece of work is done.
using ProgressFunction = std::function<void(int64_t done, int64_t total)>;

/// Finds images that are missing or do not decode, in `threads` threads; results are kept by file identity (path, size,
/// time) in `cache` (a file; none when empty), so a second start is fast. Fatal (InputError: the first ten, and the
/// count) unless skip_broken, which removes them from the splits, records them in `dataset.skipped`, and keeps order.
/// Files that end early count as broken, also where a decoder would fill the rest with grey. Fatal in any case when no
/// image is left.
void check_files(Dataset& dataset, const DatasetParams& params, int threads, const std::filesystem::path& cache = {},
                 const ProgressFunction& progress = {});

/// The images of all splits that are missing or broken, in order, without failing on them: what `check_files` builds
/// on.
std::vector<SkippedItem> find_broken_files(const Dataset& dataset, int threads, const std::filesystem::path& cache = {},
                                           const ProgressFunction& progress = {});

/// Objects of an image from `detections/<stem>.json` (a JSON array of {"label", "bbox": [cx, cy, w, h, angle_rad,
/// probability]}, and optionally "attributes": {name: number}) or DOTA labelTxt `<stem>.txt` (8 corner coordinates,
/// class, difficulty; header lines "imagesource:" and "gsd:"). A labelTxt quadrilateral becomes the rectangle with its
/// centre, its first side's direction and its mean side lengths; difficulty 1 becomes the attribute "difficult".
/// @throws InputError naming file and entry.
std::vector<Object> read_detections(const std::filesystem::path& file);

/// The same from parsed JSON; `source` is named in errors.
std::vector<Object> parse_detections(const Value& list, const std::string& source);

/// The text of a detections file; reads back as the same objects.
std::string detections_json(std::span<const Object> objects);

/// Triples of captions: JSONL of {"text": caption, "triples": [[subject, relation, object], ...]}. Blanks around a text
/// do not count. @throws InputError naming file and line, also where one text is given two different lists.
TripleTable read_triples(const std::filesystem::path& file);

}  // namespace orbweaver
