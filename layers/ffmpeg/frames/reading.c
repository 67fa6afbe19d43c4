// Packets from the file into the queue, and out of it.

#include "extraction.h"

#include <string.h>

enum {
    QUEUE_BYTES = 64 << 20, // of packets that wait; more are decoded without need
    QUEUE_PACKETS = 1 << 13,
};

bool read_packet(struct extraction *x) {
    for (;;) {
        int error = av_read_frame(x->format, x->packet);
        if (error == AVERROR(EAGAIN))
            continue;
        if (error == AVERROR(ENOMEM))
            fail_memory();
        if (error < 0)
            return false;
        if (x->packet->stream_index == x->plan->stream)
            return true;
        av_packet_unref(x->packet);
    }
}

void note_time(struct extraction *x, int64_t pts) {
    if (pts > x->latest || x->latest == AV_NOPTS_VALUE) {
        x->before_that = x->latest;
        x->latest = pts;
    } else if (pts < x->latest && (pts > x->before_that || x->before_that == AV_NOPTS_VALUE)) {
        x->before_that = pts;
    }
}

static void know(struct extraction *x, int64_t pts) {
    if (x->floor != AV_NOPTS_VALUE && pts < x->floor)
        return;
    grow(&x->known, x->known_count, &x->known_room, sizeof *x->known);
    size_t i = x->known_count;
    while (i > 0 && x->known[i - 1] > pts)
        i--;
    if (i > 0 && x->known[i - 1] == pts)
        give_up_forecast(x, "two pictures of one time");
    memmove(x->known + i + 1, x->known + i, (x->known_count - i) * sizeof *x->known);
    x->known[i] = pts;
    x->known_count++;
}

void forget_packets(struct extraction *x, size_t n) {
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++) {
        x->queue_bytes -= (size_t)x->queue[i].packet->size;
        av_packet_free(&x->queue[i].packet);
    }
    x->queue_count -= n;
    memmove(x->queue, x->queue + n, x->queue_count * sizeof *x->queue);
}

// leave_out forgets packets that nothing wanted needs.
void leave_out(struct extraction *x, size_t n) {
    forget_packets(x, n);
    if (n > 0 && x->queue_count > 0)
        x->queue[0].after_gap = true;
    else if (n > 0)
        x->gap = true;
}

// decode_queued decodes the first n packets of the queue. Pictures before needless are
// not wanted themselves.
void decode_queued(struct extraction *x, size_t n, int64_t needless) {
    for (size_t i = 0; i < n && !x->trouble; i++) {
        const struct queued *q = &x->queue[i];
        if (q->after_gap && !q->kind.clean)
            start_anew(x);
        bool unwanted = q->kind.hidden || q->pts < needless;
        // The decoder's threads take turns: one that is given nothing to do waits.
        if (!(unwanted && q->kind.disposable))
            decode(x, q->packet, unwanted && q->kind.may_skip);
    }
    forget_packets(x, n);
}

// leave_out_before leaves out what lies before the last starting point up to t.
// Nothing before t but the picture on display then may be wanted.
void leave_out_before(struct extraction *x, int64_t t) {
    for (size_t i = x->queue_count; i-- > 0;) {
        if (x->queue[i].kind.start && x->queue[i].pts <= t) {
            leave_out(x, i);
            return;
        }
    }
}

static void make_room(struct extraction *x) {
    if (x->queue_bytes > QUEUE_BYTES || x->queue_count > QUEUE_PACKETS)
        decode_queued(x, (x->queue_count + 1) / 2, x->floor == AV_NOPTS_VALUE ? INT64_MIN : x->floor);
}

// read_on puts the next packet into the queue; false at the end of the video.
bool read_on(struct extraction *x) {
    if (x->ended || !read_packet(x)) {
        x->ended = true;
        return false;
    }
    struct queued q = {.pts = x->packet->pts, .kind = read_packet_kind(&x->reader, x->packet), .after_gap = x->gap};
    x->gap = false;
    int64_t dts = x->packet->dts; // missing at the beginning of some files
    if (q.pts == AV_NOPTS_VALUE || (dts != AV_NOPTS_VALUE && dts > q.pts)) {
        give_up_forecast(x, "a missing timestamp");
        av_packet_unref(x->packet);
        return true;
    }
    if (x->stream->codecpar->video_delay == 0 && x->dts != AV_NOPTS_VALUE && q.pts < x->latest && !q.kind.hidden)
        give_up_forecast(x, "time goes back");
    if (dts != AV_NOPTS_VALUE)
        x->dts = dts;
    q.packet = av_packet_alloc();
    if (q.packet == NULL)
        fail_memory();
    av_packet_move_ref(q.packet, x->packet);
    grow(&x->queue, x->queue_count, &x->queue_room, sizeof *x->queue);
    x->queue[x->queue_count++] = q;
    x->queue_bytes += (size_t)q.packet->size;
    if (!q.kind.hidden) {
        know(x, q.pts);
        note_time(x, q.pts);
    }
    make_room(x);
    return true;
}

// restart forgets what was read and decoded, to decode again.
void restart(struct extraction *x) {
    avcodec_flush_buffers(x->decoder);
    forget_packets(x, x->queue_count);
    forget_shown(x, x->shown_count);
    x->trouble = x->ended = x->gap = false;
    x->known_count = 0;
    x->dts = x->latest = x->before_that = x->last_shown = AV_NOPTS_VALUE;
}

// seek_to goes to the last starting point up to t, or to the first byte if t is
// when the first picture is shown.
int seek_to(struct extraction *x, int64_t t) {
    const char *name = x->format->iformat->name;
    // Streams that can be cut anywhere have no other way to their first byte.
    if ((x->origin == AV_NOPTS_VALUE || t == x->origin) && (strcmp(name, "mpegts") == 0 || strcmp(name, "mpeg") == 0))
        return av_seek_frame(x->format, x->plan->stream, 0, AVSEEK_FLAG_BYTE);
    return av_seek_frame(x->format, x->plan->stream, t, AVSEEK_FLAG_BACKWARD);
}

// rewind_video goes back to where the file begins.
void rewind_video(struct extraction *x) {
    restart(x);
    seek_to(x, x->origin == AV_NOPTS_VALUE ? 0 : x->origin);
}
