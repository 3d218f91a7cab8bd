// Errors that cross the plugin boundary. Their key functions live in liborbweaver_sdk, so that a handler in the host
// catches what a plugin throws.
#pragma once

#include <stdexcept>
#include <string>

#include "orbweaver/export.h"

namespace orbweaver {
inline namespace v1 {

/// Base of all Orbweaver errors. The text is one line a user can act on: where, what was there, what was wanted.
class ORBWEAVER_API Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what);
  ~Error() override;
};

/// The user's input is at fault (config, file, argument): commands exit with status 2.
class ORBWEAVER_API InputError : public Error {
 public:
  explicit InputError(const std::string& what);
  ~InputError() override;
};

/// A tensor, matrix or list has a size or type other than its contract says.
class ORBWEAVER_API ShapeError : public Error {
 public:
  explicit ShapeError(const std::string& what);
  ~ShapeError() override;
};

}  // namespace v1
}  // namespace orbweaver
