#!/bin/sh
# prism.sh DIRECTORY: installs Prism there, the judge of prism_spec.lua. Nothing of it is shipped.
set -eu
mkdir -p "$1"
echo '{"private":true}' > "$1/package.json"
echo "installing Prism in $1" >&2
npm install --prefix "$1" --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel error \
    @stoplight/prism-cli@5.14.2 >&2
