// Finding, checking and loading plugins: each message as a user reads it.
#include <elf.h>
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <map>
#include <random>

#include "framework/io/files.h"
#include "framework/model/libtorch_version.h"
#include "framework/plugin/hosted.h"
#include "framework/plugin/manifest_reader.h"
#include "loader/loader_test.h"
#include "orbweaver/manifest.h"
#include "orbweaver/version.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

using testing::contains;
using testing::message_of;
using testing::ScopedVariable;
using testing::TemporaryFolder;

const fs::path good_folder = GOOD_PLUGINS, bad_folder = BAD_PLUGINS;
const fs::path good_file = good_folder / "orbw_radius_graph.so";

fs::path bad_file(const std::string& name) { return bad_folder / ("orbw_" + name + ".so"); }

/// The message with which a bad plugin is refused.
std::string refusal_of(const std::string& name) {
  PluginHost host;
  const std::string message = message_of<InputError>([&] { host.load(bad_file(name).string()); });
  EXPECT_TRUE(contains(message, bad_file(name).string()));
  EXPECT_EQ(message.find('\n'), std::string::npos) << "more than one line: " << message;
  return message;
}

std::string host_sdk() { return fmt::format("{}.{}", ORBWEAVER_SDK_VERSION_MAJOR, ORBWEAVER_SDK_VERSION_MINOR); }

std::string host_torch() { return fmt::format("{}.{}", libtorch_version().major, libtorch_version().minor); }

// --- a good plugin -------------------------------------------------------------------------------------------------

TEST(GoodPlugin, IsFoundByNameInASearchPathAndItsComponentById) {
  PluginHost host({{}, {good_folder}});
  host.load("radius_graph");
  const Component& component = host.find("graph_builder", "radius");
  EXPECT_EQ(component.summary, "Edges below a distance");
  ASSERT_EQ(component.parameters.fields.size(), 2u);
  EXPECT_EQ(describe_type(component.parameters.fields[0].type), "number in [0, 2]");
  EXPECT_EQ(component.parameters.fields[1].default_value, Value(20));
  const LoadedPlugin& plugin = PluginHost::plugin_of(component);
  EXPECT_EQ(plugin.file, good_file);
  EXPECT_EQ(plugin.manifest.name, "radius_graph");
  EXPECT_EQ(plugin.manifest.version, "0.1.0");
  EXPECT_EQ(plugin.manifest.sdk_version(), host_sdk());
  EXPECT_FALSE(plugin.manifest.records_torch());
  EXPECT_EQ(plugin.hash, hash_file(good_file));
}

TEST(GoodPlugin, BuildsTheGraphWorkedOutByHand) {
  PluginHost host;
  host.load(good_file.string());
  Value params;
  params["radius"] = 0.3;
  params["max_nodes"] = 3;
  const auto builder = create<GraphBuilder>(host, "radius", params, nullptr, "/model/image/graph");
  // A 100 x 200 image. Centres in image sides: a (0.1, 0.1), b (0.3, 0.2), c (0.9, 0.5), d (0.1, 0.1). Sizes make the
  // order c, a, b, and d is the fourth. |ab| = sqrt(0.05) = 0.2236 < 0.3; |ac| = 0.894, |bc| = 0.671.
  const std::vector<Object> objects = {{10, 20, 8, 8, 0, 1, "a", {}},
                                       {30, 40, 7, 8, 0, 1, "b", {}},
                                       {90, 100, 20, 20, 0, 1, "c", {}},
                                       {10, 20, 1, 1, 0, 1, "d", {}}};
  const Graph graph = build_graph(builder, Scene{100, 200, objects, {}});
  EXPECT_EQ(graph.labels, (std::vector<std::string>{"c", "a", "b"}));
  EXPECT_FLOAT_EQ(graph.features(0, 0), 0.9f);
  EXPECT_FLOAT_EQ(graph.features(0, 1), 0.5f);
  const float adjacency[3][3] = {{0, 0, 0}, {0, 0, 1}, {0, 1, 0}};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) EXPECT_EQ(graph.adjacency(i, j), adjacency[i][j]) << i << ", " << j;
  EXPECT_EQ(graph.relations, (std::vector<Relation>{{1, 2, "near"}, {2, 1, "near"}}));
}

