#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "framework/cache/cache_folder.h"
#include "framework/cache/cache_lock.h"
#include "framework/cache/feature_cache.h"
#include "framework/cache/file_hashes.h"
#include "framework/cache/graph_entry.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "orbweaver/error.h"
#include "orbweaver/params.h"
#include "temporary_folder.h"

extern char** environ;

namespace orbweaver::testing {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const CacheKey key{"0123456789abcdef0123456789abcdef", "image-global"};

/// A key of its own hash for each number.
CacheKey numbered(int i) { return {"00000000000000000000000000000000" + std::to_string(i), "image-global"}; }

class Cache : public ::testing::Test {
 protected:
  fs::path folder() const { return temporary_.path() / "cache"; }
  FeatureCache cache(FeatureCache::Options options = {}) {
    return {folder(), [this](const std::string& line) { lines_.push_back(line); }, options};
  }
  static void store(const FeatureCache& cache, const CacheKey& name, const std::string& content) {
    cache.store(name, {{"x", {"U8", {static_cast<int64_t>(content.size())}, std::as_bytes(std::span(content))}}});
  }
  static std::optional<std::string> content(const FeatureCache& cache, const CacheKey& name) {
    const auto file = cache.find(name);
    if (!file) return std::nullopt;
    const auto bytes = file->at("x").bytes;
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::vector<fs::path> files_ending_in(const std::string& ending) const {
    std::vector<fs::path> out;
    if (!fs::exists(folder())) return out;
    for (const auto& entry : fs::recursive_directory_iterator(folder()))
      if (entry.is_regular_file() && entry.path().string().ends_with(ending)) out.push_back(entry.path());
    return out;
  }
  static void age(const fs::path& file, std::chrono::seconds by) {
    fs::last_write_time(file, fs::file_time_type::clock::now() - by);
  }

  TemporaryFolder temporary_;
  std::vector<std::string> lines_;
};

/// This very program in another process, running one of the helpers at the end of this file.
class Helper {
 public:
  Helper(const std::string& name, const fs::path& folder) {
    const std::string self = fs::read_symlink("/proc/self/exe").string();
    std::vector<std::string> words{self, "--gtest_filter=DISABLED_Helper." + name, "--gtest_also_run_disabled_tests",
                                   "--gtest_brief=1"};
    std::vector<std::string> variables{"ORBWEAVER_TEST_CACHE=" + folder.string()};
    for (char** variable = environ; *variable; ++variable) variables.emplace_back(*variable);
    const auto pointers = [](std::vector<std::string>& texts) {
      std::vector<char*> out;
      for (std::string& text : texts) out.push_back(text.data());
      out.push_back(nullptr);
      return out;
    };
    EXPECT_EQ(posix_spawn(&pid_, self.c_str(), nullptr, nullptr, pointers(words).data(), pointers(variables).data()),
              0);
  }
  ~Helper() {
    if (pid_ > 0) kill_now();
  }
  void kill_now() {
    kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  bool running() {
    int status = 0;
    if (pid_ > 0 && waitpid(pid_, &status, WNOHANG) == pid_) pid_ = 0;
    return pid_ > 0;
  }

 private:
  pid_t pid_ = 0;
};

/// Waits up to ten seconds.
bool comes_true(const std::function<bool()>& fact) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!fact()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(200us);
  }
  return true;
}

TEST_F(Cache, FindsWhatWasStoredUnderItsKindAndHashAlone) {
  const FeatureCache some = cache();
  EXPECT_EQ(content(some, key), std::nullopt);
  store(some, key, "features");
  EXPECT_EQ(content(cache(), key), "features");
  EXPECT_EQ(content(some, {key.hash, "image-tokens"}), std::nullopt);
  EXPECT_TRUE(files_ending_in(".tmp").empty());
  EXPECT_TRUE(lines_.empty());
}

TEST_F(Cache, WithoutAFolderFindsAndKeepsNothing) {
  const FeatureCache none({}, {});
  store(none, key, "features");
  EXPECT_EQ(content(none, key), std::nullopt);
  const auto claim = none.claim(key.hash, {key.kind});
  EXPECT_TRUE(claim.entries.empty());
  EXPECT_FALSE(claim.lock);
}

TEST_F(Cache, AFlippedBitAnywhereIsNoticedOrHarmless) {
  store(cache(), key, "abcdefgh");
  const fs::path file = cache().file_of(key);
  const std::string whole = read_file(file);
  for (size_t byte = 0; byte < whole.size(); ++byte) {
    std::string damaged = whole;
    damaged[byte] = static_cast<char>(damaged[byte] ^ (1 << byte % 8));
    write_text(file, damaged);
    const auto found = content(cache(), key);
    EXPECT_TRUE(!found || *found == "abcdefgh") << "byte " << byte;
    if (!found) {
      EXPECT_FALSE(fs::exists(file));
    }
  }
  EXPECT_GT(lines_.size(), whole.size() * 9 / 10);
}

TEST_F(Cache, ATruncatedEntryIsToldInOneLineAndMadeAgain) {
  const FeatureCache some = cache();
  store(some, key, "abcdefgh");
  const auto size = fs::file_size(some.file_of(key));
  for (const auto length : {size - 1, size / 2, uintmax_t{4}, uintmax_t{0}}) {
    lines_.clear();
    fs::resize_file(some.file_of(key), length);
    EXPECT_EQ(content(some, key), std::nullopt) << length;
    ASSERT_EQ(lines_.size(), 1u);
    EXPECT_NE(lines_[0].find("; made again"), std::string::npos) << lines_[0];
    EXPECT_EQ(lines_[0].find('\n'), std::string::npos) << lines_[0];
    store(some, key, "abcdefgh");
    EXPECT_EQ(content(some, key), "abcdefgh");
  }
}

TEST_F(Cache, AnEntryUnderAnotherNameIsNotBelieved) {
  const FeatureCache some = cache();
  store(some, numbered(1), "one");
  fs::copy_file(some.file_of(numbered(1)), some.file_of(numbered(2)));
  EXPECT_EQ(content(some, numbered(2)), std::nullopt);
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_NE(lines_[0].find("does not hold what its name says"), std::string::npos) << lines_[0];
}

TEST_F(Cache, TheLeastRecentlyUsedMakeRoom) {
  const std::string megabyte(1 << 20, 'x');
  const FeatureCache roomy = cache();
  for (int i = 1; i <= 3; ++i) {
    store(roomy, numbered(i), megabyte);
    age(roomy.file_of(numbered(i)), std::chrono::hours(10 - i));
  }
  EXPECT_TRUE(roomy.find(numbered(1)));  // the oldest until now
  const FeatureCache narrow = cache({.limit = (3 << 20) + 4096});
  store(narrow, numbered(4), megabyte);
  EXPECT_TRUE(narrow.contains(numbered(1)));
  EXPECT_FALSE(narrow.contains(numbered(2)));
  EXPECT_TRUE(narrow.contains(numbered(3)));
  EXPECT_TRUE(narrow.contains(numbered(4)));
  EXPECT_TRUE(lines_.empty());
}

TEST_F(Cache, AnEntryLargerThanTheLimitIsNotKeptAndPushesNothingOut) {
  const FeatureCache narrow = cache({.limit = 1000});
  store(narrow, numbered(1), "small");
  store(narrow, numbered(2), std::string(2000, 'x'));
  EXPECT_TRUE(narrow.contains(numbered(1)));
  EXPECT_FALSE(narrow.contains(numbered(2)));
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_NE(lines_[0].find("raise ORBWEAVER_CACHE_LIMIT"), std::string::npos) << lines_[0];
}

TEST_F(Cache, EntriesOfOneRunThatPushEachOtherOutAreToldOnce) {
  const FeatureCache narrow = cache({.limit = (1 << 20) + 4096});
  const std::string megabyte(1 << 20, 'x');
  store(narrow, numbered(1), megabyte);
  EXPECT_TRUE(lines_.empty());
  for (int i = 2; i < 5; ++i) {
    age(narrow.file_of(numbered(i - 1)), std::chrono::hours(1));
    store(narrow, numbered(i), megabyte);
  }
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_NE(lines_[0].find(numbered(1).hash), std::string::npos) << lines_[0];
  EXPECT_NE(lines_[0].find("this run uses both"), std::string::npos) << lines_[0];
  EXPECT_NE(lines_[0].find("raise ORBWEAVER_CACHE_LIMIT"), std::string::npos) << lines_[0];
  // What another run left is no loss that this one would feel.
  lines_.clear();
  age(narrow.file_of(numbered(4)), std::chrono::hours(1));
  store(cache({.limit = (1 << 20) + 4096}), numbered(5), megabyte);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(Cache, HasRoomForWhatFitsTogetherAndTellsOnceWhatDoesNot) {
  const FeatureCache narrow = cache({.limit = 1000});
  EXPECT_TRUE(narrow.has_room("image features of train", 1000));
  EXPECT_TRUE(lines_.empty());
  EXPECT_FALSE(narrow.has_room("image features of train", 1001));
  EXPECT_FALSE(narrow.has_room("image features of val", 1001));
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_NE(lines_[0].find("image features of train: not kept"), std::string::npos) << lines_[0];
  EXPECT_FALSE(FeatureCache({}, {}).has_room("anything", 1));
}

TEST_F(Cache, ClearWhileAnEntryIsMappedLeavesItReadable) {
  const FeatureCache some = cache();
  store(some, key, std::string(1 << 20, 'y'));
  const auto mapped = some.find(key);
  const CacheRemoval removed = clear_cache(folder(), {});
  EXPECT_EQ(removed.entries, 1);
  EXPECT_FALSE(some.contains(key));
  const auto bytes = mapped->at("x").bytes;
  EXPECT_EQ(std::count(bytes.begin(), bytes.end(), std::byte{'y'}), 1 << 20);
  store(some, key, "again");
  EXPECT_EQ(content(some, key), "again");
}

TEST_F(Cache, ClearTakesWhatIsOldOrOfAKindAlone) {
  const FeatureCache some = cache();
  store(some, numbered(1), "1");
  store(some, numbered(2), "2");
  store(some, {numbered(3).hash, "objects"}, "3");
  age(some.file_of(numbered(1)), std::chrono::hours(49));
  age(some.file_of({numbered(3).hash, "objects"}), std::chrono::hours(49));
  EXPECT_EQ(clear_cache(folder(), {.older_than_days = 2, .kind = "objects"}).entries, 1);
  EXPECT_TRUE(some.contains(numbered(1)));
  EXPECT_EQ(clear_cache(folder(), {.older_than_days = 2, .kind = ""}).entries, 1);
  EXPECT_FALSE(some.contains(numbered(1)));
  EXPECT_TRUE(some.contains(numbered(2)));
}

TEST_F(Cache, WhatKilledProcessesLeftIsSweptUpAfterAnHourAndNotBefore) {
  const FeatureCache some = cache();
  store(some, key, "features");
  const fs::path place = some.file_of(key).parent_path();
  for (const char* name : {".a.tmp", ".a.lock"}) {
    write_text(place / name, "x");
    age(place / name, std::chrono::minutes(61));
  }
  for (const char* name : {".b.tmp", ".b.lock"}) write_text(place / name, "x");
  write_text(place / ".held.lock", "");
  CacheLock held(place / ".held.lock");
  ASSERT_EQ(held.try_take(), CacheLock::State::taken);
  age(place / ".held.lock", std::chrono::minutes(61));
  EXPECT_EQ(scan_cache(folder()).entries.size(), 1u);
  store(some, numbered(1), "another");
  EXPECT_FALSE(fs::exists(place / ".a.tmp"));
  EXPECT_FALSE(fs::exists(place / ".a.lock"));
  EXPECT_TRUE(fs::exists(place / ".b.tmp"));
  EXPECT_TRUE(fs::exists(place / ".b.lock"));
  EXPECT_TRUE(fs::exists(place / ".held.lock"));
}

TEST_F(Cache, OfTwoProcessesThatWantAnEntryAtOnceOneMakesItAndTheOtherWaits) {
  fs::create_directories(folder());
  Helper first("MakesTheEntryInHalfASecond", folder()), second("MakesTheEntryInHalfASecond", folder());
  EXPECT_EQ(first.wait(), 0);
  EXPECT_EQ(second.wait(), 0);
  EXPECT_EQ(content(cache(), key), "made slowly");
  EXPECT_EQ(read_lines(folder() / "makers").size(), 1u);
  EXPECT_TRUE(files_ending_in(".lock").empty());
  EXPECT_TRUE(files_ending_in(".tmp").empty());
}

TEST_F(Cache, AWaitingRunTakesOverFromAMakerThatIsKilled) {
  fs::create_directories(folder());
  Helper maker("HoldsTheLockAndNeverEnds", folder());
  ASSERT_TRUE(comes_true([&] { return fs::exists(folder() / "makers"); }));
  const FeatureCache some = cache({.poll = 5ms});
  int waits = 0;
  const auto claim = some.claim(key.hash, {key.kind}, [&] {
    if (++waits == 3) maker.kill_now();
  });
  EXPECT_EQ(waits, 3);
  EXPECT_TRUE(claim.entries.empty());
  EXPECT_TRUE(claim.lock);
  EXPECT_TRUE(lines_.empty());
}

TEST_F(Cache, AHolderWithoutASignOfLifeIsNotWaitedFor) {
  const fs::path file = folder() / "features" / "01" / ("." + key.hash + ".lock");
  write_text(file, "");
  const int silent = open(file.c_str(), O_RDWR | O_CLOEXEC);  // holds the lock, renews nothing: a machine that is gone
  ASSERT_EQ(flock(silent, LOCK_EX | LOCK_NB), 0);
  const FeatureCache some = cache({.stale_lock = 50ms, .poll = 5ms});
  {
    const auto claim = some.claim(key.hash, {key.kind});
    EXPECT_TRUE(claim.entries.empty());
    EXPECT_FALSE(claim.lock);
    ASSERT_EQ(lines_.size(), 1u);
    EXPECT_NE(lines_[0].find("not waiting for it"), std::string::npos) << lines_[0];
    store(some, key, "made without it");
  }
  EXPECT_EQ(content(some, key), "made without it");
  EXPECT_TRUE(fs::exists(file));  // it is its holder's
  close(silent);
}

TEST_F(Cache, AHolderAtWorkIsWaitedForHoweverLongItTakes) {
  const fs::path file = temporary_.path() / ".x.lock";
  CacheLock holder(file, 10ms), other(file);
  ASSERT_EQ(holder.try_take(), CacheLock::State::taken);
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(other.try_take(), CacheLock::State::held);
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_LT(other.silence(), 300ms);
}

TEST_F(Cache, WhereThereAreNoLocksEveryRunMakesItsOwn) {
  // A folder in its place cannot be locked, like any file of a file system without locks.
  fs::create_directories(folder() / "features" / "01" / ("." + key.hash + ".lock"));
  const FeatureCache some = cache();
  const auto claim = some.claim(key.hash, {key.kind});
  EXPECT_TRUE(claim.entries.empty());
  EXPECT_FALSE(claim.lock);
  store(some, key, "features");
  EXPECT_EQ(content(some, key), "features");
  EXPECT_TRUE(lines_.empty());
}

TEST_F(Cache, AKillInTheMiddleOfAWriteLeavesNothingThatIsAccepted) {
  int unfinished = 0;
  for (int attempt = 0; attempt < 5; ++attempt) {
    fs::remove_all(folder());
    fs::create_directories(folder());
    Helper writer("WritesALargeEntry", folder());
    ASSERT_TRUE(comes_true([&] {
      for (const fs::path& file : files_ending_in(".tmp"))
        if (std::error_code error; fs::file_size(file, error) > 0 && !error) return true;
      return !writer.running();
    }));
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * attempt));
    writer.kill_now();
    const FeatureCache some = cache();
    if (some.contains(key)) {  // the kill came too late
      EXPECT_EQ(content(some, key)->size(), size_t{256} << 20);
      continue;
    }
    ++unfinished;
    const auto leftovers = files_ending_in(".tmp");
    ASSERT_EQ(leftovers.size(), 1u);
    EXPECT_EQ(content(some, key), std::nullopt);
    age(leftovers[0], std::chrono::minutes(61));
    for (const fs::path& lock : files_ending_in(".lock")) age(lock, std::chrono::minutes(61));
    const auto claim = some.claim(key.hash, {key.kind});
    EXPECT_TRUE(claim.lock);
    store(some, key, "made again");
    EXPECT_EQ(content(some, key), "made again");
    EXPECT_TRUE(files_ending_in(".tmp").empty());
  }
  EXPECT_TRUE(lines_.empty());
  EXPECT_GT(unfinished, 0);
}

