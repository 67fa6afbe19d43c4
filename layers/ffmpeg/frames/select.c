// Which packets are decoded, and which pictures are taken.
//
// A picture is on display from its own timestamp to the next one's, so for an
// instant T the picture wanted is the one with the largest timestamp up to T.
// No picture is shown before its packet's decoding timestamp; so once a packet
// with a DTS after T was read, that picture is known, and nothing was decoded to
// know it. Packets wait meanwhile (queue). Then
//
//   - what lies before the last starting point up to T is left out,
//   - what lies between there and the wanted picture is decoded, except that the
//     decoder is told to leave out pictures that no other needs (skip_frame),
//   - what lies after it goes on waiting,
//
// and where the container's index knows a starting point further on that is
// still before T, reading goes on there.
//
// All of this is a forecast. Whether it was right is seen in what the decoder
// gives: pictures in the order of their timestamps, each wanted one among them.
// If not (a damaged video, timestamps that are missing or lie, a picture made of
// two packets), the program says from where on, and is run again to decode
// everything there is and look at nothing but the pictures that come out
// (plain).

#include "frames.h"

#include <stdlib.h>
#include <string.h>

#include <libavutil/mem.h>

enum {
    QUEUE_BYTES = 64 << 20, // of packets that wait; more are decoded without need
    QUEUE_PACKETS = 1 << 13,
    PROGRESS_PICTURES = 64,
    SEEKS = 12, // tries to find a starting point, each further back
    JUMP_BYTES = 512 << 10, // reading on is as fast as a shorter jump
};

// queued is a packet that waits.
struct queued {
    AVPacket *packet;
    int64_t pts;
    struct packet_kind kind;
    bool after_gap; // the packet before it was left out
};

// wanted is a picture that was chosen and has not come out of the decoder.
struct wanted {
    struct chosen chosen;
    bool closed; // it is for no more instants
};

struct extraction {
    AVFormatContext *format;
    AVStream *stream;
    const struct plan *plan;
    AVCodecContext *decoder;
    struct packet_reader reader;
    struct images *images; // NULL where no pictures are wanted
    int64_t origin;

    // Reading.
    AVPacket *packet;
    struct queued *queue;
    size_t queue_count, queue_room, queue_bytes;
    int64_t dts;         // of the packet read last, AV_NOPTS_VALUE if there is none
    int64_t latest;      // largest timestamp read
    int64_t before_that; // second largest
    bool ended, gap, index_loaded;

    // Timestamps of pictures that were read and may still be wanted, ascending.
    int64_t *known;
    size_t known_count, known_room;
    int64_t floor; // pictures before it are wanted no more

    // Decoded pictures that may still be wanted, and pictures that are.
    AVFrame **shown;
    size_t shown_count, shown_room;
    int64_t last_shown;
    struct wanted *wanted;
    size_t wanted_count, wanted_room;

    int64_t done; // instants, or pictures in other modes, that were handed on
    int64_t counted; // MODE_NTH
    int64_t pictures;
    bool compared; // with the picture that dedupe was given
    int damage; // errors that decoders logged before that matters
    bool trouble;
    const char *why;
    void (*picture)(struct extraction *x, AVFrame *frame); // gets what the decoder gives

    // Plain decoding.
    AVFrame *held;
    int64_t now, pause; // timestamp of the held picture; time between the last two
};

static void write_number(char type, int64_t number) { write_record(type, &number, 1, NULL, 0); }

static void set_origin(struct extraction *x, int64_t pts) {
    x->origin = pts;
    write_number(RECORD_ORIGIN, pts);
}

// grow makes room for one more element.
static void grow(void *array, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return;
    size_t more = *room == 0 ? 64 : 2 * *room;
    void **p = array;
    void *bigger = av_realloc_array(*p, more, size);
    if (bigger == NULL)
        fail("engine_failed", "no memory");
    *p = bigger;
    *room = more;
}

static void give_up_forecast(struct extraction *x, const char *why) {
    if (!x->trouble)
        x->why = why;
    x->trouble = true;
}

// time_of gives a picture's timestamp: its packet's, or else FFmpeg's guess, which
// is made for pictures that come without gaps.
static int64_t time_of(const AVFrame *frame) {
    return frame->pts != AV_NOPTS_VALUE ? frame->pts : frame->best_effort_timestamp;
}

// Decoding.

static void receive(struct extraction *x) {
    for (;;) {
        AVFrame *frame = av_frame_alloc();
        if (frame == NULL)
            fail("engine_failed", "no memory");
        if (avcodec_receive_frame(x->decoder, frame) < 0) {
            av_frame_free(&frame);
            return;
        }
        if (x->pictures++ % PROGRESS_PICTURES == 0)
            write_number(RECORD_PROGRESS, time_of(frame));
        x->picture(x, frame);
    }
}

