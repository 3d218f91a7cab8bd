// Description of a sweep file's "slurm" object.
#include "framework/sweep/slurm.h"

namespace orbweaver {

void SlurmParams::describe(ParamSpec<SlurmParams>& p) {
  p.field("partition", &SlurmParams::partition, "Partition (sbatch --partition); empty: the cluster's default");
  p.field("account", &SlurmParams::account, "Account that is charged (sbatch --account); empty: your default");
  p.field("time", &SlurmParams::time, "Time limit of one run, as \"04:00:00\" or \"1-12\" (sbatch --time)");
  p.field("gres", &SlurmParams::gres, "Generic resources of one run, as \"gpu:1\" (sbatch --gres)");
  p.field("mem", &SlurmParams::mem, "Memory of one run, as \"16G\" (sbatch --mem)");
  p.field("options", &SlurmParams::options, "Further options of sbatch, each one word: \"--constraint=a100\"");
  p.field("setup", &SlurmParams::setup, "Lines of bash that a node runs before a run: \"module load cuda\"");
  p.field("poll", &SlurmParams::poll, "Seconds between two looks at the queue").range(0.1, 3600);
  p.field("outcome_wait", &SlurmParams::outcome_wait,
          "Seconds that a run's outcome may take to appear after its end: shared file systems show new files late")
      .range(0, 3600);
}

}  // namespace orbweaver