TEST_F(Cache, AnEntryThatCannotBeWrittenWholeIsToldOnceAndLeavesNothing) {
  const FeatureCache some = cache();
  struct sigaction ignore {
  }, before{};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGXFSZ, &ignore, &before);
  rlimit limit{}, small{};
  getrlimit(RLIMIT_FSIZE, &limit);
  small = {100'000, limit.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  store(some, numbered(1), std::string(1 << 20, 'x'));
  store(some, numbered(2), std::string(1 << 20, 'x'));
  setrlimit(RLIMIT_FSIZE, &limit);
  sigaction(SIGXFSZ, &before, nullptr);
  EXPECT_TRUE(files_ending_in("").empty());
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_NE(lines_[0].find("File too large; going on without the cache"), std::string::npos) << lines_[0];
}

/// A file system in memory, or nothing where this user may not mount one.
class Mount {
 public:
  Mount(const fs::path& folder, unsigned long flags, const char* data) : folder_(folder) {
    fs::create_directories(folder);
    mounted_ = mount("tmpfs", folder.c_str(), "tmpfs", flags, data) == 0;
  }
  ~Mount() {
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
  }
  explicit operator bool() const { return mounted_; }
  bool make_read_only() const { return mount(nullptr, folder_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, "") == 0; }

 private:
  fs::path folder_;
  bool mounted_ = false;
};