// drain takes from the decoder what it holds, and leaves it ready for a new start.
static void drain(struct extraction *x) {
    if (avcodec_send_packet(x->decoder, NULL) == 0)
        receive(x);
    avcodec_flush_buffers(x->decoder);
}

// start_anew readies the decoder for a starting point after which pictures may
// still refer to some from before it. Those are not wanted; but H.264's decoder
// would keep back others with them.
static void start_anew(struct extraction *x) {
    drain(x);
    expect_missing_references();
    x->decoder->flags |= AV_CODEC_FLAG_OUTPUT_CORRUPT;
}

// decode decodes a packet. What is wrong with it FFmpeg has logged; the pictures
// tell what follows from it.
static void decode(struct extraction *x, const AVPacket *packet, bool skip) {
    x->decoder->skip_frame = skip ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
    int error = avcodec_send_packet(x->decoder, packet);
    if (error == AVERROR(EAGAIN)) {
        receive(x);
        error = avcodec_send_packet(x->decoder, packet);
    }
    if (error == AVERROR(ENOMEM))
        fail("engine_failed", "no memory to decode");
    receive(x);
}

// Reading.

static bool read_packet(struct extraction *x) {
    for (;;) {
        int error = av_read_frame(x->format, x->packet);
        if (error == AVERROR(EAGAIN))
            continue;
        if (error < 0)
            return false;
        if (x->packet->stream_index == x->plan->stream)
            return true;
        av_packet_unref(x->packet);
    }
}

