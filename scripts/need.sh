#!/bin/sh
# The one list of programs and data that come from the system, not from Python.
#
#   scripts/need.sh                what everything needs
#   scripts/need.sh demo|test      what that needs
#   scripts/need.sh chromium ...   these packages
#
# Missing ones are installed where that can be done without a question (root, or sudo without a
# password). Otherwise the line to run is printed, and the exit code is 3.
set -eu

# Debian package, who uses it, why
list() {
    cat <<'LIST'
chromium                demo,test  shows the kiosk and staff pages, drives them in the tests
fonts-noto-cjk          demo,test  Chinese on the pages; without it every character is a box
fonts-noto-color-emoji  demo,test  the marks on the pages
pulseaudio              demo,test  a sound server with a null sink, so that a speaker can be heard by a program
pulseaudio-utils        demo,test  pactl, paplay and parec: play, record, ask what is playing
openssl                 test       a TLS client that is not ours, against the listener for client certificates
curl                    test       an HTTP client that is not ours, against the same
poppler-utils           test       reads the papers back and checks their signatures
espeak-ng               demo,test  reads a warning aloud without any network
LIST
}

wanted() {
    case "${1:-}" in
        "") list | awk '{ print $1 }' ;;
        demo | test) list | awk -v who="$1" '("," $2 ",") ~ ("," who ",") { print $1 }' ;;
        *)
            for package in "$@"; do
                list | awk -v package="$package" '$1 == package { found = 1 } END { exit !found }' ||
                    { echo "need.sh: $package is not on the list in scripts/need.sh" >&2; exit 2; }
                echo "$package"
            done
            ;;
    esac
}

names=$(wanted "$@")

if ! command -v dpkg >/dev/null || ! command -v apt-get >/dev/null; then
    if [ "${FZ_NEED_MET:-}" = 1 ]; then exit 0; fi
    echo "fzalert: this is not a Debian system. Please install what these Debian packages hold:" >&2
    for name in $names; do list | awk -v name="$name" '$1 == name' >&2; done
    echo "then run again with FZ_NEED_MET=1." >&2
    exit 3
fi

missing=""
for name in $names; do
    dpkg -s "$name" 2>/dev/null | grep -q '^Status: install ok installed' || missing="$missing $name"
done
if [ -z "$missing" ]; then exit 0; fi

install="apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300$missing"
if [ "$(id -u)" = 0 ]; then
    sudo=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    sudo="sudo -n"
else
    echo "fzalert needs these Debian packages:$missing" >&2
    echo "    sudo apt-get update && sudo $install" >&2
    exit 3
fi

echo "fzalert: installing$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{
    $sudo apt-get update -q -o DPkg::Lock::Timeout=300 &&
        $sudo env DEBIAN_FRONTEND=noninteractive $install
} >"$log" 2>&1 || {
    tail -n 20 "$log" >&2
    echo "fzalert: the packages could not be installed; by hand:" >&2
    echo "    sudo apt-get update && sudo $install" >&2
    exit 3
}
