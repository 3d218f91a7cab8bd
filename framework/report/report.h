// `orbweaver report`: a sweep, or some runs, as one HTML file that needs nothing but a browser.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/report.h"

namespace orbweaver {

struct ReportOptions {
  /// One sweep (its folder, or its results.json), or run folders, each of which becomes a variant of its own.
  std::vector<std::filesystem::path> inputs;
  /// The file to write. Empty: report.html in the sweep's or the only run's folder, in the working directory for
  /// several runs.
  std::filesystem::path out;
};

struct WrittenReport {
  std::filesystem::path file;
  int64_t bytes = 0, variants = 0, runs = 0, finished = 0;
  /// What the report could not show and says so, a line each: "no pictures: /data/rsicd: does not exist".
  std::vector<std::string> missing;
};

/// Reads results, run folders and the dataset, and writes the page. What is not there (scores, ranks, images, plugins)
/// leaves a sentence in its place. The same inputs give the same bytes.
///
/// @throws InputError on inputs that are neither runs nor a sweep, or that cannot be read.
WrittenReport write_report(const ReportOptions& options, const RunReport& report);

}  // namespace orbweaver
