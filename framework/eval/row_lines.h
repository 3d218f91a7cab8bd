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

/// Lines of a table, opened by the first evaluation that has them; the baseline's rows come first, so that a line is
/// about what the baseline's row is.
///
/// A row goes on the line of its kind (reranker, tie rule, positives) whose first row has equal parameters. What is left
/// of an evaluation (a variant may be about the parameters) goes in order on the lines of its kind that it has not taken
/// yet, and what is left then opens lines of its own. An evaluation has one row on a line at most.
class RowLines {
 public:
  /// The line of each row of one evaluation, from 0.
  std::vector<size_t> add(std::span<const RowKey> rows);
  /// The first row of each line.
  const std::vector<RowKey>& lines() const { return lines_; }

 private:
  std::vector<RowKey> lines_;
};

}  // namespace orbweaver
