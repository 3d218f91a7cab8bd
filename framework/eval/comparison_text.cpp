#include "framework/eval/comparison_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "framework/eval/significance.h"

namespace orbweaver {
namespace {

std::string comparisons(size_t count) { return fmt::format("{} {}", count, count == 1 ? "comparison" : "comparisons"); }

std::string legend_entry(const std::string& marks, bool first, double level, LegendStyle style) {
  if (style == LegendStyle::latex) return fmt::format("$^{{{}}}\\,p {} {:g}$", marks, first ? "\\le" : "<", level);
  return fmt::format("{} p {} {:g}", marks, first ? "<=" : "<", level);
}

}  // namespace

std::string correction_text(std::span<const ComparisonFamily> families, const std::string& unit) {
  std::vector<ComparisonFamily> compared(families.begin(), families.end());
  std::erase_if(compared, [](const ComparisonFamily& family) { return family.comparisons == 0; });
  if (compared.empty()) return "";
  const size_t first = compared.front().comparisons;
  if (compared.size() == 1) return "Holm-corrected over " + comparisons(first);
  const std::string within = fmt::format("Holm-corrected within each {}, over ", unit);
  if (std::ranges::all_of(compared, [&](const ComparisonFamily& family) { return family.comparisons == first; }))
    return within + comparisons(first);
  std::string text;
  for (const ComparisonFamily& family : compared)
    text += text.empty() ? fmt::format("{} in \"{}\"", comparisons(family.comparisons), family.name)
                         : fmt::format(", {} in \"{}\"", family.comparisons, family.name);
  return within + text;
}

std::string marks_legend(double alpha, LegendStyle style) {
  std::string text, marks;
  for (const double level : mark_levels(alpha)) {
    marks += '*';
    text += (text.empty() ? "" : ", ") + legend_entry(marks, text.empty(), level, style);
  }
  return text;
}

}  // namespace orbweaver
