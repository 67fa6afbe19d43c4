#!/bin/sh
# Makes the videos that the tests of this package need, in the directory given
# as the argument, from FFmpeg's own sources. Needs an FFmpeg with libx264,
# libx265, libvpx, libaom, SVT-AV1, libtheora and libwebp.
set -eu
cd "$1"

ff() { ffmpeg -hide_banner -nostdin -loglevel error -y "$@"; }

# A moving picture in which no two frames are alike: size, rate, seconds.
moving() { echo "testsrc2=size=$1:rate=$2:duration=$3"; }
x264="-c:v libx264 -preset veryfast -pix_fmt yuv420p"
x265="-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=error"

# Frame rates, with B-frames and few keyframes.
for rate in 24 25 60 24000/1001 30000/1001; do
  ff -f lavfi -i "$(moving 192x108 $rate 4)" $x264 -bf 3 -g 250 "cfr-$(echo $rate | tr / -).mp4"
done
# Variable rate: pauses, bursts, and timestamps on no grid; then also going back.
ff -f lavfi -i "$(moving 192x108 30 4)" -vf "settb=1/90000,setpts='PTS+(mod(N*N,7)*0.0041+floor(N/20)*0.5)/TB'" \
  -fps_mode passthrough -enc_time_base 1/90000 $x264 -bf 2 -video_track_timescale 90000 vfr.mp4
ff -i vfr.mp4 -c copy vfr.mkv
ff -f lavfi -i "$(moving 192x108 30 4)" -vf "settb=1/1000,setpts='PTS+mod(N*N,7)*0.031/TB'" \
  -fps_mode passthrough -enc_time_base 1/1000 $x264 -bf 0 backwards.mkv
# A pause that is longer than a group of pictures.
ff -f lavfi -i "$(moving 192x108 25 4)" -vf "setpts='PTS+gte(N,50)*20/TB'" -fps_mode passthrough $x264 -bf 2 -g 10 paused.mp4
ff -i paused.mp4 -c copy paused.mkv
# Three scenes, the second of them still.
ff -f lavfi -i "$(moving 192x108 25 1)" -f lavfi -i "color=red:size=192x108:rate=25:duration=1" -f lavfi -i "mandelbrot=size=192x108:rate=25" \
  -filter_complex "[2]trim=duration=1[m];[0][1][m]concat=n=3" $x264 -bf 2 -g 30 scenes.mp4

# A last frame that is displayed for three seconds.
ff -f lavfi -i "$(moving 192x108 10 2)" -f lavfi -i "color=red:size=192x108:rate=1/3:duration=3" \
  -filter_complex "[0]settb=1/1000[a];[1]settb=1/1000[b];[a][b]concat=n=2,settb=1/1000" -fps_mode passthrough \
  -enc_time_base 1/1000 $x264 -bf 0 -video_track_timescale 1000 -bsf:v "setts=duration=if(eq(PTS\,2000)\,3000\,100)" held.mp4

# Groups of pictures that lean on the one before; random access points at which
# it takes several pictures to a whole one; interlacing; one frame.
ff -f lavfi -i "$(moving 192x108 25 4)" $x264 -x264-params open-gop=1:keyint=12:bframes=3 open-gop.mp4
ff -i open-gop.mp4 -c copy open-gop.ts
ff -i open-gop.mp4 -c copy open-gop.mkv
ff -f lavfi -i "$(moving 192x108 25 4)" $x264 -x264-params intra-refresh=1:keyint=20:bframes=0 intra-refresh.mp4
ff -i intra-refresh.mp4 -c copy intra-refresh.mkv
ff -f lavfi -i "$(moving 192x108 25 2)" $x264 -flags +ildct+ilme interlaced.mp4
ff -f lavfi -i "$(moving 192x108 25 3)" $x264 -x264-params tff=1:bframes=2:keyint=12 mbaff.ts
ff -f lavfi -i "$(moving 192x108 25 1)" -frames:v 1 $x264 one.mp4
ff -f lavfi -i "$(moving 192x108 1000 1)" $x264 fast.mp4

# Containers, with and without sound.
sound="-f lavfi -i sine=frequency=440:duration=4"
for file in sound.mp4 sound.mkv sound.ts sound.flv sound.mov; do
  ff -f lavfi -i "$(moving 192x108 25 4)" $sound $x264 -bf 3 -c:a aac $file
done
ff -i sound.mp4 -c copy -movflags +faststart faststart.mp4
ff -i sound.mp4 -c copy -movflags frag_keyframe+empty_moov fragmented.mp4
ff -i sound.mp4 -map 0:v -c copy -output_ts_offset 100.5 offset.mkv
ff -i sound.mp4 -map 0:v -c copy -output_ts_offset 40000 offset.ts
# The picture begins later than the sound.
ff -itsoffset 0.48 -i cfr-25.mp4 $sound -map 0:v -map 1:a -c:v copy -c:a aac late.mp4
# An edit list that begins and ends between keyframes.
ff -ss 0.7 -i cfr-25.mp4 -t 2.1 -c copy edited.mp4

