// Reading JSON that others wrote, or that a kill cut short, so that what is missing or of another kind is empty.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "orbweaver/value.h"

namespace orbweaver {

/// A member of an object; null where there is none, or where `value` is no object.
const Value& member(const Value& value, std::string_view key);
/// The items of a list; none of anything else.
const Value::List& list_of(const Value& value);
/// A text; "" for anything else.
std::string text_of(const Value& value);
/// The texts in a list, in order; what is none is passed over.
std::vector<std::string> texts_of(const Value& value);
std::optional<double> number_of(const Value& value);
std::optional<int64_t> integer_of(const Value& value);

/// What a file holds; null where it is absent, cannot be read or is no JSON.
Value read_json_or_null(const std::filesystem::path& file);

}  // namespace orbweaver
