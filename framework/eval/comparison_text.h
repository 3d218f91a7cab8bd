// What tables and reports say of comparisons: over what their p-values were corrected, and what the marks mean.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace orbweaver {

/// The comparisons that Holm corrected over, those of one line of a table.
struct ComparisonFamily {
  std::string name;
  size_t comparisons = 0;
};

/// "Holm-corrected over 3 comparisons"; of several families "Holm-corrected within each section, over 3 comparisons"
/// or, where their numbers differ, "..., over 3 comparisons in "plain", 2 in "multivariate"". Families without a
/// comparison do not count; empty where there is none with any.
/// @param unit  what a family is in the text around: "section", "row"
std::string correction_text(std::span<const ComparisonFamily> families, const std::string& unit);

enum class LegendStyle { plain, latex };

/// What significance_marks() stand for: "* p <= 0.05, ** p < 0.01, *** p < 0.001".
std::string marks_legend(double alpha, LegendStyle style = LegendStyle::plain);

}  // namespace orbweaver
