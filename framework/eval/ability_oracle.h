// The geometry oracle (framework/data/oracle.h) beside methods, on pairs of images that differ in one thing: which of
// them the rules of geometry tell apart by the same noisy detections. It is no model, and depends on the dataset alone.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "framework/data/dataset.h"
#include "framework/eval/abilities.h"
#include "orbweaver/value.h"

namespace orbweaver {

/// The oracle, in words for below a table.
inline constexpr std::string_view oracle_is =
    "no model; it reads the detections and the captions by rule; ties count as failures";

/// The oracle's own rows, with kinds and without recalls, of the abilities that it can be asked of: every image of
/// their pairs has detections, and there are rules for both captions of every pair (oracle_reads). Of other abilities
/// there is no row. Reads one file an image.
/// @throws InputError on detections that cannot be read.
std::vector<AbilityRow> oracle_rows(std::span<const AbilityPair> pairs, const Split& split, const TripleTable& triples);

/// The row of an ability, or of one kind of it; null where there is none.
const AbilityRow* find_row(std::span<const AbilityRow> rows, std::string_view ability, std::string_view kind = {});

/// Gives each row the figures of the oracle's row of its ability and kind, where there is one.
void put_beside(std::vector<AbilityRow>& rows, std::span<const AbilityRow> oracle);

/// A method's group accuracy in percent of the oracle's; nothing where the oracle has no pair right.
std::optional<double> share_of_oracle(double group, double oracle_group);

// ---- Of several variants: each dataset has its own.

struct DatasetOracle {
  std::vector<std::string> variants;  ///< that were evaluated on the dataset
  std::vector<AbilityRow> rows;       ///< the oracle's own

  /// Its "<ability>.text", "<ability>.image" or "<ability>.group"; nothing where it has none.
  std::optional<double> metric(std::string_view name) const;
};

/// Adds a variant with its dataset's oracle: to the one of the same rows, or as a new one.
void add_oracle(std::vector<DatasetOracle>& oracles, const std::string& variant, std::vector<AbilityRow> rows);

/// [{"variants": ["sum", "chain"], "rows": to_value(rows)}]: "oracle" of results.json.
Value to_value(std::span<const DatasetOracle> oracles);
/// The same read back; what is missing or of another kind is left out.
std::vector<DatasetOracle> oracles_from(const Value& value);
/// The oracle's rows from "rows" of abilities_record: what stands there beside a method's.
std::vector<AbilityRow> recorded_oracle(const Value& rows);

/// "oracle"; where there are several "oracle on the data of sum, chain and 3 more".
std::string oracle_name(const DatasetOracle& oracle, size_t oracles);

}  // namespace orbweaver
