#include "framework/sweep/slurm.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <thread>

#include "framework/io/files.h"
#include "framework/io/json.h"
#include "framework/sweep/local_launcher.h"
#include "framework/sweep/slurm_queue.h"

namespace orbweaver {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

/// A task as it was submitted.
struct RecordedTask {
  std::string job, token;
  std::string signature;  ///< of the command, see signature_of
  bool settled = false;   ///< its end was told, or it was given up
};

struct RecordedArray {
  std::string name;
  int64_t id = 0;  ///< 0: it is not known whether sbatch accepted it
  std::vector<RecordedTask> tasks;
};

/// What was submitted and not yet told to be over: <sweep folder>/slurm/jobs.json.
class Registry {
 public:
  explicit Registry(fs::path file) : file_(std::move(file)) {
    if (!fs::exists(file_)) return;
    const Value content = read_json(file_);
    for (const Value& entry : content.at("arrays").as_list()) {
      RecordedArray array{entry.at("name").as_string(), entry.at("id").as_int(), {}};
      for (const Value& task : entry.at("tasks").as_list())
        array.tasks.push_back({task.at("job").as_string(), task.at("token").as_string(),
                               task.at("signature").as_string(), task.at("settled").as_bool()});
      arrays.push_back(std::move(array));
    }
  }

  void save() const {
    Value list = Value::list();
    for (const RecordedArray& array : arrays) {
      Value entry;
      entry["name"] = array.name;
      entry["id"] = array.id;
      Value& tasks = entry["tasks"] = Value::list();
      for (const RecordedTask& task : array.tasks) {
        Value item;
        item["job"] = task.job;
        item["token"] = task.token;
        item["signature"] = task.signature;
        item["settled"] = task.settled;
        tasks.push_back(std::move(item));
      }
      list.push_back(std::move(entry));
    }
    Value content;
    content["format"] = 1;
    content["arrays"] = std::move(list);
    write_atomically(file_, to_json(content) + "\n");
  }

  std::vector<RecordedArray> arrays;

 private:
  fs::path file_;
};

/// The same for the same work, whatever the token: that is another one at each start of the sweep.
std::string signature_of(const Job& job) {
  Hasher hasher;
  for (std::string word : job.command) {
    if (!job.token.empty())
      for (size_t at; (at = word.find(job.token)) != std::string::npos;) word.replace(at, job.token.size(), "\n");
    hasher.add(word);
  }
  return hasher.hex();
}

/// Whether the outcome holds the token, as far as this machine can see.
bool shows_token(const fs::path& outcome, const std::string& token) {
  // Listing the folder makes a client of NFS ask its server what is there, instead of its cache.
  std::error_code ignored;
  for (auto entry = fs::directory_iterator(outcome.parent_path(), ignored); entry != fs::directory_iterator();
       entry.increment(ignored)) {
  }
  try {
    return holds_token(outcome, token);
  } catch (const fs::filesystem_error&) {
    return false;  // a stale handle: the file was replaced on the server
  }
}

/// A name that tells the user whose jobs these are, and that no other submission has.
std::string new_array_name(const fs::path& sweep) {
  std::string name = sweep.filename().string().substr(0, 40);
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') c = '_';
  return fmt::format("{}-{:08x}", name.empty() ? "sweep" : name, std::random_device()());
}

/// "%" starts a placeholder in sbatch's file names.
std::string file_pattern(const std::string& path) {
  std::string pattern;
  for (const char c : path) pattern += c == '%' ? "%%" : std::string(1, c);
  return pattern;
}

std::string ids_of(const std::vector<int64_t>& ids) { return fmt::format("{}", fmt::join(ids, " ")); }

/// One call of SlurmLauncher::run.
class Watch {
 public:
  Watch(const fs::path& folder, const SlurmParams& params, int64_t at_once, std::span<const Job> jobs,
        const std::function<void(size_t, const JobStatus&)>& changed, const RunReport& report)
      : folder_(folder),
        params_(params),
        at_once_(at_once),
        jobs_(jobs),
        changed_(changed),
        report_(report),
        registry_(folder / "slurm" / "jobs.json"),
        watched_(jobs.size()) {}