TEST_F(Cache, AFullDiskIsToldOnceAndTheRunGoesOn) {
  const Mount disk(folder(), 0, "size=1m");
  if (!disk) GTEST_SKIP() << "may not mount a small disk";
  const FeatureCache some = cache();
  for (int i = 0; i < 3; ++i) {
    const auto claim = some.claim(numbered(i).hash, {key.kind});
    EXPECT_TRUE(claim.entries.empty());
    store(some, numbered(i), std::string(2 << 20, 'x'));
  }
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_NE(lines_[0].find("No space left on device; going on without the cache"), std::string::npos) << lines_[0];
  EXPECT_TRUE(files_ending_in(".tmp").empty());
  EXPECT_TRUE(files_ending_in(".lock").empty());
  store(some, key, "small");
  EXPECT_EQ(content(some, key), "small");
}

TEST_F(Cache, AFolderThatCannotBeWrittenIsReadAndToldOnce) {
  // Permissions do not hold the superuser back.
  std::optional<Mount> disk;
  if (geteuid() == 0) {
    disk.emplace(folder(), 0, "size=1m");
    if (!*disk) GTEST_SKIP() << "may not mount a small disk";
  }
  const FeatureCache some = cache();
  store(some, numbered(1), "old");
  const fs::path place = folder() / "features" / "00";
  if (disk)
    ASSERT_TRUE(disk->make_read_only());
  else
    fs::permissions(place, fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(content(some, numbered(1)), "old");
  EXPECT_FALSE(some.claim(numbered(2).hash, {key.kind}).lock);
  store(some, numbered(2), "new");
  store(some, numbered(3), "new");
  if (!disk) fs::permissions(place, fs::perms::owner_all);
  ASSERT_EQ(lines_.size(), 1u);
  EXPECT_NE(lines_[0].find("going on without the cache"), std::string::npos) << lines_[0];
}

TEST(CacheLimit, IsReadWithItsUnit) {
  const auto limit = [](const char* text) {
    setenv("ORBWEAVER_CACHE_LIMIT", text, 1);
    const int64_t bytes = cache_limit();
    unsetenv("ORBWEAVER_CACHE_LIMIT");
    return bytes;
  };
  EXPECT_EQ(cache_limit(), 21474836480);
  EXPECT_EQ(limit(""), 21474836480);
  EXPECT_EQ(limit("1000"), 1000);
  EXPECT_EQ(limit("500M"), 524288000);
  EXPECT_EQ(limit("1.5 GiB"), 1610612736);
  EXPECT_EQ(limit("2tb"), 2199023255552);
  EXPECT_EQ(limit("64B"), 64);
  for (const char* wrong : {"much", "-1", "5X", "5GX", "1e30"}) EXPECT_THROW(limit(wrong), InputError) << wrong;
  unsetenv("ORBWEAVER_CACHE_LIMIT");
}

TEST(CacheFolder, IsTheAccountsOwnWhereNoVariableNamesOne) {
  const auto take = [](const char* name) {
    const char* value = std::getenv(name);
    const std::optional<std::string> before = value ? std::optional<std::string>(value) : std::nullopt;
    unsetenv(name);
    return before;
  };
  const auto home = take("HOME"), xdg = take("XDG_CACHE_HOME");
  const passwd* const account = getpwuid(getuid());
  EXPECT_EQ(default_cache_folder(), fs::path(account ? account->pw_dir : "/nonexistent") / ".cache" / "orbweaver");
  if (home) setenv("HOME", home->c_str(), 1);
  if (xdg) setenv("XDG_CACHE_HOME", xdg->c_str(), 1);
}

TEST(CacheFolder, NamesSizesInUnitsPeopleRead) {
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(254803968), "243 MiB");
  EXPECT_EQ(bytes_text(int64_t{20} << 30), "20 GiB");
}

