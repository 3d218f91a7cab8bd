#include "framework/plugin/manifest_reader.h"

#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>
#include <link.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <set>
#include <span>
#include <string_view>

#include "framework/io/files.h"
#include "framework/model/libtorch_version.h"
#include "orbweaver/error.h"
#include "orbweaver/manifest.h"
#include "orbweaver/version.h"

// The ELF header of the library that this code is linked into: the linker defines it.
extern "C" __attribute__((visibility("hidden"))) const ElfW(Ehdr) __ehdr_start;

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

constexpr bool is_little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

const char* machine_name(unsigned machine) {
  switch (machine) {
    case EM_X86_64: return "x86-64";
    case EM_AARCH64: return "aarch64";
    case EM_386: return "x86 (32 bit)";
    case EM_ARM: return "arm (32 bit)";
    case EM_RISCV: return "riscv";
    case EM_PPC64: return "ppc64";
    default: return "unknown";
  }
}

// As long as a path may be for the system (PATH_MAX), several of them in a run path.
constexpr size_t longest_name = 1 << 16;

/// A bounds-checked view of a 64-bit ELF file of this machine.
class ElfFile {
 public:
  explicit ElfFile(const fs::path& path) : path_(path), map_(path), bytes_(map_.bytes()) {
    check_identity();
    header_ = read<Elf64_Ehdr>(0, "its ELF header");
    check_kind();
    read_segments();
    read_sections();
  }

  std::span<const std::byte> section(std::string_view name) const {
    for (const Elf64_Shdr& section : sections_)
      if (has_name(section, name) && section.sh_type != SHT_NOBITS) return content(section);
    return {};
  }

  SharedLibrary shared_library() const {
    SharedLibrary library;
    library.file = path_;
    const auto table = std::find_if(sections_.begin(), sections_.end(),
                                    [](const Elf64_Shdr& section) { return section.sh_type == SHT_DYNAMIC; });
    if (table == sections_.end() || table->sh_link >= sections_.size()) return library;
    const auto strings = content(sections_[table->sh_link]);
    std::vector<fs::path> rpath, runpath;
    // A linker writes each name once; a hostile file would name one long text ten thousand times.
    uint64_t letters = 0;
    const auto name_at = [&](uint64_t offset) {
      std::string name = text_at(strings, offset);
      letters += name.size();
      if (name.size() > longest_name || letters > bytes_.size())
        fail("names libraries and folders longer than the file can hold; build or copy it again");
      return name;
    };
    for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= table->sh_size; at += sizeof(Elf64_Dyn)) {
      const auto entry = read<Elf64_Dyn>(table->sh_offset + at, "its dynamic section");
      if (entry.d_tag == DT_NULL) break;
      if (entry.d_tag == DT_NEEDED) library.needed.push_back(name_at(entry.d_un.d_val));
      if (entry.d_tag == DT_SONAME) library.soname = name_at(entry.d_un.d_val);
      if (entry.d_tag == DT_RPATH) rpath = split_run_path(name_at(entry.d_un.d_val));
      if (entry.d_tag == DT_RUNPATH) runpath = split_run_path(name_at(entry.d_un.d_val));
    }
    library.run_paths = runpath.empty() ? rpath : runpath;
    return library;
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const { throw InputError(path_.string() + ": " + reason); }

  [[noreturn]] void fail_truncated(const std::string& part, uint64_t end) const {
    fail(fmt::format("is truncated: {} ends at byte {}, the file has {}; build or copy it again", part, end,
                     bytes_.size()));
  }

  template <class T>
  T read(uint64_t offset, const char* part) const {
    T value;
    require(offset, sizeof(T), part);
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }

  void require(uint64_t offset, uint64_t size, const std::string& part) const {
    if (size > bytes_.size() || offset > bytes_.size() - size) fail_truncated(part, offset + size);
  }

  void check_identity() const {
    if (bytes_.empty()) fail("is empty, expected a shared library; build or copy it again");
    if (bytes_.size() < SELFMAG || std::memcmp(bytes_.data(), ELFMAG, SELFMAG) != 0)
      fail("is not an ELF file (a shared library), although it is named like a plugin");
    if (bytes_.size() < EI_NIDENT) fail_truncated("its ELF header", sizeof(Elf64_Ehdr));
    const auto identity = reinterpret_cast<const unsigned char*>(bytes_.data());
    if (identity[EI_CLASS] != ELFCLASS64 || identity[EI_DATA] != (is_little_endian ? ELFDATA2LSB : ELFDATA2MSB))
      fail(fmt::format("is built for another machine: {} bit, {} endian; this process is {}; rebuild it here",
                       identity[EI_CLASS] == ELFCLASS64 ? 64 : 32, identity[EI_DATA] == ELFDATA2LSB ? "little" : "big",
                       machine_name(__ehdr_start.e_machine)));
  }

