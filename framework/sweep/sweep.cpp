#include "framework/sweep/sweep.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string_view>
#include <thread>

#include "framework/io/file_lock.h"
#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/sweep/launcher.h"
#include "framework/sweep/local_launcher.h"
#include "framework/sweep/plan.h"
#include "framework/sweep/results.h"
#include "framework/sweep/slurm.h"
#include "framework/sweep/tables.h"
#include "orbweaver/error.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

/// Takes the lock of the sweep that is at work in a folder.
void take(FileLock& lock, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
  if (!lock.take_if_free())
    throw InputError(
        fmt::format("{}: another sweep is at work in it "
                    "(process {}); wait for its end, or choose "
                    "another folder with --out",
                    folder.string(), lock.holder()));
  lock.sign();
}

std::string new_token() {
  std::random_device device;
  return hash_text(fmt::format("{} {} {} {}", getpid(), Clock::now().time_since_epoch().count(), device(), device()))
      .substr(0, 16);
}

void write_if_changed(const fs::path& file, const std::string& text) {
  if (!fs::exists(file) || read_file(file) != text) write_atomically(file, text);
}

class SweepRunner {
 public:
  SweepRunner(SweepPlan plan, bool retry_failed, const RunReport& report)
      : plan_(std::move(plan)),
        retry_failed_(retry_failed),
        report_(report),
        program_(fs::read_symlink("/proc/self/exe")) {
    before_ = previous_wall_seconds();
  }

  SweepResult run() {
    say_what_is_done_again();
    // Second come those that take over what the first round trains.
    const std::vector<size_t> first = runs_to_do(false), second = runs_to_do(true);
    total_ = first.size() + second.size();
    if (total_ > 0) {
      report_.line(fmt::format("{}: {} of {} runs to do, in {}", plan_.sweep.params.name, total_, plan_.runs.size(),
                               plan_.folder.string()));
      write_if_changed(plan_.folder / "sweep.json", to_json(plan_.sweep.resolved) + "\n");
      launcher_ = make_launcher();
      launch(first);
      launch(with_training(second));
    }
    return sum_up();
  }

 private:
  double previous_wall_seconds() const {
    try {
      return read_json(plan_.folder / "results.json").at("wall_seconds").as_double();
    } catch (const Error&) {
      return 0;  // the first start in this folder
    }
  }
  double wall_seconds() const {
    return before_ + (total_ > 0 ? std::chrono::duration<double>(Clock::now() - start_).count() : 0);
  }

  void say_what_is_done_again() const {
    for (const PlannedRun& run : plan_.runs)
      if (run.to_do() && !run.why.empty()) report_.line(fmt::format("{}: {}", run.name, run.why));
  }

  /// Seed by seed, so that variants can be compared early.
  std::vector<size_t> runs_to_do(bool twins) const {
    std::vector<size_t> out;
    for (const int64_t seed : plan_.sweep.params.seeds)
      for (size_t i = 0; i < plan_.runs.size(); ++i) {
        const PlannedRun& run = plan_.runs[i];
        if (run.seed == seed && run.to_do() && run.twin.has_value() == twins) out.push_back(i);
      }
    return out;
  }

  std::unique_ptr<Launcher> make_launcher() const {
    const SweepParams& params = plan_.sweep.params;
    if (params.launcher == SweepParams::Launch::slurm)
      return std::make_unique<SlurmLauncher>(plan_.folder, params.slurm, params.jobs);
    auto local = std::make_unique<LocalLauncher>(params.jobs);
    for (const PlannedRun& run : plan_.runs)
      if (run.to_do() && run.threads() > local->processors()) {
        report_.line(
            fmt::format("{}: train.threads is {}, more than the {} "
                        "processors here; it runs alone",
                        run.name, run.threads(), local->processors()));
        break;
      }
    return local;
  }

