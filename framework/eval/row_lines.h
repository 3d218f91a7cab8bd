// Which rows of several evaluations stand on one line of a table, and so are compared.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "orbweaver/value.h"

namespace orbweaver {

/// What tells the rows of an evaluation apart.
struct RowKey {
  std::string reranker, tie_rule;
  bool duplicate_aware = false;
  Value parameters{};
  bool same_kind(const RowKey& other) const;  ///< equal but for the parameters
};
/// Of to_value(EvaluationRow), or of a variant's row in results.json.
RowKey key_of(const Value& row);

/// The lines of a table.
struct RowLines {
  std::vector<RowKey> lines;                 ///< the first row of each: the baseline's lines first, in its order
  std::vector<std::vector<size_t>> line_of;  ///< of each evaluation, the line of each of its rows
};

/// Puts the rows of evaluations on lines, each on one of its kind (reranker, tie rule, positives). The baseline has a
/// line for each of its rows. A row of another evaluation goes on the baseline's line of equal parameters; what is left
/// of that evaluation (a variant may be about the parameters) goes in order on the baseline's lines that it has not
/// taken; what is left then goes on a line that others opened with equal parameters, or opens one. An evaluation has
/// one row on a line at most, and which of its rows meets which of the baseline's depends on these two alone.
/// @param baseline  its place among `evaluations`. Where it is none of them or has no rows, the first that has some
///                  stands in for it.
RowLines row_lines(std::span<const std::vector<RowKey>> evaluations, size_t baseline);

}  // namespace orbweaver
