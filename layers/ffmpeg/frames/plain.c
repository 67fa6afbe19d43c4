// Every packet is decoded, and nothing but the pictures that come out counts.

#include "extraction.h"

static void plain_instants(struct extraction *x, int64_t until) {
    const struct plan *p = x->plan;
    int64_t first = x->done;
    while (x->done < p->instant_count && x->origin + p->instants[x->done] < until)
        x->done++;
    if (x->done > first && x->held != NULL)
        send_image(x->images, x->held, (struct chosen){x->now, first, x->done - first});
}

// in_range reports whether the held picture lies in the planned range.
static bool in_range(const struct extraction *x) {
    int64_t time = x->now - x->origin;
    return time >= x->plan->from && time < x->plan->until;
}

static void plain_nth(struct extraction *x) {
    if (in_range(x) && x->counted++ % x->plan->nth == 0)
        send_image(x->images, x->held, (struct chosen){x->now, x->plan->number + x->done++, 1});
}

static void plain_keyframe(struct extraction *x) {
#ifdef AV_FRAME_FLAG_KEY
    bool key = x->held->flags & AV_FRAME_FLAG_KEY;
#else
    bool key = x->held->key_frame;
#endif
    if (key && in_range(x))
        send_image(x->images, x->held, (struct chosen){x->now, x->plan->number + x->done++, 1});
}

static void plain_scene(struct extraction *x) {
    bool wanted = in_range(x);
    send_image(x->images, x->held, (struct chosen){x->now, x->done, wanted});
    x->done += wanted;
}

// held_is_over tells that the next picture is shown, or that there is none.
static void held_is_over(struct extraction *x, int64_t next) {
    if (x->held == NULL)
        return;
    switch (x->plan->mode) {
    case MODE_INSTANTS:
        plain_instants(x, next);
        break;
    case MODE_NTH:
        plain_nth(x);
        break;
    case MODE_KEYFRAMES:
        plain_keyframe(x);
        break;
    case MODE_SCENES:
        plain_scene(x);
        break;
    default:
        break;
    }
    av_frame_free(&x->held);
}

// plain_picture reads a picture's time: a missing one, or one that goes back, is
// that of the picture before.
static void plain_picture(struct extraction *x, AVFrame *frame) {
    int64_t pts = frame->best_effort_timestamp;
    if (x->origin == AV_NOPTS_VALUE)
        set_origin(x, pts == AV_NOPTS_VALUE ? 0 : pts);
    if (x->now == AV_NOPTS_VALUE)
        x->now = pts == AV_NOPTS_VALUE ? x->origin : pts;
    else if (pts == AV_NOPTS_VALUE && x->ended)
        pts = x->now + x->pause; // the decoder's last pictures lose theirs in some files
    else if (pts == AV_NOPTS_VALUE || pts < x->now)
        pts = x->now;
    if (x->held != NULL)
        held_is_over(x, pts);
    if (pts > x->now)
        x->pause = pts - x->now;
    x->now = pts == AV_NOPTS_VALUE ? x->now : pts;
    x->held = frame;
}

static bool plain_is_over(const struct extraction *x) {
    const struct plan *p = x->plan;
    if (enough_images(x->images))
        return true;
    if (p->mode == MODE_INSTANTS)
        return x->done >= p->instant_count;
    return p->mode != MODE_END && x->now != AV_NOPTS_VALUE && p->until != INT64_MAX && x->now - x->origin >= p->until;
}

void take_plain(struct extraction *x) {
    x->picture = plain_picture;
    while (!plain_is_over(x) && read_packet(x)) {
        decode(x, x->packet, false);
        av_packet_unref(x->packet);
    }
    x->ended = true;
    drain(x);
    if (x->held != NULL)
        held_is_over(x, end_after(x, x->now, x->pause));
}

// start_two_before goes two starting points back from where pictures are wanted,
// so that whatever the first of them needs is decoded too.
void start_two_before(struct extraction *x) {
    const struct plan *p = x->plan;
    if (x->origin == AV_NOPTS_VALUE)
        return;
    int64_t t = x->origin + (p->mode == MODE_INSTANTS ? (p->instant_count > 0 ? p->instants[0] : 0) : p->from);
    if (!has_index(x))
        return;
    int start = index_before(x, t, false);
    if (start <= 0)
        return;
    start = index_before(x, avformat_index_get_entry(x->stream, start)->timestamp - 1, false);
    if (start <= 0)
        return;
    // A demuxer that takes this for the time at which it is shown goes one further.
    av_seek_frame(x->format, p->stream, avformat_index_get_entry(x->stream, start)->timestamp, AVSEEK_FLAG_BACKWARD);
}
