// A sweep file, and after a line "%%" the config that it may name as base.json.
#include "framework/sweep/sweep_file.h"
#include "fuzz/target.h"

void orbweaver::fuzz::sweep(std::string_view bytes) {
  const std::vector<std::string_view> parts = parts_of(bytes);
  input_file("sweep/base.json", parts.size() > 1 ? parts[1] : "{}");
  const Sweep sweep = read_sweep(input_file("sweep/sweep.json", parts[0]), {});
  demand(!sweep.variants.empty(), "a sweep has a variant");
  for (const SweepVariant& variant : sweep.variants) demand(!variant.name.empty(), "a variant has a name");
}
