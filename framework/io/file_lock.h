// A lock between processes on a file.
#pragma once

#include <filesystem>
#include <string>

namespace orbweaver {

/// An exclusive lock (flock), also between machines where the file system has locks over the network: Linux makes it
/// one of the server on NFS. The system takes it back however its holder ends; the file stays unless `remove` is
/// called.
class FileLock {
 public:
  /// Locks an open file for its descriptor, without waiting. @return 0, or errno: EWOULDBLOCK where another holds it
  static int lock(int descriptor);

  enum class State {
    taken,
    held,        ///< by another
    unavailable  ///< this file system has no locks, or nothing can be written there: see reason()
  };

  explicit FileLock(std::filesystem::path file) : file_(std::move(file)) {}
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// Makes the file where there is none; does not wait.
  State try_take();
  /// The same for who cannot do without. @return whether it is taken. @throws Error where locks are unavailable
  bool take_if_free();
  /// Gives the lock back and takes its file away; does nothing where it is not taken.
  void remove();

  const std::filesystem::path& file() const { return file_; }
  /// Of the file while the lock is taken, open for reading and writing; else -1.
  int descriptor() const { return descriptor_; }
  /// Why locks were unavailable.
  const std::string& reason() const { return reason_; }

  /// Leaves this process's number in the file, for who finds it held. A hint: that it cannot be written is no error.
  void sign() const;
  /// What the holder signed with; "unknown" where it did not.
  std::string holder() const;

 private:
  std::filesystem::path file_;
  std::string reason_;
  int descriptor_ = -1;
};

}  // namespace orbweaver
