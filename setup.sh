#!/bin/sh
# Makes .venv and installs everything on first use: `sh setup.sh run` or `sh setup.sh test`. Called by the Makefile.
set -eu
what=${1:-run}
cd "$(dirname "$0")"

say() { printf '%s\n' "$*"; }

# Debian packages: what Qt's windows, OpenCV and text in pictures need, and Python's own venv.
packages="python3-venv libegl1 libgl1 libglib2.0-0 libfontconfig1 libdbus-1-3 libxkbcommon0 libxkbcommon-x11-0
libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0
libxcb-sync1 libxcb-xfixes0 libxcb-xinerama0 libxcb-xkb1 fonts-dejavu-core"

missing=""
if command -v dpkg-query >/dev/null 2>&1; then
    for package in $packages; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
    done
fi
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "Installing system libraries:$missing"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    else
        say "Some system libraries for the window are missing. Type this once, then come back:"
        say "    sudo apt-get install -y$missing"
    fi
fi

python=""
for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$candidate; break; fi
done
[ -n "$python" ] || { say "Python 3.11 or newer is needed and was not found."; exit 1; }

[ -x .venv/bin/python ] || "$python" -m venv .venv
stamp=".venv/.installed-$what"
state=$(cat pyproject.toml constraints.txt setup.sh | cksum)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$state" ]; then
    say "Installing Python packages into .venv (a few minutes, once) ..."
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch==2.13.0
    if [ "$what" = test ]; then extra="[test]"; else extra=""; fi
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".$extra"
    if [ "$what" = test ]; then  # only the test of the notebook page needs them, and says so where it skips
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
            --editable ".[notebook]" || say "The packages of the notebook test can't be installed here."
    fi
    printf '%s' "$state" > "$stamp"
    if [ "$what" = test ]; then printf '%s' "$state" > .venv/.installed-run; fi
fi
