// The runs of a sweep: what each is, how far it is, what is left to do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "framework/config/config.h"
#include "framework/sweep/identity.h"
#include "framework/sweep/launcher.h"
#include "framework/sweep/outcome.h"
#include "framework/sweep/sweep_file.h"
#include "orbweaver/value.h"

namespace orbweaver {

struct PlannedRun {
  enum class Todo {
    nothing,   ///< finished, or failed and not to be tried again
    evaluate,  ///< trained; its evaluation is missing or its rerankers changed
    resume,    ///< its training was begun
    train
  };

  std::string name;    ///< "f1-s2"
  size_t variant = 0;  ///< index into Sweep::variants
  int64_t seed = 0;
  SweepRunFolder folder;
  Config config;
  Value training;  ///< Identifier::training
  std::string training_hash, evaluation_hash;

  bool selected = true;        ///< by --only
  Todo todo = Todo::train;     ///< as the folder says, whether selected or not
  std::string why;             ///< one line, where something that was done is done again
  std::string shares;          ///< name of a run of the same identity, whose training this one takes over
  std::optional<size_t> twin;  ///< that run; nothing where the sweep no longer has it and its folder is still there
  JobState state = JobState::waiting;
  std::string reason;  ///< of a failure
  std::vector<std::string> log_tail;
  std::optional<RunOutcome> outcome;  ///< of this identity

  explicit PlannedRun(std::filesystem::path path) : folder(std::move(path)) {}
  int64_t threads() const { return config.train.threads; }
  bool to_do() const { return selected && todo != Todo::nothing; }
};

struct PlanOptions {
  std::vector<std::string> overrides;  ///< --set: of every run's config
  std::vector<std::string> only;       ///< patterns (* ? []) of run or variant names; empty: all
  std::filesystem::path out;           ///< the sweep's folder; empty: <output>/<sweep name>
};

struct SweepPlan {
  Sweep sweep;
  std::filesystem::path folder;
  std::vector<PlannedRun> runs;  ///< by variant, then by seed
};

/// Resolves every run's config and its identity. Reads no run folder.
/// @throws InputError listing everything wrong with the runs' configs; on an
/// override of what the sweep varies; on a
///         pattern that no run matches; on variants whose evaluated splits differ; on
///         metrics of abilities that a dataset has no pairs of.
SweepPlan make_plan(Sweep sweep, const PlanOptions& options);

/// Looks into the run folders: fills what follows `selected` in every run.
///
/// Of runs of one training identity one trains, and the others share what it trained: a run that has it trained
/// already, or a folder that a run of another name left; else one that goes on from a checkpoint; else the first. Where
/// such a training failed and is not tried again, all have failed with it.
void inspect(SweepPlan& plan, bool retry_failed);

/// Marks a run as failed because the run failed whose training it shares.
void fail_with(PlannedRun& run, const PlannedRun& provider);

/// Seconds that the unfinished, selected runs may still take, from what
/// finished runs of this sweep took; nothing where no run that is like them has
/// finished.
std::optional<double> estimated_seconds(const SweepPlan& plan, int64_t processors);

/// What --dry-run prints, for readers and for machines.
struct PlanView {
  std::string text;
  Value value;
};
PlanView describe_plan(const SweepPlan& plan, int64_t processors, const RunReport& report);

/// "waiting", "running", "finished", "failed", "stopped"
const char* state_name(JobState state);

}  // namespace orbweaver
