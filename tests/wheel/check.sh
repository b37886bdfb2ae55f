#!/usr/bin/env bash
# Look into a wheel, install it into an empty environment away from the checkout, and run the demo there.
# Usage: check.sh WHEEL PYTHON UV, from the root of the checkout.
set -euo pipefail
wheel=$(realpath "$1")
python=$2
uv=$3

"$python" tests/wheel/contents.py "$wheel"

away=$(mktemp -d)
trap 'rm -rf "$away"' EXIT
"$uv" venv --quiet --python "$python" "$away/env"
"$uv" pip install --quiet --python "$away/env/bin/python" --constraint requirements-dev.txt "$wheel"

cd "$away"
unset PYTHONPATH VIRTUAL_ENV EMODELX_WEIGHTS
home=$(env/bin/python -c 'import emodelx; print(emodelx.__file__)')
case $home in
    "$away"/env/*) echo "installed: ${home#"$away"/}" ;;
    *) echo "emodelx was imported from $home instead of the wheel" >&2; exit 1 ;;
esac
env/bin/emodelx doctor
env/bin/emodelx demo --output demo
test -s demo/model/model.cif
