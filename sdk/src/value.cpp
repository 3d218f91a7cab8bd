#include "orbweaver/value.h"

#include <charconv>
#include <cmath>

#include "orbweaver/error.h"

namespace orbweaver {
inline namespace v1 {
namespace {

[[noreturn]] void wrong_type(const Value& value, const char* wanted) {
  throw InputError("expected " + std::string(wanted) + ", found " + type_name(value.type()) + " " + brief(value));
}

void write_string(const std::string& text, std::string& out) {
  static const char* hex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += hex[(c >> 4) & 15];
      out += hex[c & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void write(const Value& value, std::string& out, size_t limit) {
  if (out.size() > limit) return;
  switch (value.type()) {
    case Value::Type::null: out += "null"; break;
    case Value::Type::boolean: out += value.as_bool() ? "true" : "false"; break;
    case Value::Type::integer: out += std::to_string(value.as_int()); break;
    case Value::Type::number: {
      char text[32];
      const auto end = std::to_chars(text, text + sizeof text, value.as_double()).ptr;
      out.append(text, end);
      break;
    }
    case Value::Type::string: write_string(value.as_string(), out); break;
    case Value::Type::list: {
      out += '[';
      const char* separator = "";
      for (const Value& item : value.as_list()) {
        out += separator;
        separator = ", ";
        write(item, out, limit);
      }
      out += ']';
      break;
    }
    case Value::Type::object: {
      out += '{';
      const char* separator = "";
      for (const auto& [key, item] : value.as_object()) {
        out += separator;
        separator = ", ";
        write_string(key, out);
        out += ": ";
        write(item, out, limit);
      }
      out += '}';
      break;
    }
  }
}

}  // namespace

const char* type_name(Value::Type type) {
  static const char* names[] = {"null", "boolean", "integer", "number", "string", "list", "object"};
  return names[static_cast<size_t>(type)];
}

std::string brief(const Value& value, size_t limit) {
  std::string out;
  write(value, out, limit);
  if (out.size() > limit) {
    out.resize(limit);
    out += "...";
  }
  return out;
}

bool Value::as_bool() const {
  if (!is_bool()) wrong_type(*this, "boolean");
  return std::get<bool>(data_);
}
int64_t Value::as_int() const {
  if (!is_int()) wrong_type(*this, "integer");
  return std::get<int64_t>(data_);
}
double Value::as_double() const {
  if (is_int()) return static_cast<double>(std::get<int64_t>(data_));
  if (!is_number()) wrong_type(*this, "number");
  return std::get<double>(data_);
}
const std::string& Value::as_string() const {
  if (!is_string()) wrong_type(*this, "string");
  return std::get<std::string>(data_);
}
const Value::List& Value::as_list() const {
  if (!is_list()) wrong_type(*this, "list");
  return std::get<List>(data_);
}
Value::List& Value::as_list() {
  if (!is_list()) wrong_type(*this, "list");
  return std::get<List>(data_);
}
const Value::Object& Value::as_object() const {
  if (!is_object()) wrong_type(*this, "object");
  return std::get<Object>(data_);
}
Value::Object& Value::as_object() {
  if (!is_object()) wrong_type(*this, "object");
  return std::get<Object>(data_);
}

const Value* Value::find(std::string_view key) const {
  if (!is_object()) return nullptr;
  for (const auto& member : as_object())
    if (member.first == key) return &member.second;
  return nullptr;
}
Value* Value::find(std::string_view key) { return const_cast<Value*>(std::as_const(*this).find(key)); }

const Value& Value::at(std::string_view key) const {
  if (const Value* value = find(key)) return *value;
  throw InputError("\"" + std::string(key) + "\" is missing in " + brief(*this));
}

Value& Value::operator[](std::string_view key) {
  if (is_null()) data_ = Object{};
  if (Value* value = find(key)) return *value;
  Object& members = as_object();
  members.emplace_back(std::string(key), Value());
  return members.back().second;
}

bool Value::erase(std::string_view key) {
  if (!is_object()) return false;
  return std::erase_if(as_object(), [&](const Member& member) { return member.first == key; }) > 0;
}

void Value::push_back(Value value) {
  if (is_null()) data_ = List{};
  as_list().push_back(std::move(value));
}

}  // namespace v1
}  // namespace orbweaver
