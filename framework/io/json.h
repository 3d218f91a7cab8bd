// JSON text to Value and back.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "orbweaver/value.h"

namespace orbweaver {

/// @param source  named in errors: "config.json:12:5: ..." (line and column of the fault).
/// @throws InputError on malformed text, duplicate keys, or integers beyond 64 bits.
Value parse_json(std::string_view text, const std::string& source);
Value read_json(const std::filesystem::path& path);

/// `indent` < 0 gives one line. Numbers are written so that they read back as the same double; a real number keeps a
/// fraction (1.0). Numbers that are not finite become null, as JSON has none.
std::string to_json(const Value& value, int indent = 2);

}  // namespace orbweaver