  void check_kind() const {
    if (header_.e_machine != __ehdr_start.e_machine)
      fail(fmt::format("is built for another machine: {} (ELF machine {}), this process is {}; rebuild it here",
                       machine_name(header_.e_machine), header_.e_machine, machine_name(__ehdr_start.e_machine)));
    if (header_.e_type != ET_DYN) fail("is an ELF file but no shared library; link it with -shared");
  }

  // Segments are what the loader maps: one that reaches beyond the file would end in SIGBUS, not in an error.
  void read_segments() const {
    check_entry_size(header_.e_phnum, header_.e_phentsize, sizeof(Elf64_Phdr), "segment");
    for (unsigned i = 0; i < header_.e_phnum; ++i) {
      const auto segment = read<Elf64_Phdr>(header_.e_phoff + uint64_t{i} * header_.e_phentsize, "its segment table");
      if (segment.p_type == PT_LOAD) require(segment.p_offset, segment.p_filesz, "a segment");
    }
  }

  // Smaller entries would overlap, and a small file could have 65,535 of them.
  void check_entry_size(unsigned count, unsigned size, size_t wanted, const char* part) const {
    if (count > 0 && size != wanted)
      fail(fmt::format("is damaged: its {} table has entries of {} bytes, expected {}; build or copy it again", part,
                       size, wanted));
  }

  void read_sections() {
    check_entry_size(header_.e_shnum, header_.e_shentsize, sizeof(Elf64_Shdr), "section");
    for (unsigned i = 0; i < header_.e_shnum; ++i)
      sections_.push_back(read<Elf64_Shdr>(header_.e_shoff + uint64_t{i} * header_.e_shentsize, "its section table"));
  }

  std::span<const std::byte> content(const Elf64_Shdr& section) const {
    require(section.sh_offset, section.sh_size, "a section");
    return bytes_.subspan(section.sh_offset, section.sh_size);
  }

  bool has_name(const Elf64_Shdr& section, std::string_view name) const {
    if (header_.e_shstrndx >= sections_.size()) return false;
    const auto strings = content(sections_[header_.e_shstrndx]);
    if (section.sh_name >= strings.size() || strings.size() - section.sh_name <= name.size()) return false;
    const char* text = reinterpret_cast<const char*>(strings.data()) + section.sh_name;
    return std::string_view(text, name.size()) == name && text[name.size()] == '\0';
  }

  static std::string text_at(std::span<const std::byte> strings, uint64_t offset) {
    if (offset >= strings.size()) return {};
    const char* text = reinterpret_cast<const char*>(strings.data()) + offset;
    return std::string(text, strnlen(text, strings.size() - offset));
  }

