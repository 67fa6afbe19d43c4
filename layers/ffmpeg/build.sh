#!/usr/bin/env bash
# Builds the one program that meets people's videos, fotograma-frames, and FFmpeg's
# libraries for it, into one static file with nothing in it that the program does
# not use. Everything left out is code that hostile videos cannot reach.
#
# Needs: a C compiler, make, meson, ninja, nasm (for amd64), pkg-config, xz, curl
# and zlib's static library. On Debian:
#   apt-get install gcc make meson ninja-build nasm pkg-config xz-utils curl ca-certificates zlib1g-dev
# and, to build for arm64 on amd64, gcc-aarch64-linux-gnu and zlib1g-dev:arm64.
#
#   build.sh             the program, and before it the libraries if WORK has none
#                        by this recipe
#   build.sh libraries   only those, which takes most of the time
#
# Settings, by environment:
#   PREFIX   where bin/ and share/ go                    (./out)
#   ARCH     amd64 or arm64                              (this machine's)
#   SOURCES  where the releases' archives are kept; what is there already is not
#            downloaded                                  (./sources)
#   WORK     where the work is done, and left            (./work-$ARCH)
#   JOBS     how many compilers run at once              (all CPUs)
set -euo pipefail
shopt -s inherit_errexit

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=versions.env
. "$here/versions.env"