# Codecs.
ff -f lavfi -i "$(moving 192x108 25 3)" $sound -shortest -c:v libvpx -b:v 300k -auto-alt-ref 1 -lag-in-frames 16 -c:a libopus vp8.webm
ff -f lavfi -i "$(moving 192x108 25 3)" $sound -shortest -c:v libvpx-vp9 -b:v 300k -cpu-used 8 -c:a libopus vp9.webm
ff -f lavfi -i "$(moving 192x108 25 3)" -c:v libvpx-vp9 -b:v 300k -cpu-used 8 -auto-alt-ref 1 -lag-in-frames 16 -g 25 vp9.mp4
ff -f lavfi -i "$(moving 192x108 25 3)" $x265:bframes=4:open-gop=1:keyint=20 hevc.mp4
ff -i hevc.mp4 -c copy hevc.mkv
ff -i hevc.mp4 -c copy hevc.ts
ff -f lavfi -i "$(moving 192x108 25 3)" $x265:bframes=4:open-gop=0:keyint=20:min-keyint=20:scenecut=0:radl=3 hevc-radl.mp4
ff -f lavfi -i "$(moving 192x108 25 3)" $x265:bframes=3:keyint=25:temporal-layers=1:b-pyramid=1 hevc-layers.mp4
ff -f lavfi -i "$(moving 192x108 25 2)" -c:v libaom-av1 -cpu-used 8 -b:v 200k av1.mp4
ff -f lavfi -i "$(moving 192x108 25 3)" -c:v libsvtav1 -preset 12 -g 20 -b:v 200k av1.mkv 2>/dev/null
ff -f lavfi -i "$(moving 192x108 25 3)" -c:v mpeg4 -bf 2 -q:v 4 mpeg4.avi
ff -f lavfi -i "$(moving 192x108 25 3)" -c:v mpeg4 -bf 2 -q:v 4 mpeg4.mp4
ff -f lavfi -i "$(moving 192x108 25 3)" $x264 -bf 2 -g 20 h264.avi
ff -f lavfi -i "$(moving 192x108 25 3)" -c:v mpeg2video -bf 2 -q:v 4 mpeg2.mpg
ff -f lavfi -i "$(moving 192x108 25 3)" -c:v mpeg2video -bf 2 -q:v 4 -g 12 -flags +ildct+ilme mpeg2.ts
ff -fflags +genpts -i mpeg2.ts -c copy mpeg2.mkv
ff -f lavfi -i "$(moving 192x108 25 2)" -c:v prores_ks -profile:v 0 prores.mov
ff -f lavfi -i "$(moving 192x108 25 2)" -c:v mjpeg -q:v 4 -pix_fmt yuvj420p mjpeg.mov
ff -f lavfi -i "$(moving 1280x720 5 0.8)" -c:v rawvideo -pix_fmt uyvy422 raw.mov
ff -f lavfi -i "$(moving 192x108 25 3)" -c:v libtheora -q:v 5 theora.ogv
ff -f lavfi -i "$(moving 192x108 25 2)" -c:v wmv2 -q:v 4 wmv.asf

# Colour: three patches, told in each of the ways there are.
patch() { echo "color=$1:size=64x108:rate=10:duration=0.5,format=gbrp"; }
patches="$(patch 0xC03020)[a];$(patch 0x20A040)[b];$(patch 0x283CC8)[c];[a][b][c]hstack=3,format=gbrp"
x264rgb="-c:v libx264rgb -qp 0"
exact="-c:v libx264 -qp 1"
ff -f lavfi -i "$patches" -vf format=yuv420p $exact untagged.mp4
ff -f lavfi -i "$patches" -vf scale=out_color_matrix=bt709,format=yuv420p $exact \
  -colorspace bt709 -color_primaries bt709 -color_trc bt709 bt709.mp4
ff -f lavfi -i "$patches" -vf scale=out_color_matrix=bt601:out_range=pc,format=yuvj420p $exact full.mp4
ff -f lavfi -i "$patches" -vf format=yuv422p $exact yuv422.mp4
ff -f lavfi -i "$patches" -vf format=yuv444p $exact yuv444.mp4
ff -f lavfi -i "$patches" -vf format=rgb24 $x264rgb rgb.mp4
ff -f lavfi -i "$patches" -vf scale=out_color_matrix=bt2020,format=yuv420p10le -c:v libx265 -preset ultrafast \
  -x265-params log-level=error:qp=4:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc hdr.mp4

# Phones turn the picture, not the pixels.
for degrees in 90 180 270; do
  ff -i cfr-25.mp4 -c copy -metadata:s:v rotate=$degrees "rotated-$degrees.mp4"
