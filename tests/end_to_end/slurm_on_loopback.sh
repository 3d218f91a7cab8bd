#!/bin/bash
# A whole Slurm on this machine for the time of a test: munged, slurmctld and slurmd on the loopback interface.
#
#   slurm_on_loopback.sh FOLDER [SETTING=VALUE ...]     settings of slurm.conf, as MaxArraySize=4
#
# Prints "ready" when the node takes jobs: set SLURM_CONF=FOLDER/slurm.conf then. Prints "skip: REASON" and ends where
# Slurm is not installed or cannot run here. Works until its standard input ends, so that nothing stays behind however
# the caller dies; then cancels the jobs and stops the daemons. FOLDER must exist; the caller removes it.
# Made for root in a container: no systemd, no cgroups, no accounting. Works from Slurm 22.05 (Debian 12) on.
set -u
folder=$(cd "$1" && pwd -P) || exit 1
shift
PATH=$PATH:/usr/sbin:/sbin

skip() {
  echo "skip: $1"
  exit 0
}

for program in munged slurmctld slurmd sbatch squeue scontrol scancel; do
  command -v "$program" >/dev/null || skip "$program is not installed (Debian: slurm-wlm, munge)"
done
# slurmd starts jobs as other users, and a key of munge must belong to the daemon's user.
[ "$(id -u)" = 0 ] || skip "the daemons of Slurm run as root only"

# Two free ports off the usual ones; tests may run side by side.
free_port() {
  local port tries
  for tries in {1..50}; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}
host=$(hostname -s)
major=$(slurmctld -V | sed 's/[^0-9]*\([0-9]*\).*/\1/')
mkdir -p "$folder/state" "$folder/spool"
cat >"$folder/slurm.conf" <<CONF
ClusterName=orbweaver
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
PlugStackConfig=$folder/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=10000,bf_interval=1
SlurmdParameters=config_overrides
KillWait=2
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=loopback Nodes=$host Default=YES MaxTime=INFINITE State=UP
$(printf '%s\n' "$@")
CONF
# Before 23 the plugin knows no "disabled", and is not asked for anything with the settings above.
if [ "$major" -ge 23 ]; then echo "CgroupPlugin=disabled" >"$folder/cgroup.conf"; else : >"$folder/cgroup.conf"; fi
: >"$folder/plugstack.conf"
(umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
export SLURM_CONF=$folder/slurm.conf

daemons=()
# The kernel ends a daemon with this script, should it be killed: no trap runs then.
start() {
  setpriv --pdeathsig TERM "$@" </dev/null >>"$folder/$1.out" 2>&1 &
  daemons+=($!)
}

stop() {
  trap - EXIT INT TERM HUP
  scancel --quiet --full --signal=KILL --user=root 2>/dev/null
  scancel --quiet --user=root 2>/dev/null
  for _ in {1..50}; do
    [ -z "$(squeue --noheader 2>/dev/null)" ] && break
    sleep 0.1
  done
  # slurmd first, munged last: each needs the ones before it to say goodbye.
  for ((i = ${#daemons[@]} - 1; i >= 0; --i)); do kill "${daemons[i]}" 2>/dev/null; done
  for _ in {1..50}; do
    kill -0 "${daemons[@]}" 2>/dev/null || break
    sleep 0.1
  done
  kill -9 "${daemons[@]}" 2>/dev/null
  # A step's manager outlives slurmd; ours are those that were started under our configuration.
  local process
  for process in /proc/[0-9]*; do
    tr '\0' '\n' 2>/dev/null <"$process/environ" | grep -qx "SLURM_CONF=$folder/slurm.conf" || continue
    [ "${process#/proc/}" != $$ ] && [ "$(cat "$process/comm" 2>/dev/null)" = slurmstepd ] && kill -9 "${process#/proc/}"
  done
  wait 2>/dev/null
}
trap stop EXIT
trap 'exit 1' INT TERM HUP

start munged --force --foreground --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
  --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munged.seed"
for _ in {1..50}; do
  [ -S "$folder/munge.socket" ] && break
  sleep 0.1
done
[ -S "$folder/munge.socket" ] || skip "munged does not start: $(tail -n 1 "$folder/munged.log" "$folder/munged.out" 2>/dev/null | tail -n 1)"
start slurmctld -D
start slurmd -D -N "$host"
for _ in {1..200}; do
  sinfo --noheader --format=%t 2>/dev/null | grep -qx idle && break
  kill -0 "${daemons[@]}" 2>/dev/null || break
  sleep 0.1
done
sinfo --noheader --format=%t 2>/dev/null | grep -qx idle ||
  skip "Slurm $(slurmctld -V) does not start: $(grep -h -E 'fatal|error' "$folder"/slurm*.log "$folder"/slurm*.out | tail -n 1)"

echo ready
cat >/dev/null
