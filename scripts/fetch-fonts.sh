#!/usr/bin/env bash
# Fetches the calligraphic fonts of the machine-written books that imitate real pages: from Debian and from npm, with
# their licences. About 60 MB to download.
#
#   bash scripts/fetch-fonts.sh FONTS [FURTHER.ttf ...]
#
# FONTS becomes a folder with one subfolder a family, as `python -m kuzushiji.demo --fonts FONTS` wants it. Further font
# files, such as Yuji Hentaigana Akari, get a subfolder of their own. Needs apt-get and dpkg-deb (Debian, Ubuntu) or the
# package fonts-kouzan-mouhitsu installed, and npm. What is there already is not fetched again.
#
# Licences: the Kouzan and Aoyagi fonts may be used freely (see each COPYRIGHT), the others are under the OFL 1.1.
set -euo pipefail
unset CDPATH # with it `cd` goes elsewhere, and prints where

[ $# -ge 1 ] || { echo "usage: bash scripts/fetch-fonts.sh FONTS [FURTHER.ttf ...]" >&2; exit 2; }
mkdir -p "$1"
FONTS=$(cd "$1" && pwd -P)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

need() {
  command -v "$1" >/dev/null || { echo "fetch-fonts: expected the command $1 ($2), it is missing" >&2; exit 1; }
}

# family NAME FILE...: the files as a family of their own.
family() {
  mkdir -p "$FONTS/$1.part"
  cp "${@:2}" "$FONTS/$1.part/"
  mv "$FONTS/$1.part" "$FONTS/$1"
}

# debian PACKAGE: unpacks a package into $WORK/PACKAGE, or takes what is installed.
debian() {
  [ -d "$WORK/$1" ] && return
  if [ -d "/usr/share/doc/$1" ]; then
    mkdir -p "$WORK/$1" && ln -s /usr "$WORK/$1/usr"
    return
  fi
  need apt-get "Debian's packages"
  need dpkg-deb "Debian's packages"
  (cd "$WORK" && apt-get download -qq "$1" && dpkg-deb -x "$1"_*.deb "$1")
}

# from_debian NAME PACKAGE FILE: one font of a package.
from_debian() {
  [ -d "$FONTS/$1" ] && return
  debian "$2"
  cp -L "$WORK/$2/usr/share/doc/$2/copyright" "$WORK/COPYRIGHT"
  family "$1" "$WORK/$2/usr/share/fonts/truetype/$3" "$WORK/COPYRIGHT"
}

# from_npm NAME PACKAGE: all files of a font that is cut into pieces.
from_npm() {
  [ -d "$FONTS/$1" ] && return
  need npm "the registry of the @fontsource packages"
  (cd "$WORK" && tar -xzf "$(npm pack --silent "$2" | tail -n 1)" && mv package "$1")
  local licence=$WORK/$1/LICENSE
  [ -f "$licence" ] || licence=$WORK/$1/README.md # older packages name it there
  family "$1" "$WORK/$1"/files/*-400-normal.woff2 "$licence"
}

from_debian sousyo fonts-kouzan-mouhitsu kouzan-mouhitsu/KouzanBrushFontSousyo.ttf
from_debian gyosho fonts-kouzan-mouhitsu kouzan-mouhitsu/kouzan-mouhitsu-gyosho.ttf
from_debian kouzan-mouhitsu fonts-kouzan-mouhitsu kouzan-mouhitsu/kouzan-mouhitsu.ttf
from_debian aoyagi-kouzan fonts-aoyagi-kouzan-t aoyagi-kouzan-t/AoyagiKouzanT.ttf
from_debian aoyagi-soseki fonts-aoyagi-soseki aoyagi-soseki/aoyagi-soseki.ttf
from_npm akebono @fontsource/yuji-hentaigana-akebono@4.5.8
from_npm liu-jian-mao-cao @fontsource/liu-jian-mao-cao@5
from_npm zhi-mang-xing @fontsource/zhi-mang-xing@5
from_npm yuji-boku @fontsource/yuji-boku@5
from_npm yuji-mai @fontsource/yuji-mai@5
for further in "${@:2}"; do
  name=$(basename "${further%.*}" | tr '[:upper:]' '[:lower:]')
  [ -d "$FONTS/$name" ] || family "$name" "$further"
done
echo "$FONTS: $(find "$FONTS" -mindepth 1 -maxdepth 1 -type d | wc -l) families"