static void note_time(struct extraction *x, int64_t pts) {
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

static void forget_packets(struct extraction *x, size_t n) {
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
static void leave_out(struct extraction *x, size_t n) {
    forget_packets(x, n);
    if (n > 0 && x->queue_count > 0)
        x->queue[0].after_gap = true;
    else if (n > 0)
        x->gap = true;
}

// send decodes the first n packets of the queue. Pictures before needless are
// not wanted themselves.
static void send(struct extraction *x, size_t n, int64_t needless) {
    for (size_t i = 0; i < n && !x->trouble; i++) {
        const struct queued *q = &x->queue[i];
        if (q->after_gap && !q->kind.clean)
            start_anew(x);
        decode(x, q->packet, q->kind.may_skip && (q->kind.hidden || q->pts < needless));
    }
    forget_packets(x, n);
}

// leave_out_before leaves out what lies before the last starting point up to t.
// Nothing before t but the picture on display then may be wanted.
static void leave_out_before(struct extraction *x, int64_t t) {
    for (size_t i = x->queue_count; i-- > 0;) {
        if (x->queue[i].kind.start && x->queue[i].pts <= t) {
            leave_out(x, i);
            return;
        }
    }
}

static void make_room(struct extraction *x) {
    if (x->queue_bytes > QUEUE_BYTES || x->queue_count > QUEUE_PACKETS)
        send(x, (x->queue_count + 1) / 2, x->floor == AV_NOPTS_VALUE ? INT64_MIN : x->floor);
}

// read_on puts the next packet into the queue; false at the end of the video.
static bool read_on(struct extraction *x) {
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
        fail("engine_failed", "no memory");
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

// has_index tells of containers that bring an index with timestamps.
static bool has_index(const struct extraction *x) {
    const char *name = x->format->iformat->name;
    return strstr(name, "mov") != NULL || strstr(name, "matroska") != NULL || strcmp(name, "avi") == 0;
}

// Jumping.

// index_before finds the index's last entry up to t; -1 if there is none.
static int index_before(const struct extraction *x, int64_t t, bool any) {
    return av_index_search_timestamp(x->stream, t, AVSEEK_FLAG_BACKWARD | (any ? AVSEEK_FLAG_ANY : 0));
}

// needs tells which bytes decoding the picture on display at t takes, from the
// starting point that the index gives; false if there is nothing new to jump to.
static bool needs(const struct extraction *x, int64_t t, int64_t *from, int64_t *to) {
    int start = index_before(x, t, false);
    if (start < 0)
        return false;
    int last = index_before(x, t, true);
    *from = *to = avformat_index_get_entry(x->stream, start)->pos;
    int entries = avformat_index_get_entries_count(x->stream);
    for (int i = start; i <= last + 1 && i < entries; i++) {
        const AVIndexEntry *e = avformat_index_get_entry(x->stream, i);
        if (e->pos + e->size > *to)
            *to = e->pos + e->size;
    }
    return true;
}

// announce says what will be read for the picture at t, and for the next instant
// after it that lies in another place.
static void announce(const struct extraction *x, int64_t t, int64_t instant) {
    int64_t from, to;
    if (!needs(x, t, &from, &to))
        return;
    will_read(from, to, true);
    int here = index_before(x, t, false);
    for (int64_t k = instant + 1; k < x->plan->instant_count; k++) {
        int64_t next = x->origin + x->plan->instants[k];
        if (index_before(x, next, false) != here) {
            if (needs(x, next, &from, &to))
                will_read(from, to, false);
            return;
        }
    }
}

// seek_before reads on at a starting point up to t; false if none was found. The
// queue then holds that starting point's packet.
static bool seek_before(struct extraction *x, int64_t t) {
    leave_out(x, x->queue_count);
    int64_t target = t, step = av_rescale_q(1, (AVRational){1, 1}, x->stream->time_base);
    for (int i = 0; i < SEEKS; i++) {
        if (av_seek_frame(x->format, x->plan->stream, target, AVSEEK_FLAG_BACKWARD) < 0)
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

// jump goes to the starting point for the picture at t, if the index knows one
// that was not read yet.
static void jump(struct extraction *x, int64_t t, int64_t instant) {
    if (x->dts != AV_NOPTS_VALUE && t > x->dts && load_index(x, t)) {
        int64_t read = x->dts;
        if (!seek_before(x, t) && !x->trouble)
            give_up_forecast(x, "a seek that failed");
        if (!x->trouble && x->dts <= read) { // back at a starting point from before
            drain(x);
            x->last_shown = AV_NOPTS_VALUE;
        }
        return;
    }
    int start = index_before(x, t, false);
    if (start < 0 || x->dts == AV_NOPTS_VALUE)
        return;
    const AVIndexEntry *e = avformat_index_get_entry(x->stream, start);
    if (e->timestamp <= x->dts || e->pos - avio_tell(x->format->pb) < JUMP_BYTES)
        return;
    announce(x, t, instant);
    if (!seek_before(x, t) && !x->trouble)
        give_up_forecast(x, "a seek that failed");
}

// Pictures.

static void forget_shown(struct extraction *x, size_t n) {
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

static void forecast_picture(struct extraction *x, AVFrame *frame) {
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
            send(x, i + 1, chosen.pts);
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
    x->known_count -= n;
    memmove(x->known, x->known + n, x->known_count * sizeof *x->known);
}

// restart forgets what was read and decoded, to decode again.
static void restart(struct extraction *x) {
    avcodec_flush_buffers(x->decoder);
    forget_packets(x, x->queue_count);
    forget_shown(x, x->shown_count);
    x->trouble = x->ended = x->gap = false;
    x->known_count = 0;
    x->dts = x->latest = x->before_that = x->last_shown = AV_NOPTS_VALUE;
}

// rewind_video goes back to where the file begins.
static void rewind_video(struct extraction *x) {
    restart(x);
    // Streams that can be cut anywhere have no other way to their first byte.
    if (strcmp(x->format->iformat->name, "mpegts") == 0 || strcmp(x->format->iformat->name, "mpeg") == 0)
        av_seek_frame(x->format, x->plan->stream, 0, AVSEEK_FLAG_BYTE);
    else
        av_seek_frame(x->format, x->plan->stream, x->origin == AV_NOPTS_VALUE ? 0 : x->origin, AVSEEK_FLAG_BACKWARD);
}

// find_origin decodes the first picture.
static void find_origin(struct extraction *x) {
    while (x->origin == AV_NOPTS_VALUE && !x->trouble && read_on(x))
        send(x, x->queue_count, INT64_MIN);
    if (x->origin == AV_NOPTS_VALUE && !x->trouble)
        drain(x);
    if (x->origin == AV_NOPTS_VALUE)
        give_up_forecast(x, "no first picture");
}

// The end of the video.

static void note_to_the_end(struct extraction *x) {
    while (read_packet(x)) {
        if (x->packet->pts == AV_NOPTS_VALUE)
            give_up_forecast(x, "a missing timestamp");
        else if (!read_packet_kind(&x->reader, x->packet).hidden)
            note_time(x, x->packet->pts);
        av_packet_unref(x->packet);
    }
    x->ended = true;
}

// measure_end finds the last two timestamps by looking further and further back
// from about where the video ends; nothing is queued or decoded.
static void measure_end(struct extraction *x, int64_t end) {
    if (end == AV_NOPTS_VALUE) {
        note_to_the_end(x);
        return;
    }
    int64_t step = av_rescale_q(2, (AVRational){1, 1}, x->stream->time_base);
    for (int i = 0; i < SEEKS && x->before_that == AV_NOPTS_VALUE; i++, step *= 2) {
        if (av_seek_frame(x->format, x->plan->stream, end - step, AVSEEK_FLAG_BACKWARD) < 0)
            return;
        note_to_the_end(x);
    }
}

// end_after gives the timestamp at which a last picture ends that is shown at
// latest, after one that was shown a pause earlier.
static int64_t end_after(const struct extraction *x, int64_t latest, int64_t pause) {
    if (latest == AV_NOPTS_VALUE)
        return latest;
    // The table of a file that is whole is believed; otherwise the last picture
    // lasts as long as the one before.
    if (x->plan->declared_end != AV_NOPTS_VALUE && x->plan->declared_end > latest && logged_errors() == 0)
        return x->plan->declared_end;
    return latest + (pause > 0 ? pause : 1);
}

static int64_t forecast_end(struct extraction *x) {
    if (x->before_that == AV_NOPTS_VALUE && x->latest != AV_NOPTS_VALUE)
        measure_end(x, x->latest);
    return end_after(x, x->latest, x->before_that == AV_NOPTS_VALUE ? 0 : x->latest - x->before_that);
}

// The modes.

// look_past reads until all pictures up to t are known.
static void look_past(struct extraction *x, int64_t t, int64_t instant) {
    jump(x, t, instant);
    leave_out_before(x, t);
    while (!x->trouble && (x->dts == AV_NOPTS_VALUE || x->dts <= t)) {
        if (!read_on(x))
            return;
        if (x->queue_count > 0 && x->queue[x->queue_count - 1].kind.start)
            leave_out_before(x, t);
    }
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

// go_to begins in the middle of the video, which begins elsewhere than there.
static void go_to(struct extraction *x, int64_t t, int64_t instant) {
    if (t <= x->origin)
        return;
    announce(x, t, instant);
    if (!seek_before(x, t))
        give_up_forecast(x, "a seek that failed");
}

static void take_instants(struct extraction *x) {
    const struct plan *p = x->plan;
    if (p->origin != AV_NOPTS_VALUE && p->instant_count > 0)
        go_to(x, x->origin + p->instants[0], 0);
    int64_t current = AV_NOPTS_VALUE;
    for (int64_t k = 0; k < p->instant_count && !x->trouble && !enough_images(x->images); k++) {
        int64_t t = x->origin + p->instants[k], pts;
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
static void take_nth(struct extraction *x) {
    const struct plan *p = x->plan;
    int64_t from = x->origin + p->from, until = p->until == INT64_MAX ? INT64_MAX : x->origin + p->until;
    int64_t number = p->number;
    x->counted = p->counted;
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
static void take_keyframes(struct extraction *x) {
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

// Plain decoding: every packet, and nothing but the pictures that come out counts.

static void plain_instants(struct extraction *x, int64_t until) {
    const struct plan *p = x->plan;
    int64_t first = x->done;
    while (x->done < p->instant_count && x->origin + p->instants[x->done] < until)
        x->done++;
    if (x->done > first && x->held != NULL)
        send_image(x->images, x->held, (struct chosen){x->now, first, x->done - first});
}

static void plain_nth(struct extraction *x) {
    int64_t time = x->now - x->origin;
    if (time < x->plan->from || time >= x->plan->until)
        return;
    if (x->counted++ % x->plan->nth == 0)
        send_image(x->images, x->held, (struct chosen){x->now, x->plan->number + x->done++, 1});
}

static void plain_keyframe(struct extraction *x) {
#ifdef AV_FRAME_FLAG_KEY
    bool key = x->held->flags & AV_FRAME_FLAG_KEY;
#else
    bool key = x->held->key_frame;
#endif
    int64_t time = x->now - x->origin;
    if (key && time >= x->plan->from && time < x->plan->until)
        send_image(x->images, x->held, (struct chosen){x->now, x->plan->number + x->done++, 1});
}

static void plain_scene(struct extraction *x) {
    int64_t time = x->now - x->origin;
    bool in_range = time >= x->plan->from && time < x->plan->until;
    send_image(x->images, x->held, (struct chosen){x->now, x->done, in_range});
    x->done += in_range;
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

static void take_plain(struct extraction *x) {
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
static void start_two_before(struct extraction *x) {
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
        send(x, x->queue_count, INT64_MIN);
    while (!x->compared && read_on(x))
        send(x, x->queue_count, INT64_MIN);
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
        .damage = logged_decoder_errors(),
    };
    if (x.packet == NULL)
        fail("engine_failed", "no memory");
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
