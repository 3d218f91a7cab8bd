// How a plugin offers its components: one explicit call per component, no static registrars.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "orbweaver/export.h"
#include "orbweaver/params.h"

namespace orbweaver {
inline namespace v1 {

struct Inputs;  // what a model-plane component is built on: orbweaver/torch/inputs.h

/// A component as it was registered.
struct Component {
  std::string kind;     ///< one of the nine kinds: "graph_builder", "fusion", ...
  std::string id;       ///< unique per kind
  std::string summary;  ///< one line
  Schema parameters;
  /// Builds it from validated parameters. `inputs` is null in the data plane. The pointer is one to the interface class
  /// of `kind`, kept alive by the shared count.
  std::function<std::shared_ptr<void>(const Value& params, const Inputs* inputs)> make;
};

/// Collects the components of one plugin while its registration function runs.
class ORBWEAVER_API Registrar {
 public:
  /// Offers class T under `id`. T's constructor takes its Params (T::Params with `describe`), none if it has no Params;
  /// in the model plane `const Inputs&` follows.
  template <class Interface, class T>
  void add(std::string id, std::string summary) {
    static_assert(std::is_base_of_v<Interface, T>, "the component must derive from the interface it is registered for");
    Component component{Interface::kind, std::move(id), std::move(summary), {}, {}};
    if constexpr (requires { typename T::Params; }) {
      component.parameters = schema_of<typename T::Params>();
      component.make = [](const Value& params, const Inputs* inputs) {
        return construct<Interface, T>(inputs, read_params<typename T::Params>(params));
      };
    } else {
      component.make = [](const Value&, const Inputs* inputs) { return construct<Interface, T>(inputs); };
    }
    add(std::move(component));
  }

  void add(Component component);
  const std::vector<Component>& components() const { return components_; }

 private:
  template <class Interface, class T, class... Args>
  static std::shared_ptr<void> construct(const Inputs* inputs, Args&&... args) {
    if constexpr (std::is_constructible_v<T, Args..., const Inputs&>) {
      return std::shared_ptr<Interface>(std::make_shared<T>(std::forward<Args>(args)..., *inputs));
    } else {
      static_assert(std::is_constructible_v<T, Args...>,
                    "a component is constructed from its Params (and, in the model plane, const Inputs&)");
      return std::shared_ptr<Interface>(std::make_shared<T>(std::forward<Args>(args)...));
    }
  }

  std::vector<Component> components_;
};

}  // namespace v1
}  // namespace orbweaver
