// Parameters of a component: a plain struct whose fields are described once. From the description come defaults,
// validation, `orbweaver plugins describe`, the JSON Schema and the reference documentation.
//
//   struct Params {
//     double radius = 0.25;
//     static void describe(orbweaver::ParamSpec<Params>& p) {
//       p.field("radius", &Params::radius, "Distance that makes an edge, in image sides").range(0, 2);
//     }
//   };
//
// Field types: bool, int64_t, double, std::string (with .choices: an enumeration), an enum (with named values),
// std::filesystem::path, std::optional<T> (null when absent), std::vector<T>, and a nested struct with its own
// `describe`. Defaults are the struct's own member initialisers.
#pragma once

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "orbweaver/error.h"
#include "orbweaver/export.h"
#include "orbweaver/value.h"

namespace orbweaver {
inline namespace v1 {

struct Schema;

/// What a field's value must be.
struct FieldType {
  enum class Base { boolean, integer, number, string, enumeration, path, list, object, any };
  Base base = Base::string;
  bool nullable = false;                   ///< null is accepted (std::optional)
  std::vector<std::string> choices;        ///< the accepted words of an enumeration
  std::optional<double> minimum, maximum;  ///< inclusive bounds of a number, or of each number in a list
  std::shared_ptr<const FieldType> item;   ///< element type of a list
  std::shared_ptr<const Schema> object;    ///< members of a nested object
  size_t min_items = 0;                    ///< least length of a list
};

struct Field {
  std::string name;
  FieldType type;
  std::string doc;
  Value default_value;
  bool required = false;  ///< no default: the user must give it
  /// Values worth trying, in order: what a search over this parameter uses where the user names none. Only a hint.
  std::vector<Value> tune;
  /// Writes a validated value into the struct that the schema describes.
  std::function<void(void* params, const Value& value)> assign;
};

struct Schema {
  std::vector<Field> fields;
  const Field* find(std::string_view name) const {
    for (const Field& field : fields)
      if (field.name == name) return &field;
    return nullptr;
  }
};

/// One thing wrong with a value: `pointer` is a JSON pointer ("/model/image/graph/radius").
struct Problem {
  std::string pointer;
  std::string message;
};

/// Everything wrong with `value` as an object of that schema: unknown names (with the nearest known one), wrong types,
/// values out of bounds, required fields that are missing (unless `complete` is false: a building block that another
/// file completes). Empty when it is valid.
ORBWEAVER_API std::vector<Problem> validate(const Schema& schema, const Value& value, const std::string& pointer = "",
                                            bool complete = true);

/// `value` with every absent field filled with its default, in schema order. `value` must be valid.
ORBWEAVER_API Value with_defaults(const Schema& schema, const Value& value);

/// The candidate closest to `name` by edit distance, or "" when none is close enough to be a plausible slip.
ORBWEAVER_API std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

/// What a user reads: "integer in [1, 512]", "one of paper, released", "list of number".
ORBWEAVER_API std::string describe_type(const FieldType& type);

template <class P>
class ParamSpec;

namespace detail {

template <class T>
concept Described = requires(ParamSpec<T>& spec) {
  T::describe(spec);
};

template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

template <class T>
FieldType type_of();
template <class T>
T from_value(const Value& value);
template <class T>
Value to_value(const T& value);

}  // namespace detail

/// Returned by ParamSpec::field to refine the field just described.
class FieldRef {
 public:
  FieldRef(Schema& schema, size_t index) : schema_(&schema), index_(index) {}
  /// Inclusive bounds; on a list they hold for each element.
  FieldRef& range(double minimum, double maximum) {
    bounds([=](FieldType& type) { type.minimum = minimum, type.maximum = maximum; });
    return *this;
  }
  FieldRef& at_least(double minimum) {
    bounds([=](FieldType& type) { type.minimum = minimum; });
    return *this;
  }
  FieldRef& choices(std::vector<std::string> words) {
    self().type.base = FieldType::Base::enumeration;
    self().type.choices = std::move(words);
    return *this;
  }
  FieldRef& min_items(size_t count) {
    self().type.min_items = count;
    return *this;
  }
  /// The user must give this field; its default is not used.
  FieldRef& required() {
    self().required = true;
    return *this;
  }
  /// Values worth trying when this parameter is tuned; a field without any is left alone.
  FieldRef& tune(std::vector<Value> values) {
    self().tune = std::move(values);
    return *this;
  }

 private:
  Field& self() { return schema_->fields[index_]; }
  template <class F>
  void bounds(F&& set) {
    FieldType& type = self().type;
    if (type.base != FieldType::Base::list) return set(type);
    FieldType item = *type.item;
    set(item);
    type.item = std::make_shared<const FieldType>(std::move(item));
  }

  Schema* schema_;
  size_t index_;
};

/// Collects the fields of a parameter struct.
template <class P>
class ParamSpec {
 public:
  /// `member` may belong to a base of P, so that structs can share fields.
  template <class T, class Owner>
  requires std::is_base_of_v<Owner, P> FieldRef field(std::string name, T Owner::*member, std::string doc) {
    static_assert(!std::is_enum_v<T>,
                  "give an enum's values their names: field(name, member, {{\"word\", value}}, doc)");
    return add(std::move(name), std::move(doc), detail::type_of<T>(), detail::to_value<T>(defaults_.*member),
               [member](void* params, const Value& value) {
                 static_cast<P*>(params)->*member = detail::from_value<T>(value);
               });
  }

  /// An enumeration: each value of the enum with the word that names it in a config.
  template <class T, class Owner>
  requires(std::is_enum_v<T>&& std::is_base_of_v<Owner, P>) FieldRef
      field(std::string name, T Owner::*member, std::vector<std::pair<std::string, T>> words, std::string doc) {
    FieldType type;
    type.base = FieldType::Base::enumeration;
    Value default_value;
    for (const auto& [word, value] : words) {
      type.choices.push_back(word);
      if (value == defaults_.*member) default_value = Value(word);
    }
    return add(std::move(name), std::move(doc), std::move(type), std::move(default_value),
               [member, words = std::move(words)](void* params, const Value& value) {
                 for (const auto& [word, choice] : words)
                   if (word == value.as_string()) static_cast<P*>(params)->*member = choice;
               });
  }

  const Schema& schema() const { return schema_; }
  Schema take() { return std::move(schema_); }

 private:
  FieldRef add(std::string name, std::string doc, FieldType type, Value default_value,
               std::function<void(void*, const Value&)> assign) {
    schema_.fields.push_back(
        {std::move(name), std::move(type), std::move(doc), std::move(default_value), false, {}, std::move(assign)});
    return {schema_, schema_.fields.size() - 1};
  }

  P defaults_{};
  Schema schema_;
};

/// The schema of a parameter struct.
template <class P>
Schema schema_of() {
  ParamSpec<P> spec;
  P::describe(spec);
  return spec.take();
}

/// Fills a parameter struct from a value that was validated against its schema; absent fields keep their defaults.
template <class P>
P read_params(const Value& value) {
  P params{};
  const Schema schema = schema_of<P>();
  for (const Field& field : schema.fields)
    if (const Value* given = value.find(field.name)) field.assign(&params, *given);
  return params;
}

namespace detail {

template <class T>
FieldType type_of() {
  FieldType type;
  if constexpr (std::is_same_v<T, Value>) {
    type.base = FieldType::Base::any;
  } else if constexpr (std::is_same_v<T, bool>) {
    type.base = FieldType::Base::boolean;
  } else if constexpr (std::is_integral_v<T>) {
    static_assert(std::is_same_v<T, int64_t>, "integer parameters are int64_t");
    type.base = FieldType::Base::integer;
  } else if constexpr (std::is_floating_point_v<T>) {
    static_assert(std::is_same_v<T, double>, "real parameters are double");
    type.base = FieldType::Base::number;
  } else if constexpr (std::is_same_v<T, std::string>) {
    type.base = FieldType::Base::string;
  } else if constexpr (std::is_same_v<T, std::filesystem::path>) {
    type.base = FieldType::Base::path;
  } else if constexpr (is_optional<T>::value) {
    type = type_of<typename T::value_type>();
    type.nullable = true;
  } else if constexpr (is_vector<T>::value) {
    type.base = FieldType::Base::list;
    type.item = std::make_shared<const FieldType>(type_of<typename T::value_type>());
  } else {
    static_assert(Described<T>, "a nested parameter struct needs `static void describe(ParamSpec<T>&)`");
    type.base = FieldType::Base::object;
    type.object = std::make_shared<const Schema>(schema_of<T>());
  }
  return type;
}

template <class T>
T from_value(const Value& value) {
  if constexpr (std::is_same_v<T, Value>) {
    return value;
  } else if constexpr (std::is_same_v<T, bool>) {
    return value.as_bool();
  } else if constexpr (std::is_integral_v<T>) {
    return value.as_int();
  } else if constexpr (std::is_floating_point_v<T>) {
    return value.as_double();
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path>) {
    return T(value.as_string());
  } else if constexpr (is_optional<T>::value) {
    return value.is_null() ? T() : T(from_value<typename T::value_type>(value));
  } else if constexpr (is_vector<T>::value) {
    T list;
    for (const Value& item : value.as_list()) list.push_back(from_value<typename T::value_type>(item));
    return list;
  } else {
    return read_params<T>(value);
  }
}

template <class T>
Value to_value(const T& value) {
  if constexpr (std::is_same_v<T, std::filesystem::path>) {
    return Value(value.string());
  } else if constexpr (is_optional<T>::value) {
    return value ? to_value<typename T::value_type>(*value) : Value();
  } else if constexpr (is_vector<T>::value) {
    Value list = Value::list();
    for (const auto& item : value) list.push_back(to_value<typename T::value_type>(item));
    return list;
  } else if constexpr (Described<T>) {
    return with_defaults(schema_of<T>(), Value::object());
  } else {
    return Value(value);
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace orbweaver
