// A JSON text; what was read is written and reads back as the same value.
#include "framework/io/json.h"

#include "fuzz/target.h"

void orbweaver::fuzz::json(std::string_view bytes) {
  const Value value = parse_json(bytes, "input");
  for (const int indent : {-1, 2})
    demand(parse_json(to_json(value, indent), "written") == value, "what to_json writes reads back as the same value");
  demand(brief(value, 60).size() <= 63, "brief() is brief");
}
