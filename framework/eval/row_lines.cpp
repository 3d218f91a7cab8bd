#include "framework/eval/row_lines.h"

#include "framework/io/lenient.h"

namespace orbweaver {

bool RowKey::same_kind(const RowKey& other) const {
  return reranker == other.reranker && tie_rule == other.tie_rule && duplicate_aware == other.duplicate_aware;
}

RowKey key_of(const Value& row) {
  return {text_of(member(row, "reranker")), text_of(member(row, "tie_rule")),
          member(row, "duplicate_aware") == Value(true), member(row, "parameters")};
}

std::vector<size_t> RowLines::add(std::span<const RowKey> rows) {
  constexpr size_t none = static_cast<size_t>(-1);
  std::vector<size_t> line_of(rows.size(), none);
  std::vector<bool> taken(lines_.size());
  const auto place = [&](size_t row, bool equal_parameters) {
    for (size_t line = 0; line < lines_.size() && line_of[row] == none; ++line) {
      if (taken[line] || !lines_[line].same_kind(rows[row])) continue;
      if (equal_parameters && !(lines_[line].parameters == rows[row].parameters)) continue;
      line_of[row] = line;
      taken[line] = true;
    }
  };
  for (size_t row = 0; row < rows.size(); ++row) place(row, true);
  for (size_t row = 0; row < rows.size(); ++row) {
    place(row, false);
    if (line_of[row] != none) continue;
    line_of[row] = lines_.size();
    lines_.push_back(rows[row]);
    taken.push_back(true);
  }
  return line_of;
}

}  // namespace orbweaver
