// When the video ends.

#include "extraction.h"

enum { LAST_PACKETS = 32 }; // among so many are the two that are shown last

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
void measure_end(struct extraction *x, int64_t end) {
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
int64_t end_after(const struct extraction *x, int64_t latest, int64_t pause) {
    if (latest == AV_NOPTS_VALUE)
        return latest;
    // The table of a file that is whole is believed; otherwise the last picture
    // lasts as long as the one before.
    if (x->plan->declared_end != AV_NOPTS_VALUE && x->plan->declared_end > latest && logged_errors() == 0)
        return x->plan->declared_end;
    return latest + (pause > 0 ? pause : 1);
}

int64_t forecast_end(struct extraction *x) {
    if (x->before_that == AV_NOPTS_VALUE && x->latest != AV_NOPTS_VALUE)
        measure_end(x, x->latest);
    return end_after(x, x->latest, x->before_that == AV_NOPTS_VALUE ? 0 : x->latest - x->before_that);
}

// past_end tells that the video ends before t, as the table of its file says.
// That is checked with the last packets, without reading all from the last
// starting point on; whoever asks reads no further.
bool past_end(struct extraction *x, int64_t t) {
    int first = avformat_index_get_entries_count(x->stream) - LAST_PACKETS;
    if (x->plan->declared_end == AV_NOPTS_VALUE || t < x->plan->declared_end || first < 0)
        return false;
    const AVIndexEntry *e = avformat_index_get_entry(x->stream, first);
    if (!worth_a_jump(x, e))
        return false;
    leave_out(x, x->queue_count);
    x->latest = x->before_that = AV_NOPTS_VALUE;
    will_read(e->pos, avio_size(x->format->pb), true);
    if (av_seek_frame(x->format, x->plan->stream, e->timestamp, AVSEEK_FLAG_BACKWARD | AVSEEK_FLAG_ANY) >= 0)
        note_to_the_end(x);
    if (!x->ended || x->latest == AV_NOPTS_VALUE || t <= x->latest || t < forecast_end(x))
        give_up_forecast(x, "an end that is not where the file says");
    return true;
}
