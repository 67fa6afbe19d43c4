// What the parts of one run of the program have in common.

#ifndef FOTOGRAMA_EXTRACTION_H
#define FOTOGRAMA_EXTRACTION_H

#include "frames.h"

enum {
    SEEKS = 12,             // tries to find a place, each further back
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

// extraction is one run.
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

// decoding.c
AVCodecContext *open_decoder(const AVStream *stream, int threads, int64_t max_pixels);
void set_origin(struct extraction *x, int64_t pts);
void grow(void *array, size_t count, size_t *room, size_t size);
void give_up_forecast(struct extraction *x, const char *why);
int64_t time_of(const AVFrame *frame);
void drain(struct extraction *x);
void start_anew(struct extraction *x);
void decode(struct extraction *x, const AVPacket *packet, bool skip);

// reading.c
bool read_packet(struct extraction *x);
void note_time(struct extraction *x, int64_t pts);
void forget_packets(struct extraction *x, size_t n);
void leave_out(struct extraction *x, size_t n);
void decode_queued(struct extraction *x, size_t n, int64_t needless);
void leave_out_before(struct extraction *x, int64_t t);
bool read_on(struct extraction *x);
void restart(struct extraction *x);
int seek_to(struct extraction *x, int64_t t);
void rewind_video(struct extraction *x);

// jumping.c
bool has_index(const struct extraction *x);
int index_before(const struct extraction *x, int64_t t, bool any);
int64_t last_start(const struct extraction *x, int64_t t);
void announce(const struct extraction *x, int64_t t, int64_t instant);
bool seek_before(struct extraction *x, int64_t t);
bool worth_a_jump(const struct extraction *x, const AVIndexEntry *e);
void jump(struct extraction *x, int64_t t, int64_t instant);

// forecast.c
void forget_shown(struct extraction *x, size_t n);
void forecast_picture(struct extraction *x, AVFrame *frame);
void find_origin(struct extraction *x);
void take_instants(struct extraction *x);
void take_nth(struct extraction *x);

// ending.c
void measure_end(struct extraction *x, int64_t end);
int64_t end_after(const struct extraction *x, int64_t latest, int64_t pause);
int64_t forecast_end(struct extraction *x);
bool past_end(struct extraction *x, int64_t t);

// keyframes.c
void take_keyframes(struct extraction *x);

// plain.c
void take_plain(struct extraction *x);
void start_two_before(struct extraction *x);

#endif
