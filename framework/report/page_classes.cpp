// mR by class, in the shade of its difference to the baseline.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/report/html.h"
#include "framework/report/page.h"

namespace orbweaver::page {
namespace {

std::string h(std::string_view text) { return escape_html(text); }

std::string shade(double difference, double most) {
  if (most <= 0 || difference == 0) return "";
  return fmt::format(" style=\"--hue:var({});--depth:{:.2f}\"", difference > 0 ? "--more" : "--less",
                     0.55 * std::min(1.0, std::abs(difference) / most));
}

std::string class_cells(const ClassRow& row, std::optional<size_t> base, double most) {
  std::string cells;
  for (size_t v = 0; v < row.values.size(); ++v) {
    const std::optional<double>& value = row.values[v];
    if (!value || !base || v == *base || !row.values[*base]) {
      cells += number_cell(value, 1);
      continue;
    }
    const double difference = *value - *row.values[*base];
    cells += fmt::format("<td class=\"number shade\" data-value=\"{}\" title=\"{} to the baseline\"{}>{}</td>", *value,
                         signed_number(difference, 1), shade(difference, most), number(*value, 1));
  }
  return cells;
}

std::optional<size_t> baseline_index(const ReportData& data) {
  for (size_t v = 0; v < data.variants.size(); ++v)
    if (!data.baseline.empty() && data.variants[v].name == data.baseline) return v;
  return std::nullopt;
}

/// The 95th percentile of the differences' sizes: one outlier must not pale the rest.
double shade_scale(const std::vector<ClassRow>& rows, std::optional<size_t> base) {
  std::vector<double> sizes;
  if (base)
    for (const ClassRow& row : rows)
      for (const auto& value : row.values)
        if (value && row.values[*base]) sizes.push_back(std::abs(*value - *row.values[*base]));
  if (sizes.empty()) return 0;
  std::sort(sizes.begin(), sizes.end());
  return sizes[(sizes.size() - 1) * 95 / 100];
}

}  // namespace

Section classes(const ReportContent& content) {
  const ReportData& data = content.data;
  if (!content.split.split) return {"classes", "Classes", note("No classes: " + content.split.missing)};
  if (content.classes.empty())
    return {"classes", "Classes",
            note("No class is known for these images: their file names carry none (as airport_12.jpg does).")};
  if (content.outcomes.runs.empty()) return {"classes", "Classes", note("No finished run has kept its ranks.")};
  const std::optional<size_t> base = baseline_index(data);
  const double most = shade_scale(content.classes, base);
  std::string head =
      "<thead><tr><th scope=\"col\" data-sort=\"ascending\" aria-sort=\"ascending\">Class</th><th class=\"number\" "
      "scope=\"col\" "
      "data-sort=\"descending\">Images</th>";
  for (const ReportVariant& variant : data.variants)
    head += fmt::format("<th class=\"number\" scope=\"col\" data-sort=\"descending\">{}</th>", h(variant.name));
  std::string rows;
  for (size_t i = 0; i < content.classes.size(); ++i) {
    const ClassRow& row = content.classes[i];
    rows += fmt::format("<tr><th scope=\"row\" data-value=\"{}\">{}</th>{}{}</tr>\n", i,
                        row.name.empty() ? "<span class=\"tag\">no class in the name</span>" : h(row.name),
                        number_cell(static_cast<double>(row.images), 0), class_cells(row, base, most));
  }
  std::string html =
      note(fmt::format("mR of the plain row over the images of a class and their captions{}; the whole {} split is the "
                       "gallery. The class "
                       "is what the file name says. Classes have few images: single points mean little.",
                       data.sweep ? ", mean over seeds" : "", data.split));
  if (base && most > 0)
    html += note(fmt::format("Shade: blue above {}, orange below; full colour from {} points on.", data.baseline,
                             number(most, 1)));
  html += scrolling_table("mR by class", "class=\"fixed\"", head + "</tr></thead><tbody>" + rows + "</tbody>");
  return {"classes", "Classes", html};
}

}  // namespace orbweaver::page
