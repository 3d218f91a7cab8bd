// The section on abilities: pairs of images that differ in one thing.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "framework/eval/abilities.h"
#include "framework/eval/ability_oracle.h"
#include "framework/eval/comparison_text.h"
#include "framework/io/lenient.h"
#include "framework/report/html.h"
#include "framework/report/page.h"

namespace orbweaver::page {
namespace {

std::string h(std::string_view text) { return escape_html(text); }

/// What a run's record says of the pairs that it was evaluated on.
const Value::List& recorded_abilities(const ReportRun& run, const std::string& split) {
  return list_of(member(member(member(member(run.record, "evaluations"), split), "abilities"), "rows"));
}

/// An ability, with the number of its pairs where a record tells it.
struct AbilityColumn {
  std::string name;
  std::optional<int64_t> pairs;
  std::string metric(const char* score) const { return AbilityMetric{name, score}.name(); }
};

std::vector<AbilityColumn> ability_columns(const ReportData& data) {
  std::vector<AbilityColumn> columns;
  for (const ReportVariant& variant : data.variants) {
    const ReportRow* row = variant.plain_row();
    if (!row) continue;
    for (const ReportMetric& metric : row->metrics) {
      const std::optional<AbilityMetric> of = ability_metric(metric.name);
      if (of && std::ranges::find(columns, of->ability, &AbilityColumn::name) == columns.end())
        columns.push_back({of->ability, {}});
    }
  }
  for (const ReportVariant& variant : data.variants)
    for (const ReportRun& run : variant.runs)
      for (const Value& recorded : recorded_abilities(run, data.split)) {
        const auto column = std::ranges::find(columns, text_of(member(recorded, "ability")), &AbilityColumn::name);
        if (column != columns.end()) column->pairs = integer_of(member(recorded, "pairs"));
      }
  return columns;
}

const ReportMetric* metric_of(const ReportVariant& variant, const std::string& name) {
  const ReportRow* row = variant.plain_row();
  return row ? row->metric(name) : nullptr;
}

const ReportComparison* comparison_of(const ReportVariant& variant, const std::string& name) {
  const ReportRow* row = variant.plain_row();
  if (!row) return nullptr;
  const auto found = row->ability_comparisons.find(name);
  return found == row->ability_comparisons.end() ? nullptr : &found->second;
}

/// Figures are compared as they are printed.
std::optional<std::string> best_of(const ReportData& data, const std::string& name) {
  const ReportMetric* best = nullptr;
  size_t count = 0;
  for (const ReportVariant& variant : data.variants) {
    const ReportMetric* metric = metric_of(variant, name);
    if (!metric) continue;
    ++count;
    if (!best || metric->mean > best->mean) best = metric;
  }
  if (count < 2) return std::nullopt;
  return number(best->mean);
}

std::string figure(const ReportMetric& metric, bool best) {
  return fmt::format(
      "<span{}>{}</span>{}", best ? " class=\"best\"" : "", number(metric.mean),
      metric.deviation ? fmt::format(" <span class=\"deviation\">±{}</span>", number(*metric.deviation)) : "");
}

std::string metric_cell(const ReportMetric* metric) {
  if (!metric) return "<td></td>";
  return fmt::format("<td class=\"number\" data-value=\"{}\">{}</td>", metric->mean, figure(*metric, false));
}

std::string variant_cell(const ReportData& data, const ReportVariant& variant) {
  return fmt::format("<th scope=\"row\">{}{}</th>", h(variant.name),
                     variant.name == data.baseline ? " <span class=\"tag\">baseline</span>" : "");
}

/// A variant's group accuracy in percent of the oracle's on the same data; nothing where there is none.
std::optional<double> share_of(const ReportData& data, const ReportVariant& variant, const std::string& name) {
  const ReportMetric* metric = metric_of(variant, name);
  for (const DatasetOracle& oracle : data.oracles) {
    if (std::ranges::find(oracle.variants, variant.name) == oracle.variants.end()) continue;
    const std::optional<double> group = oracle.metric(name);
    return metric && group ? share_of_oracle(metric->mean, *group) : std::nullopt;
  }
  return std::nullopt;
}

/// Its full length is the oracle's figure.
std::string share_bar(double share) {
  return fmt::format(
      "<div class=\"deviation\">{}% of oracle</div><div class=\"meter\" style=\"--share:{:.1f}%\"></div>",
      number(share, 1), std::clamp(share, 0.0, 100.0));
}

std::string oracle_cell(const ReportData& data, const DatasetOracle& oracle) {
  return fmt::format("<th scope=\"row\">{} <span class=\"tag\">no model</span></th>",
                     h(oracle_name(oracle, data.oracles.size())));
}

std::string number_head(const std::string& title) {
  return fmt::format("<th class=\"number\" scope=\"col\" data-sort=\"descending\">{}</th>", title);
}

/// Group accuracy: a line for each variant, a column for each ability, the difference to the baseline below it.
std::string group_table(const ReportData& data, const std::vector<AbilityColumn>& columns) {
  std::string head = fmt::format("<thead><tr><th scope=\"col\" data-sort=\"ascending\">{}</th>", heading(data));
  for (const AbilityColumn& column : columns)
    head += number_head(h(column.name) +
                        (column.pairs ? fmt::format(" <span class=\"tag\">{} pairs</span>", *column.pairs) : ""));
  std::string rows;
  for (const ReportVariant& variant : data.variants) {
    rows += "<tr>" + variant_cell(data, variant);
    for (const AbilityColumn& column : columns) {
      const std::string name = column.metric("group");
      const ReportMetric* metric = metric_of(variant, name);
      if (!metric) {
        rows += "<td class=\"number\">–</td>";
        continue;
      }
      rows += fmt::format("<td class=\"number\" data-value=\"{}\">{}", metric->mean,
                          figure(*metric, best_of(data, name) == number(metric->mean)));
      if (const ReportComparison* of = comparison_of(variant, name))
        rows +=
            fmt::format("<div class=\"deviation\">{}{}</div>", signed_number(of->difference), marks(*of, data.alpha()));
      if (const std::optional<double> share = share_of(data, variant, name)) rows += share_bar(*share);
      rows += "</td>";
    }
    rows += "</tr>\n";
  }
  // At the foot, where sorting leaves it.
  std::string foot;
  for (const DatasetOracle& oracle : data.oracles) {
    foot += "<tr>" + oracle_cell(data, oracle);
    for (const AbilityColumn& column : columns) {
      const std::optional<double> group = oracle.metric(column.metric("group"));
      foot += fmt::format("<td class=\"number\">{}</td>", group ? number(*group) : "–");
    }
    foot += "</tr>\n";
  }
  if (!foot.empty()) foot = "<tfoot>" + foot + "</tfoot>";
  return scrolling_table("Group accuracy by ability", "class=\"fixed\"",
                         head + "</tr></thead><tbody>" + rows + "</tbody>" + foot);
}

std::string score_table(const ReportData& data, const std::vector<AbilityColumn>& columns) {
  std::string head = fmt::format("<thead><tr><th scope=\"col\" data-sort=\"ascending\">{}</th>", heading(data));
  head += "<th scope=\"col\" data-sort=\"ascending\">Ability</th>";
  for (const char* score : {"Text", "Image", "Group"}) head += number_head(score);
  if (!data.oracles.empty()) head += number_head("% of oracle");
  const bool compared = std::ranges::any_of(data.variants, [](const ReportVariant& variant) {
    return variant.plain_row() && !variant.plain_row()->ability_comparisons.empty();
  });
  if (compared)
    head += number_head("group less " + h(data.baseline)) + "<th class=\"number\" scope=\"col\">Interval</th>" +
            number_head("± over seeds") + number_head("p") + number_head("p, corrected");
  std::string rows;
  for (const AbilityColumn& column : columns) {
    for (const ReportVariant& variant : data.variants) {
      if (!metric_of(variant, column.metric("group"))) continue;
      rows += "<tr>" + variant_cell(data, variant) + fmt::format("<td>{}</td>", h(column.name));
      for (const char* score : {"text", "image", "group"})
        rows += metric_cell(metric_of(variant, column.metric(score)));
      if (!data.oracles.empty()) rows += number_cell(share_of(data, variant, column.metric("group")), 1);
      if (const ReportComparison* of = comparison_of(variant, column.metric("group"))) {
        rows +=
            fmt::format("<td class=\"number\" data-value=\"{}\">{}</td><td class=\"number\">{} to {}</td>",
                        of->difference, signed_number(of->difference), signed_number(of->low), signed_number(of->high));
        rows += number_cell(of->seed_deviation);
        for (const auto& p : {of->p, of->p_holm})
          rows += p ? fmt::format("<td class=\"number\" data-value=\"{}\">{}</td>", *p, h(p_value(*p))) : "<td></td>";
      } else if (compared) {
        rows += "<td></td><td></td><td></td><td></td><td></td>";
      }
      rows += "</tr>\n";
    }
    for (const DatasetOracle& oracle : data.oracles) {
      if (!oracle.metric(column.metric("group"))) continue;
      rows += "<tr>" + oracle_cell(data, oracle) + fmt::format("<td>{}</td>", h(column.name));
      for (const char* score : {"text", "image", "group"}) rows += number_cell(oracle.metric(column.metric(score)));
      rows += compared ? "<td></td><td></td><td></td><td></td><td></td><td></td></tr>\n" : "<td></td></tr>\n";
    }
  }
  return "<details><summary>Text, image and group accuracy</summary>" +
         scrolling_table("Text, image and group accuracy", "class=\"fixed\"",
                         head + "</tr></thead><tbody>" + rows + "</tbody>") +
         "</details>\n";
}

/// Group accuracy of one kind of an ability, by variant.
struct KindRow {
  std::string ability, kind;
  int64_t pairs = 0;
  std::vector<std::pair<double, int64_t>> sums;  ///< over the runs of each variant that have it
};

std::vector<KindRow> kind_rows(const ReportData& data) {
  std::vector<KindRow> rows;
  for (size_t v = 0; v < data.variants.size(); ++v)
    for (const ReportRun& run : data.variants[v].runs) {
      if (!run.finished()) continue;
      for (const Value& ability : recorded_abilities(run, data.split))
        for (const Value& kind : list_of(member(ability, "kinds"))) {
          const std::string of = text_of(member(ability, "ability")), name = text_of(member(kind, "kind"));
          const int64_t pairs = integer_of(member(kind, "pairs")).value_or(0);
          const std::optional<double> group = number_of(member(kind, "group"));
          if (pairs < fewest_pairs_of_a_kind || !group) continue;
          auto row =
              std::ranges::find_if(rows, [&](const KindRow& one) { return one.ability == of && one.kind == name; });
          if (row == rows.end())
            row = rows.insert(rows.end(),
                              KindRow{of, name, pairs, std::vector<std::pair<double, int64_t>>(data.variants.size())});
          row->sums[v].first += *group;
          ++row->sums[v].second;
        }
    }
  return rows;
}

std::string kind_table(const ReportData& data) {
  const std::vector<KindRow> kinds = kind_rows(data);
  if (kinds.empty()) return "";
  std::string head = "<thead><tr><th scope=\"col\" data-sort=\"ascending\">Kind</th>" +
                     std::string("<th scope=\"col\" data-sort=\"ascending\">Ability</th>") + number_head("Pairs");
  for (const ReportVariant& variant : data.variants) head += number_head(h(variant.name));
  for (const DatasetOracle& oracle : data.oracles)
    head += number_head(h(oracle_name(oracle, data.oracles.size())) + " <span class=\"tag\">no model</span>");
  std::string rows;
  for (const KindRow& row : kinds) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td>{}", h(row.kind), h(row.ability),
                        number_cell(static_cast<double>(row.pairs), 0));
    for (const auto& [sum, runs] : row.sums)
      rows += number_cell(runs > 0 ? std::optional(sum / static_cast<double>(runs)) : std::nullopt);
    for (const DatasetOracle& oracle : data.oracles) {
      const AbilityRow* of = find_row(oracle.rows, row.ability, row.kind);
      rows += number_cell(of ? std::optional(of->group) : std::nullopt);
    }
    rows += "</tr>\n";
  }
  return fmt::format(
      "<details><summary>Group accuracy by kind</summary>{}{}</details>\n",
      note(fmt::format("Kinds of at least {} pairs{}.", fewest_pairs_of_a_kind, data.sweep ? "; mean over seeds" : "")),
      scrolling_table("Group accuracy by kind", "class=\"fixed\"", head + "</tr></thead><tbody>" + rows + "</tbody>"));
}

}  // namespace

Section abilities(const ReportContent& content) {
  const ReportData& data = content.data;
  const std::vector<AbilityColumn> columns = ability_columns(data);
  if (columns.empty()) return {"abilities", "Abilities", ""};
  const bool compared = std::ranges::any_of(data.variants, [](const ReportVariant& variant) {
    return variant.plain_row() && !variant.plain_row()->ability_comparisons.empty();
  });
  std::string html = note(
      "Pairs of images that differ in one thing, each with a caption that is true of it and false of the other. Group "
      "accuracy: percent of pairs in which each image prefers its own caption and each caption its own image; a tie is "
      "no preference. Guessing gives 16.67. Rows without a reranker.");
  if (compared)
    html +=
        note(fmt::format("Below a figure its difference to {}, pair by pair{}. {}; Holm's correction is within each "
                         "column.",
                         data.baseline, data.sweep ? " and seed by seed" : "", marks_legend(data.alpha())));
  if (!data.oracles.empty())
    html += note(
        fmt::format("The geometry oracle is {}. Below a figure, and as a bar, its share of the oracle's.", oracle_is));
  html += group_table(data, columns);
  return {"abilities", "Abilities", html + score_table(data, columns) + kind_table(data)};
}

}  // namespace orbweaver::page
