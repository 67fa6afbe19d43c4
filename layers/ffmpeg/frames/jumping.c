// Reading on elsewhere, by the container's index.

#include "extraction.h"

#include <string.h>

enum {
    ANNOUNCED_BYTES = 2 << 20, // of places that lie further on; the other side fetches no more at once
    PICTURE_BYTES = 128 << 10, // of a picture at which decoding starts, about
};

// has_index tells of containers that bring an index with timestamps.
bool has_index(const struct extraction *x) {
    const char *name = x->format->iformat->name;
    return strstr(name, "mov") != NULL || strstr(name, "matroska") != NULL || strcmp(name, "avi") == 0;
}

// index_before finds the index's last entry up to t; -1 if there is none.
int index_before(const struct extraction *x, int64_t t, bool any) {
    return av_index_search_timestamp(x->stream, t, AVSEEK_FLAG_BACKWARD | (any ? AVSEEK_FLAG_ANY : 0));
}

// last_start gives the time of the last starting point up to t, if the index goes
// on after t and so must know; else AV_NOPTS_VALUE.
int64_t last_start(const struct extraction *x, int64_t t) {
    int entries = avformat_index_get_entries_count(x->stream), start = index_before(x, t, false);
    if (start < 0 || avformat_index_get_entry(x->stream, entries - 1)->timestamp <= t)
        return AV_NOPTS_VALUE;
    return avformat_index_get_entry(x->stream, start)->timestamp;
}

// needs tells which bytes decoding the picture on display at t takes, from the
// starting point that the index gives; false if there is nothing new to jump to.
// An index of starting points alone has no sizes: then it is as large a part of
// what lies before the next one as of the time, and PICTURE_BYTES.
static bool needs(const struct extraction *x, int64_t t, int64_t *from, int64_t *to) {
    int start = index_before(x, t, false);
    if (start < 0)
        return false;
    int last = index_before(x, t, true), entries = avformat_index_get_entries_count(x->stream);
    const AVIndexEntry *first = avformat_index_get_entry(x->stream, start);
    *from = *to = first->pos;
    for (int i = start; i <= last + 1 && i < entries; i++) {
        const AVIndexEntry *e = avformat_index_get_entry(x->stream, i);
        if (e->size > 0 && e->pos + e->size > *to)
            *to = e->pos + e->size;
        else if (e->size == 0 && e->pos > *from && e->timestamp > first->timestamp)
            *to = *from + PICTURE_BYTES + av_rescale(e->pos - *from, t - first->timestamp, e->timestamp - first->timestamp);
    }
    return true;
}

// announce says what will be read for the picture at t, and for the next instants
// after it that lie in other places.
void announce(const struct extraction *x, int64_t t, int64_t instant) {
    int64_t from, to;
    if (!needs(x, t, &from, &to))
        return;
    will_read(from, to, true);
    int here = index_before(x, t, false);
    int64_t announced = 0;
    for (int64_t k = instant + 1; k < x->plan->instant_count && announced < ANNOUNCED_BYTES; k++) {
        int64_t next = x->origin + x->plan->instants[k];
        int there = index_before(x, next, false);
        if (there == here || !needs(x, next, &from, &to))
            continue;
        here = there;
        announced += to - from;
        will_read(from, to, false);
    }
}

// seek_before reads on at a starting point up to t; false if none was found. The
// queue then holds that starting point's packet.
bool seek_before(struct extraction *x, int64_t t) {
    leave_out(x, x->queue_count);
    int64_t target = t, step = av_rescale_q(1, (AVRational){1, 1}, x->stream->time_base);
    for (int i = 0; i < SEEKS; i++) {
        if (seek_to(x, target) < 0)
            return false;
        x->gap = true;
        x->ended = false;
        x->known_count = 0;
        x->latest = x->before_that = x->dts = AV_NOPTS_VALUE;
        while (read_on(x) && !x->trouble && !x->queue[x->queue_count - 1].kind.start) {
            if (x->dts > t)
                break;
            leave_out(x, x->queue_count);
        }
        if (x->trouble)
            return false;
        if (x->queue_count > 0 && x->queue[x->queue_count - 1].kind.start && x->queue[x->queue_count - 1].pts <= t)
            return true;
        leave_out(x, x->queue_count);
        if (target == x->origin)
            return false;
        if (x->ended && x->dts != AV_NOPTS_VALUE && x->dts < target)
            target = x->dts; // beyond the end, steps would be too small
        target = target - step < x->origin ? x->origin : target - step;
        step *= 2;
    }
    return false;
}

// load_index has Matroska's demuxer read its index, which it does at a seek, once
// that pays: where the picture at t is far enough away.
static bool load_index(struct extraction *x, int64_t t) {
    int64_t ahead = av_rescale_q(t - x->dts, x->stream->time_base, AV_TIME_BASE_Q), duration = x->format->duration;
    if (x->index_loaded || duration <= 0 || strstr(x->format->iformat->name, "matroska") == NULL ||
        av_rescale(avio_size(x->format->pb), ahead, duration) < JUMP_BYTES)
        return false;
    x->index_loaded = true;
    return true;
}

// jump_before is seek_before, from where starting points may have been read on to.
static void jump_before(struct extraction *x, int64_t t) {
    int64_t read = x->dts;
    if (!seek_before(x, t) && !x->trouble)
        give_up_forecast(x, "a seek that failed");
    if (!x->trouble && x->dts <= read) { // back at a starting point from before
        drain(x);
        x->last_shown = AV_NOPTS_VALUE;
    }
}

// reordering is how long after it is decoded a picture is shown at most, where an
// index has the times of decoding.
static int64_t reordering(const struct extraction *x) {
    const AVStream *s = x->stream;
    if (strstr(x->format->iformat->name, "matroska") != NULL || s->avg_frame_rate.num <= 0)
        return 0;
    return av_rescale_q_rnd(s->codecpar->video_delay, av_inv_q(s->avg_frame_rate), s->time_base, AV_ROUND_UP);
}

// worth_a_jump tells that an entry of the index was not read yet and lies so far
// ahead that reading on to it would take longer.
bool worth_a_jump(const struct extraction *x, const AVIndexEntry *e) {
    return x->dts != AV_NOPTS_VALUE && e->timestamp > x->dts && e->pos - avio_tell(x->format->pb) >= JUMP_BYTES;
}

// jump goes to the starting point for the picture at t, if the index knows one
// that was not read yet. One that is decoded before t may be shown after it: that
// would be none, and the one before it may lie behind.
void jump(struct extraction *x, int64_t t, int64_t instant) {
    if (x->dts != AV_NOPTS_VALUE && t > x->dts && load_index(x, t)) {
        jump_before(x, t);
        return;
    }
    int start = index_before(x, t - reordering(x), false);
    if (start < 0 || !worth_a_jump(x, avformat_index_get_entry(x->stream, start)))
        return;
    announce(x, t, instant);
    jump_before(x, t);
}