TEST(GoodPlugin, MakesAnEmptyGraphOfAnEmptyScene) {
  PluginHost host({{good_file}, {}});
  host.load("radius_graph");
  const auto builder = create<GraphBuilder>(host, "radius", Value(), nullptr, "");
  EXPECT_EQ(build_graph(builder, Scene{100, 100, {}, {}}).size(), 0);
}

TEST(GoodPlugin, IsSharedByTwoHosts) {
  PluginHost first({{}, {good_folder}}), second({{}, {good_folder}});
  first.load("radius_graph");
  second.load(good_file.string());
  second.load("radius_graph");
  EXPECT_EQ(&first.find("graph_builder", "radius"), &second.find("graph_builder", "radius"));
  EXPECT_EQ(second.plugins().size(), 1u);
}

TEST(GoodPlugin, IsRefusedParametersOutOfBounds) {
  PluginHost host({{good_file}, {}});
  host.load("radius_graph");
  Value params;
  params["radius"] = 5;
  const auto make = [&] { create<GraphBuilder>(host, "radius", params, nullptr, "/model/image/graph"); };
  EXPECT_EQ(message_of<InputError>(make),
            "/model/image/graph/radius: is 5, expected number in [0, 2] (graph_builder radius)");
}

TEST(GoodPlugin, SaysThatItDoesNotServeCaptions) {
  PluginHost host({{good_file}, {}});
  host.load("radius_graph");
  const auto builder = create<GraphBuilder>(host, "radius", Value(), nullptr, "/model/text/graph");
  EXPECT_EQ(
      message_of<Error>([&] {
        build_graph(builder, Caption{"two planes", {}, false});
      }),
      fmt::format("/model/text/graph: graph_builder radius ({}): build: this graph builder does not serve captions",
                  good_file.string()));
}

// --- search order --------------------------------------------------------------------------------------------------

TEST(SearchOrder, IsExplicitFilesThenSearchPathsThenTheEnvironmentThenTheHostsOwnFolder) {
  TemporaryFolder a, b, c, d;
  for (const TemporaryFolder* folder : {&a, &b, &c, &d})
    fs::copy_file(good_file, folder->path() / good_file.filename());
  const ScopedVariable variable("ORBWEAVER_PLUGIN_PATH", c.path().string() + "::" + d.path().string());
  const auto chosen = [](PluginHost::Options options) {
    PluginHost host(std::move(options));
    host.load("radius_graph");
    return host.plugins().front()->file.parent_path();
  };
  EXPECT_EQ(chosen({{a.path() / good_file.filename()}, {b.path()}}), a.path());
  EXPECT_EQ(chosen({{}, {b.path()}}), b.path());
  EXPECT_EQ(chosen({}), c.path());
  fs::remove(c.path() / good_file.filename());
  EXPECT_EQ(chosen({}), d.path());
  const PluginHost host({{}, {b.path()}});
  ASSERT_EQ(host.folders().size(), 4u);
  EXPECT_EQ(host.folders()[3], host_library_folder() / "orbweaver/plugins");
}

TEST(SearchOrder, NeverIncludesTheWorkingDirectory) {
  const fs::path before = fs::current_path();
  fs::current_path(good_folder);
  PluginHost host;
  const std::string message = message_of<InputError>([&] { host.load("radius_graph"); });
  const std::string relative = message_of<InputError>([&] { host.load("./orbw_radius_graph.so"); });
  fs::current_path(before);
  EXPECT_EQ(message.find(good_folder.string()), std::string::npos) << message;
  EXPECT_TRUE(contains(relative, "is a relative path, expected a name"));
}

