#include "framework/eval/row_lines.h"

#include <algorithm>

#include "framework/io/lenient.h"

namespace orbweaver {
namespace {

constexpr size_t none = static_cast<size_t>(-1);

/// Puts the rows of one evaluation on lines.
class Placing {
 public:
  Placing(std::span<const RowKey> rows, std::vector<RowKey>& lines)
      : rows_(rows), lines_(lines), line_of_(rows.size(), none), taken_(lines.size()) {}

  /// Those that have no line yet on free ones of their kind, from the line `begin` to before `end`.
  void place(size_t begin, size_t end, bool equal_parameters) {
    for (size_t row = 0; row < rows_.size(); ++row)
      for (size_t line = begin; line < end && line_of_[row] == none; ++line) {
        if (taken_[line] || !lines_[line].same_kind(rows_[row])) continue;
        if (equal_parameters && !(lines_[line].parameters == rows_[row].parameters)) continue;
        line_of_[row] = line;
        taken_[line] = true;
      }
  }

  /// ... and a line of its own for each that has none after that.
  std::vector<size_t> finish() {
    for (size_t row = 0; row < rows_.size(); ++row) {
      if (line_of_[row] != none) continue;
      line_of_[row] = lines_.size();
      lines_.push_back(rows_[row]);
    }
    return std::move(line_of_);
  }

 private:
  std::span<const RowKey> rows_;
  std::vector<RowKey>& lines_;
  std::vector<size_t> line_of_;
  std::vector<bool> taken_;
};

}  // namespace

bool RowKey::same_kind(const RowKey& other) const {
  return reranker == other.reranker && tie_rule == other.tie_rule && duplicate_aware == other.duplicate_aware;
}

RowKey key_of(const Value& row) {
  return {text_of(member(row, "reranker")), text_of(member(row, "tie_rule")),
          member(row, "duplicate_aware") == Value(true), member(row, "parameters")};
}

RowLines row_lines(std::span<const std::vector<RowKey>> evaluations, size_t baseline) {
  RowLines out;
  out.line_of.resize(evaluations.size());
  if (baseline >= evaluations.size() || evaluations[baseline].empty())
    baseline = static_cast<size_t>(std::ranges::find_if(evaluations, [](const auto& rows) { return !rows.empty(); }) -
                                   evaluations.begin());
  if (baseline == evaluations.size()) return out;
  out.line_of[baseline] = Placing(evaluations[baseline], out.lines).finish();
  const size_t of_baseline = out.lines.size();
  for (size_t at = 0; at < evaluations.size(); ++at) {
    if (at == baseline) continue;
    const size_t known = out.lines.size();
    Placing placing(evaluations[at], out.lines);
    placing.place(0, of_baseline, true);
    placing.place(0, of_baseline, false);
    placing.place(of_baseline, known, true);
    out.line_of[at] = placing.finish();
  }
  return out;
}

}  // namespace orbweaver
