// What single queries came to: ranks of each run beside the dataset that they are of, and what follows from them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framework/data/dataset.h"
#include "framework/eval/saved_ranks.h"
#include "framework/report/report_data.h"

namespace orbweaver {

/// The split that was evaluated, as it lies on disk now.
struct ReportedSplit {
  std::shared_ptr<const Dataset> dataset;  ///< null where it cannot be read
  const Split* split = nullptr;            ///< of it; null with it
  std::string hash;
  std::string missing;  ///< why there is none: "/data/rsicd: does not exist (dataset.root)"
  std::vector<int64_t> caption_image;

  /// The class of each image, "" where its name has none; empty where no classes are known.
  std::vector<std::string> classes;
};

/// The dataset of the first run that names one. Broken images are left out as the run left them out.
ReportedSplit open_reported_split(const ReportData& data);

/// Classes from file names, "airport_12.jpg" -> "airport", "beach7.tif" -> "beach". Empty unless at least two classes
/// are there and half of the names have one: numbered scenes have none.
std::vector<std::string> classes_of(const std::vector<std::string>& names);

/// The ranks of a finished run.
struct ReportedRun {
  size_t variant = 0;
  const ReportRun* run = nullptr;
  SavedRanks ranks;
  std::vector<std::string> labels;  ///< of ranks.rows, as ReportRow::label has them
};

struct ReportedOutcomes {
  std::vector<ReportedRun> runs;     ///< in the report's order
  std::vector<std::string> missing;  ///< "f1-s1: ...": finished runs without ranks
};

/// Whether all evaluated runs were evaluated on one split, as far as their records say.
bool one_split(const ReportData& data);

/// The ranks files of finished runs; of a run without one the plain ranks, from its scores file and the split.
ReportedOutcomes read_outcomes(const ReportData& data, const ReportedSplit& split);

/// Of run folders: every run against the first one, where their ranks are of one split. Sets comparisons and baseline.
void compare_with_first(ReportData& data, const ReportedOutcomes& outcomes);

/// Percent of queries with a match among the first k, mean over the seeds of a variant.
struct RecallCurve {
  std::string label;  ///< of the row
  size_t variant = 0;
  int64_t seeds = 0;
  std::vector<double> i2t, t2i;  ///< parallel to recall_ks
};
std::vector<int64_t> recall_ks(const ReportedOutcomes& outcomes);
std::vector<RecallCurve> recall_curves(const ReportedOutcomes& outcomes);

/// mR of the plain row over the images of a class and their captions, mean over seeds.
struct ClassRow {
  std::string name;  ///< "" for images without a class
  int64_t images = 0;
  std::vector<std::optional<double>> values;  ///< by variant
};
/// By name, the nameless last; empty where no classes are known.
std::vector<ClassRow> class_rows(const ReportData& data, const ReportedOutcomes& outcomes, const ReportedSplit& split);

}  // namespace orbweaver
