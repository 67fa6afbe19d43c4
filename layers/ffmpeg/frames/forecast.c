// Which packets are decoded, and which pictures are taken.
//
// A picture is on display from its own timestamp to the next one's, so for an
// instant T the picture wanted is the one with the largest timestamp up to T.
// No picture is shown before its packet's decoding timestamp; so once a packet
// with a DTS after T was read, that picture is known, and nothing had to be decoded
// to know it. Packets wait meanwhile (queue). Then
//
//   - what lies before the last starting point up to T is left out,
//   - what lies between there and the wanted picture is decoded, except for pictures
//     that no other needs: they are not handed to the decoder, or it is told to
//     leave them out (skip_frame) where only it can tell,
//   - what lies after it goes on waiting,
//
// and where the container's index knows a starting point further on that is
// still before T, reading goes on there. Where it says that there is none, what
// waits is decoded while more is read.
//
// All of this is a forecast. Whether it was right is seen in what the decoder
// gives: pictures in the order of their timestamps, each wanted one among them.
// If not (a damaged video, timestamps that are missing or lie, a picture made of
// two packets), the program says from where on, and is run again to decode
// everything there is and look at nothing but the pictures that come out
// (plain).

#include "extraction.h"

#include <string.h>

void forget_shown(struct extraction *x, size_t n) {
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        av_frame_free(&x->shown[i]);
    x->shown_count -= n;
    memmove(x->shown, x->shown + n, x->shown_count * sizeof *x->shown);
}

// hand_on brings together what was decoded and what is wanted.
static void hand_on(struct extraction *x) {
    while (x->shown_count > 0 && x->wanted_count > 0) {
        struct wanted *w = &x->wanted[0];
        int64_t pts = time_of(x->shown[0]);
        if (pts > w->chosen.pts) {
            give_up_forecast(x, "a wanted picture is missing");
            return;
        }
        if (pts < w->chosen.pts) {
            forget_shown(x, 1);
            continue;
        }
        if (!w->closed)
            return;
        send_image(x->images, x->shown[0], w->chosen);
        x->done = w->chosen.first + w->chosen.count;
        forget_shown(x, 1);
        x->wanted_count--;
        memmove(x->wanted, x->wanted + 1, x->wanted_count * sizeof *x->wanted);
    }
    while (x->wanted_count == 0 && x->shown_count > 0 && x->floor != AV_NOPTS_VALUE &&
           time_of(x->shown[0]) < x->floor)
        forget_shown(x, 1);
}

void forecast_picture(struct extraction *x, AVFrame *frame) {
    int64_t pts = time_of(frame);
    if (pts == AV_NOPTS_VALUE || (x->last_shown != AV_NOPTS_VALUE && pts <= x->last_shown))
        give_up_forecast(x, "pictures out of order");
    x->last_shown = pts;
    if (x->origin == AV_NOPTS_VALUE && pts != AV_NOPTS_VALUE) {
        set_origin(x, pts);
        x->damage = logged_decoder_errors(); // what is wrong before the first picture does no harm
    }
    // How damage is concealed depends on pictures that may have been left out.
    if (logged_decoder_errors() > x->damage)
        give_up_forecast(x, "damage");
    grow(&x->shown, x->shown_count, &x->shown_room, sizeof(AVFrame *));
    x->shown[x->shown_count++] = frame;
    if (!x->trouble)
        hand_on(x);
}

// want chooses a picture and decodes up to it.
static void want(struct extraction *x, struct chosen chosen, bool closed) {
    grow(&x->wanted, x->wanted_count, &x->wanted_room, sizeof *x->wanted);
    x->wanted[x->wanted_count++] = (struct wanted){chosen, closed};
    leave_out_before(x, chosen.pts);
    for (size_t i = x->queue_count; i-- > 0;) {
        if (x->queue[i].pts == chosen.pts && !x->queue[i].kind.hidden) {
            decode_queued(x, i + 1, chosen.pts);
            break;
        }
    }
    hand_on(x); // it may have been decoded before
}

static void close_last(struct extraction *x) {
    if (x->wanted_count > 0)
        x->wanted[x->wanted_count - 1].closed = true;
    hand_on(x);
}

// finish_wanted takes the last pictures out of the decoder.
static void finish_wanted(struct extraction *x) {
    close_last(x);
    if (!x->trouble && x->wanted_count > 0) {
        drain(x);
        if (!x->trouble && x->wanted_count > 0)
            give_up_forecast(x, "a wanted picture is missing");
    }
}