TEST_F(Cache, GraphsComeBackToTheBit) {
  Graph full;
  full.features = Matrix<float>(2, 3);
  full.features(0, 1) = 0.1f;
  full.features(1, 2) = -0.0f;
  full.adjacency = Matrix<float>(2, 2);
  full.adjacency(0, 1) = 1e-30f;
  full.labels = {"plane", "terminal"};
  full.relations = {{0, 1, "next to"}, {1, 0, "next to"}, {0, 0, ""}};
  Graph empty;
  empty.features = Matrix<float>(0, 3);
  Graph again = full;
  again.labels = {"terminal", ""};
  again.relations.clear();
  const std::vector<Graph> graphs{full, empty, again};
  const FeatureCache some = cache();
  write_graphs(graphs, [&](const auto& tensors) { some.store(key, tensors); });
  const std::vector<Graph> read = read_graphs(*some.find(key));
  ASSERT_EQ(read.size(), 3u);
  for (size_t i = 0; i < read.size(); ++i) {
    EXPECT_EQ(read[i].features, graphs[i].features);
    EXPECT_EQ(read[i].adjacency, graphs[i].adjacency);
    EXPECT_EQ(read[i].labels, graphs[i].labels);
    EXPECT_EQ(read[i].relations, graphs[i].relations);
  }
  EXPECT_TRUE(std::signbit(read[0].features(1, 2)));
}

