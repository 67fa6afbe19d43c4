// When the video ends.

#include "extraction.h"

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
