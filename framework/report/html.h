// Text as HTML, and values as JSON inside HTML.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "orbweaver/value.h"

namespace orbweaver {

/// The text with every byte that is no UTF-8, and every control character but tab and line feed, as U+FFFD.
std::string valid_utf8(std::string_view text);

/// Text as the content of an element or of an attribute in double quotes; made valid UTF-8 first.
std::string escape_html(std::string_view text);

/// JSON on one line for a <script type="application/json">: no character of it can end the script or begin a comment.
std::string script_json(const Value& value);

std::string base64(std::span<const uint8_t> bytes);

}  // namespace orbweaver