  void run() {
    const auto recorded = recorded_tasks();
    if (!recorded) return leave();
    drop_forgotten(*recorded);
    const std::vector<size_t> missing = adopt(*recorded);
    registry_.save();
    if (report_.stopping()) return leave();
    submit(missing);
    while (!poll()) {
      wait();
      if (report_.stopping()) return leave();
    }
  }

 private:
  /// Where a job stands.
  struct Watched {
    std::string array;  ///< "": it has no task
    int64_t index = 0;
    JobState state = JobState::waiting;
    bool settled = false;
    std::optional<Clock::time_point> over_since;
    SlurmTask end;  ///< as it was told first after the end
  };
  using TaskKey = std::pair<std::string, int64_t>;
  using Tasks = std::map<TaskKey, SlurmTask>;

  RecordedArray& array(const std::string& name) {
    return *std::find_if(registry_.arrays.begin(), registry_.arrays.end(),
                         [&](const RecordedArray& array) { return array.name == name; });
  }
  RecordedTask& record(const Watched& job) { return array(job.array).tasks[static_cast<size_t>(job.index)]; }

  /// The queue's tasks of these arrays, completed by the accounting's. Waits for a controller that does not answer.
  /// @return nothing when asked to stop meanwhile
  std::optional<Tasks> ask(const std::vector<std::string>& arrays) {
    std::string complaint;
    auto queue = slurm_queue(arrays, complaint);
    for (bool told = false; !queue && !report_.stopping(); queue = slurm_queue(arrays, complaint)) {
      if (!told) report_.line(fmt::format("slurm: squeue: {}; asking until it answers", complaint));
      told = true;
      wait();
    }
    if (!queue) return std::nullopt;
    Tasks tasks;
    for (SlurmTask& task : *queue) tasks.insert_or_assign({task.array, task.index}, std::move(task));
    add_accounting(tasks, arrays);  // first: what it knows to have failed is not of the rest that was cancelled
    for (const std::string& name : arrays) spread_rest(tasks, name);
    return tasks;
  }

  /// What squeue says of an array's tasks in one line, as of each.
  void spread_rest(Tasks& tasks, const std::string& name) {
    const auto rest = tasks.extract({name, SlurmTask::the_rest});
    if (rest.empty()) return;
    for (size_t i = 0; i < array(name).tasks.size(); ++i) {
      SlurmTask task = rest.mapped();
      task.index = static_cast<int64_t>(i);
      tasks.emplace(std::pair(name, task.index), std::move(task));
    }
  }

  void add_accounting(Tasks& tasks, const std::vector<std::string>& arrays) {
    std::vector<std::string> names;
    std::vector<int64_t> ids;
    for (const std::string& name : arrays) {
      const RecordedArray& recorded = array(name);
      for (size_t i = 0; i < recorded.tasks.size(); ++i)
        if (recorded.id > 0 && !recorded.tasks[i].settled && !tasks.contains({name, static_cast<int64_t>(i)})) {
          names.push_back(name);
          ids.push_back(recorded.id);
          break;
        }
    }
    for (SlurmTask& task : slurm_accounting(names, ids))
      tasks.emplace(std::pair(task.array, task.index), std::move(task));
  }

  std::optional<Tasks> recorded_tasks() {
    std::vector<std::string> names;
    for (const RecordedArray& array : registry_.arrays) names.push_back(array.name);
    auto tasks = ask(names);
    // A sweep that was killed while it submitted: the queue knows whether sbatch came through.
    if (tasks)
      for (const auto& [key, task] : *tasks) array(task.array).id = task.id;
    return tasks;
  }

  static const SlurmTask* find(const Tasks& tasks, const std::string& array, size_t index) {
    const auto found = tasks.find({array, static_cast<int64_t>(index)});
    return found == tasks.end() ? nullptr : &found->second;
  }
  static bool alive(const SlurmTask* task) { return task && slurm_phase(task->state) != SlurmPhase::over; }

