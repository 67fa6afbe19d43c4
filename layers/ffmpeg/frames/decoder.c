#include "frames.h"

AVCodecContext *open_decoder(const AVStream *stream, int threads, int64_t max_pixels) {
    const AVCodec *codec = avcodec_find_decoder(stream->codecpar->codec_id);
    if (codec == NULL)
        fail("unsupported_codec", "no decoder for %s", avcodec_get_name(stream->codecpar->codec_id));
    AVCodecContext *decoder = avcodec_alloc_context3(codec);
    if (decoder == NULL || avcodec_parameters_to_context(decoder, stream->codecpar) < 0)
        fail("engine_failed", "no memory");
    decoder->pkt_timebase = stream->time_base;
    decoder->framerate = stream->avg_frame_rate;
    decoder->thread_count = threads;
    decoder->max_pixels = max_pixels;
    int error = avcodec_open2(decoder, codec, NULL);
    if (error < 0)
        fail("unsupported_codec", "%s: %s", codec->name, av_err2str(error));
    return decoder;
}
