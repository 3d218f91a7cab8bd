// A JSON-like value in plain C++: how parameters, records and configs travel without any JSON library in the SDK.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "orbweaver/export.h"

namespace orbweaver {
inline namespace v1 {

/// Null, boolean, integer, real number, string, list or object. Objects keep the order in which members were added.
class ORBWEAVER_API Value {
 public:
  using List = std::vector<Value>;
  using Member = std::pair<std::string, Value>;
  using Object = std::vector<Member>;
  enum class Type { null, boolean, integer, number, string, list, object };

  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool value) : data_(value) {}
  Value(int value) : data_(static_cast<int64_t>(value)) {}
  Value(int64_t value) : data_(value) {}
  Value(uint64_t value) : data_(static_cast<int64_t>(value)) {}
  Value(double value) : data_(value) {}
  Value(const char* value) : data_(std::string(value)) {}
  Value(std::string_view value) : data_(std::string(value)) {}
  Value(std::string value) : data_(std::move(value)) {}
  Value(List value) : data_(std::move(value)) {}
  Value(Object value) : data_(std::move(value)) {}

  static Value list() { return Value(List{}); }
  static Value object() { return Value(Object{}); }

  Type type() const { return static_cast<Type>(data_.index()); }
  bool is_null() const { return type() == Type::null; }
  bool is_bool() const { return type() == Type::boolean; }
  bool is_int() const { return type() == Type::integer; }
  /// True for integers as well: every integer is a number.
  bool is_number() const { return is_int() || type() == Type::number; }
  bool is_string() const { return type() == Type::string; }
  bool is_list() const { return type() == Type::list; }
  bool is_object() const { return type() == Type::object; }

  /// Accessors throw InputError, naming the type found and the type wanted.
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;
  const std::string& as_string() const;
  const List& as_list() const;
  List& as_list();
  const Object& as_object() const;
  Object& as_object();

  /// The member of that name, or null when there is none or this is no object.
  const Value* find(std::string_view key) const;
  Value* find(std::string_view key);
  /// The member of that name; throws InputError when it is missing.
  const Value& at(std::string_view key) const;
  /// The member of that name, added as null when missing. A null value becomes an object first.
  Value& operator[](std::string_view key);
  /// Removes a member; false when there was none.
  bool erase(std::string_view key);
  void push_back(Value value);

  bool operator==(const Value& other) const { return data_ == other.data_; }

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, List, Object> data_;
};

/// "null", "boolean", "integer", "number", "string", "list" or "object".
ORBWEAVER_API const char* type_name(Value::Type type);

/// One line of JSON for messages: `{"k": 25}`. Long values are cut at `limit` characters.
ORBWEAVER_API std::string brief(const Value& value, size_t limit = 60);

}  // namespace v1
}  // namespace orbweaver