TEST(SearchOrder, RefusesRelativeFolders) {
  EXPECT_TRUE(contains(message_of<InputError>([] {
                         PluginHost host({{}, {"plugins"}});
                       }),
                       "plugin_paths: \"plugins\" is relative, expected an absolute folder"));
  const ScopedVariable variable("ORBWEAVER_PLUGIN_PATH", ".");
  EXPECT_TRUE(contains(message_of<InputError>([] { PluginHost host; }),
                       "ORBWEAVER_PLUGIN_PATH: \".\" is relative, expected an absolute folder"));
}

TEST(SearchOrder, ListsAFileThatAnEarlierOneHidesAsNotUsed) {
  TemporaryFolder a, b;
  for (const TemporaryFolder* folder : {&a, &b}) fs::copy_file(good_file, folder->path() / good_file.filename());
  const PluginHost host({{}, {a.path(), b.path()}});
  const std::vector<PluginFile> files = host.list();
  ASSERT_GE(files.size(), 2u);
  EXPECT_TRUE(files[0].ok());
  EXPECT_EQ(files[1].status,
            fmt::format("not used: {} comes first in the search order", (a.path() / good_file.filename()).string()));
}

TEST(MissingPlugin, PrintsEveryPathTriedTheNamesThatExistAndTheNearest) {
  PluginHost host({{}, {good_folder}});
  const std::string message = message_of<InputError>([&] { host.load("radius_grahp"); });
  EXPECT_TRUE(contains(message, "plugin \"radius_grahp\": no orbw_radius_grahp.so in the search order"));
  EXPECT_TRUE(contains(message, (good_folder / "orbw_radius_grahp.so").string()));
  EXPECT_TRUE(contains(message, (host_library_folder() / "orbweaver/plugins/orbw_radius_grahp.so").string()));
  EXPECT_TRUE(contains(message, "\"radius_graph\""));
  EXPECT_TRUE(contains(message, "did you mean \"radius_graph\"?"));
}

TEST(MissingPlugin, SuggestsTheNameOfAFileName) {
  PluginHost host;
  EXPECT_TRUE(contains(message_of<InputError>([&] { host.load("orbw_sog.so"); }), "did you mean \"sog\"?"));
}

TEST(MissingComponent, NamesTheKnownIdsTheNearestAndThePluginsSearched) {
  PluginHost host({{}, {good_folder}});
  host.load("radius_graph");
  const std::string message = message_of<InputError>([&] { host.find("graph_builder", "radios"); });
  EXPECT_TRUE(
      contains(message, "no graph_builder \"radios\": searched the plugins \"radius_graph\", then orbw_radios.so"));
  EXPECT_TRUE(contains(message, "did you mean \"radius\"?"));
}

TEST(MissingComponent, SaysWhichUnlistedPluginHasIt) {
  PluginHost host({{}, {good_folder}});
  EXPECT_TRUE(contains(message_of<InputError>([&] { host.find("graph_builder", "radius"); }),
                       "it is in the plugin \"radius_graph\": add that to \"plugins\""));
}

TEST(MissingComponent, OfAnUnknownKindNamesTheKinds) {
  PluginHost host;
  EXPECT_TRUE(contains(message_of<InputError>([&] { host.find("rerankers", "x"); }), "did you mean \"reranker\"?"));
}

// --- bad files, refused before the loader sees them ----------------------------------------------------------------

TEST(BadPlugin, ThatIsNoElfFileIsRefused) {
  EXPECT_EQ(refusal_of("not_elf"), bad_file("not_elf").string() +
                                       ": is not an ELF file (a shared library), although it is named like a plugin");
  EXPECT_TRUE(contains(refusal_of("empty"), "is empty, expected a shared library"));
}

TEST(BadPlugin, ThatIsTruncatedIsRefused) {
  const std::string message = refusal_of("truncated");
  EXPECT_TRUE(contains(message, "is truncated: "));
  EXPECT_TRUE(contains(message, "the file has 6000"));
}