  Job make_job(const PlannedRun& run) const {
    Value file = Value::object();
    file["name"] = Value(run.name);
    file["folder"] = Value(run.folder.path().string());
    file["training"] = run.training;
    file["evaluation"] = Value(run.evaluation_hash);
    file["hashes"] = Value(hash_records(run.config, plan_.folder).string());
    file["config"] = run.config.resolved;
    file["split"] = Value(plan_.sweep.params.split);
    file["adopt"] = run.shares.empty() ? Value() : Value((plan_.folder / "runs" / run.shares).string());
    file["adopt_name"] = run.shares.empty() ? Value() : Value(run.shares);
    write_atomically(run.folder.job(), to_json(file) + "\n");

    Job job;
    job.name = run.name;
    job.folder = run.folder.path();
    job.outcome = run.folder.outcome();
    job.token = new_token();
    // The hash is for the reader of a queue, and for a launcher that asks
    // whether a job is still the same.
    job.command = {program_.string(), "sweep-worker", run.folder.job().string(), "--evaluation", run.evaluation_hash,
                   "--token",         job.token};
    job.threads = run.threads();
    job.retry = retry_failed_;
    return job;
  }

  /// Of runs that share a training those for which it is there. Where it failed they have failed with it; where it was
  /// stopped, here or on a cluster, they wait for it.
  std::vector<size_t> with_training(const std::vector<size_t>& sharing) {
    std::vector<size_t> out;
    for (const size_t index : sharing) {
      PlannedRun& run = plan_.runs[index];
      const PlannedRun& provider = plan_.runs[*run.twin];
      if (provider.state == JobState::finished || provider.folder.trained(run.training_hash)) {
        out.push_back(index);
      } else if (provider.state == JobState::failed) {
        fail_with(run, provider);
        ++done_;
        report_.line(fmt::format("[{}/{}] {}", done_, total_, end_text(run)));
      }
    }
    return out;
  }

  void launch(const std::vector<size_t>& indices) {
    if (indices.empty() || report_.stopping()) return;
    std::vector<Job> jobs;
    launches_before_.clear();
    for (const size_t index : indices) {
      const PlannedRun& run = plan_.runs[index];
      jobs.push_back(make_job(run));
      const auto outcome = run.folder.read_outcome();
      launches_before_.push_back(outcome ? outcome->launch : "");
    }
    launcher_->run(
        jobs, [&](size_t job, const JobStatus& status) { changed(indices[job], launches_before_[job], status); },
        report_);
  }

  void changed(size_t index, const std::string& launch_before, const JobStatus& status) {
    PlannedRun& run = plan_.runs[index];
    run.state = status.state;
    if (status.state == JobState::running) return report_.line(fmt::format("{} started", run.name));
    if (status.state == JobState::waiting) return;
    run.outcome = run.folder.read_outcome();
    if (status.state == JobState::stopped) return;
    if (status.state == JobState::finished) take_outcome(run);
    if (run.state == JobState::failed) note_failure(run, launch_before, status.reason);
    ++done_;
    report_.line(fmt::format("[{}/{}] {}", done_, total_, end_text(run)));
    write_results(false);
  }

  /// A launcher may have gone on with a job of an earlier launch; what counts
  /// is what the outcome is about.
  static void take_outcome(PlannedRun& run) {
    if (run.outcome && run.outcome->status == "finished" && run.outcome->training == run.training_hash &&
        run.outcome->evaluation == run.evaluation_hash)
      return;
    run.state = JobState::failed;
    run.outcome.reset();
  }

  void note_failure(PlannedRun& run, const std::string& launch_before, const std::string& reason) const {
    const bool own_words = run.outcome && run.outcome->status == "failed" && run.outcome->launch != launch_before;
    RunOutcome failure = own_words ? *run.outcome : RunOutcome();
    failure.status = "failed";
    failure.token.clear();
    failure.training = run.training_hash;
    failure.evaluation = run.evaluation_hash;
    failure.log_tail = run.folder.log_tail();
    if (failure.reason.empty()) failure.reason = reason.empty() ? "left an outcome of another job" : reason;
    if (!own_words) failure.reason += last_words(failure.log_tail);
    failure.rows = Value::list();
    if (run.outcome && run.outcome->training == run.training_hash) {
      failure.trained_as = run.outcome->trained_as;
      failure.seconds = run.outcome->seconds;
      failure.peak_memory_mib = run.outcome->peak_memory_mib;
    }
    run.folder.write(failure);
    run.reason = failure.reason;
    run.log_tail = failure.log_tail;
    run.outcome = std::move(failure);
  }