  /// Forgets tasks that are over and that nobody asks about, and the scripts of arrays that are over.
  void drop_forgotten(const Tasks& tasks) {
    for (RecordedArray& array : registry_.arrays)
      for (size_t i = 0; i < array.tasks.size(); ++i) {
        const bool asked =
            std::any_of(jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.name == array.tasks[i].job; });
        if (!asked && !alive(find(tasks, array.name, i))) array.tasks[i].settled = true;
      }
    std::erase_if(registry_.arrays, [&](const RecordedArray& array) {
      for (size_t i = 0; i < array.tasks.size(); ++i)
        if (!array.tasks[i].settled || alive(find(tasks, array.name, i))) return false;
      remove_scripts(array.name);
      return true;
    });
  }

  /// Without them no task of the array can do anything, should Slurm start one.
  void remove_scripts(const std::string& array) const {
    std::error_code ignored;
    fs::remove_all(folder_ / "slurm" / array, ignored);
  }

  /// Finds each job's task of an earlier start. @return the jobs that need a new one
  std::vector<size_t> adopt(const Tasks& tasks) {
    std::vector<size_t> missing;
    std::map<int64_t, size_t> adopted;
    for (size_t i = 0; i < jobs_.size(); ++i) {
      if (adopt(i, tasks))
        ++adopted[array(watched_[i].array).id];
      else
        missing.push_back(i);
    }
    for (const auto& [id, count] : adopted)
      report_.line(fmt::format("slurm: array {} of an earlier start goes on: {} runs", id, count));
    return missing;
  }

  bool adopt(size_t job, const Tasks& tasks) {
    const std::string signature = signature_of(jobs_[job]);
    for (auto array = registry_.arrays.rbegin(); array != registry_.arrays.rend(); ++array)
      for (size_t i = 0; i < array->tasks.size(); ++i) {
        RecordedTask& recorded = array->tasks[i];
        if (recorded.settled || recorded.job != jobs_[job].name) continue;
        const SlurmTask* task = find(tasks, array->name, i);
        const bool same = recorded.signature == signature && watched_[job].array.empty();
        // A task that was cancelled, or that Slurm forgot, and that left no outcome: it did not fail as far as we know.
        const bool failed = task && !alive(task) && slurm_end(*task, "").state == JobState::failed;
        const bool useful =
            alive(task) || (failed && !jobs_[job].retry) || shows_token(jobs_[job].outcome, recorded.token);
        if (same && useful) {
          watched_[job].array = array->name;
          watched_[job].index = static_cast<int64_t>(i);
          continue;
        }
        if (alive(task)) supersede(jobs_[job].name, *task);
        if (!task && array->id == 0) remove_scripts(array->name);
        recorded.settled = true;
      }
    return !watched_[job].array.empty();
  }

  /// Cancels a task whose job is to be done differently. Both would write into one folder: the new one waits for it.
  void supersede(const std::string& job, const SlurmTask& task) {
    const std::string id = fmt::format("{}_{}", task.id, task.index);
    report_.line(fmt::format("slurm: {} changed since it was submitted as {}: that task is cancelled", job, id));
    const CommandOutput output = run_slurm_command({"scancel", "--name=" + task.array, id});
    if (output.status != 0) throw Error(fmt::format("scancel {}: {}", id, output.complaint()));
    awaited_.push_back(id);
  }

  void submit(const std::vector<size_t>& missing) {
    if (missing.empty()) return;
    const size_t largest = static_cast<size_t>(slurm_largest_array());
    std::map<int64_t, std::vector<size_t>> by_threads;
    for (const size_t job : missing) by_threads[jobs_[job].threads].push_back(job);
    for (const auto& [threads, group] : by_threads)
      for (size_t begin = 0; begin < group.size(); begin += largest)
        submit_array(std::span(group).subspan(begin, std::min(largest, group.size() - begin)), threads);
  }