/// The one record in the cache, that of the files in one folder.
fs::path record_in(const fs::path& cache) {
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(ContentHashes::records_in(cache), none)) return entry.path();
  return {};
}

TEST_F(Cache, HashesOfFilesAreRememberedWhileTheFilesStayAsTheyAre) {
  const fs::path a = temporary_.path() / "a.jpg";
  write_text(a, "aaaa");
  const auto hash = [&] { return ContentHashes(ContentHashes::records_in(folder()), 2).of_files({a, {}}); };
  EXPECT_EQ(hash(), (std::vector<std::string>{hash_text("aaaa"), ""}));
  EXPECT_EQ(record_in(folder()), "");  // changed a moment ago: another change could go unseen
  std::this_thread::sleep_for(2100ms);
  EXPECT_EQ(hash()[0], hash_text("aaaa"));
  // The record is believed: it says something else.
  const fs::path record = record_in(folder());
  ASSERT_NE(record, "");
  std::string text = read_file(record);
  const size_t at = text.find(hash_text("aaaa"));
  ASSERT_NE(at, std::string::npos);
  write_text(record, text.replace(at, 32, std::string(32, '0')));
  // Its time is that of its last use.
  fs::last_write_time(record, fs::file_time_type::clock::now() - 240h);
  EXPECT_EQ(hash()[0], std::string(32, '0'));
  EXPECT_LT(fs::file_time_type::clock::now() - fs::last_write_time(record), 1h);
  // The same size and time of writing do not hide another content.
  const auto time = fs::last_write_time(a);
  write_text(a, "bbbb");
  fs::last_write_time(a, time);
  EXPECT_EQ(hash()[0], hash_text("bbbb"));
  EXPECT_THROW(ContentHashes({}).of_files({temporary_.path() / "missing"}), InputError);
  const std::atomic<bool> stop = true;
  EXPECT_THROW(ContentHashes({}, 2, &stop).of_files({a}), Error);
}