TEST(BadPlugin, OfAnotherMachineIsRefused) {
  TemporaryFolder folder;
  std::string content = read_file(good_file);
  content[18] = static_cast<char>(0xF3);  // e_machine: RISC-V
  content[19] = 0;
  const fs::path file = folder.path() / good_file.filename();
  write_atomically(file, content);
  EXPECT_TRUE(contains(message_of<InputError>([&] { PluginHost().load(file.string()); }),
                       "is built for another machine: riscv (ELF machine 243), this process is "));
}

TEST(BadPlugin, WithoutAManifestIsRefused) {
  EXPECT_TRUE(contains(refusal_of("no_manifest"),
                       "has no Orbweaver manifest (section .orbweaver.manifest); put ORBWEAVER_PLUGIN"));
}

TEST(BadPlugin, WithAnotherNameThanItsFileIsRefused) {
  EXPECT_TRUE(contains(
      refusal_of("wrong_name"),
      "refused: name: plugin \"another_name\" in its manifest, host wants orbw_another_name.so as its file name"));
}

TEST(BadPlugin, OfANewerSdkMajorIsRefused) {
  EXPECT_TRUE(contains(refusal_of("sdk_major"), "refused: SDK version: plugin 99.0, host " + host_sdk()));
}

TEST(BadPlugin, OfANewerSdkMinorIsRefused) {
  EXPECT_TRUE(contains(refusal_of("sdk_minor"), fmt::format("refused: SDK version: plugin {}.99, host {}",
                                                            ORBWEAVER_SDK_VERSION_MAJOR, host_sdk())));
}

/// What the gate of a host of one SDK version says of a plugin of another, nothing else differing.
std::string sdk_refusal(int plugin_major, int plugin_minor, int host_major, int host_minor) {
  PluginFacts plugin;
  plugin.library.file = "orbw_mine.so";
  plugin.manifest.name = "mine";
  plugin.manifest.sdk_major = plugin_major, plugin.manifest.sdk_minor = plugin_minor;
  HostFacts host;
  host.manifest.sdk_major = host_major, host.manifest.sdk_minor = host_minor;
  const std::vector<Mismatch> mismatches = check_gate(plugin, host);
  return mismatches.empty() ? "" : refusal(plugin, host, mismatches);
}

TEST(SdkVersions, OfTheSameMajorAreAcceptedUpToTheHostsMinor) {
  EXPECT_EQ(sdk_refusal(1, 0, 1, 0), "");
  EXPECT_EQ(sdk_refusal(1, 3, 1, 3), "");
  EXPECT_EQ(sdk_refusal(1, 0, 1, 3), "") << "built against 1.0, in a host of 1.3";
  EXPECT_TRUE(contains(sdk_refusal(1, 4, 1, 3), "refused: SDK version: plugin 1.4, host 1.3; rebuild it"));
}

TEST(SdkVersions, OfAnotherMajorAreRefusedWhateverTheMinor) {
  EXPECT_TRUE(contains(sdk_refusal(2, 0, 1, 3), "refused: SDK version: plugin 2.0, host 1.3"));
  EXPECT_TRUE(contains(sdk_refusal(1, 3, 2, 0), "refused: SDK version: plugin 1.3, host 2.0"));
  EXPECT_TRUE(contains(sdk_refusal(1, 0, 2, 3), "refused: SDK version: plugin 1.0, host 2.3"));
  EXPECT_TRUE(contains(sdk_refusal(0, 2, 1, 3), "refused: SDK version: plugin 0.2, host 1.3"));
}

TEST(SdkVersions, BelowOneAreAcceptedOfTheVerySameMinor) {
  EXPECT_EQ(sdk_refusal(0, 2, 0, 2), "");
  EXPECT_TRUE(contains(sdk_refusal(0, 1, 0, 2), "refused: SDK version: plugin 0.1, host 0.2"));
  EXPECT_TRUE(contains(sdk_refusal(0, 3, 0, 2), "refused: SDK version: plugin 0.3, host 0.2"));
}