machine() {
  case $1 in
    amd64 | x86_64) echo amd64 x86_64 ;;
    arm64 | aarch64) echo arm64 aarch64 ;;
    *) echo "build.sh: no such architecture: $1" >&2 && return 1 ;;
  esac
}
native=$(machine "$(uname -m)")
wanted=$(machine "${ARCH:-$(uname -m)}")
ARCH=${wanted% *} cpu=${wanted#* }
cross=
[ "$native" = "$wanted" ] || cross=$cpu-linux-gnu-

mkdir -p "${PREFIX:=$PWD/out}" "${SOURCES:=$PWD/sources}" "${WORK:=$PWD/work-$ARCH}"
PREFIX=$(cd "$PREFIX" && pwd) SOURCES=$(cd "$SOURCES" && pwd) WORK=$(cd "$WORK" && pwd)
: "${JOBS:=$(nproc)}"
libraries=$WORK/libraries
recipe="$ARCH $(cat "$here/build.sh" "$here/versions.env" | sha256sum)"

export LC_ALL=C TZ=UTC
flags="-O2 -fPIE -fstack-protector-strong -D_FORTIFY_SOURCE=2"

# unpack NAME VERSION URL SHA256: gives the folder in which the source lies.
unpack() {
  local file=$SOURCES/${3##*/} folder=$WORK/$1-$2
  if [ ! -f "$file" ]; then
    curl -fsSL --retry 3 -o "$file.part" "$3"
    mv "$file.part" "$file"
  fi
  echo "$4  $file" | sha256sum --check --quiet >&2
  rm -rf "$folder"
  tar -C "$WORK" -xf "$file"
  echo "$folder"
}

build_dav1d() {
  local folder
  folder=$(unpack dav1d "$DAV1D_VERSION" "$DAV1D_URL" "$DAV1D_SHA256")
  cd "$folder"
  local options=()
  [ -z "$cross" ] || options+=(--cross-file "package/crossfiles/$cpu-linux.meson")
  CFLAGS=$flags meson setup out "${options[@]}" --prefix="$libraries" --libdir=lib --buildtype=plain \
    --default-library=static -Doptimization=3 -Db_ndebug=true -Denable_tools=false -Denable_tests=false
  ninja -C out -j "$JOBS" install
}

build_libwebp() {
  local folder
  folder=$(unpack libwebp "$LIBWEBP_VERSION" "$LIBWEBP_URL" "$LIBWEBP_SHA256")
  cd "$folder"
  CFLAGS=$flags ./configure ${cross:+--host="${cross%-}"} --prefix="$libraries" --enable-static --disable-shared \
    --disable-dependency-tracking --disable-libwebpdemux --disable-libwebpmux \
    --disable-gl --disable-sdl --disable-png --disable-jpeg --disable-tiff --disable-gif --disable-wic
  make -j "$JOBS" -C sharpyuv install
  make -j "$JOBS" -C src install
}

# Names as in FFmpeg's configure. No protocols: the video comes through a pipe
# (frames/wire.c). Demuxers: the containers that frames/media.c lets in, and the
# bare streams by which FFmpeg tells what is in a program stream. Decoders: what
# cameras, phones, screen recorders and editors write; no sound. Parsers: also of
# sound, without which looking at a transport stream takes long. Bitstream filters:
# by which FFmpeg finds a codec's parameters in its first packets; decoders bring
# theirs. Filters: those of internal/frames/picture.go, and of frames/image.c.
demuxers=mov,matroska,avi,mpegts,mpegps,asf,flv,ogg,mp3,wav,flac,aac
demuxers+=,mpegvideo,m4v,h264,hevc,ac3,eac3,dts,loas
decoders=h264,hevc,libdav1d,vp9,vp8,vp6,vp6a,vp6f,mpeg4,mpeg2video,mpeg1video,h263,h263i,h263p,flv
decoders+=,wmv1,wmv2,wmv3,vc1,msmpeg4v1,msmpeg4v2,msmpeg4v3,theora,mjpeg,mjpegb,png
decoders+=,prores,dnxhd,cfhd,dvvideo,ffv1,huffyuv,ffvhuff,utvideo,qtrle,rawvideo,v210,svq3,cinepak
parsers=h264,hevc,av1,vp9,vp8,mpeg4video,mpegvideo,h263,vc1,mjpeg,png,dnxhd
parsers+=,aac,aac_latm,ac3,dca,flac,mlp,mpegaudio,opus,vorbis
bsfs=extract_extradata
filters=scale,transpose,hflip,vflip,crop,format,select
encoders=mjpeg,png,libwebp

build_ffmpeg() {
  local folder
  folder=$(unpack ffmpeg "$FFMPEG_VERSION" "$FFMPEG_URL" "$FFMPEG_SHA256")
  cd "$folder"
  local options=()
  [ -z "$cross" ] || options+=(--enable-cross-compile --cross-prefix="$cross" --target-os=linux --pkg-config=pkg-config)
  # No --enable-gpl and no --enable-nonfree: see README.md.
  PKG_CONFIG_LIBDIR=$libraries/lib/pkgconfig ./configure --prefix=/opt --arch="$cpu" "${options[@]}" \
    --pkg-config-flags=--static \
    --extra-cflags="$flags -I../libraries/include" --extra-ldflags="-L../libraries/lib" --enable-pic \
    --disable-autodetect --disable-everything --disable-doc --disable-debug --disable-programs --disable-network \
    --disable-avdevice --disable-swresample \
    --enable-zlib --enable-libdav1d --enable-libwebp \
    --enable-demuxer=$demuxers --enable-decoder=$decoders --enable-parser=$parsers \
    --enable-bsf=$bsfs --enable-filter=$filters --enable-encoder=$encoders
  make -j "$JOBS"
  # The prefix that configure is told is in the libraries, and so in the program:
  # it must not depend on the folder in which they are built.
  make prefix="$libraries" install-libs install-headers
  sed -i "s|=/opt|=$libraries|" "$libraries"/lib/pkgconfig/lib{av,sw}*.pc
}

# configure leaves out what it does not know or what lacks something, without an
# error.
check_ffmpeg() {
  local kind names name missing=0
  while read -r kind names; do
    for name in ${names//,/ }; do
      if ! grep -qx "#define CONFIG_${name^^}_${kind} 1" config_components.h; then
        echo "build.sh: FFmpeg was built without $name (${kind,,})" >&2
        missing=1
      fi
    done
  done <<-END
	DEMUXER $demuxers
	DECODER $decoders
	PARSER $parsers
	BSF $bsfs
	FILTER $filters
	ENCODER $encoders
	END
  return $missing
}

build_frames() {
  PKG_CONFIG_LIBDIR=$libraries/lib/pkgconfig make -B -C "$here/frames" OUT="$WORK/fotograma-frames" \
    CC="${cross}gcc" CFLAGS="$flags" LDFLAGS="-static-pie -Wl,-z,relro,-z,now -s" \
    PKG_CONFIG=pkg-config PKG_CONFIG_FLAGS=--static
}

install_all() {
  install -D -t "$PREFIX/bin" "$WORK/fotograma-frames"
  local licenses=$PREFIX/share/licenses
  install -m 644 -D -t "$licenses/ffmpeg" "$WORK/ffmpeg-$FFMPEG_VERSION"/{LICENSE.md,COPYING.LGPLv2.1}
  install -m 644 -D -t "$licenses/dav1d" "$WORK/dav1d-$DAV1D_VERSION/COPYING"
  install -m 644 -D -t "$licenses/libwebp" "$WORK/libwebp-$LIBWEBP_VERSION"/{COPYING,PATENTS}
  # With this and the releases, anybody can make the program anew.
  install -m 644 -D -t "$PREFIX/share/recipe" "$here/versions.env"
  install -D -t "$PREFIX/share/recipe" "$here/build.sh"
  install -m 644 -D -t "$PREFIX/share/recipe/frames" "$here"/frames/{Makefile,*.[ch]}
}

case ${1:-} in
  libraries | "") ;;
  *) echo "build.sh: no such thing to build: $1" >&2 && exit 2 ;;
esac
if [ "$(cat "$WORK/built" 2>/dev/null)" != "$recipe" ]; then
  rm -rf "$libraries"
  (build_dav1d)
  (build_libwebp)
  (build_ffmpeg; check_ffmpeg)
  echo "$recipe" >"$WORK/built"
fi
[ "${1:-}" != libraries ] || exit 0
build_frames
install_all
echo "build.sh: fotograma-frames on FFmpeg $FFMPEG_VERSION for $ARCH is in $PREFIX/bin"
