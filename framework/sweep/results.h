// results.json: what a sweep amounts to.
#pragma once

#include <string>

#include "framework/sweep/plan.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// {"format": 1, "name", "description", "sweep": resolved file, "split",
/// "baseline", "metrics", "environment",
///  "dataset", "wall_seconds", "cache", "variants": [{"name", "description",
///  "overrides", "config", "runs": [{"seed", "name", "folder", "status",
///  "reason", "log_tail", "identity", "seconds", "epoch_seconds",
///  "peak_memory_mib", "best_epoch", "val_mR", "trained_as", "rows"}], "rows":
///  variant_rows(...)}], "oracle", "statistics", "inputs"}.
/// "oracle" (framework/eval/ability_oracle.h) is of the split's pairs of abilities, once for each dataset that finished
/// runs were evaluated on; an empty list where there is none, and while the sweep is still running.
/// "reason" of a finished run says why it is not compared, where others are: its ranks are lost.
///
/// Times apart (seconds, epoch_seconds, wall_seconds, evaluation times), it is
/// a function of the runs' identities.
/// @param compare  false: means and deviations only, for a sweep that is still
/// running.
Value sweep_results(const SweepPlan& plan, double wall_seconds, bool compare);

/// Hash of all that results.json is made from: the same inputs need no second
/// computation of the statistics.
std::string results_inputs(const SweepPlan& plan);

}  // namespace orbweaver