TEST(BadPlugin, ForAnotherLibTorchIsRefused) {
  EXPECT_TRUE(contains(refusal_of("other_libtorch"), "refused: LibTorch version: plugin 99.7, host " + host_torch()));
}

TEST(BadPlugin, WithTheOtherStringAbiIsRefusedWithTheFlagThatMendsIt) {
  const std::string message = refusal_of("old_string_abi");
  EXPECT_TRUE(contains(
      message, "refused: string ABI (_GLIBCXX_USE_CXX11_ABI): plugin 0, host 1; rebuild it for this host: cmake "));
  EXPECT_TRUE(contains(message, "-D_GLIBCXX_USE_CXX11_ABI=1"));
}

TEST(BadPlugin, InTheStandardLibrarysDebugModeIsRefused) {
  EXPECT_TRUE(contains(refusal_of("debug_mode"), "debug mode (_GLIBCXX_DEBUG): plugin on, host off"));
}

TEST(BadPlugin, WithAnotherSanitizerIsRefused) {
#if ORBWEAVER_FACT_ASAN
  EXPECT_TRUE(contains(refusal_of("sanitizer"), "sanitizer: plugin none, host address"));
#elif ORBWEAVER_FACT_TSAN
  EXPECT_TRUE(contains(refusal_of("sanitizer"), "sanitizer: plugin none, host thread"));
#else
  EXPECT_TRUE(contains(refusal_of("sanitizer"), "sanitizer: plugin address, host none"));
#endif
}

TEST(BadPlugin, ThatBringsASecondLibTorchIsRefused) {
  const std::string message = refusal_of("second_torch");
  EXPECT_TRUE(contains(message, "refused: second LibTorch: plugin needs libtorch_cpu.so.99 ("));
  EXPECT_TRUE(contains(message, (bad_folder / "second_torch/libtorch_cpu.so.99").string()));
  EXPECT_TRUE(contains(message, "host has loaded /"));
}

TEST(BadPlugin, ThatBringsASecondLibTorchThroughAnotherLibraryIsRefused) {
  EXPECT_TRUE(contains(refusal_of("second_torch_indirect"), "second_torch/libsecond_torch_helper.so"));
}

TEST(BadPlugin, WithSeveralFaultsIsRefusedWithAllOfThemAtOnce) {
  const std::string message = refusal_of("all_at_once");
  EXPECT_TRUE(contains(message, "SDK version: plugin 99.0, host " + host_sdk()));
  EXPECT_TRUE(contains(message, "string ABI (_GLIBCXX_USE_CXX11_ABI): plugin 0, host 1"));
  EXPECT_TRUE(contains(message, "debug mode (_GLIBCXX_DEBUG): plugin on, host off"));
  EXPECT_TRUE(contains(message, "cmake --build BUILD --clean-first"));
}

TEST(BadPlugin, RefusedByTheGateNeverRunsItsStaticConstructors) {
  TemporaryFolder witness;
  const ScopedVariable variable("ORBWEAVER_TEST_WITNESS", witness.path().string());
  for (const char* name : {"no_manifest", "wrong_name", "sdk_major", "sdk_minor", "other_libtorch", "old_string_abi",
                           "debug_mode", "sanitizer", "second_torch", "second_torch_indirect", "all_at_once"})
    refusal_of(name);
  EXPECT_TRUE(fs::is_empty(witness.path())) << fs::directory_iterator(witness.path())->path();
  // The same constructor does run in a good plugin: a fresh copy, because a library is loaded once per process.
  TemporaryFolder copy;
  fs::copy_file(good_file, copy.path() / good_file.filename());
  PluginHost().load((copy.path() / good_file.filename()).string());
  EXPECT_TRUE(fs::exists(witness.path() / "radius_graph"));
}