TEST_F(Cache, APathCountsByNameContentAndWhatAComponentReadsBesideIt) {
  const fs::path here = temporary_.path() / "here", there = temporary_.path() / "there";
  for (const fs::path& place : {here, there}) {
    write_text(place / "net.weights", "1");
    write_text(place / "net.cfg", "2");
    write_text(place / "config.json", "3");
    write_text(place / "net2.weights", place.string());  // no companion
    write_text(place / "notes.txt", place.string());
    write_text(place / "net.weights.part", place.string());
    write_text(place / "net.md5", place.string());
  }
  const auto hash = [](const fs::path& path) { return ContentHashes({}).of_path(path); };
  const std::string before = hash(here / "net.weights");
  EXPECT_EQ(hash(there / "net.weights"), before);
  const auto after = [&](const char* file, const char* content) {
    write_text(there / file, content);
    return hash(there / "net.weights");
  };
  std::set<std::string> all{before};
  for (const auto& [file, content] :
       {std::pair("net.weights", "one"), std::pair("net.cfg", "two"), std::pair("net.names", "a new one"),
        std::pair("config.json", "three"), std::pair("merges.txt", ""), std::pair("open_clip_config.json", "{}")})
    EXPECT_TRUE(all.insert(after(file, content)).second) << file;
  // The name may say how to read it: another one is another network.
  for (const fs::path& name : {here / "net_laion2b.weights", here / "again.weights"}) {
    write_text(name, "1");
    EXPECT_TRUE(all.insert(hash(name)).second) << name;
  }
  EXPECT_TRUE(all.insert(hash(here / "nothing")).second);
  EXPECT_NE(hash(here / "nothing"), hash(here / "none"));
}