// raise_floor says that no picture before pts will be wanted.
static void raise_floor(struct extraction *x, int64_t pts) {
    x->floor = pts;
    size_t n = 0;
    while (n < x->known_count && x->known[n] < pts)
        n++;
    if (n == 0)
        return;
    x->known_count -= n;
    memmove(x->known, x->known + n, x->known_count * sizeof *x->known);
}

// find_origin decodes the first picture.
void find_origin(struct extraction *x) {
    while (x->origin == AV_NOPTS_VALUE && !x->trouble && read_on(x))
        decode_queued(x, x->queue_count, INT64_MIN);
    if (x->origin == AV_NOPTS_VALUE && !x->trouble)
        drain(x);
    if (x->origin == AV_NOPTS_VALUE)
        give_up_forecast(x, "no first picture");
}

// on_display finds the picture on display at t among those that are known.
static bool on_display(const struct extraction *x, int64_t t, int64_t *pts) {
    size_t i = x->known_count;
    while (i > 0 && x->known[i - 1] > t)
        i--;
    if (i == 0)
        return false;
    *pts = x->known[i - 1];
    return true;
}

// decode_early decodes what was read and comes before the picture on display at
// t, while more is read.
static void decode_early(struct extraction *x, int64_t t) {
    int64_t pts;
    if (!on_display(x, t, &pts) || (x->wanted_count > 0 && pts <= x->wanted[x->wanted_count - 1].chosen.pts))
        return;
    close_last(x);
    raise_floor(x, pts);
    size_t n = 0;
    while (n < x->queue_count && (x->queue[n].kind.hidden || x->queue[n].pts < pts))
        n++;
    decode_queued(x, n, pts);
}

// look_past reads until all pictures up to t are known.
static void look_past(struct extraction *x, int64_t t, int64_t instant) {
    jump(x, t, instant);
    leave_out_before(x, t);
    int64_t start = last_start(x, t);
    while (!x->trouble && (x->dts == AV_NOPTS_VALUE || x->dts <= t)) {
        if (!read_on(x))
            return;
        if (x->queue_count > 0 && x->queue[x->queue_count - 1].kind.start)
            leave_out_before(x, t);
        if (start != AV_NOPTS_VALUE && x->dts >= start)
            decode_early(x, t);
    }
}

// go_to begins in the middle of the video, which begins elsewhere than there.
static void go_to(struct extraction *x, int64_t t, int64_t instant) {
    if (t <= x->origin)
        return;
    announce(x, t, instant);
    if (!seek_before(x, t))
        give_up_forecast(x, "a seek that failed");
}

void take_instants(struct extraction *x) {
    const struct plan *p = x->plan;
    if (p->origin != AV_NOPTS_VALUE && p->instant_count > 0)
        go_to(x, x->origin + p->instants[0], 0);
    int64_t current = AV_NOPTS_VALUE;
    for (int64_t k = 0; k < p->instant_count && !x->trouble && !enough_images(x->images); k++) {
        int64_t t = x->origin + p->instants[k], pts;
        if (past_end(x, t))
            break;
        look_past(x, t, k);
        if (x->trouble)
            return;
        if (x->ended && t > x->latest && t >= forecast_end(x))
            break;
        if (!on_display(x, t, &pts)) {
            give_up_forecast(x, "no picture on display");
            return;
        }
        if (pts == current) {
            x->wanted[x->wanted_count - 1].chosen.count++;
            continue;
        }
        close_last(x);
        raise_floor(x, pts);
        want(x, (struct chosen){pts, k, 1}, false);
        current = pts;
    }
    if (!x->trouble)
        finish_wanted(x);
}

// take_nth counts pictures in the order of their timestamps. One is counted when
// none can come before it any more.
void take_nth(struct extraction *x) {
    const struct plan *p = x->plan;
    int64_t from = x->origin + p->from, until = p->until == INT64_MAX ? INT64_MAX : x->origin + p->until;
    int64_t number = p->number;
    if (p->origin != AV_NOPTS_VALUE)
        go_to(x, from, p->instant_count);
    else
        jump(x, from, p->instant_count);
    raise_floor(x, from);
    while (!x->trouble && !enough_images(x->images)) {
        if (x->known_count == 0 || (!x->ended && x->dts <= x->known[0])) {
            if (x->ended)
                break;
            read_on(x);
            continue;
        }
        int64_t pts = x->known[0];
        if (pts >= until)
            break;
        if (x->counted++ % p->nth == 0)
            want(x, (struct chosen){pts, number++, 1}, true);
        raise_floor(x, pts + 1);
        leave_out_before(x, pts);
    }
    if (!x->trouble)
        finish_wanted(x);
}
