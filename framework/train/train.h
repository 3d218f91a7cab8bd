// Training a method: `orbweaver train`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "framework/io/report.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct TrainOptions {
  std::filesystem::path config_or_run;
  std::vector<std::string> overrides;
  std::filesystem::path folder;  ///< run folder; default: <output>/<name>-<dataset>-s<seed>
  bool resume = false;           ///< continue what the folder holds, bit for bit; start where it holds nothing
  bool overwrite = false;        ///< start again in a folder that holds a run, which goes once the new one begins
  bool locked = false;           ///< the caller holds the lock of the run folder (RunFolder::lock)
};

struct TrainResult {
  std::filesystem::path folder;
  bool finished = false;  ///< false: stopped by the report's stop flag, after saving
  Value record;
};

/// Trains, selects the checkpoint by validation mR (strict ties), never by test, and writes a run folder.
///
/// Repeatable: weights come from (seed, component), the order of samples from (seed, epoch), dropout from (seed, step),
/// so a run that was killed and resumed ends with the same bytes as one that was not.
/// Where the environment says that several processes belong together they train one model (distributed.h); only rank
/// 0's result has a record.
/// @throws InputError on a wrong config or dataset, on a folder that holds another run or in which another training is
/// at work; Error where the loss is not
/// finite (the batch's items are written to <folder>/bad_batch.json).
TrainResult train(const TrainOptions& options, const RunReport& report);

}  // namespace orbweaver
