# What the scripts of the faults know of the machine. FAULT is the fault's name.
set -eu -o pipefail
HOME_OF=/home/ops
ROOT=$HOME_OF/.local/share/vllm-workstation
SERVICE=$ROOT/service
UNIT=vllm-workstation.service
UNIT_FILE=$HOME_OF/.config/systemd/user/$UNIT
LOCK=$(sed -n 's/.*"lock": "\(.*\)",/\1/p' /root/faults/choice.json 2>/dev/null || true)
VENV=$ROOT/releases/$LOCK
SITE=$(echo "$VENV"/lib/python3*/site-packages)
MODEL=$(echo "$ROOT"/models/*)
SAVED=/root/faults/$FAULT
mkdir -p "$SAVED"

ops() { runuser -u ops -- env HOME=$HOME_OF XDG_RUNTIME_DIR=/run/user/1000 PATH="$PATH" "$@"; }
userctl() { ops systemctl --user "$@"; }
server() { userctl show "$UNIT" -p MainPID --value; }
# remember FILE...: their bytes now; same: they are those again.
remember() { sha256sum "$@" >"$SAVED/sums"; }
same() { sha256sum --quiet -c "$SAVED/sums"; }
# never COMMAND: it fails (a leading ! would hide that from `set -e`).
never() { if "$@"; then echo "true, and must not be: $*" >&2; return 1; fi; }
# arguments: the command line of the server, a line a word, without the interpreter.
arguments() { tr '\0' '\n' <"/proc/$(server)/cmdline" | tail -n +2; }
# owned FILE...: they belong to the user.
owned() { for one; do test "$(stat -c %U "$one")" = ops; done; }
# A process that has the marks of a server of ours, outside the unit: `stray PYTHON-TEXT`.
stray() {
  ops env VLLM_WORKSTATION_SPEC=0123456789abcdef PATH="$ROOT/current/bin:/usr/bin:/bin" \
    setsid -f /usr/bin/python3 -c "$1" VLLM::EngineCore </dev/null >/dev/null 2>&1
}
# pip_install WHAT...: as a person with another pip does, into the release.
pip_install() {
  ops env PIP_CERT=/etc/ssl/certs/ca-certificates.crt "$ROOT/tools/bin/python" -m pip \
    --python "$VENV/bin/python" install --quiet --disable-pip-version-check --no-cache-dir --no-deps "$@"
}
