// One run of the program, in any mode.

#include "extraction.h"

#include <string.h>

#include <libavutil/mem.h>

static void free_extraction(struct extraction *x) {
    forget_packets(x, x->queue_count);
    forget_shown(x, x->shown_count);
    av_frame_free(&x->held);
    av_packet_free(&x->packet);
    avcodec_free_context(&x->decoder);
    av_free(x->queue);
    av_free(x->known);
    av_free(x->shown);
    av_free(x->wanted);
}

static void known_picture(struct extraction *x, AVFrame *frame) {
    if (time_of(frame) == x->plan->known && !x->compared) {
        compare_with(x->images, frame);
        x->compared = true;
    }
    av_frame_free(&frame);
}

// show_known decodes the picture that dedupe has to compare with, and goes back
// to the beginning.
static void show_known(struct extraction *x) {
    x->picture = known_picture;
    if (seek_before(x, x->plan->known))
        decode_queued(x, x->queue_count, INT64_MIN);
    while (!x->compared && read_on(x))
        decode_queued(x, x->queue_count, INT64_MIN);
    if (!x->compared)
        drain(x);
    rewind_video(x);
    x->picture = forecast_picture;
}

static void take(struct extraction *x) {
    switch (x->plan->mode) {
    case MODE_INSTANTS:
        take_instants(x);
        break;
    case MODE_NTH:
        take_nth(x);
        break;
    case MODE_KEYFRAMES:
        take_keyframes(x);
        break;
    case MODE_END:
        if (x->plan->about != AV_NOPTS_VALUE)
            restart(x);
        measure_end(x, x->plan->about);
        if (x->latest == AV_NOPTS_VALUE)
            give_up_forecast(x, "no picture at the end");
        break;
    default:
        break;
    }
}

void extract(AVFormatContext *format, const struct plan *p, const struct limits *l) {
    struct extraction x = {
        .format = format,
        .stream = format->streams[p->stream],
        .plan = p,
        .origin = p->origin,
        .packet = av_packet_alloc(),
        .dts = AV_NOPTS_VALUE,
        .latest = AV_NOPTS_VALUE,
        .before_that = AV_NOPTS_VALUE,
        .floor = AV_NOPTS_VALUE,
        .last_shown = AV_NOPTS_VALUE,
        .now = AV_NOPTS_VALUE,
        .picture = forecast_picture,
        .counted = p->counted,
        .damage = logged_decoder_errors(),
    };
    if (x.packet == NULL)
        fail_memory();
    for (unsigned i = 0; i < format->nb_streams; i++)
        format->streams[i]->discard = (int)i == p->stream ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    init_packet_reader(&x.reader, x.stream->codecpar);
    x.decoder = open_decoder(x.stream, p->threads, l->max_pixels);
    if (p->filters != NULL)
        x.images = start_images(p, x.stream->sample_aspect_ratio);

    bool plain = p->plain || p->mode == MODE_SCENES;
    if (p->known != AV_NOPTS_VALUE)
        show_known(&x);
    if (plain) {
        if (x.origin == AV_NOPTS_VALUE && p->from > 0) {
            find_origin(&x);
            rewind_video(&x);
        }
        start_two_before(&x);
        take_plain(&x);
    } else {
        if (x.origin == AV_NOPTS_VALUE)
            find_origin(&x);
        if (p->mode == MODE_KEYFRAMES)
            x.trouble = false; // its pictures' times do not matter
        if (!x.trouble)
            take(&x);
    }
    if (x.origin == AV_NOPTS_VALUE && short_of_memory())
        fail_memory();
    if (x.images != NULL)
        finish_images(x.images, x.trouble);
    if (p->mode == MODE_NTH)
        write_number(RECORD_COUNTED, x.counted);
    if (x.trouble) {
        write_record(RECORD_PLAIN, &x.done, 1, (const uint8_t *)x.why, strlen(x.why));
    } else {
        write_number(RECORD_END, plain ? end_after(&x, x.now, x.pause) : x.ended ? forecast_end(&x) : x.latest);
    }
    free_extraction(&x);
}
