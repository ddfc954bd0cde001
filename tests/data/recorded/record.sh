#!/bin/sh
# record.sh DIR: run the commands that the probe parses and keep each answer, byte for byte, as DIR/NAME.txt (stdout and
# stderr together) with its exit status in DIR/NAME.rc. Reads only. Run it on a machine to contribute a recording.
D=${1:?directory}; mkdir -p "$D" || exit; cd "$D" || exit
r() { n=$1; shift; timeout 60 sh -c "$*" >"$n.txt" 2>&1; echo $? >"$n.rc"; }
r nvidia-smi nvidia-smi
r nvidia-smi-L nvidia-smi -L
r nvidia-smi-q nvidia-smi -q
r nvidia-smi-version nvidia-smi --version
r csv 'nvidia-smi --query-gpu=index,name,uuid,driver_version,memory.total,memory.used,memory.free,compute_cap --format=csv'
r csv-noheader 'nvidia-smi --query-gpu=name,memory.total,memory.used,driver_version,compute_cap --format=csv,noheader'
r csv-nounits 'nvidia-smi --query-gpu=index,name,memory.total,memory.used --format=csv,noheader,nounits'
r csv-na 'nvidia-smi --query-gpu=name,fan.speed,display_active,mig.mode.current,ecc.mode.current,temperature.memory,pstate,power.limit --format=csv'
r csv-badfield 'nvidia-smi --query-gpu=name,no_such_field --format=csv'
r csv-apps 'nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv'
r collect_env 'python3 -m torch.utils.collect_env'
r uname uname -a
r proc-version cat /proc/version
r osrelease cat /proc/sys/kernel/osrelease
r os-release cat /etc/os-release
r lscpu lscpu
r cpuinfo "sed '/^\$/q' /proc/cpuinfo"
r meminfo cat /proc/meminfo
r free free -m
r df df -h
r df-kPT df -kPT
r lspci 'lspci | grep -i nvidia'
r lspci-nnk lspci -nnk
r dpkg "dpkg -l | grep -iE 'nvidia|cuda'"
r nvcc nvcc --version
r alternatives-cuda update-alternatives --display cuda
r ls-usr-local 'ls -l /usr/local | grep cuda'
r ldconfig "ldconfig -p | grep -iE 'cuda|nvidia|nvjit|cublas'"
r driver-proc cat /proc/driver/nvidia/version
r modules 'grep nvidia /proc/modules'
r ss ss -ltnp
r lsof-8000 lsof -nP -i :8000
r virt systemd-detect-virt
r wslconf cat /etc/wsl.conf
r wsl-version "wsl.exe --version | iconv -f UTF-16LE -t UTF-8"
r wsl-list "wsl.exe -l -v | iconv -f UTF-16LE -t UTF-8"
r apt-sources 'head -n 60 /etc/apt/sources.list.d/*'
r linger 'loginctl show-user "$(id -un)"'
r user-manager systemctl --user is-system-running
r bashrc-exports "grep -nE 'CUDA|cuda|LD_LIBRARY_PATH' ~/.bashrc"
