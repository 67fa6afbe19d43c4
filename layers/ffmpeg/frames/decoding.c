// Packets into the decoder, pictures out of it.

#include "extraction.h"

#include <libavutil/mem.h>

enum { PROGRESS_PICTURES = 64 }; // after so many the other side hears of it

// get_buffer ends the program where a decoder is refused memory for a picture:
// some would leave the picture out without a word.
static int get_buffer(AVCodecContext *decoder, AVFrame *frame, int flags) {
    int error = avcodec_default_get_buffer2(decoder, frame, flags);
    if (error == AVERROR(ENOMEM))
        fail_memory();
    return error;
}

static void watch_memory(AVCodecContext *decoder) {
    decoder->get_buffer2 = get_buffer;
#if LIBAVCODEC_VERSION_MAJOR < 60 // later ones call it from their threads anyway
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    decoder->thread_safe_callbacks = 1;
#pragma GCC diagnostic pop
#endif
}

AVCodecContext *open_decoder(const AVStream *stream, int threads, int64_t max_pixels) {
    const AVCodec *codec = avcodec_find_decoder(stream->codecpar->codec_id);
    if (codec == NULL)
        fail("unsupported_codec", "no decoder for %s", avcodec_get_name(stream->codecpar->codec_id));
    AVCodecContext *decoder = avcodec_alloc_context3(codec);
    if (decoder == NULL || avcodec_parameters_to_context(decoder, stream->codecpar) < 0)
        fail_memory();
    decoder->pkt_timebase = stream->time_base;
    decoder->framerate = stream->avg_frame_rate;
    // One more, as FFmpeg itself does: one is being fed while the others work.
    decoder->thread_count = threads > 1 ? threads + 1 : 1;
    decoder->max_pixels = max_pixels;
    watch_memory(decoder);
    int error = avcodec_open2(decoder, codec, NULL);
    if (error == AVERROR(ENOMEM))
        fail_memory();
    if (error < 0)
        fail("unsupported_codec", "%s: %s", codec->name, av_err2str(error));
    return decoder;
}

void set_origin(struct extraction *x, int64_t pts) {
    x->origin = pts;
    write_number(RECORD_ORIGIN, pts);
}

// grow makes room for one more element.
void grow(void *array, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return;
    size_t more = *room == 0 ? 64 : 2 * *room;
    void **p = array;
    void *bigger = av_realloc_array(*p, more, size);
    if (bigger == NULL)
        fail_memory();
    *p = bigger;
    *room = more;
}

void give_up_forecast(struct extraction *x, const char *why) {
    if (!x->trouble)
        x->why = why;
    x->trouble = true;
}

// time_of gives a picture's timestamp: its packet's, or else FFmpeg's guess, which
// is made for pictures that come without gaps.
int64_t time_of(const AVFrame *frame) {
    return frame->pts != AV_NOPTS_VALUE ? frame->pts : frame->best_effort_timestamp;
}

static void receive(struct extraction *x) {
    for (;;) {
        AVFrame *frame = av_frame_alloc();
        if (frame == NULL)
            fail_memory();
        int error = avcodec_receive_frame(x->decoder, frame);
        if (error == AVERROR(ENOMEM))
            fail_memory(); // or else pictures would be missing without a word
        if (error < 0) {
            av_frame_free(&frame);
            return;
        }
        if (x->pictures++ % PROGRESS_PICTURES == 0)
            write_number(RECORD_PROGRESS, time_of(frame));
        x->picture(x, frame);
    }
}

// drain takes from the decoder what it holds, and leaves it ready for a new start.
void drain(struct extraction *x) {
    if (avcodec_send_packet(x->decoder, NULL) == 0)
        receive(x);
    avcodec_flush_buffers(x->decoder);
}

// start_anew readies the decoder for a starting point after which pictures may
// still refer to some from before it. Those are not wanted; but H.264's decoder
// would keep back others with them.
void start_anew(struct extraction *x) {
    drain(x);
    expect_missing_references();
    x->decoder->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
}

// decode decodes a packet. What is wrong with it FFmpeg has logged; the pictures
// tell what follows from it.
void decode(struct extraction *x, const AVPacket *packet, bool skip) {
    x->decoder->skip_frame = skip ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
    int error = avcodec_send_packet(x->decoder, packet);
    if (error == AVERROR(EAGAIN)) {
        receive(x);
        error = avcodec_send_packet(x->decoder, packet);
    }
    if (error == AVERROR(ENOMEM))
        fail_memory();
    receive(x);
}