TEST(ManifestReader, RefusesEveryTruncationOfAGoodPlugin) {
  TemporaryFolder folder;
  const fs::path file = folder.path() / good_file.filename();
  const std::string content = read_file(good_file);
  const size_t step = std::max<size_t>(1, content.size() / 200);
  for (size_t size = 0; size < content.size(); size += size < 600 ? 7 : step) {
    write_atomically(file, content.substr(0, size));
    EXPECT_THROW(read_plugin_facts(file), InputError) << size << " of " << content.size() << " bytes";
  }
}

TEST(ManifestReader, SurvivesDamagedHeadersAndTables) {
  TemporaryFolder folder;
  const fs::path file = folder.path() / good_file.filename();
  const std::string content = read_file(good_file);
  // Damage where structure is: the header, the segment table behind it, the section table at the end.
  std::mt19937 generator(7);
  const size_t head = 700, tail = 64 * 40;
  for (int round = 0; round < 500; ++round) {
    std::string damaged = content;
    for (int i = 0; i < 4; ++i) {
      const size_t at = generator() % (head + tail);
      damaged[at < head ? at : content.size() - 1 - (at - head)] = static_cast<char>(generator());
    }
    std::ofstream(file, std::ios::binary) << damaged;
    try {
      read_plugin_facts(file);
    } catch (const InputError&) {
    }
  }
}

/// A shared library of this machine that is nothing but a dynamic section.
std::string bare_library(const std::vector<Elf64_Dyn>& entries, const std::string& strings) {
  Elf64_Ehdr header{};
  const std::string good = read_file(good_file);
  std::memcpy(&header, good.data(), sizeof header);
  const uint64_t size = entries.size() * sizeof(Elf64_Dyn);
  header.e_phnum = 0;
  header.e_shoff = sizeof header + size + strings.size();
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 3;
  header.e_shstrndx = 0;
  Elf64_Shdr sections[3] = {};
  sections[1].sh_type = SHT_DYNAMIC;
  sections[1].sh_offset = sizeof header;
  sections[1].sh_size = size;
  sections[1].sh_link = 2;
  sections[2].sh_type = SHT_STRTAB;
  sections[2].sh_offset = sizeof header + size;
  sections[2].sh_size = strings.size();
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) +
         std::string(reinterpret_cast<const char*>(entries.data()), size) + strings +
         std::string(reinterpret_cast<const char*>(sections), sizeof sections);
}

Elf64_Dyn dynamic_entry(int64_t tag, uint64_t value) {
  Elf64_Dyn entry{};
  entry.d_tag = tag;
  entry.d_un.d_val = value;
  return entry;
}

TEST(ManifestReader, PutsTheFolderIntoARunPathOnceEvenWhereItsNameHoldsTheToken) {
  TemporaryFolder folder;
  const fs::path place = folder.path() / "$ORIGIN", file = place / "lib.so";
  using namespace std::string_literals;
  write_atomically(file, bare_library({dynamic_entry(DT_RUNPATH, 1)}, "\0$ORIGIN/a:${ORIGIN}/$b\0"s));
  EXPECT_EQ(read_shared_library(file).run_paths, (std::vector<fs::path>{place / "a", place / "$b"}));
}

