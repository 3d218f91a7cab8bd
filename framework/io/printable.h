// Text from elsewhere on a terminal.
#pragma once

#include <string>
#include <string_view>

namespace orbweaver {

/// `text` with its control characters spelled out: "\x1b" for an escape, whose sequence could recolour, move or rename
/// what else a terminal shows; "\x9b" for a byte that is no UTF-8, "\u009b" for a control character above ASCII. Line
/// ends and tabs stay. For messages and tables, whose names, captions and contents of files are somebody else's; what
/// is written to files stays as it is.
std::string printable(std::string_view text);

/// The same for JSON, where to_json() spells out all but DEL and the control characters above ASCII: the value is the
/// same.
std::string printable_json(std::string_view json);

}  // namespace orbweaver