  /// Why a process ended that could not leave its outcome: its disk was full, its folder read-only.
  static std::string last_words(const std::vector<std::string>& log_tail) {
    constexpr std::string_view name = "orbweaver: ";
    return log_tail.empty() || !log_tail.back().starts_with(name) ? "" : ": " + log_tail.back().substr(name.size());
  }

  static std::string end_text(const PlannedRun& run) {
    if (run.state == JobState::failed) return fmt::format("{} failed: {}", run.name, run.reason);
    const RunOutcome& outcome = *run.outcome;
    const Value& metrics = outcome.rows.as_list().at(0).at("metrics");
    return fmt::format("{} finished: mR {:.2f}, validation {:.2f}, {:.0f} s{}", run.name, metrics.at("mR").as_double(),
                       outcome.val_mean_recall, outcome.seconds,
                       outcome.trained_as.empty() ? "" : " (training shared with " + outcome.trained_as + ")");
  }

  Value write_results(bool compare) const {
    Value results = sweep_results(plan_, wall_seconds(), compare);
    write_atomically(plan_.folder / "results.json", to_json(results) + "\n");
    return results;
  }

  /// The results of before where nothing has changed since.
  std::optional<Value> known_results() const {
    const fs::path file = plan_.folder / "results.json";
    if (!fs::exists(file)) return {};
    try {
      Value known = read_json(file);
      const Value* inputs = known.find("inputs");
      if (inputs && inputs->is_string() && inputs->as_string() == results_inputs(plan_)) return known;
    } catch (const Error&) {
      return {};
    }
    return {};
  }

  SweepResult sum_up() {
    SweepResult out;
    out.folder = plan_.folder;
    out.stopped = report_.stopping();
    for (const PlannedRun& run : plan_.runs) {
      out.failed += run.state == JobState::failed;
      if (run.state == JobState::failed || run.state == JobState::finished) continue;
      ++(run.selected ? out.unfinished : out.not_selected);
    }
    auto known = known_results();
    if (!known) {
      write_if_changed(plan_.folder / "sweep.json", to_json(plan_.sweep.resolved) + "\n");
      known = write_results(true);
    }
    out.value = std::move(*known);
    out.text = format_leaderboard(out.value);
    write_if_changed(plan_.folder / "table.txt", out.text);
    write_if_changed(plan_.folder / "table.md", table_markdown(out.value));
    write_if_changed(plan_.folder / "table.csv", table_csv(out.value));
    write_if_changed(plan_.folder / "table.tex", table_latex(out.value));
    return out;
  }

  SweepPlan plan_;
  bool retry_failed_;
  const RunReport& report_;
  fs::path program_;
  std::unique_ptr<Launcher> launcher_;
  std::vector<std::string> launches_before_;
  size_t total_ = 0, done_ = 0;
  double before_ = 0;
  const Clock::time_point start_ = Clock::now();
};

}  // namespace

SweepResult run_sweep(const SweepOptions& options, const RunReport& report) {
  PlanOptions plan_options;
  plan_options.overrides = options.overrides;
  plan_options.only = options.only;
  plan_options.out = options.out;
  SweepPlan plan = make_plan(read_sweep(options.file, options.settings), plan_options);
  if (options.dry_run) {
    inspect(plan, options.retry_failed);
    PlanView view = describe_plan(plan, LocalLauncher(0).processors(), report);
    return {plan.folder, std::move(view.text), std::move(view.value)};
  }
  FileLock lock(plan.folder / "lock");
  take(lock, plan.folder);
  remove_leftovers(plan.folder);
  inspect(plan, options.retry_failed);
  return SweepRunner(std::move(plan), options.retry_failed, report).run();
}

}  // namespace orbweaver
