#include "framework/io/lenient.h"

#include "framework/io/json.h"
#include "orbweaver/error.h"

namespace orbweaver {

const Value& member(const Value& value, std::string_view key) {
  static const Value null;
  const Value* found = value.find(key);
  return found ? *found : null;
}

const Value::List& list_of(const Value& value) {
  static const Value::List empty;
  return value.is_list() ? value.as_list() : empty;
}

std::string text_of(const Value& value) { return value.is_string() ? value.as_string() : std::string(); }

std::vector<std::string> texts_of(const Value& value) {
  std::vector<std::string> texts;
  for (const Value& item : list_of(value))
    if (item.is_string()) texts.push_back(item.as_string());
  return texts;
}

std::optional<double> number_of(const Value& value) {
  return value.is_number() ? std::optional(value.as_double()) : std::nullopt;
}

std::optional<int64_t> integer_of(const Value& value) {
  return value.is_int() ? std::optional(value.as_int()) : std::nullopt;
}

Value read_json_or_null(const std::filesystem::path& file) {
  std::error_code error;  // a stale handle, or a folder that may not be entered
  try {
    return std::filesystem::exists(file, error) ? read_json(file) : Value();
  } catch (const Error&) {
    return {};
  }
}

}  // namespace orbweaver
