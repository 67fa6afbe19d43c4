// fotograma-frames takes wanted pictures out of a video: it demuxes, decides
// which packets have to be decoded, decodes them, and encodes the pictures that
// are wanted. It is the only program of Fotograma that touches hostile bytes and
// is run confined, by internal/frames (engine.go), which describes the protocol
// in wire.go. It opens nothing: the video comes through a pipe, by byte ranges.
//
// Timestamps are in the time base of the video's stream unless a name says
// otherwise.

#ifndef FOTOGRAMA_FRAMES_H
#define FOTOGRAMA_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

// What is asked of the program in one run.
enum mode {
    MODE_INSTANTS,  // the picture on display at each of a list of instants
    MODE_NTH,       // every n-th picture
    MODE_KEYFRAMES, // every picture at which decoding can start
    MODE_SCENES,    // every picture that begins a scene
    MODE_ORIGIN,    // no pictures: when the first one is shown
    MODE_END,       // no pictures: when the last one ends
};

// plan is what internal/frames says is to be done (wire.go: plan).
struct plan {
    int stream;
    enum mode mode;
    bool plain;           // decode everything, from the beginning
    int64_t origin;       // timestamp of the first picture, AV_NOPTS_VALUE if it is to be found out
    int64_t *instants;    // in time base units after the origin, ascending
    int64_t instant_count;
    int64_t from, until;  // MODE_NTH, MODE_KEYFRAMES, MODE_SCENES: range after the origin; until is not part of it
    int64_t nth;          // MODE_NTH
    int64_t counted;      // MODE_NTH: pictures of the range that were counted elsewhere
    int64_t number;       // pictures that were taken elsewhere, before these
    int64_t most;         // images after which to stop
    int64_t declared_end; // where the file says that the last picture ends, AV_NOPTS_VALUE if it does not say
    int64_t about;        // MODE_END: about where the last picture ends, AV_NOPTS_VALUE if that is not known
    int64_t known;        // timestamp of a picture for dedupe to compare with, AV_NOPTS_VALUE for none
    int threads;
    double threshold;     // MODE_SCENES
    bool dedupe;          // leave out pictures that hardly differ from the last one kept, see image.c
    char *filters;        // from decoded picture to image, FFmpeg's syntax
    char *encoder;        // FFmpeg's name
    char *encoder_options;
    int quality;          // FFmpeg's qscale, 0 for none
    char *tile_filters;   // from image to a tile of a contact sheet, NULL for no sheets
    int tile_width, tile_height;
    int tiles;            // on a sheet that was begun elsewhere
    uint8_t *sheet;       // … and its pixels, see sheet_size
    bool keep_sheet;      // give the last sheet's pixels back if it is not full
};

enum { SHEET_COLUMNS = 10, SHEET_TILES = 100 };

// sheet_size gives the bytes of a contact sheet's pixels, as YUV 4:2:0.
size_t sheet_size(const struct plan *p);

// limits bound what a hostile video may cost.
struct limits {
    int64_t size;       // of the file, bytes
    int64_t max_pixels; // of a picture
    int64_t max_alloc;  // of one block of memory, bytes
    int64_t max_memory; // of all memory that can be written, bytes
    int64_t max_cpu;    // of all threads, seconds
};

// confine.c: takes from the program all that it does not need, for good. It gives
// NULL, or why system calls are not filtered; the rest is done then too.
const char *confine(const struct limits *l);

// wire.c: records out, plan and bytes in.
void read_limits(struct limits *l);
void read_plan(struct plan *p);
void free_plan(struct plan *p);
AVIOContext *open_range_reader(int64_t size);
// will_read says that [from, to) will be read: now, with nothing after it before
// the next call, or later.
void will_read(int64_t from, int64_t to, bool now);
void write_text(char type, const char *text);
void write_number(char type, int64_t number);
void write_record(char type, const int64_t *numbers, size_t count, const uint8_t *data, size_t size);
_Noreturn void fail(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));
// fail_memory tells that memory was refused: the limit was reached.
_Noreturn void fail_memory(void);
// short_of_memory tells whether a failure may come of the limit of memory.
bool short_of_memory(void);
// log_errors has FFmpeg's errors written to standard error; logged_errors counts
// them, logged_decoder_errors those of decoders.
void log_errors(void);
int logged_errors(void);
int logged_decoder_errors(void);
// expect_missing_references keeps quiet about references to pictures that were
// left out on purpose, from now on.
void expect_missing_references(void);

enum record {
    RECORD_MEDIA = 'M',    // JSON, see media.c
    RECORD_IMAGE = 'I',    // pts, first instant, number of instants; the image
    RECORD_SHEET = 'S',    // number of tiles; the image
    RECORD_TILES = 'T',    // number of tiles; the pixels of a sheet that is not full
    RECORD_COUNTED = 'N',  // MODE_NTH: pictures of the range that were counted
    RECORD_PROGRESS = 'P', // pts
    RECORD_ORIGIN = 'O',   // pts of the first picture
    RECORD_PLAIN = 'R',    // number of the first picture or instant that plain decoding has to find; why
    RECORD_END = 'E',      // pts at which the last picture ends
    RECORD_FAIL = 'X',     // code, newline, detail
};

// media.c: opening, and what the file says of itself.
AVFormatContext *open_media(const struct limits *l);
// write_media also says why system calls are not filtered, if they are not.
void write_media(const AVFormatContext *format, const char *unfiltered);

// packet.c: what can be told of a packet without decoding it.
struct packet_kind {
    bool start;      // decoding can start here
    bool clean;      // … and what was decoded before does not matter to the decoder
    bool hidden;     // gives no picture that is shown
    bool disposable; // no other picture needs it
    bool may_skip;   // the decoder knows whether another picture needs it, and may be told to leave it out if not
};
struct packet_reader {
    const AVCodecParameters *codec;
    bool intra_only;
    int length_size; // of the number ahead of each NAL unit; 0 if they begin with start codes
    int top_layer;   // HEVC: highest temporal layer seen
};
void init_packet_reader(struct packet_reader *r, const AVCodecParameters *codec);
struct packet_kind read_packet_kind(struct packet_reader *r, const AVPacket *packet);

// extraction.c: what is planned.
void extract(AVFormatContext *format, const struct plan *p, const struct limits *l);

// image.c: from chosen pictures to records, in threads of their own.
struct images;
struct chosen {
    int64_t pts;
    int64_t first; // number of the first instant that the picture is for
    int64_t count; // of instants
};
struct images *start_images(const struct plan *p, AVRational sample_aspect);
// send_image hands over a picture; the frame is moved from.
void send_image(struct images *im, AVFrame *frame, struct chosen c);
// compare_with shows dedupe a picture that was kept elsewhere.
void compare_with(struct images *im, AVFrame *frame);
// enough_images reports whether plan.most have been written.
bool enough_images(struct images *im);
// finish_images waits for what was handed over. A contact sheet that is not full
// is written, or its pixels are given back.
void finish_images(struct images *im, bool keep_sheet);

#endif
