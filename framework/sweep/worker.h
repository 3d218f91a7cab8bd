// The process of one run of a sweep.
#pragma once

#include <filesystem>
#include <string>

#include "framework/io/report.h"

namespace orbweaver {

/// Does what a job file says: trains the run unless its folder holds the
/// finished training of the same identity (continuing one that was begun,
/// starting again where the folder holds another's), evaluates it, and leaves
/// outcome.json with the token. A finished training whose rerankers changed is
/// evaluated from its saved scores.
///
/// The job file: {"name", "folder", "training": Identifier::training,
/// "evaluation": hash, "config": resolved config, "split": "test", "adopt":
/// folder of a run of the same training, or null, "adopt_name": its name,
/// "hashes": folder of the ContentHashes' records}.
///
/// @return false when it was told to stop, after saving.
/// @throws what stopped it, after leaving an outcome that says so (but where it waited for the folder's lock in vain);
///         InputError where the folder holds something that is
///         no run of a sweep, or where plugins, weights or data are no longer those of the job's identity.
bool run_sweep_job(const std::filesystem::path& job_file, const std::string& token, const RunReport& report);

}  // namespace orbweaver
