// The pictures at which decoding can start, and no others.

#include "extraction.h"

static void keyframe_picture(struct extraction *x, AVFrame *frame) {
    int64_t pts = time_of(frame);
    if (pts == AV_NOPTS_VALUE)
        pts = x->last_shown == AV_NOPTS_VALUE ? 0 : x->last_shown;
    x->last_shown = pts;
    if (x->origin == AV_NOPTS_VALUE)
        set_origin(x, pts);
    // Nothing is shown before the first picture; a guess may say so.
    int64_t time = pts < x->origin ? 0 : pts - x->origin;
    if (time >= x->plan->from && time < x->plan->until) {
        send_image(x->images, frame, (struct chosen){pts, x->plan->number + x->done++, 1});
    }
    av_frame_free(&frame);
}

// next_start gives the index's next starting point after a moment; NULL if it
// knows none.
static const AVIndexEntry *next_start(const struct extraction *x, int64_t after) {
    int i = av_index_search_timestamp(x->stream, after + 1, 0);
    return i < 0 ? NULL : avformat_index_get_entry(x->stream, i);
}

// skip_to_next_start passes over what lies between a starting point, decoded at
// dts and shown so much later, and the next that the index knows.
static void skip_to_next_start(struct extraction *x, int64_t dts, int64_t shown_after) {
    const AVIndexEntry *next = next_start(x, dts);
    if (next == NULL || next->pos - avio_tell(x->format->pb) < JUMP_BYTES)
        return;
    int64_t at = next->timestamp;
    will_read(next->pos, next->pos + next->size, true);
    const AVIndexEntry *after = next_start(x, at);
    if (after != NULL)
        will_read(after->pos, after->pos + after->size, false);
    // Some demuxers take it for the time at which a picture is decoded, some for
    // that at which it is shown, and go back from there.
    av_seek_frame(x->format, x->plan->stream, at + shown_after, AVSEEK_FLAG_BACKWARD);
}

// take_keyframes decodes nothing else.
void take_keyframes(struct extraction *x) {
    const struct plan *p = x->plan;
    rewind_video(x);
    x->picture = keyframe_picture;
    if (p->from > 0 && has_index(x) && x->origin != AV_NOPTS_VALUE)
        av_seek_frame(x->format, p->stream, x->origin + p->from, AVSEEK_FLAG_BACKWARD);
    bool over = false;
    while (!over && !x->trouble && !enough_images(x->images) && read_packet(x)) {
        int64_t pts = x->packet->pts, dts = x->packet->dts;
        struct packet_kind kind = read_packet_kind(&x->reader, x->packet);
        bool again = dts != AV_NOPTS_VALUE && x->dts != AV_NOPTS_VALUE && dts <= x->dts;
        if (kind.start && !kind.hidden && !again && pts == AV_NOPTS_VALUE) {
            give_up_forecast(x, "a missing timestamp");
        } else if (kind.start && !kind.hidden && !again) {
            if (!kind.clean)
                start_anew(x);
            decode(x, x->packet, false);
            x->dts = dts;
            if (dts != AV_NOPTS_VALUE && pts != AV_NOPTS_VALUE)
                skip_to_next_start(x, dts, pts - dts);
        }
        // Starting points are shown in the order in which they are decoded.
        over = x->origin != AV_NOPTS_VALUE && dts != AV_NOPTS_VALUE && p->until != INT64_MAX && dts - x->origin >= p->until;
        av_packet_unref(x->packet);
    }
    drain(x);
}