  void submit_array(std::span<const size_t> group, int64_t threads) {
    RecordedArray array{new_array_name(folder_), 0, {}};
    const fs::path files = folder_ / "slurm" / array.name;
    write_scripts(files, group);
    for (size_t i = 0; i < group.size(); ++i) {
      const Job& job = jobs_[group[i]];
      array.tasks.push_back({job.name, job.token, signature_of(job), false});
      watched_[group[i]].array = array.name;
      watched_[group[i]].index = static_cast<int64_t>(i);
    }
    std::vector<std::string> awaited = awaited_;
    if (at_once_ > 0)  // the limit of an array is its own: arrays run one after the other to keep it for all
      for (const int64_t id : live_arrays()) awaited.push_back(std::to_string(id));
    // Written down before it is submitted: a sweep that is killed in between finds the array by its name.
    registry_.arrays.push_back(array);
    registry_.save();
    const int64_t id = sbatch(array, files, threads, awaited);
    this->array(array.name).id = id;
    registry_.save();
    report_.line(fmt::format("slurm: array {} submitted: {} runs, {} processors each{}", id, group.size(), threads,
                             params_.partition.empty() ? "" : ", partition " + params_.partition));
  }

  void write_scripts(const fs::path& files, std::span<const size_t> group) const {
    fs::create_directories(files);
    std::string commands = "case \"$SLURM_ARRAY_TASK_ID\" in\n";
    for (size_t i = 0; i < group.size(); ++i) {
      const Job& job = jobs_[group[i]];
      // The mark that begins a process's part of the log.
      const std::string mark = fmt::format("=== {} ", job.name);
      commands +=
          fmt::format("{})\n  echo {}\"$(date '+%F %T'), Slurm's ${{SLURM_ARRAY_JOB_ID}}_{} on $(uname -n)\"\n  exec",
                      i, shell_quoted(mark), i);
      for (const std::string& word : job.command) commands += " " + shell_quoted(word);
      commands += "\n  ;;\n";
      // Slurm opens a task's log by the task's number; the link leads it, and what Slurm itself has to say of the task
      // (a time limit, missing memory), into the run's folder.
      fs::create_directories(job.folder);
      fs::create_symlink(fs::absolute(job.folder) / "process.log", files / fmt::format("{}.log", i));
    }
    write_atomically(files / "commands.sh", commands + "esac\n");
    const std::string file = shell_quoted((files / "commands.sh").string());
    std::string script = "#!/bin/bash\n# Written by orbweaver sweep: each task of this array is one run.\n";
    for (const std::string& line : params_.setup) script += line + "\n";
    script += fmt::format(
        "# A node may see a new file of a shared file system late.\n"
        "for _ in {{1..30}}; do [ -r {0} ] && break; sleep 1; done\n"
        ". {0}\n"
        "echo \"orbweaver: no command for task ${{SLURM_ARRAY_TASK_ID-}} in \"{0} >&2\nexit 2\n",
        file);
    write_atomically(files / "run.sh", script);
  }

  int64_t sbatch(const RecordedArray& array, const fs::path& files, int64_t threads,
                 const std::vector<std::string>& awaited) {
    std::vector<std::string> words{
        "sbatch", "--parsable", "--job-name=" + array.name,
        fmt::format("--array=0-{}{}", array.tasks.size() - 1, at_once_ > 0 ? fmt::format("%{}", at_once_) : ""),
        "--ntasks=1", fmt::format("--cpus-per-task={}", threads),
        "--output=" + file_pattern(files.string()) + "/%a.log",
        // A task that starts again, after its node failed or another job needed the place, goes on from its checkpoint.
        "--open-mode=append", "--requeue"};
    const std::pair<const char*, const std::string&> settings[]{{"partition", params_.partition},
                                                                {"account", params_.account},
                                                                {"time", params_.time},
                                                                {"gres", params_.gres},
                                                                {"mem", params_.mem}};
    for (const auto& [name, value] : settings)
      if (!value.empty()) words.push_back(fmt::format("--{}={}", name, value));
    if (!awaited.empty()) words.push_back(fmt::format("--dependency=afterany:{}", fmt::join(awaited, ":")));
    words.insert(words.end(), params_.options.begin(), params_.options.end());
    words.push_back((files / "run.sh").string());
    const CommandOutput output = run_slurm_command(words);
    // "123", or "123;cluster"
    if (output.status == 0)
      if (const int64_t id = std::atoll(output.out.c_str()); id > 0) return id;
    return id_despite(output, array.name);
  }

