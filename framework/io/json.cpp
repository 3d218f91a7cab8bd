#include "framework/io/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "framework/io/files.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace {

std::string place(std::string_view text, size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const size_t line = static_cast<size_t>(std::count(before.begin(), before.end(), '\n')) + 1;
  const size_t start = before.rfind('\n');
  return fmt::format("{}:{}", line, before.size() - (start == std::string_view::npos ? 0 : start + 1) + 1);
}

/// Builds a Value from parser events. nlohmann's own tree would lose the order of keys and drop duplicates silently.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  Builder(std::string_view text, const std::string& source) : text_(text), source_(source) {}

  Value take() { return std::move(root_); }

  bool null() override { return add(Value()); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(Value(static_cast<int64_t>(value))); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<uint64_t>(INT64_MAX))
      throw InputError(fmt::format("{}: {} does not fit 64 bits", source_, value));
    return add(Value(static_cast<int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    // The parser makes real numbers of integers beyond 64 bits.
    if (text.find_first_of(".eE") == std::string::npos)
      throw InputError(fmt::format("{}: {} does not fit 64 bits", source_, text));
    return add(value);
  }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(Value::object()); }
  bool start_array(std::size_t) override { return open(Value::list()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    if (is_known(stack_.back(), key))
      throw InputError(fmt::format("{}: \"{}\" is given twice in one object", source_, key));
    stack_.back().key = std::move(key);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    std::string reason = error.what();
    if (const size_t colon = reason.rfind(": "); colon != std::string::npos) reason = reason.substr(colon + 2);
    throw InputError(fmt::format("{}:{}: is not JSON: {}", source_, place(text_, position ? position - 1 : 0), reason));
  }

 private:
  struct Open {
    Value value;
    std::string key;                       // of the member being read
    std::unordered_set<std::string> keys;  // of a large object
  };

  /// Looking through all members for each new one would take hours in an object of a million.
  static bool is_known(Open& object, const std::string& key) {
    const Value::Object& members = object.value.as_object();
    if (members.size() < 32) return object.value.find(key) != nullptr;
    if (object.keys.empty())
      for (const auto& [name, member] : members) object.keys.insert(name);
    return !object.keys.insert(key).second;
  }

  bool add(Value value) {
    if (stack_.empty()) {
      root_ = std::move(value);
    } else if (Open& top = stack_.back(); top.value.is_object()) {
      top.value.as_object().emplace_back(std::move(top.key), std::move(value));
    } else {
      top.value.push_back(std::move(value));
    }
    return true;
  }
  bool open(Value value) {
    if (stack_.size() > 200) throw InputError(fmt::format("{}: nested deeper than 200 levels", source_));
    stack_.push_back({std::move(value), {}, {}});
    return true;
  }
  bool close() {
    Value done = std::move(stack_.back().value);
    stack_.pop_back();
    return add(std::move(done));
  }

  std::string_view text_;
  const std::string& source_;
  std::vector<Open> stack_;
  Value root_;
};

nlohmann::ordered_json convert(const Value& value) {
  switch (value.type()) {
    case Value::Type::null: return nullptr;
    case Value::Type::boolean: return value.as_bool();
    case Value::Type::integer: return value.as_int();
    case Value::Type::number: return value.as_double();
    case Value::Type::string: return value.as_string();
    case Value::Type::list: {
      auto list = nlohmann::ordered_json::array();
      for (const Value& item : value.as_list()) list.push_back(convert(item));
      return list;
    }
    case Value::Type::object: {
      auto object = nlohmann::ordered_json::object();
      for (const auto& [key, item] : value.as_object()) object[key] = convert(item);
      return object;
    }
  }
  return nullptr;
}

}  // namespace

Value parse_json(std::string_view text, const std::string& source) {
  Builder builder(text, source);
  nlohmann::json::sax_parse(text, &builder);
  return builder.take();
}

Value read_json(const std::filesystem::path& path) { return parse_json(read_file(path), path.string()); }

std::string to_json(const Value& value, int indent) {
  return convert(value).dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace orbweaver
