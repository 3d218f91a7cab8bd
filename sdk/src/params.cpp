#include "orbweaver/params.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace orbweaver {
inline namespace v1 {
namespace {

std::string number_text(double value) {
  return brief(value == std::floor(value) && std::abs(value) < 1e15 ? Value(static_cast<int64_t>(value))
                                                                    : Value(value));
}

std::string bounds_text(const FieldType& type) {
  if (type.minimum && type.maximum)
    return " in [" + number_text(*type.minimum) + ", " + number_text(*type.maximum) + "]";
  if (type.minimum) return " of at least " + number_text(*type.minimum);
  if (type.maximum) return " of at most " + number_text(*type.maximum);
  return "";
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

bool has_type(const FieldType& type, const Value& value) {
  using Base = FieldType::Base;
  switch (type.base) {
    case Base::boolean: return value.is_bool();
    case Base::integer: return value.is_int();
    case Base::number: return value.is_number();
    case Base::string:
    case Base::enumeration:
    case Base::path: return value.is_string();
    case Base::list: return value.is_list();
    case Base::object: return value.is_object();
    case Base::any: return true;
  }
  return false;
}

void check(const FieldType& type, const Value& value, const std::string& pointer, bool complete,
           std::vector<Problem>& problems) {
  if (value.is_null() && type.nullable) return;
  const auto report = [&](std::string message) { problems.push_back({pointer, std::move(message)}); };
  const std::string found = "is " + brief(value) + ", expected " + describe_type(type);
  if (!has_type(type, value)) return report(found);
  if (value.is_number()) {
    const double number = value.as_double();
    if (!std::isfinite(number) || (type.minimum && number < *type.minimum) || (type.maximum && number > *type.maximum))
      report(found);
  } else if (type.base == FieldType::Base::enumeration) {
    if (std::find(type.choices.begin(), type.choices.end(), value.as_string()) != type.choices.end()) return;
    const std::string near = nearest_name(value.as_string(), type.choices);
    report(near.empty() ? found : found + "; did you mean \"" + near + "\"?");
  } else if (type.base == FieldType::Base::list) {
    const Value::List& items = value.as_list();
    if (items.size() < type.min_items) report(found);
    for (size_t i = 0; i < items.size(); ++i)
      check(*type.item, items[i], pointer + "/" + std::to_string(i), complete, problems);
  } else if (type.base == FieldType::Base::object) {
    for (Problem& problem : validate(*type.object, value, pointer, complete)) problems.push_back(std::move(problem));
  }
}

}  // namespace

std::string describe_type(const FieldType& type) {
  using Base = FieldType::Base;
  std::string text;
  switch (type.base) {
    case Base::boolean: text = "boolean"; break;
    case Base::integer: text = "integer" + bounds_text(type); break;
    case Base::number: text = "number" + bounds_text(type); break;
    case Base::string: text = "string"; break;
    case Base::enumeration: text = "one of " + joined(type.choices); break;
    case Base::path: text = "path"; break;
    case Base::object: text = "object"; break;
    case Base::any: text = "any value"; break;
    case Base::list:
      text = "list of " + describe_type(*type.item);
      if (type.min_items > 0) text += " (" + std::to_string(type.min_items) + " or more)";
      break;
  }
  return type.nullable ? text + " or null" : text;
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // Levenshtein distance, one row at a time.
    std::vector<size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t i = 0; i < name.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < candidate.size(); ++j) {
        const size_t substitute = diagonal + (name[i] == candidate[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({substitute, row[j] + 1, row[j + 1] + 1});
      }
    }
    if (row.back() < best_distance && row.back() < std::max(name.size(), candidate.size())) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

std::vector<Problem> validate(const Schema& schema, const Value& value, const std::string& pointer, bool complete) {
  std::vector<Problem> problems;
  if (!value.is_object()) {
    problems.push_back({pointer, "is " + brief(value) + ", expected object"});
    return problems;
  }
  std::vector<std::string> names;
  for (const Field& field : schema.fields) names.push_back(field.name);
  for (const auto& [key, member] : value.as_object()) {
    if (const Field* field = schema.find(key)) {
      check(field->type, member, pointer + "/" + key, complete, problems);
      continue;
    }
    const std::string near = nearest_name(key, names);
    const std::string hint = !near.empty()   ? "; did you mean \"" + near + "\"?"
                             : names.empty() ? "; there are none"
                                             : "; known are " + joined(names);
    problems.push_back({pointer + "/" + key, "unknown parameter" + hint});
  }
  for (const Field& field : schema.fields)
    if (complete && field.required && !value.find(field.name))
      problems.push_back(
          {pointer + "/" + field.name, "is missing, expected " + describe_type(field.type) + ": " + field.doc});
  return problems;
}

Value with_defaults(const Schema& schema, const Value& value) {
  Value out = Value::object();
  for (const Field& field : schema.fields) {
    const Value* given = value.find(field.name);
    if (!given && field.required) continue;
    const Value& source = given ? *given : field.default_value;
    out[field.name] = field.type.base == FieldType::Base::object && source.is_object()
                          ? with_defaults(*field.type.object, source)
                          : source;
  }
  return out;
}

}  // namespace v1
}  // namespace orbweaver
