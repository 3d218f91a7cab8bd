// The table that `make bench` prints: what was measured, beside the reference and the figure to reach.
//
//   bench_table ROWS.json RESULT.json...
//
// ROWS.json lists the rows, in their order:
//   {"work": text, "benchmark": its name, "value": "real_time" or a counter's name, "unit": text,
//    "at_most" or "at_least": number, "reference": text}
// A row without "at_most" and "at_least" is shown for comparison. Results are of Google Benchmark's JSON shape; where
// repetitions were aggregated, medians count.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "framework/io/json.h"
#include "orbweaver/error.h"
#include "orbweaver/value.h"

namespace orbweaver {
namespace {

/// The name as the source has it, without what the library appends: "x/64/min_time:1.000/real_time" -> "x/64".
std::string plain_name(std::string_view name) {
  std::string plain;
  while (!name.empty()) {
    const size_t end = std::min(name.find('/'), name.size());
    const std::string_view part = name.substr(0, end);
    const std::string_view key = part.substr(0, part.find(':'));
    const bool appended = key == "min_time" || key == "min_warmup_time" || key == "repeats" || key == "iterations" ||
                          key == "threads" || part == "real_time" || part == "process_time" || part == "manual_time";
    if (!appended) plain += (plain.empty() ? "" : "/") + std::string(part);
    name.remove_prefix(std::min(end + 1, name.size()));
  }
  return plain;
}

using Results = std::map<std::string, Value, std::less<>>;

void collect(const std::filesystem::path& file, Results& results) {
  const Value result = read_json(file);
  const Value* list = result.find("benchmarks");
  if (list == nullptr) throw InputError(file.string() + ": no \"benchmarks\": not a result of a benchmark");
  for (const Value& entry : list->as_list()) {
    const Value* aggregate = entry.find("aggregate_name");
    if (aggregate != nullptr && aggregate->as_string() != "median") continue;
    const Value* run = entry.find("run_name");
    results[plain_name((run != nullptr ? *run : *entry.find("name")).as_string())] = entry;
  }
}

double seconds_per(std::string_view unit) {
  if (unit == "ns") return 1e-9;
  if (unit == "us") return 1e-6;
  if (unit == "ms") return 1e-3;
  return 1;
}

std::string text_of(const Value& row, std::string_view key) {
  const Value* value = row.find(key);
  return value != nullptr ? value->as_string() : std::string();
}

/// Three significant digits, whole numbers above a thousand.
std::string number(double value) { return value >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value); }

/// What is known of a row: the figure, or why there is none.
struct Measured {
  bool known = false;
  double value = 0;
  std::string why_not;
};

Measured measured(const Value& row, const Results& results) {
  const std::string key = text_of(row, "value"), name = text_of(row, "benchmark");
  const auto result = results.find(name);
  if (result == results.end()) return {false, 0, "not run"};
  if (const Value* message = result->second.find("error_message")) return {false, 0, message->as_string()};
  const Value* value = result->second.find(key);
  if (value == nullptr) return {false, 0, "no \"" + key + "\" in the result of " + name};
  double figure = value->as_double();
  if (key == "real_time" || key == "cpu_time")
    figure *= seconds_per(text_of(result->second, "time_unit")) / seconds_per(text_of(row, "unit"));
  return {true, figure, {}};
}

std::string goal(const Value& row) {
  const std::string unit = text_of(row, "unit");
  if (const Value* most = row.find("at_most")) return fmt::format("<= {} {}", number(most->as_double()), unit);
  if (const Value* least = row.find("at_least")) return fmt::format(">= {} {}", number(least->as_double()), unit);
  return "";
}

std::string verdict(const Value& row, double figure) {
  if (const Value* most = row.find("at_most")) return figure <= most->as_double() ? "yes" : "NO";
  if (const Value* least = row.find("at_least")) return figure >= least->as_double() ? "yes" : "NO";
  return "";
}

int print(const std::vector<std::string>& files) {
  Results results;
  for (size_t i = 1; i < files.size(); ++i) try {
      collect(files[i], results);
    } catch (const Error& error) {
      fmt::print(stderr, "left out: {}\n", error.what());  // its rows are "not run"
    }
  std::vector<std::array<std::string, 5>> lines{{"work", "reference", "reach", "measured", "met"}};
  const Value rows = read_json(files.front());
  for (const Value& row : rows.as_list()) {
    const Measured figure = measured(row, results);
    const std::string shown = figure.known ? fmt::format("{} {}", number(figure.value), text_of(row, "unit")) : "";
    lines.push_back({text_of(row, "work"), text_of(row, "reference"), goal(row),
                     figure.known ? shown : "not measured: " + figure.why_not,
                     figure.known ? verdict(row, figure.value) : ""});
  }
  std::array<size_t, 5> widths{};
  for (const auto& line : lines)
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  for (size_t i = 0; i < lines.size(); ++i) {
    for (size_t j = 0; j < widths.size(); ++j) fmt::print("| {:<{}} ", lines[i][j], widths[j]);
    fmt::print("|\n");
    if (i > 0) continue;
    for (const size_t width : widths) fmt::print("|{:-<{}}", "", width + 2);
    fmt::print("|\n");
  }
  return 0;
}

}  // namespace
}  // namespace orbweaver

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: bench_table ROWS.json RESULT.json...\n");
    return 2;
  }
  try {
    return orbweaver::print({arguments + 1, arguments + count});
  } catch (const orbweaver::InputError& error) {
    fmt::print(stderr, "bench_table: {}\n", error.what());
    return 2;
  }
}