TEST(ManifestReader, RefusesAFileThatNamesMoreThanItHolds) {
  TemporaryFolder folder;
  const fs::path file = folder.path() / "lib.so";
  const std::string strings = std::string(1, '\0') + std::string(30'000, 'a') + std::string(1, '\0');
  write_atomically(file, bare_library({dynamic_entry(DT_NEEDED, 1)}, strings));
  EXPECT_EQ(read_shared_library(file).needed.size(), 1u);
  write_atomically(file, bare_library(std::vector<Elf64_Dyn>(1000, dynamic_entry(DT_NEEDED, 1)), strings));
  EXPECT_THROW(read_shared_library(file), InputError);
}

TEST(ManifestReader, RefusesSectionsOnTopOfEachOther) {
  TemporaryFolder folder;
  const fs::path file = folder.path() / "lib.so";
  std::string content = bare_library({dynamic_entry(DT_NULL, 0)}, std::string(1, '\0'));
  Elf64_Ehdr header{};
  std::memcpy(&header, content.data(), sizeof header);
  header.e_shentsize = 0;
  std::memcpy(content.data(), &header, sizeof header);
  write_atomically(file, content);
  const std::string message = message_of<InputError>([&] { read_shared_library(file); });
  EXPECT_TRUE(contains(message, "its section table has entries of 0 bytes, expected 64")) << message;
}

TEST(Gate, AcceptsAnOlderMinorFromVersionOneOnAndNoOtherMinorBefore) {
  HostFacts host = host_facts();
  PluginFacts plugin = read_plugin_facts(good_file);
  const auto accepted = [&](int host_major, int host_minor, int major, int minor) {
    host.manifest.sdk_major = host_major, host.manifest.sdk_minor = host_minor;
    plugin.manifest.sdk_major = major, plugin.manifest.sdk_minor = minor;
    return check_gate(plugin, host).empty();
  };
  EXPECT_TRUE(accepted(1, 2, 1, 2));
  EXPECT_TRUE(accepted(1, 2, 1, 0));
  EXPECT_FALSE(accepted(1, 2, 1, 3));
  EXPECT_FALSE(accepted(1, 2, 0, 9));
  EXPECT_FALSE(accepted(2, 0, 1, 0));
  EXPECT_TRUE(accepted(0, 2, 0, 2));
  EXPECT_FALSE(accepted(0, 2, 0, 1));
  EXPECT_FALSE(accepted(0, 2, 0, 3));
}

TEST(Gate, RefusesALibTorchPluginThatRecordsNoVersion) {
  PluginFacts plugin = read_plugin_facts(bad_file("wrong_dtype"));
  EXPECT_TRUE(check_gate(plugin, host_facts()).empty());
  plugin.library.needed.push_back("libtorch_cpu.so.99");
  plugin.manifest.torch_major = plugin.manifest.torch_minor = 0;
  const std::vector<Mismatch> mismatches = check_gate(plugin, host_facts());
  ASSERT_EQ(mismatches.size(), 2u);
  EXPECT_TRUE(contains(mismatches[0].plugin, "records none (build it with PLANE torch)"));
  EXPECT_EQ(mismatches[1].fact, "second LibTorch");
}

// --- bad at loading and registration -------------------------------------------------------------------------------

TEST(BadPlugin, WithAnUndefinedSymbolIsRefusedWithTheLoadersReason) {
  EXPECT_TRUE(contains(refusal_of("undefined_symbol"), "cannot be loaded: undefined symbol: "));
  EXPECT_TRUE(contains(refusal_of("undefined_symbol"), "(nowhere::missing_function(int))"));
}

/// Where a sanitizer waits for the signal behind us, it reports it and exits.
bool crashed(int status) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return status != 0;
#else
  return ::testing::KilledBySignal(SIGSEGV)(status);
#endif
}

TEST(BadPluginDeathTest, ThatCrashesWhileItIsLoadedIsNamedBeforeTheProcessEnds) {
  const std::string file = CRASHING_PLUGINS "/orbw_crashes.so";
  EXPECT_EXIT(PluginHost().load(file), crashed,
              "orbw_crashes.so: this plugin crashed \\(SIGSEGV\\) while it was loaded");
}

TEST(BadPlugin, WhoseRegistrationThrowsIsRefusedEachTime) {
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(refusal_of("register_throws"),
              bad_file("register_throws").string() + ": its registration failed: the licence server is asleep");
}

TEST(BadPlugin, WhoseRegistrationThrowsAnIntegerIsRefused) {
  EXPECT_TRUE(
      contains(refusal_of("register_throws_int"), "its registration threw something that is no std::exception"));
}

TEST(BadPlugin, ThatRegistersNothingIsRefused) {
  EXPECT_TRUE(
      contains(refusal_of("registers_nothing"), "registers no component; call registrar.add in ORBWEAVER_PLUGIN"));
}