  /// sbatch gives up waiting for a busy controller that has accepted the array all the same, or will.
  int64_t id_despite(const CommandOutput& output, const std::string& name) {
    std::string complaint;
    const auto queue = slurm_queue({name}, complaint);
    if (queue && !queue->empty()) return queue->front().id;
    // Where the queue does not answer either, the record stays: the next start looks again.
    if (queue) {
      remove_scripts(name);
      std::erase_if(registry_.arrays, [&](const RecordedArray& array) { return array.name == name; });
      registry_.save();
    }
    const std::vector<int64_t> others = live_arrays();
    throw InputError(fmt::format("Slurm refused the runs: sbatch: {}{}", output.complaint(),
                                 others.empty() ? "" : "; still in its queue: " + ids_of(others)));
  }

  /// Ids of the arrays with a watched job that is not settled, in order.
  std::vector<int64_t> live_arrays() {
    std::vector<int64_t> ids;
    for (const std::string& name : live_names())
      if (const int64_t id = array(name).id; id > 0) ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  std::vector<std::string> live_names() {
    std::vector<std::string> names;
    for (const RecordedArray& array : registry_.arrays)
      if (std::any_of(watched_.begin(), watched_.end(),
                      [&](const Watched& job) { return !job.settled && job.array == array.name; }))
        names.push_back(array.name);
    return names;
  }

  /// @return whether all jobs are settled
  bool poll() {
    const auto tasks = ask(live_names());
    if (!tasks) return false;
    bool some = false, all = true;
    for (size_t i = 0; i < jobs_.size(); ++i) {
      if (watched_[i].settled) continue;
      update(i, find(*tasks, watched_[i].array, static_cast<size_t>(watched_[i].index)));
      some = some || watched_[i].settled;
      all = all && watched_[i].settled;
    }
    if (some) registry_.save();
    return all;
  }

  void update(size_t i, const SlurmTask* task) {
    Watched& job = watched_[i];
    if (shows_token(jobs_[i].outcome, record(job).token)) return settle(i, {JobState::finished, ""});
    if (alive(task)) {
      job.over_since.reset();  // a task that Slurm starts again was over for a while
      const bool waiting = slurm_phase(task->state) == SlurmPhase::waiting;
      if (waiting) tell_why(*task);
      const JobState state = waiting ? JobState::waiting : JobState::running;
      if (state != job.state) changed_(i, {job.state = state, ""});
      return;
    }
    if (!job.over_since) job.over_since = Clock::now(), job.end = SlurmTask();
    if (task && job.end.state.empty()) {
      job.end = *task;
      if (job.end.exit_code.empty()) job.end.exit_code = slurm_exit_code(*task);
    }
    if (Clock::now() - *job.over_since < std::chrono::duration<double>(params_.outcome_wait)) return;
    const std::string outcome = jobs_[i].outcome.string();
    if (!job.end.state.empty()) return settle(i, slurm_end(job.end, outcome));
    settle(i, {JobState::failed, fmt::format("Slurm forgot {}_{} (no accounting here?), and there is no outcome in {}",
                                             array(job.array).id, job.index, outcome)});
  }

  void settle(size_t i, JobStatus status) {
    record(watched_[i]).settled = watched_[i].settled = true;
    watched_[i].state = status.state;
    if (status.state == JobState::stopped) report_.line(fmt::format("slurm: {}: {}", jobs_[i].name, status.reason));
    changed_(i, status);
  }

  /// Reasons to wait that do not pass by themselves are worth a line.
  void tell_why(const SlurmTask& task) {
    static constexpr std::string_view passing[]{"None",      "Resources", "Priority", "Dependency", "JobArrayTaskLimit",
                                                "BeginTime", "Cleaning",  "Prolog",   "(null)",     ""};
    if (std::find(std::begin(passing), std::end(passing), task.reason) != std::end(passing)) return;
    std::string& told = told_[task.array];
    if (told == task.reason) return;
    told = task.reason;
    report_.line(fmt::format("slurm: array {} waits: {}", task.id, task.reason));
  }

  /// Until the next look at the queue, or the stop flag. An outcome that is due is looked for every second.
  void wait() const {
    const bool due = std::any_of(watched_.begin(), watched_.end(),
                                 [](const Watched& job) { return job.over_since && !job.settled; });
    const auto end = Clock::now() + std::chrono::duration<double>(due ? std::min(params_.poll, 1.0) : params_.poll);
    while (Clock::now() < end && !report_.stopping()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }

  /// The stop flag: the jobs stay in the queue.
  void leave() {
    const std::vector<int64_t> ids = live_arrays();
    for (size_t i = 0; i < jobs_.size(); ++i) {
      if (watched_[i].settled) continue;
      const bool queued = !watched_[i].array.empty();
      changed_(i, {JobState::stopped, queued ? fmt::format("left in Slurm's queue as {}_{}",
                                                           array(watched_[i].array).id, watched_[i].index)
                                             : "stopped before Slurm had it"});
    }
    if (ids.empty()) return;
    report_.line(
        fmt::format("slurm: no longer watching; the runs stay in the queue. The same command watches them again; to "
                    "cancel: scancel {}",
                    ids_of(ids)));
  }

  const fs::path& folder_;
  const SlurmParams& params_;
  int64_t at_once_;
  std::span<const Job> jobs_;
  const std::function<void(size_t, const JobStatus&)>& changed_;
  const RunReport& report_;
  Registry registry_;
  std::vector<Watched> watched_;
  std::vector<std::string> awaited_;         ///< cancelled tasks whose end new ones must wait for
  std::map<std::string, std::string> told_;  ///< array -> reason to wait that was told last
};

/// Options of sbatch that the launcher gives itself, or that would break its conversation with Slurm.
void check_option(const std::string& option) {
  static constexpr std::string_view ours[]{
      "--array",         "-a",          "--job-name", "-J",           "--output",  "-o", "--error", "-e",
      "--open-mode",     "--parsable",  "--clusters", "-M",           "--cluster", "-W", "--wait",  "-d",
      "--ntasks",        "-n",          "--wrap",     "--dependency", "-c",        "-h", "--help",  "-V",
      "--cpus-per-task", "--test-only", "--version",  "--usage"};
  const std::string name = option.starts_with("--") ? option.substr(0, option.find('=')) : option.substr(0, 2);
  if (name.size() < 2 || name[0] != '-')
    throw InputError(fmt::format(
        "slurm options: \"{}\" is no option of sbatch; each is one word, as \"--constraint=a100\"", option));
  if (std::find(std::begin(ours), std::end(ours), name) != std::end(ours))
    throw InputError(fmt::format("slurm options: {} is set by the sweep itself; leave it out", name));
}

}  // namespace

SlurmLauncher::SlurmLauncher(const fs::path& folder, SlurmParams params, int64_t at_once)
    : folder_(fs::absolute(folder).lexically_normal()), params_(std::move(params)), at_once_(at_once) {
  if (!folder_.has_filename()) folder_ = folder_.parent_path();
  for (const std::string& option : params_.options) check_option(option);
  // A backslash switches placeholders off in sbatch's file names.
  if (folder_.string().find('\\') != std::string::npos)
    throw InputError(
        fmt::format("{}: Slurm cannot write logs below a folder with a backslash in its name", folder_.string()));
  for (const char* program : {"sbatch", "squeue", "scancel", "scontrol"})
    if (!on_path(program))
      throw InputError(
          fmt::format("--launcher slurm: {} is not on the PATH; start the sweep where Slurm's commands are "
                      "(a login node of the cluster), or use --launcher local",
                      program));
}

void SlurmLauncher::run(std::span<const Job> jobs, const std::function<void(size_t, const JobStatus&)>& changed,
                        const RunReport& report) {
  Watch(folder_, params_, at_once_, jobs, changed, report).run();
}

}  // namespace orbweaver
