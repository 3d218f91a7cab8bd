// Data-parallel training: several processes ("ranks"), one model, one batch.
//
// Every rank holds the whole model, encodes its contiguous part of each global batch, and gets everybody's
// Representations by an all-gather through which gradients pass. Each rank then computes the losses of the *global*
// batch: a contrastive loss sees as many negatives as one process would show it. That part is the same work on every
// rank; encoders, graph encoders and fusion, which cost most, are divided.
//
// Why the gradients are right. Let L be the loss of the global batch, W the number of ranks. Each rank differentiates
// L / W, and the all-gather's backward hands the own rows of the gradient back times W, the others' to nobody. Then
//   - a parameter reached through the gathered rows (an encoder's) has on rank r the gradient W / W times what rank r's
//     items contribute to dL/dp: the sum over ranks is dL/dp;
//   - a parameter that the losses or the interaction use directly has dL/dp / W on every rank: the sum is dL/dp;
//   - one used in both ways (the shared label embedding in a loss) has the sum of both, and both are right.
// So all gradients are summed over ranks and nobody has to know which parameter is of which sort. It needs every rank
// to compute the same L: same weights (the sums are the same bits everywhere, and the ranks check each epoch that their
// weights are), same rows, and the same random draws after the gather; the trainer seeds accordingly, and seeds each
// rank's encoding differently.
//
// One process and several differ by rounding alone, with two exceptions. Dropout draws other masks. Batch normalisation
// that is being trained takes its statistics from the rank's part of the batch: LibTorch's C++ side has no synchronised
// one, and running averages are rank 0's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "orbweaver/torch/loss.h"

namespace orbweaver {

/// Where a process stands among those that train together.
struct RankPlace {
  int64_t rank = 0, size = 1;
  int64_t local_rank = 0;  ///< among those of its machine: its GPU, where there are any
  std::string host;        ///< of rank 0, where all meet
  int port = 0;
  std::string found_by;      ///< what told: "RANK and WORLD_SIZE", "srun"
  std::string store_prefix;  ///< not empty: torchrun's agent serves the store at host:port, under this prefix
};

/// Reads a variable of the environment; null where it is not set.
using Environment = std::function<const char*(const char* name)>;

/// torchrun's variables (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT) or those of an srun step with several
/// tasks (SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_LOCALID; MASTER_ADDR and MASTER_PORT where set, else the step's
/// first node and a port made of the job's number). A batch script outside srun is one process, whatever its --ntasks.
///
/// @return nothing where this process is alone.
/// @throws InputError naming the variable that is missing or no number.
std::optional<RankPlace> find_rank_place(const Environment& environment);
std::optional<RankPlace> find_rank_place();

/// The first name of Slurm's lists: "gpu03" of "gpu[03-05,9],login".
std::string first_host(const std::string& slurm_list);

struct RankOptions {
  std::string backend = "gloo";
  double timeout = 45;  ///< seconds without a sign of life after which a rank counts as lost; also for all to arrive
  /// ORBWEAVER_BACKEND and ORBWEAVER_RANK_TIMEOUT: of the machine, not of a run's identity. @throws InputError.
  static RankOptions from(const Environment& environment);
  static RankOptions from_environment();
};

/// The ranks that train together, as one of them sees them. Every rank calls the same members in the same order.
///
/// A rank that is lost (killed, its machine gone) or fails ends the calls of all others with an Error that names it:
/// at once where its connections close, after `RankOptions::timeout` where they do not. A slow rank is not lost: a
/// thread of each rank keeps giving signs of life, so that rank 0 may validate for an hour.
class RankGroup {
 public:
  /// One process alone: every call returns at once, and nothing is copied.
  RankGroup();
  /// Meets the others. @throws InputError on a backend that is not built in, Error where not all arrive.
  RankGroup(const RankPlace& place, const RankOptions& options);
  /// Without `leave` before, as after an exception, nothing is waited for.
  ~RankGroup();
  RankGroup(const RankGroup&) = delete;
  RankGroup& operator=(const RankGroup&) = delete;

  int64_t rank() const { return rank_; }
  int64_t size() const { return size_; }
  const RankPlace& place() const { return place_; }
  const std::string& backend() const { return backend_; }
  bool alone() const { return size_ == 1; }
  /// Rank 0 alone writes, validates and logs.
  bool leads() const { return rank_ == 0; }

  /// The half-open range of this rank's items among `count`: contiguous, in order of ranks, sizes differ by one at
  /// most.
  std::pair<int64_t, int64_t> part(int64_t count) const { return part_of(rank_, count); }

  /// Rank 0 works, the others wait for what it returns, however long it takes. @return the same on every rank.
  std::string first_does(const std::function<std::string()>& work);
  /// Goes on when every rank is here, however long it takes.
  void wait_for_all();
  /// @throws Error where a rank was lost or failed. For long work of one rank, which would learn of it at its end.
  void check() const;
  /// @throws Error on the ranks whose value is not rank 0's. @param what  as in "rank 1's <what> differ from rank 0's".
  void check_same(const std::string& what, const std::string& value, const std::string& advice);

  /// @param own    [n, ...], n this rank's part of `total`; the other sizes are the same on every rank.
  /// @return       [total, ...], with gradients as the head of this file says.
  at::Tensor gather_rows(const at::Tensor& own, int64_t total) const;

  /// Makes a part's batch the global one: the embeddings, those parts of both Representations that `parts` names, and
  /// the graphs. Tokens and nodes are padded to the longest of all ranks. Image ids and hashes stay as they are.
  void gather(LossInput& batch, int64_t total, const Parts& parts) const;

  /// What ranks ask each other for at a step; one that asks is enough.
  struct Wishes {
    bool stop = false, save = false;
  };
  /// Sums the gradients over ranks, in place. A parameter that no rank has a gradient for keeps none.
  Wishes sum_gradients(std::span<const at::Tensor> parameters, Wishes own) const;

  /// Tells the others why this rank ends.
  void announce_failure(const std::string& why) noexcept;
  /// The orderly end: rank 0, whom the others need, goes last.
  void leave();

 private:
  struct Connection;
  std::pair<int64_t, int64_t> part_of(int64_t rank, int64_t count) const {
    return {rank * count / size_, (rank + 1) * count / size_};
  }
  void abandon();

  int64_t rank_ = 0, size_ = 1;
  RankPlace place_;
  std::string backend_;
  int64_t told_ = 0;  // agreements so far, the same on every rank
  std::unique_ptr<Connection> connection_;
};

}  // namespace orbweaver
