// A sweep: variants x seeds, each trained in a process of its own, evaluated
// alike and compared.
//
// Its folder:
//   sweep.json                sweep file, resolved
//   runs/<variant>-s<seed>/   a run folder as `orbweaver train` makes it, with
//   job.json (what its process was told),
//                             identity.json (what its files were made from),
//                             outcome.json (how it ended), process.log,
//                             scores.<split>.npy, ranks.<split>.safetensors
//   results.json              everything that tables and reports are made from
//   (framework/sweep/results.h) table.txt|md|csv|tex      tables lock held by
//   the sweep that is at work
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/report.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct SweepOptions {
  std::filesystem::path file;
  std::filesystem::path out;           ///< the sweep's folder; empty: <output>/<sweep name>
  std::vector<std::string> overrides;  ///< --set: of every run's config
  std::vector<std::string> settings;   ///< --set-sweep: of the sweep file's own fields
  std::vector<std::string> only;       ///< patterns of run or variant names; empty: all
  bool dry_run = false;
  bool retry_failed = false;
};

struct SweepResult {
  std::filesystem::path folder;
  std::string text;  ///< leaderboard, or the plan of a dry run
  Value value;       ///< results.json, or the plan
  int64_t failed = 0;
  int64_t unfinished = 0;    ///< of the selected runs: interrupted here, or cancelled on the cluster
  int64_t not_selected = 0;  ///< not finished either, but left out by --only
  bool stopped = false;      ///< by the report's stop flag: runs saved their state
};

/// Plans the runs, starts those that are not finished, and sums up. What a
/// sweep that was killed left behind is gone on with; nothing that is finished
/// is done again unless what it was made from changed, and then a line says
/// what.
/// @throws InputError on a wrong sweep file or config, and where another sweep
/// is at work in the folder.
SweepResult run_sweep(const SweepOptions& options, const RunReport& report);

}  // namespace orbweaver