done
# The same patches by each matrix, in each range, with 8 bits and 10.
for matrix in bt601:smpte170m bt709:bt709 bt2020:bt2020nc; do
  for range in tv pc; do
    for depth in "" 10le; do
      ff -f lavfi -i "$patches" -vf "scale=out_color_matrix=${matrix%:*}:out_range=$range:flags=accurate_rnd,format=yuv420p$depth" -frames:v 2 $exact \
        -colorspace ${matrix#*:} -color_range $range "patches-${matrix%:*}-$range$depth.mp4"
    done
  done
done

# As phones record: 10 bits, HLG or PQ, a rate that wavers, sound, held upright.
phone() { # time base, jitter, transfer, parameters, turn, file
  ff -f lavfi -i "$(moving 192x108 30 4)" $sound -vf "settb=1/$1,setpts='N*$1/30+$2',format=yuv420p10le" -fps_mode passthrough -enc_time_base 1/$1 \
    $x265:colorprim=bt2020:transfer=$3:colormatrix=bt2020nc:$4 -c:a aac -t 4 -video_track_timescale $1 "flat-$6"
  ff -i "flat-$6" -map 0 -c copy -metadata:s:v rotate=$5 "$6"
}
phone 600 "mod(N*N,7)" arib-std-b67 bframes=3:open-gop=1:keyint=30 90 phone-hlg.mov
phone 90000 "mod(N*N,11)*170" smpte2084 bframes=0:keyint=30 270 phone-pq.mp4

# Long enough that going on elsewhere pays.
ff -f lavfi -i "$(moving 192x108 10 200)" -vf noise=alls=40:allf=t:all_seed=1 -c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -qp 34 -g 50 long.mp4
ff -i long.mp4 -c copy long.mov
ff -i long.mp4 -c copy long.mkv
# Groups of pictures that are larger than what is read on rather than jumped over.
ff -f lavfi -i "$(moving 640x360 10 12)" -vf noise=alls=40:allf=t:all_seed=1 -c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -qp 34 -g 50 heavy.mp4
ff -i heavy.mp4 -c copy heavy.mkv
# Decoding can begin nowhere but at the beginning.
ff -i long.mp4 -t 60 -c:v libx264 -preset ultrafast -bf 2 -pix_fmt yuv420p -qp 34 -g 9999 -sc_threshold 0 one-start.mkv

# Two sizes in one stream; two videos in one file; a cover picture.
ff -f lavfi -i "$(moving 320x180 25 1)" $x264 -output_ts_offset 2 larger.ts
ff -f lavfi -i "$(moving 192x108 25 2)" $x264 -muxdelay 0 smaller.ts
cat smaller.ts larger.ts >resized.ts
ff -f lavfi -i "$(moving 96x54 25 2)" -f lavfi -i "$(moving 192x108 25 2)" -map 0 -map 1 $x264 two.mkv
ff -i two.mkv -map 0 -c copy two.ts
ff -f lavfi -i color=blue:size=600x600 -frames:v 1 cover.jpg
ff -i sound.mp4 -i cover.jpg -map 0 -map 1 -c copy -disposition:v:1 attached_pic covered.mp4
ff $sound -i cover.jpg -map 0 -map 1 -c:v copy -disposition:v attached_pic song.mp3
ff $sound -c:a aac song.m4a

# A file that does not say how long it is.
ff -f lavfi -i "$(moving 192x108 25 4)" $x264 -f matroska - | cat >unknown-length.mkv

# Damage.
size() { wc -c <"$1"; }
for file in faststart.mp4 sound.mp4 sound.mkv sound.ts mpeg4.avi; do
  head -c $(($(size $file) * 6 / 10)) $file >"cut-$file"
done
cp sound.ts holed.ts
dd if=/dev/zero of=holed.ts bs=1 seek=$(($(size sound.ts) / 2)) count=6000 conv=notrunc 2>/dev/null
cp sound.mkv holed.mkv
dd if=cfr-60.mp4 of=holed.mkv bs=1 skip=9000 seek=$(($(size sound.mkv) / 2)) count=3000 conv=notrunc 2>/dev/null

# Too large; a day; sixty streams; much that is no picture.
ff -f lavfi -i color=black:size=9000x9000:rate=1 -frames:v 1 -c:v mjpeg -pix_fmt yuvj420p huge.mov
ff -f lavfi -i "color=black:size=32x32:rate=1/60:duration=86400" $x264 -bf 0 day.mp4
many=$(for i in $(seq 60); do echo "-map 0:v"; done)
for file in many.mp4 many.mkv many.ts; do
  ff -i one.mp4 $many -c copy $file
done
{ echo ';FFMETADATA1'; printf title=; head -c 3000000 /dev/zero | tr '\0' x; echo; } >tags.txt
ff -i cfr-25.mp4 -f ffmetadata -i tags.txt -map_metadata 1 -attach long.mp4 -metadata:s:t mimetype=application/octet-stream -c copy attached.mkv

# What takes much: computing, memory, room for its frames.
ff -f lavfi -i "$(moving 16x16 1000 60)" $x264 -bf 0 rapid.mkv
ff -f lavfi -i "color=black:size=7680x4320:rate=5:duration=1" $x264 8k.mp4
ff -f lavfi -i "color=gray:size=320x180:rate=25:duration=2" -vf noise=alls=100:allf=t $x264 noise.mp4