TEST_F(Cache, AFolderCountsByAllThatIsInIt) {
  const fs::path here = temporary_.path() / "here", there = temporary_.path() / "there";
  for (const fs::path& place : {here, there}) {
    write_text(place / "a.json", "1");
    write_text(place / "deeper" / "b.bin", "2");
  }
  const auto hash = [](const fs::path& path) { return ContentHashes({}).of_path(path); };
  EXPECT_EQ(hash(here), hash(there));
  write_text(there / "deeper" / "b.bin", "3");
  EXPECT_NE(hash(here), hash(there));
  write_text(there / "deeper" / "b.bin", "2");
  EXPECT_EQ(hash(here), hash(there));
  fs::rename(there / "a.json", there / "c.json");
  EXPECT_NE(hash(here), hash(there));
  const std::string without = hash(here);
  fs::create_directory_symlink(here, here / "deeper" / "circle");
  EXPECT_EQ(hash(here), without);
  write_text(temporary_.path() / "elsewhere" / "c", "4");
  fs::create_directory_symlink(temporary_.path() / "elsewhere", here / "link");
  EXPECT_NE(hash(here), without);
}

struct Vocabulary {
  fs::path file;
  std::vector<fs::path> more;
  static void describe(ParamSpec<Vocabulary>& p) {
    p.field("file", &Vocabulary::file, "");
    p.field("more", &Vocabulary::more, "");
  }
};
struct ParametersWithPaths {
  fs::path weights, unset;
  std::string name;
  std::vector<fs::path> parts;
  Vocabulary vocabulary;
  std::optional<fs::path> maybe;
  static void describe(ParamSpec<ParametersWithPaths>& p) {
    p.field("weights", &ParametersWithPaths::weights, "");
    p.field("unset", &ParametersWithPaths::unset, "");
    p.field("name", &ParametersWithPaths::name, "");
    p.field("parts", &ParametersWithPaths::parts, "");
    p.field("vocabulary", &ParametersWithPaths::vocabulary, "");
    p.field("maybe", &ParametersWithPaths::maybe, "");
  }
};

