#!/usr/bin/env bash
# One-node SLURM on loopback, of the user who calls, without systemd, cgroups or a database.
#   slurm.sh start FOLDER    writes its files to FOLDER (a short path), which then is SLURM's alone
#   slurm.sh stop FOLDER
# Links in /etc/slurm lead to its configuration, for jobs know no SLURM_CONF; where SLURM is configured already, it
# does not start. Two pretended GPUs: any character device will do.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
folder=$2
conf=/etc/slurm

stop() {
  for name in slurmd slurmctld munged; do
    if [ -s "$folder/$name.pid" ]; then
      kill "$(cat "$folder/$name.pid")" 2>/dev/null || true
    fi
  done
  for name in slurm gres; do
    if [ "$(readlink "$conf/$name.conf")" = "$folder/$name.conf" ]; then
      rm "$conf/$name.conf"
    fi
  done
}

start() {
  local host user
  if [ -e "$conf/slurm.conf" ]; then
    echo "$conf/slurm.conf is there already" >&2
    return 1
  fi
  host=$(hostname -s) user=$(id -un)
  mkdir -p "$folder/state" "$folder/spool"
  chmod 755 "$folder"
  (umask 077 && head -c 1024 /dev/urandom >"$folder/munge.key")
  cat >"$folder/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MinJobAge=43200
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(env -u OMP_NUM_THREADS nproc) RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
  echo "NodeName=$host Name=gpu File=/dev/tty[0-1]" >"$folder/gres.conf"
  mkdir -p "$conf"
  ln -s "$folder/slurm.conf" "$folder/gres.conf" "$conf"
  munged --key-file="$folder/munge.key" --socket="$folder/munge.socket" --pid-file="$folder/munged.pid" \
    --log-file="$folder/munged.log" --seed-file="$folder/munge.seed" --force
  slurmctld
  slurmd
  for _ in $(seq 60); do
    if [ "$(sinfo -h -o %t 2>/dev/null)" = idle ]; then
      return 0
    fi
    sleep 0.5
  done
  tail -n 5 "$folder"/*.log >&2
  stop
  return 1
}

"$1"