TEST(BadPlugin, OfAnUnknownKindIsRefused) {
  const std::string message = refusal_of("unknown_kind");
  EXPECT_TRUE(contains(message, "registers \"unknown_kind\" as a component of the unknown kind \"graph_bilder\""));
  EXPECT_TRUE(contains(message, "did you mean \"graph_builder\"?"));
}

TEST(BadPlugin, WithAnIdThatAnotherHasIsRefusedNamingBothFiles) {
  PluginHost host;
  host.load(bad_file("twin_a").string());
  EXPECT_EQ(message_of<InputError>([&] { host.load(bad_file("twin_b").string()); }),
            fmt::format("{}: registers graph_builder twin, which {} registers too; load only one of the two",
                        bad_file("twin_b").string(), bad_file("twin_a").string()));
  EXPECT_EQ(PluginHost::plugin_of(host.find("graph_builder", "twin")).file, bad_file("twin_a"));
}

// --- bad at work ---------------------------------------------------------------------------------------------------

Hosted<GraphBuilder> make_bad(const std::string& name) {
  PluginHost host({{}, {bad_folder}});
  return create<GraphBuilder>(host, name, Value(), nullptr, "/model/image/graph");
}

std::string where(const std::string& name) {
  return fmt::format("/model/image/graph: graph_builder {} ({}): ", name, bad_file(name).string());
}

TEST(BadComponent, WhoseConstructorThrowsIsNamedWithItsPlace) {
  EXPECT_EQ(message_of<InputError>([] { make_bad("constructor_throws"); }),
            where("constructor_throws") + "constructor: the vocabulary is empty");
}

TEST(BadComponent, WhoseBuildThrowsIsNamedWithItsPlace) {
  const auto builder = make_bad("build_throws");
  EXPECT_EQ(message_of<Error>([&] { build_graph(builder, Scene{}); }), where("build_throws") + "build: no such object");
}

TEST(BadComponent, ThatReturnsAWrongShapeIsNamedWithBothShapes) {
  const auto builder = make_bad("wrong_shape");
  EXPECT_EQ(message_of<Error>([&] { build_graph(builder, Scene{}); }),
            where("wrong_shape") + "build: returned features [3, 1], expected 2 rows, one for each of its labels");
}

TEST(BadComponent, ThatReturnsNanIsNamedWithItsPosition) {
  const auto builder = make_bad("returns_nan");
  EXPECT_EQ(message_of<Error>([&] { build_graph(builder, Scene{}); }),
            where("returns_nan") + "build: returned adjacency(1, 0) = nan, expected finite numbers");
}

TEST(PluginList, HasEveryBadFileWithItsReasonAndTheComponentsOfThoseThatPass) {
  const PluginHost host({{}, {bad_folder, good_folder}});
  std::map<std::string, PluginFile> files;
  for (PluginFile& file : host.list()) files.emplace(file.stem, std::move(file));
  EXPECT_TRUE(files.at("radius_graph").ok());
  EXPECT_EQ(files.at("radius_graph").plugin->components.front().id, "radius");
  EXPECT_FALSE(files.at("not_elf").manifest);
  EXPECT_EQ(files.at("sdk_major").manifest->version, "1.2.3");
  EXPECT_TRUE(contains(files.at("sdk_major").status, "SDK version"));
  EXPECT_TRUE(files.at("twin_a").ok());
  EXPECT_TRUE(contains(files.at("twin_b").status, "load only one of the two"));
  for (const char* name : {"not_elf", "empty", "truncated", "no_manifest", "wrong_name", "sdk_minor", "other_libtorch",
                           "old_string_abi", "sanitizer", "second_torch", "undefined_symbol", "register_throws",
                           "register_throws_int", "registers_nothing", "unknown_kind"})
    EXPECT_FALSE(files.at(name).ok()) << name;
}

}  // namespace
}  // namespace orbweaver
