// What the file says of itself, in the words of ffprobe's JSON.

#include "frames.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <libavutil/bprint.h>
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>

// The demuxers that may open a video. Those that follow references to other
// files (hls, dash, concat, image2, sdp, …) or that read devices are not among
// them. The sound formats are here so that a song is told apart from a file that
// is no media at all.
static const char containers[] = "mov,matroska,avi,mpegts,mpeg,asf,flv,ogg,mp3,wav,flac,aac";

// refuse_open is called when a demuxer wants another file than the one it was
// given.
static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags, AVDictionary **options) {
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EPERM);
}

static const char *error_text(int error) {
    static char text[AV_ERROR_MAX_STRING_SIZE];
    av_strerror(error, text, sizeof text);
    return text;
}

AVFormatContext *open_media(const struct limits *l) {
    AVFormatContext *format = avformat_alloc_context();
    if (format == NULL)
        fail_memory();
    format->pb = open_range_reader(l->size);
    format->io_open = refuse_open;
    AVDictionary *options = NULL;
    av_dict_set(&options, "format_whitelist", containers, 0);
    av_dict_set(&options, "protocol_whitelist", "none", 0);
    int error = avformat_open_input(&format, "", NULL, &options);
    av_dict_free(&options);
    if (error == AVERROR(ENOMEM))
        fail_memory();
    if (error < 0)
        fail("not_a_video", "%s", error_text(error));

    // Each stream's decoder is asked what it makes of the first packets, within
    // the limits that hold for decoding.
    AVDictionary **per_stream = av_calloc(format->nb_streams, sizeof *per_stream);
    unsigned streams = per_stream == NULL ? 0 : format->nb_streams;
    for (unsigned i = 0; i < streams; i++)
        av_dict_set_int(&per_stream[i], "max_pixels", l->max_pixels, 0);
    error = avformat_find_stream_info(format, per_stream);
    for (unsigned i = 0; i < streams; i++)
        av_dict_free(&per_stream[i]);
    av_free(per_stream);
    if (error == AVERROR(ENOMEM))
        fail_memory();
    if (error < 0)
        fail("not_a_video", "%s", error_text(error));
    return format;
}

// write_string writes a name that FFmpeg chose, so one without quotes in it.
static void write_string(AVBPrint *out, const char *key, const char *value) {
    av_bprintf(out, "\"%s\":\"%s\",", key, value == NULL ? "" : value);
}

static const int32_t *display_matrix(const AVStream *stream) {
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 30, 100)
    const AVPacketSideData *side = av_packet_side_data_get(stream->codecpar->coded_side_data,
                                                           stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    return side != NULL && side->size >= 9 * sizeof(int32_t) ? (const int32_t *)side->data : NULL;
#else
    size_t size = 0;
    const uint8_t *data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return size >= 9 * sizeof(int32_t) ? (const int32_t *)(const void *)data : NULL;
#endif
}

// count_index tells how many pictures and starting points the container's index
// has.
static void count_index(AVStream *stream, int *entries, int *starts) {
    *entries = avformat_index_get_entries_count(stream);
    *starts = 0;
    for (int i = 0; i < *entries; i++)
        *starts += (avformat_index_get_entry(stream, i)->flags & AVINDEX_KEYFRAME) != 0;
}

static void write_stream(AVBPrint *out, AVStream *stream) {
    const AVCodecParameters *codec = stream->codecpar;
    int entries, starts;
    count_index(stream, &entries, &starts);
    av_bprintf(out, "{\"index\":%d,", stream->index);
    write_string(out, "codec_type", av_get_media_type_string(codec->codec_type));
    write_string(out, "codec_name", avcodec_get_name(codec->codec_id));
    if (codec->codec_type == AVMEDIA_TYPE_VIDEO) {
        write_string(out, "pix_fmt", av_get_pix_fmt_name(codec->format));
        write_string(out, "color_transfer", av_color_transfer_name(codec->color_trc));
        av_bprintf(out, "\"decodable\":%s,", avcodec_find_decoder(codec->codec_id) == NULL ? "false" : "true");
    }
    if (stream->start_time != AV_NOPTS_VALUE)
        av_bprintf(out, "\"start_pts\":%" PRId64 ",", stream->start_time);
    if (stream->duration != AV_NOPTS_VALUE)
        av_bprintf(out, "\"duration_ts\":%" PRId64 ",", stream->duration);
    const int32_t *matrix = display_matrix(stream);
    if (matrix != NULL)
        av_bprintf(out, "\"display_matrix\":[%d,%d,%d,%d],", matrix[0], matrix[1], matrix[3], matrix[4]);
    av_bprintf(out,
               "\"width\":%d,\"height\":%d,\"avg_frame_rate\":\"%d/%d\",\"time_base\":\"%d/%d\","
               "\"index_entries\":%d,\"index_starts\":%d,"
               "\"disposition\":{\"default\":%d,\"attached_pic\":%d,\"timed_thumbnails\":%d,\"still_image\":%d}}",
               codec->width, codec->height, stream->avg_frame_rate.num, stream->avg_frame_rate.den, stream->time_base.num,
               stream->time_base.den, entries, starts, (stream->disposition & AV_DISPOSITION_DEFAULT) != 0,
               (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) != 0,
               (stream->disposition & AV_DISPOSITION_TIMED_THUMBNAILS) != 0,
               (stream->disposition & AV_DISPOSITION_STILL_IMAGE) != 0);
}

void write_media(const AVFormatContext *format, const char *unfiltered) {
    AVBPrint out;
    av_bprint_init(&out, 0, AV_BPRINT_SIZE_UNLIMITED);
    av_bprintf(&out, "{\"version\":\"%s\",", av_version_info());
    if (unfiltered != NULL)
        write_string(&out, "unfiltered", unfiltered);
    av_bprintf(&out, "\"format\":{");
    write_string(&out, "format_name", format->iformat->name);
    av_bprintf(&out, "\"duration\":%" PRId64 "},\"streams\":[", format->duration == AV_NOPTS_VALUE ? 0 : format->duration);
    for (unsigned i = 0; i < format->nb_streams; i++) {
        av_bprintf(&out, "%s", i == 0 ? "" : ",");
        write_stream(&out, format->streams[i]);
    }
    av_bprintf(&out, "]}");
    if (!av_bprint_is_complete(&out))
        fail_memory();
    write_text(RECORD_MEDIA, out.str);
    av_bprint_finalize(&out, NULL);
}
