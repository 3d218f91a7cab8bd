// What an archive's `forward` returns, as global and tokens.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "orbweaver/params.h"
#include "orbweaver/torch/representation.h"
#include "scripted_module.h"

namespace {

/// Names of the two parts in a result of several tensors: a dict's key, a NamedTuple's field, or a position ("0"). A
/// part without a name is not taken; where neither has one, a dict gives what it has under "global" and "tokens".
struct OutputNames {
  std::string global, tokens;

  static void describe(orbweaver::ParamSpec<OutputNames>& p) {
    p.field("global", &OutputNames::global,
            "Key of a dict, field of a NamedTuple or position (\"0\") of the [B, D] of each item");
    p.field("tokens", &OutputNames::tokens, "The same of the [B, T, D] of each item's tokens");
  }
};

inline constexpr const char* kOutputsDoc =
    "Which tensors of a result of several are taken, {\"global\": \"0\", \"tokens\": \"1\"}: a dict's keys, a tuple's "
    "positions; left out, a dict's \"global\" and \"tokens\". A single tensor needs none: [B, D] is global, [B, T, D] "
    "is tokens";

/// The parts that were found; the other is undefined.
struct ScriptedParts {
  at::Tensor global, tokens;
  orbweaver::Widths widths() const {
    return {.global = global.defined() ? global.size(-1) : 0, .tokens = tokens.defined() ? tokens.size(-1) : 0};
  }
};

/// A result of several: each with its names, in order.
using NamedValues = std::vector<std::pair<std::vector<std::string>, c10::IValue>>;

inline NamedValues named_values(const c10::IValue& result) {
  NamedValues values;
  if (result.isGenericDict()) {
    for (const auto& entry : result.toGenericDict())
      values.push_back({{entry.key().isString() ? entry.key().toStringRef() : "(no text)"}, entry.value()});
  } else if (result.isTuple()) {
    const auto tuple = result.toTuple();
    const auto type = tuple->type();
    for (size_t i = 0; i < tuple->elements().size(); ++i) {
      std::vector<std::string> names;
      if (type->schema()) names.push_back(type->schema()->arguments().at(i).name());
      names.push_back(std::to_string(i));
      values.push_back({names, tuple->elements()[i]});
    }
  } else {
    for (const c10::IValue& item : result.toListRef()) values.push_back({{std::to_string(values.size())}, item});
  }
  return values;
}

/// "a tensor [2, 5]", or the TorchScript type of anything else.
inline std::string value_text(const c10::IValue& value) {
  if (value.isTensor() && value.toTensor().defined()) return "a tensor " + shape_text(value.toTensor());
  return "of type " + value.type()->str();
}

inline std::string list_text(const NamedValues& values) {
  std::string text;
  for (const auto& [names, value] : values)
    text += (text.empty() ? "\"" : ", \"") + names.front() + "\": " + value_text(value);
  return text;
}

/// @param what  names the tensor in faults: "its result", "its \"pooled\" (global)".
inline at::Tensor checked_tensor(const c10::IValue& value, const std::string& what, int64_t rank, int64_t batch,
                                 int64_t token_count) {
  const bool tokens = rank == 3;
  const std::string wanted = tokens ? "tokens [B, T, D]" : "global [B, D]";
  if (!value.isTensor() || !value.toTensor().defined())
    throw Fault(what + " is " + value_text(value) + ", expected a tensor: " + wanted);
  const at::Tensor& tensor = value.toTensor();
  if (tensor.dim() != rank)
    throw Fault(what + " is " + shape_text(tensor) + ", expected " + wanted +
                (tensor.dim() == 4 ? "; a map [B, C, h, w] becomes tokens in Python by x.flatten(2).transpose(1, 2)"
                                   : "; change what forward returns"));
  if (tensor.size(0) != batch)
    throw Fault(what + " is " + shape_text(tensor) + " for a batch of " + std::to_string(batch) + ", expected " +
                wanted + " with B = " + std::to_string(batch));
  if (!tensor.is_floating_point())
    throw Fault(what + " holds numbers of type " + c10::toString(tensor.scalar_type()) + ", expected floating point; " +
                "forward returns features, not ids or masks");
  if (tensor.size(-1) == 0 || (tokens && tensor.size(1) == 0)) throw Fault(what + " is empty: " + shape_text(tensor));
  if (tokens && token_count > 0 && tensor.size(1) != token_count)
    throw Fault(what + " is " + shape_text(tensor) + ", expected one token for each of the " +
                std::to_string(token_count) + " ids");
  return tensor;
}

/// @param token_count  how many tokens an item must have; 0: any number.
/// @throws Fault where the result is of another type, rank, batch size or element type, or has no such name.
inline ScriptedParts read_result(const c10::IValue& result, const OutputNames& names, int64_t batch,
                                 int64_t token_count = 0) {
  const bool named = !names.global.empty() || !names.tokens.empty();
  ScriptedParts parts;
  if (result.isTensor()) {
    if (named) throw Fault("forward returns a single tensor, which has no names; leave `outputs` out");
    const int64_t rank = result.toTensor().dim();
    if (rank != 2 && rank != 3) checked_tensor(result, "its result", 2, batch, token_count);
    at::Tensor& part = rank == 2 ? parts.global : parts.tokens;
    part = checked_tensor(result, "its result", rank, batch, token_count);
    return parts;
  }
  if (!result.isGenericDict() && !result.isTuple() && !result.isList())
    throw Fault("forward returns a value " + value_text(result) + ", expected a tensor, or a tuple or dict of tensors");

  const NamedValues values = named_values(result);
  const auto take = [&](const std::string& wanted, const char* part, int64_t rank, bool required) -> at::Tensor {
    if (wanted.empty()) return {};
    std::vector<std::string> known;
    for (const auto& [aliases, value] : values)
      for (const std::string& alias : aliases) {
        if (alias == wanted)
          return checked_tensor(value, "its \"" + wanted + "\" (" + part + ")", rank, batch, token_count);
        known.push_back(alias);
      }
    if (!required) return {};
    const std::string nearest = orbweaver::nearest_name(wanted, known);
    throw Fault("outputs." + std::string(part) + " is \"" + wanted + "\", which forward does not return" +
                (nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?") + " (it returns " + list_text(values) +
                ")");
  };
  parts.global = take(named ? names.global : "global", "global", 2, named);
  parts.tokens = take(named ? names.tokens : "tokens", "tokens", 3, named);
  if (!parts.global.defined() && !parts.tokens.defined())
    throw Fault("forward returns several values (" + list_text(values) +
                "); say which are taken by `outputs`, as {\"global\": \"0\", \"tokens\": \"1\"}");
  return parts;
}

}  // namespace
