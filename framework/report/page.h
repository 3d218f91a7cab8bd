// The sections of a report's page.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/report/gallery.h"
#include "framework/report/outcomes.h"
#include "framework/report/pictures.h"
#include "framework/report/report_data.h"

namespace orbweaver {

/// All that a page shows.
struct ReportContent {
  ReportData data;
  ReportedSplit split;
  ReportedOutcomes outcomes;
  std::vector<int64_t> recall_ks;
  std::vector<RecallCurve> recall;
  std::vector<ClassRow> classes;
  Gallery gallery;
  GraphDrawings graphs;
};

/// The whole file. The same content gives the same bytes.
std::string report_page(const ReportContent& content);

namespace page {

struct Section {
  std::string id, title, html;  ///< `html` is empty where there is nothing to say
};

Section leaderboard(const ReportContent& content);
Section deltas(const ReportContent& content);
Section abilities(const ReportContent& content);
Section recall_curves(const ReportContent& content);
Section training_curves(const ReportContent& content);
Section classes(const ReportContent& content);
Section gallery(const ReportContent& content);
Section graphs(const ReportContent& content);
Section variants(const ReportContent& content);
Section runs(const ReportContent& content);
Section failures(const ReportContent& content);
Section protocol(const ReportContent& content);

/// Thumbnails as SVG images to refer to: each is in the file once, however often it is shown.
std::string picture_stock(const Gallery& gallery);

/// What the charts draw, for script_json.
Value chart_data(const ReportContent& content);

// Pieces.

std::string number(double value, int digits = 2);
std::string signed_number(double value, int digits = 2);
std::string p_value(double p);
/// "2 h 03 min", "4 min 12 s", "8.9 s".
std::string duration(double seconds);
/// <td class="number" data-value="12.336">12.34</td>; an empty cell without a value.
std::string number_cell(const std::optional<double>& value, int digits = 2);
/// <p class="note">, its text escaped.
std::string note(const std::string& text);
/// "*" for a difference that is significant at `alpha`, more for a smaller p, with the p as its title; or nothing.
std::string marks(const ReportComparison& of, double alpha);
/// "Variant" or "Run", and in the plural.
std::string heading(const ReportData& data, bool plural = false);
/// A table that scrolls by itself where it is too wide; `what` names it for a screen reader.
std::string scrolling_table(const std::string& what, const std::string& attributes, const std::string& rows);
/// Variants' names, escaped, separated by commas.
std::string variant_names(const ReportData& data, const std::vector<size_t>& variants);
/// A <select> with a label, shown where scripts run; nothing for fewer than two choices (value, text).
std::string choice(const std::string& id, const std::string& label,
                   const std::vector<std::pair<std::string, std::string>>& choices);

/// What p-values were corrected over, a sentence without its full stop ("p is Holm-corrected over 3 comparisons"): the
/// comparisons of one row are a family.
std::string correction_text(const ReportData& data);

/// The labels of the rows that a paper would report, in the order of their first appearance.
std::vector<std::string> reported_labels(const ReportData& data);

/// The rows of a label with the variants that have them, the baseline first.
using LabelledRow = std::pair<const ReportVariant*, const ReportRow*>;
std::vector<LabelledRow> rows_labelled(const ReportData& data, const std::string& label);

/// What the comparisons compare.
std::string compared_metric(const ReportData& data);

/// Whether `a` is a better value of the metric than `b`.
bool better(const std::string& metric, double a, double b);

/// "1, 2, 5".
std::string list_text(const std::vector<int64_t>& numbers);

}  // namespace page
}  // namespace orbweaver
