#include <gtest/gtest.h>

#include <limits>

#include "framework/io/tensorboard.h"
#include "orbweaver/error.h"
#include "tests/event_file_reader.h"
#include "tests/temporary_folder.h"

namespace orbweaver {
namespace {

namespace fs = std::filesystem;
using testing::event_files_in;
using testing::read_event_file;
using testing::ReadEvent;

TEST(Crc32c, HasTheCheckValueOfItsDefinitionAndThoseOfTheIscsiStandard) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(testing::crc32c_by_division("123456789"), 0xE3069283u);
  // RFC 3720, B.4: 32 bytes of zeros, of ones, and counting up.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  std::string counting;
  for (char c = 0; c < 32; ++c) counting += c;
  EXPECT_EQ(crc32c(counting), 0x46DD794Eu);
  EXPECT_EQ(crc32c(""), 0u);
}

class EventFileTest : public ::testing::Test {
 protected:
  /// The steps of a file's summaries.
  static std::vector<int64_t> steps(const std::vector<ReadEvent>& events) {
    std::vector<int64_t> out;
    for (const ReadEvent& event : events)
      if (!event.scalars.empty()) out.push_back(event.step);
    return out;
  }

  testing::TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path() / "run" / "tensorboard";
};

TEST_F(EventFileTest, AnIndependentReaderGetsBackVersionStartStepsAndValues) {
  const double before = static_cast<double>(std::time(nullptr));
  {
    EventFile file(folder_, 0);
    file.append(10, {{"loss/total", 1.5}, {"train/lr", 2e-4}});
    file.append(300, {{"val/mR", 12.34}});
    file.append(int64_t{1} << 40, {{"loss/total", std::numeric_limits<double>::infinity()}});
  }
  ASSERT_EQ(event_files_in(folder_).size(), 1u);
  const std::vector<ReadEvent> events = read_event_file(event_files_in(folder_)[0]);
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_EQ(events[1].session_status, 1);
  EXPECT_EQ(events[1].step, 0);
  EXPECT_EQ(steps(events), (std::vector<int64_t>{10, 300, int64_t{1} << 40}));
  EXPECT_EQ(events[2].scalars, (std::map<std::string, float>{{"loss/total", 1.5f}, {"train/lr", 2e-4f}}));
  EXPECT_EQ(events[3].scalars, (std::map<std::string, float>{{"val/mR", 12.34f}}));
  EXPECT_EQ(events[4].scalars.at("loss/total"), std::numeric_limits<float>::infinity());
  for (const ReadEvent& event : events) {
    EXPECT_GE(event.wall_time, before);
    EXPECT_LE(event.wall_time, before + 60);
  }
}

TEST_F(EventFileTest, TheNameIsOneThatTensorBoardLooksFor) {
  const EventFile file(folder_, 0);
  const std::string name = file.path().filename().string();
  EXPECT_EQ(name.rfind("events.out.tfevents.", 0), 0u) << name;
}

TEST_F(EventFileTest, AResumedFileHoldsEachStepOnceInOrderAndIsTheOnlyOne) {
  {
    EventFile file(folder_, 0);
    for (const int64_t step : {10, 20, 30, 40}) file.append(step, {{"loss", static_cast<double>(step)}});
  }
  const std::vector<ReadEvent> first = read_event_file(event_files_in(folder_).at(0));
  // The checkpoint was of step 25: 30 and 40 are run again.
  EventFile file(folder_, 25);
  for (const int64_t step : {30, 40, 50}) file.append(step, {{"loss", 0.5}});
  ASSERT_EQ(event_files_in(folder_).size(), 1u);
  const std::vector<ReadEvent> events = read_event_file(event_files_in(folder_)[0]);
  EXPECT_EQ(steps(events), (std::vector<int64_t>{10, 20, 30, 40, 50}));
  EXPECT_EQ(events[1].session_status, 1);
  EXPECT_EQ(events[3].scalars.at("loss"), 20.0f);
  EXPECT_EQ(events[3].wall_time, first[3].wall_time);
  EXPECT_EQ(events[4].scalars.at("loss"), 0.5f);
}

TEST_F(EventFileTest, ResumingTwiceWithinASecondStillMakesALaterName) {
  const fs::path first = EventFile(folder_, 0).path();
  const fs::path second = EventFile(folder_, 0).path();
  EXPECT_LT(first.filename().string(), second.filename().string());
}

TEST_F(EventFileTest, ARecordCutShortByAKillIsLeftOutAndTheRestKept) {
  fs::path path;
  {
    EventFile file(folder_, 0);
    file.append(1, {{"loss", 3}});
    file.append(2, {{"loss", 2}});
    path = file.path();
  }
  const auto size = fs::file_size(path);
  for (const uintmax_t cut : {1, 5, 20}) {
    fs::resize_file(path, size - cut);
    EXPECT_EQ(steps(read_event_file(path)), std::vector<int64_t>{1}) << cut;
  }
  EventFile file(folder_, 2);
  file.append(2, {{"loss", 1.5}});
  EXPECT_EQ(steps(read_event_file(file.path())), (std::vector<int64_t>{1, 2}));
}

TEST_F(EventFileTest, ADamagedRecordEndsWhatIsKept) {
  fs::path path;
  {
    EventFile file(folder_, 0);
    for (const int64_t step : {1, 2, 3}) file.append(step, {{"loss", 1}});
    path = file.path();
  }
  std::string bytes = read_file(path);
  bytes[bytes.size() - 70] ^= 1;  // within the record of step 2
  testing::write_text(path, bytes);
  EXPECT_EQ(steps(read_event_file(EventFile(folder_, 3).path())), std::vector<int64_t>{1});
}

TEST_F(EventFileTest, OtherFilesInTheFolderAreLeftAlone) {
  testing::write_text(folder_ / "events.out.tfevents.1700000000.host", "of another program");
  EventFile(folder_, 0);
  EventFile(folder_, 0);
  EXPECT_EQ(event_files_in(folder_).size(), 2u);
  EXPECT_EQ(read_file(folder_ / "events.out.tfevents.1700000000.host"), "of another program");
}

TEST_F(EventFileTest, AFolderThatCannotBeMadeIsNamed) {
  testing::write_text(temporary_.path() / "file", "");
  try {
    EventFile file(temporary_.path() / "file" / "tensorboard", 0);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("file/tensorboard: cannot be made"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace orbweaver
