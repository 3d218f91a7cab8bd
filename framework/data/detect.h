// Detection files of a folder of images: the work of `orbweaver detect`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "framework/data/dataset.h"
#include "framework/io/report.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct DetectOptions {
  std::string use;               ///< id of the detector; empty with `from`
  std::vector<std::string> set;  ///< "name=value": its parameters; values are JSON, else strings; paths are relative to
                                 ///< the working directory
  std::vector<std::filesystem::path> plugin_folders;
  /// Folder of detections that exist, .json or DOTA .txt: converted or drawn in place of running a detector.
  std::filesystem::path from;
  std::filesystem::path images;  ///< folder, with its subfolders; may be empty with `from` where nothing is drawn
  std::filesystem::path out;     ///< folder of detection files, <name of the image without extension>.json; or empty
  std::filesystem::path draw;    ///< folder of drawings, <name of the image without extension>.png; or empty
  bool overwrite = false;        ///< replace files that exist; else they are kept, so that a second start goes on
  int threads = 1;               ///< each has a detector of its own; results do not depend on it
};

struct DetectResult {
  int64_t images = 0;   ///< found; with `from` and no images, the detection files
  int64_t written = 0;  ///< detection files
  int64_t kept = 0;     ///< images for which everything was there already
  int64_t drawn = 0;
  int64_t objects = 0;                    ///< in the images that were written or drawn
  std::map<std::string, int64_t> labels;  ///< the same, by label
  std::vector<SkippedItem> broken;        ///< images or detection files that cannot be read
  bool interrupted = false;
  double seconds = 0;
  Value value() const;
  std::string text() const;
};

/// Beside the detection files lies ".detector.json", which says what made them. A folder that another detector or other
/// parameters made is refused unless `overwrite`: its files would be mixed.
/// @throws InputError on wrong options; what the detector throws. A broken image does not stop the work.
DetectResult detect_folder(const DetectOptions& options, const RunReport& report);

}  // namespace orbweaver