  std::vector<fs::path> split_run_path(std::string_view text) const {
    std::vector<fs::path> folders;
    while (!text.empty()) {
      const size_t end = std::min(text.find(':'), text.size());
      std::string folder(text.substr(0, end));
      const std::string origin = path_.parent_path().string();
      for (size_t at = 0; (at = folder.find('$', at)) != std::string::npos;) {
        const std::string_view rest = std::string_view(folder).substr(at);
        const size_t length = rest.starts_with("${ORIGIN}") ? 9 : rest.starts_with("$ORIGIN") ? 7 : 0;
        if (length > 0) folder.replace(at, length, origin);
        at += length > 0 ? origin.size() : 1;  // behind what was put in: the folder's own name may hold the token
      }
      if (!folder.empty()) folders.emplace_back(folder);
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return folders;
  }

  fs::path path_;
  MappedFile map_;
  std::span<const std::byte> bytes_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Shdr> sections_;
};

template <size_t N>
std::string text_of(const char (&field)[N]) {
  return std::string(field, strnlen(field, N));
}

PluginManifest parse_manifest(const fs::path& file, std::span<const std::byte> bytes) {
  // What SDK 0.1 had; fields that a later SDK appends read as zero from an older plugin.
  constexpr size_t first_size = offsetof(Manifest, standard_library) + sizeof(Manifest::standard_library);
  Manifest raw{};
  const size_t count = std::min(bytes.size(), sizeof raw);
  if (count > 0) std::memcpy(&raw, bytes.data(), count);
  if (text_of(raw.magic) != ORBWEAVER_MANIFEST_MAGIC)
    throw InputError(
        fmt::format("{}: its manifest does not start with {}; build it with ORBWEAVER_PLUGIN of "
                    "orbweaver/plugin.h",
                    file.string(), ORBWEAVER_MANIFEST_MAGIC));
  if (raw.size < first_size || raw.size > bytes.size())
    throw InputError(fmt::format("{}: its manifest says that it has {} bytes, expected {} to {}; build it again",
                                 file.string(), raw.size, first_size, bytes.size()));
  PluginManifest manifest;
  manifest.name = text_of(raw.name);
  manifest.version = text_of(raw.version);
  manifest.sdk_major = raw.sdk_major;
  manifest.sdk_minor = raw.sdk_minor;
  manifest.cxx11_abi = raw.cxx11_abi;
  manifest.glibcxx_debug = raw.glibcxx_debug != 0;
  manifest.address_sanitizer = raw.address_sanitizer != 0;
  manifest.thread_sanitizer = raw.thread_sanitizer != 0;
  manifest.torch_major = raw.torch_major;
  manifest.torch_minor = raw.torch_minor;
  manifest.compiler = text_of(raw.compiler);
  manifest.standard_library = text_of(raw.standard_library);
  return manifest;
}

bool is_torch_library(const std::string& name) {
  return name.starts_with("libtorch") || name.starts_with("libc10") || name.starts_with("libcaffe2");
}

/// The file that the loader would take from these folders, if it is in one of them.
std::optional<fs::path> find_in(const std::vector<fs::path>& folders, const std::string& name) {
  std::error_code ignored;
  if (name.find('/') != std::string::npos)
    return fs::exists(name, ignored) ? std::optional<fs::path>(name) : std::nullopt;
  for (const fs::path& folder : folders)
    if (fs::exists(folder / name, ignored)) return folder / name;
  return std::nullopt;
}

std::vector<fs::path> environment_library_folders() {
  std::vector<fs::path> folders;
  const char* value = std::getenv("LD_LIBRARY_PATH");
  std::string_view text = value ? value : "";
  while (!text.empty()) {
    const size_t end = std::min(text.find(':'), text.size());
    if (end > 0) folders.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return folders;
}

/// A LibTorch library that a plugin needs.
struct TorchNeed {
  std::string name;              ///< DT_NEEDED
  std::optional<fs::path> file;  ///< where the loader would find it, if that is a folder we know
  fs::path needed_by;
};

bool is_loaded(const HostFacts& host, const std::string& name) {
  const fs::path wanted = fs::path(name).filename();
  return std::any_of(host.loaded.begin(), host.loaded.end(),
                     [&](const fs::path& file) { return file.filename() == wanted; });
}

void collect_torch_needs(const SharedLibrary& library, const HostFacts& host, std::set<fs::path>& visited,
                         std::vector<TorchNeed>& needs) {
  std::vector<fs::path> folders = library.run_paths;
  for (fs::path& folder : environment_library_folders()) folders.push_back(std::move(folder));
  for (const std::string& name : library.needed) {
    const std::optional<fs::path> file = find_in(folders, name);
    if (is_torch_library(fs::path(name).filename())) {
      needs.push_back({name, file, library.file});
      continue;
    }
    // A library that this process has already is not loaded again; one from the system's own folders is none of
    // LibTorch's dependents, or it would be loaded.
    if (!file || is_loaded(host, name) || !visited.insert(*file).second) continue;
    try {
      collect_torch_needs(read_shared_library(*file), host, visited, needs);
    } catch (const InputError&) {
      // The loader will skip or refuse it and say why.
    }
  }
}

/// Whether the loader would answer this need with a library that the process has: it compares names first, files then.
bool host_provides(const HostFacts& host, const TorchNeed& need) {
  std::error_code ignored;
  return std::any_of(host.loaded_torch.begin(), host.loaded_torch.end(), [&](const SharedLibrary& loaded) {
    if (need.file && fs::equivalent(*need.file, loaded.file, ignored)) return true;
    if (need.name.find('/') != std::string::npos) return false;
    return loaded.soname == need.name || loaded.file.filename() == need.name;
  });
}

/// The host's files of the same library ("libtorch_cpu"), or all of LibTorch's where it has none.
std::string loaded_torch_text(const HostFacts& host, const std::string& name) {
  const auto library_name = [](const fs::path& file) {
    const std::string text = file.filename().string();
    return text.substr(0, text.find(".so"));
  };
  std::string same, all;
  for (const SharedLibrary& library : host.loaded_torch) {
    const auto append = [&](std::string& text) { text += (text.empty() ? "" : ", ") + library.file.string(); };
    append(all);
    if (library_name(library.file) == library_name(name)) append(same);
  }
  if (!same.empty()) return same;
  return all.empty() ? "none" : all;
}

void check_sdk(const PluginManifest& plugin, const PluginManifest& host, std::vector<Mismatch>& out) {
  const bool same_major = plugin.sdk_major == host.sdk_major;
  const bool fits = same_major && (host.sdk_major == 0 ? plugin.sdk_minor == host.sdk_minor  //
                                                       : plugin.sdk_minor <= host.sdk_minor);
  if (!fits) out.push_back({"SDK version", plugin.sdk_version(), host.sdk_version()});
}

std::string sanitizer_text(const PluginManifest& manifest) {
  if (manifest.address_sanitizer && manifest.thread_sanitizer) return "address, thread";
  if (manifest.address_sanitizer) return "address";
  return manifest.thread_sanitizer ? "thread" : "none";
}

void check_build(const PluginManifest& plugin, const PluginManifest& host, std::vector<Mismatch>& out) {
  if (plugin.cxx11_abi != host.cxx11_abi)
    out.push_back(
        {"string ABI (_GLIBCXX_USE_CXX11_ABI)", std::to_string(plugin.cxx11_abi), std::to_string(host.cxx11_abi)});
  if (plugin.glibcxx_debug != host.glibcxx_debug)
    out.push_back(
        {"debug mode (_GLIBCXX_DEBUG)", plugin.glibcxx_debug ? "on" : "off", host.glibcxx_debug ? "on" : "off"});
  if (sanitizer_text(plugin) != sanitizer_text(host))
    out.push_back({"sanitizer", sanitizer_text(plugin), sanitizer_text(host)});
}

void check_torch(const PluginFacts& plugin, const HostFacts& host, std::vector<Mismatch>& out) {
  std::vector<TorchNeed> needs;
  std::set<fs::path> visited;
  collect_torch_needs(plugin.library, host, visited, needs);
  const PluginManifest& manifest = plugin.manifest;
  if (!manifest.records_torch() && !needs.empty()) {
    out.push_back({"LibTorch version", "needs " + needs.front().name + " but records none (build it with PLANE torch)",
                   host.manifest.torch_version()});
  } else if (manifest.records_torch() && manifest.torch_version() != host.manifest.torch_version()) {
    out.push_back({"LibTorch version", manifest.torch_version(), host.manifest.torch_version()});
  }
  for (const TorchNeed& need : needs) {
    if (host_provides(host, need)) continue;
    std::string text = "needs " + need.name;
    if (need.file) text += " (" + need.file->lexically_normal().string() + ")";
    if (need.needed_by != plugin.library.file) text += " through " + need.needed_by.string();
    out.push_back({"second LibTorch", text, "has loaded " + loaded_torch_text(host, need.name)});
  }
}

std::string rebuild_command(const PluginManifest& plugin, const HostFacts& host) {
  const PluginManifest& wanted = host.manifest;
  std::string flags;
  const auto add = [&](const std::string& flag) { flags += (flags.empty() ? "" : " ") + flag; };
  if (plugin.cxx11_abi != wanted.cxx11_abi) add(fmt::format("-D_GLIBCXX_USE_CXX11_ABI={}", wanted.cxx11_abi));
  if (wanted.glibcxx_debug) add("-D_GLIBCXX_DEBUG");
  if (wanted.address_sanitizer) add("-fsanitize=address");
  if (wanted.thread_sanitizer) add("-fsanitize=thread");
  if (!flags.empty()) flags = fmt::format(" -DCMAKE_CXX_FLAGS=\"{}\"", flags);
  // --fresh: flags and paths of the wrong build must not survive in the cache.
  return fmt::format("cmake --fresh -S SOURCE -B BUILD -DCMAKE_PREFIX_PATH={}{} && cmake --build BUILD --clean-first",
                     host.prefix.string(), flags);
}

PluginManifest manifest_of_host() {
  PluginManifest manifest;
  manifest.sdk_major = ORBWEAVER_SDK_VERSION_MAJOR;
  manifest.sdk_minor = ORBWEAVER_SDK_VERSION_MINOR;
  manifest.cxx11_abi = ORBWEAVER_FACT_CXX11_ABI;
  manifest.glibcxx_debug = ORBWEAVER_FACT_GLIBCXX_DEBUG;
  manifest.address_sanitizer = ORBWEAVER_FACT_ASAN;
  manifest.thread_sanitizer = ORBWEAVER_FACT_TSAN;
  const LibtorchVersion torch = libtorch_version();
  manifest.torch_major = torch.major;
  manifest.torch_minor = torch.minor;
  manifest.compiler = fmt::format("gcc {}.{}", __GNUC__, __GNUC_MINOR__);
  manifest.standard_library = fmt::format("libstdc++ {}", _GLIBCXX_RELEASE);
  return manifest;
}

int add_loaded_file(dl_phdr_info* info, size_t, void* files) {
  // The executable itself has no name here, and nobody needs it as a library.
  if (info->dlpi_name && info->dlpi_name[0] != '\0')
    static_cast<std::vector<fs::path>*>(files)->emplace_back(info->dlpi_name);
  return 0;
}

fs::path prefix_of(const fs::path& library_folder) {
  for (fs::path folder = library_folder; folder.has_relative_path(); folder = folder.parent_path())
    if (folder.filename() == "lib" || folder.filename() == "lib64") return folder.parent_path();
  return library_folder;
}

}  // namespace

SharedLibrary read_shared_library(const fs::path& file) { return ElfFile(file).shared_library(); }

PluginFacts read_plugin_facts(const fs::path& file) {
  const ElfFile elf(file);
  const auto section = elf.section(ORBWEAVER_MANIFEST_SECTION);
  if (section.empty())
    throw InputError(
        fmt::format("{}: has no Orbweaver manifest (section {}); put ORBWEAVER_PLUGIN of "
                    "orbweaver/plugin.h into one of its sources, or move the file away",
                    file.string(), ORBWEAVER_MANIFEST_SECTION));
  return {elf.shared_library(), parse_manifest(file, section)};
}

const fs::path& host_library_folder() {
  static const fs::path folder = [] {
    Dl_info info{};
    if (!dladdr(reinterpret_cast<const void*>(&host_library_folder), &info) || !info.dli_fname)
      throw Error("the loader does not say where liborbweaver.so is");
    return fs::weakly_canonical(info.dli_fname).parent_path();
  }();
  return folder;
}

HostFacts host_facts() {
  HostFacts host;
  host.manifest = manifest_of_host();
  host.prefix = prefix_of(host_library_folder());
  dl_iterate_phdr(add_loaded_file, &host.loaded);
  for (const fs::path& file : host.loaded)
    if (is_torch_library(file.filename())) host.loaded_torch.push_back(read_shared_library(file));
  return host;
}

std::vector<Mismatch> check_gate(const PluginFacts& plugin, const HostFacts& host) {
  std::vector<Mismatch> mismatches;
  const std::string expected_name = plugin.library.file.stem().string();
  if ("orbw_" + plugin.manifest.name != expected_name)
    mismatches.push_back({"name", fmt::format("\"{}\" in its manifest", plugin.manifest.name),
                          fmt::format("wants orbw_{}.so as its file name", plugin.manifest.name)});
  check_sdk(plugin.manifest, host.manifest, mismatches);
  check_build(plugin.manifest, host.manifest, mismatches);
  check_torch(plugin, host, mismatches);
  return mismatches;
}

std::string refusal(const PluginFacts& plugin, const HostFacts& host, const std::vector<Mismatch>& mismatches) {
  std::string text = plugin.library.file.string() + ": refused: ";
  for (const Mismatch& mismatch : mismatches)
    text += fmt::format("{}: plugin {}, host {}; ", mismatch.fact, mismatch.plugin, mismatch.host);
  const bool only_name = mismatches.size() == 1 && mismatches.front().fact == "name";
  if (only_name) return text + "rename the file or the plugin";
  return text + "rebuild it for this host: " + rebuild_command(plugin.manifest, host);
}

}  // namespace orbweaver
