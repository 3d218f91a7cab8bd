// A plugin's file: what the gate reads of it before any of its code runs, and what it answers.
#include "framework/plugin/manifest_reader.h"
#include "fuzz/target.h"

void orbweaver::fuzz::manifest(std::string_view bytes) {
  const PluginFacts plugin = read_plugin_facts(input_file("orbw_plugin.so", bytes));
  HostFacts host;
  host.manifest.sdk_major = 1;
  host.prefix = "/usr";
  const std::vector<Mismatch> mismatches = check_gate(plugin, host);
  if (!mismatches.empty()) refusal(plugin, host, mismatches);
}
