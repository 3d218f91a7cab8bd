// Whether captions are true of their images, for datasets that say what their images show (geometry.jsonl).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "orbweaver/value.h"

namespace orbweaver {

struct Untruth {
  std::string image, caption, reason;
};

struct TruthReport {
  int64_t captions = 0;
  int64_t claims = 0;  ///< counts, colours and relations that were recomputed
  std::vector<Untruth> untrue;
  int64_t pairs = 0;               ///< of abilities.json
  std::vector<Untruth> undecided;  ///< captions of a pair that hold for the other image, or not for their own
};

/// Recomputes every count, colour and relation that the captions of `folder`/geometry.jsonl claim from the objects that
/// stand beside them there, and whether each pair of `folder`/abilities.json is one: either caption true of its own
/// image and false of the other's. Shares no code with what wrote the files; in floating point, with a tolerance of a
/// tenth of a pixel, half a degree and a hundredth of a ratio. @throws InputError naming file and line.
TruthReport check_truth(const std::filesystem::path& folder);

/// Why a caption (an entry of "captions") is not true of a scene (a line of geometry.jsonl), or "". `claims` grows by
/// what was recomputed.
std::string untruth_of(const Value& caption, const Value& scene, int64_t& claims);

}  // namespace orbweaver