TEST(ReplacePaths, ReachesThoseInListsAndInNestedObjects) {
  const Schema& schema = schema_of<ParametersWithPaths>();
  Value params = with_defaults(schema, parse_json(R"({"weights": "/w", "name": "/n", "parts": ["/p", "/q"],
                                                      "vocabulary": {"file": "/v", "more": ["/m"]}})",
                                                  "text"));
  std::string pointers;
  replace_paths(schema, params, "/x", [&](const std::string& pointer, const fs::path& path) {
    pointers += pointer + " ";
    return Value("was " + path.string());
  });
  EXPECT_EQ(pointers, "/x/weights /x/parts/0 /x/parts/1 /x/vocabulary/file /x/vocabulary/more/0 ");
  EXPECT_EQ(params, parse_json(R"({"weights": "was /w", "unset": "", "name": "/n", "parts": ["was /p", "was /q"],
                                   "vocabulary": {"file": "was /v", "more": ["was /m"]}, "maybe": null})",
                               "text"));
}

// Processes that the tests above start.

FeatureCache helpers_cache() {
  return {std::getenv("ORBWEAVER_TEST_CACHE"), [](const std::string&) {}};
}

void note_maker() {
  std::ofstream(fs::path(std::getenv("ORBWEAVER_TEST_CACHE")) / "makers", std::ios::app) << getpid() << "\n";
}

TEST(DISABLED_Helper, MakesTheEntryInHalfASecond) {
  const FeatureCache cache = helpers_cache();
  const auto claim = cache.claim(key.hash, {key.kind});
  if (!claim.entries.empty()) return;
  ASSERT_TRUE(claim.lock);
  note_maker();
  std::this_thread::sleep_for(500ms);
  const std::string content = "made slowly";
  cache.store(key, {{"x", {"U8", {static_cast<int64_t>(content.size())}, std::as_bytes(std::span(content))}}});
}

TEST(DISABLED_Helper, HoldsTheLockAndNeverEnds) {
  const FeatureCache cache = helpers_cache();
  const auto claim = cache.claim(key.hash, {key.kind});
  ASSERT_TRUE(claim.lock);
  note_maker();
  std::this_thread::sleep_for(60s);
}

TEST(DISABLED_Helper, WritesALargeEntry) {
  const FeatureCache cache = helpers_cache();
  const auto claim = cache.claim(key.hash, {key.kind});
  const std::string content(size_t{256} << 20, 'z');
  cache.store(key, {{"x", {"U8", {static_cast<int64_t>(content.size())}, std::as_bytes(std::span(content))}}});
}

}  // namespace
}  // namespace orbweaver::testing
