// The conformance kit: what every component of a kind must do, as a list of named properties.
//
// `orbweaver plugins check` walks the lists; a plugin's own test does the same in two lines:
//
//   #include <orbweaver/testing/graph_builder.h>
//
//   TEST(RadiusGraph, Conforms) {
//     using namespace orbweaver;
//     const auto subject = testing::subject_of<GraphBuilder, RadiusGraph>();
//     EXPECT_EQ(testing::first_failure(testing::graph_builder_properties(), subject), "");
//   }
//
// Headers by kind: detector.h, graph_builder.h, reranker.h need the standard library and the SDK alone; those of the
// model plane are in torch/. All names are in orbweaver::testing.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "orbweaver/component.h"
#include "orbweaver/error.h"
#include "orbweaver/value.h"

namespace orbweaver::testing {

/// What is checked: a component as its plugin registers it, and the parameters to make it with.
struct Subject {
  Component component;
  Value params = Value::object();
};

/// A rule that holds of every right component of a kind.
struct Property {
  std::string name;       ///< "object_order"; unique in its list
  std::string statement;  ///< the rule
  std::string mend;       ///< what to do where it does not hold
  /// Returns where the rule holds; ends in `fail` where it does not, in `skip` where it says nothing about the subject.
  std::function<void(const Subject&)> check;
};

struct Verdict {
  enum class State { holds, fails, does_not_apply };
  State state = State::holds;
  std::string reason;  ///< why it fails or does not apply, in one line
};

namespace detail {

struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Skipped : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// LibTorch appends a backtrace to its errors, on lines of their own.
inline std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace detail

/// All arguments, as a stream prints them, in one text.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  out.precision(9);
  (out << ... << parts);
  return out.str();
}

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw detail::Failed(text(parts...));
}
template <class... Parts>
[[noreturn]] void skip(const Parts&... parts) {
  throw detail::Skipped(text(parts...));
}

/// What kind of error the exception in flight is, and its first line. Inside a catch block.
inline std::string current_error() {
  try {
    throw;
  } catch (const InputError& error) {
    return "InputError: " + detail::first_line(error.what());
  } catch (const ShapeError& error) {
    return "ShapeError: " + detail::first_line(error.what());
  } catch (const Error& error) {
    return "Error: " + detail::first_line(error.what());
  } catch (const std::exception& error) {
    return "std::exception: " + detail::first_line(error.what());
  } catch (...) {
    return "something that is no std::exception";
  }
}

/// f(), where an exception is a failure that names the call.
template <class F>
auto call(const std::string& what, F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const detail::Failed&) {
    throw;
  } catch (const detail::Skipped&) {
    throw;
  } catch (...) {
    fail(what, " threw ", current_error());
  }
}

/// Fails unless f() throws an E (or what derives from it).
template <class E, class F>
void expect_refusal(const std::string& what, const char* wanted, F&& f) {
  try {
    f();
  } catch (const E&) {
    return;
  } catch (const detail::Failed&) {
    throw;
  } catch (...) {
    fail(what, " threw ", current_error(), "; expected ", wanted);
  }
  fail(what, " was accepted; expected ", wanted);
}

inline Verdict judge(const Property& property, const Subject& subject) {
  using State = Verdict::State;
  try {
    property.check(subject);
  } catch (const detail::Skipped& skipped) {
    return {State::does_not_apply, skipped.what()};
  } catch (const detail::Failed& failed) {
    return {State::fails, failed.what()};
  } catch (...) {
    return {State::fails, "threw " + current_error()};
  }
  return {};
}

/// "object_order: build of scene ...: ...; ..." of the first property that fails, "" where all hold.
inline std::string first_failure(const std::vector<Property>& properties, const Subject& subject) {
  for (const Property& property : properties)
    if (const Verdict verdict = judge(property, subject); verdict.state == Verdict::State::fails)
      return property.name + ": " + verdict.reason + "; " + property.mend;
  return {};
}

/// Class T as a plugin would register it. @param params  validated by the first property that uses them.
template <class Interface, class T>
Subject subject_of(Value params = Value::object(), const std::string& id = "subject") {
  Registrar registrar;
  registrar.add<Interface, T>(id, "under test");
  return {registrar.components().front(), std::move(params)};
}

/// Makes the component. @param inputs  what it is built on, null in the data plane.
template <class Interface>
std::shared_ptr<Interface> make(const Subject& subject, const Inputs* inputs = nullptr) {
  return call("the constructor", [&] {
    const auto problems = validate(subject.component.parameters, subject.params);
    if (!problems.empty()) throw InputError(problems.front().pointer + ": " + problems.front().message);
    std::shared_ptr<void> made = subject.component.make(subject.params, inputs);
    if (!made) fail("the constructor made nothing");
    return std::static_pointer_cast<Interface>(std::move(made));
  });
}

/// Calls work(thread, round) in several threads at once, round by round, for at most about a second.
/// The first exception of any thread is thrown here.
template <class Work>
void concurrently(int threads, int rounds, Work&& work) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  std::atomic<int> waiting{threads};
  std::mutex mutex;
  std::exception_ptr error;
  std::vector<std::thread> running;
  for (int thread = 0; thread < threads; ++thread)
    running.emplace_back([&, thread] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();  // all begin together
      try {
        for (int round = 0; round < rounds && std::chrono::steady_clock::now() < end; ++round) work(thread, round);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
      }
    });
  for (std::thread& thread : running) thread.join();
  if (error) std::rethrow_exception(error);
}

/// What a component does, as a text that is equal exactly where it does the same.
using Behaviour = std::function<std::string(const Subject&)>;

/// The properties of parameters, the same for every kind.
inline std::vector<Property> parameter_properties(const Behaviour& behaviour) {
  const auto defaults = [behaviour](const Subject& subject) {
    const Schema& schema = subject.component.parameters;
    Subject explicitly = subject;
    explicitly.params = with_defaults(schema, subject.params);
    const std::string wanted = behaviour(subject);
    if (behaviour(explicitly) != wanted)
      fail("with ", brief(explicitly.params, 200), " written out it does not do what it does with ",
           brief(subject.params, 200));
  };
  const auto unknown = [](const Subject& subject) {
    Value params = subject.params;
    params["no_such_parameter"] = 1;
    if (validate(subject.component.parameters, params).empty())
      fail("a parameter \"no_such_parameter\" was accepted; expected a refusal");
  };
  const auto choices = [behaviour](const Subject& subject) {
    bool any = false;
    for (const Field& field : subject.component.parameters.fields) {
      std::vector<Value> values(field.type.choices.begin(), field.type.choices.end());
      if (field.type.base == FieldType::Base::boolean) values = {Value(false), Value(true)};
      for (const Value& value : values) {
        any = true;
        Subject other = subject;
        other.params[field.name] = value;
        try {
          behaviour(other);
        } catch (const detail::Failed& failed) {
          // A combination that the component refuses in its own words is its right.
          if (std::string(failed.what()).find(" threw InputError: ") == std::string::npos)
            fail("with ", field.name, " = ", brief(value), ": ", failed.what());
        }
      }
    }
    if (!any) skip("it has no parameter with a fixed set of values");
  };
  return {{"defaults", "Parameters left out and their defaults written out mean the same.",
           "let the schema's default be the value that is used when nothing is given", defaults},
          {"unknown_parameter", "An unknown parameter is refused.", "describe every parameter in `describe`", unknown},
          {"choices", "Every value of an enumeration or a boolean works, or is refused by an InputError.",
           "handle the value, or throw orbweaver::InputError with a line that says what to do", choices}};
}

}  // namespace orbweaver::testing
