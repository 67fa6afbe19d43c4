// From chosen pictures to records. Each picture is scaled, turned, converted and
// encoded by one of several workers, and they take turns in writing, so that
// images leave in order.

#include "frames.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavutil/imgutils.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>

enum { MAX_WORKERS = 16 };

// A chain of FFmpeg's filters with one input and one output.
struct chain {
    AVFilterGraph *graph;
    AVFilterContext *in, *out;
    // What it was made for. A video that changes its form gets another chain.
    int width, height, format, range, matrix;
};

static void close_chain(struct chain *c) {
    avfilter_graph_free(&c->graph);
    *c = (struct chain){0};
}

static void must(int error, const char *what) {
    if (error == AVERROR(ENOMEM))
        fail_memory();
    if (error < 0)
        fail(error == AVERROR(EINVAL) ? "engine_failed" : "undecodable", "%s: %s", what, av_err2str(error));
}

static void open_chain(struct chain *c, const char *filters, const AVFrame *like, AVRational aspect) {
    close_chain(c);
    c->graph = avfilter_graph_alloc();
    AVBufferSrcParameters *parameters = av_buffersrc_parameters_alloc();
    if (c->graph == NULL || parameters == NULL)
        fail_memory();
    c->graph->nb_threads = 1;
    parameters->format = like->format;
    parameters->width = like->width;
    parameters->height = like->height;
    parameters->time_base = (AVRational){1, 1000};
    parameters->sample_aspect_ratio = like->sample_aspect_ratio.num > 0 ? like->sample_aspect_ratio : aspect;
#if LIBAVFILTER_VERSION_MAJOR >= 10
    parameters->color_space = like->colorspace;
    parameters->color_range = like->color_range;
#endif
    c->in = avfilter_graph_alloc_filter(c->graph, avfilter_get_by_name("buffer"), "in");
    if (c->in == NULL)
        fail_memory();
    must(av_buffersrc_parameters_set(c->in, parameters), "buffer");
    av_free(parameters);
    must(avfilter_init_str(c->in, NULL), "buffer");
    must(avfilter_graph_create_filter(&c->out, avfilter_get_by_name("buffersink"), "out", NULL, NULL, c->graph), "buffersink");

    AVFilterInOut *from = avfilter_inout_alloc(), *to = avfilter_inout_alloc();
    if (from == NULL || to == NULL)
        fail_memory();
    *from = (AVFilterInOut){.name = av_strdup("in"), .filter_ctx = c->in};
    *to = (AVFilterInOut){.name = av_strdup("out"), .filter_ctx = c->out};
    must(avfilter_graph_parse_ptr(c->graph, filters, &to, &from, NULL), filters);
    must(avfilter_graph_config(c->graph, NULL), filters);
    avfilter_inout_free(&from);
    avfilter_inout_free(&to);
    c->width = like->width;
    c->height = like->height;
    c->format = like->format;
    c->range = like->color_range;
    c->matrix = like->colorspace;
}

// pass puts a frame through the chain; NULL if the chain let nothing through.
static AVFrame *pass(struct chain *c, const char *filters, AVFrame *frame, AVRational aspect) {
    if (c->graph == NULL || c->width != frame->width || c->height != frame->height || c->format != frame->format ||
        c->range != (int)frame->color_range || c->matrix != (int)frame->colorspace)
        open_chain(c, filters, frame, aspect);
    must(av_buffersrc_add_frame_flags(c->in, frame, AV_BUFFERSRC_FLAG_KEEP_REF), filters);
    AVFrame *out = av_frame_alloc();
    if (out == NULL)
        fail_memory();
    int error = av_buffersink_get_frame(c->out, out);
    if (error == AVERROR(EAGAIN)) {
        av_frame_free(&out);
        return NULL;
    }
    must(error, filters);
    return out;
}

// Encoding.

static AVCodecContext *open_encoder(const char *name, const char *options, int quality, const AVFrame *like) {
    const AVCodec *codec = avcodec_find_encoder_by_name(name);
    AVCodecContext *e = codec == NULL ? NULL : avcodec_alloc_context3(codec);
    if (e == NULL)
        fail("engine_failed", "no encoder %s", name);
    e->width = like->width;
    e->height = like->height;
    e->pix_fmt = like->format;
    e->sample_aspect_ratio = like->sample_aspect_ratio;
    e->color_range = like->color_range;
    e->color_primaries = like->color_primaries;
    e->color_trc = like->color_trc;
    e->colorspace = like->colorspace;
    e->time_base = (AVRational){1, 1000};
    e->thread_count = 1;
    e->flags |= AV_CODEC_FLAG_BITEXACT;
    if (quality > 0) {
        e->flags |= AV_CODEC_FLAG_QSCALE;
        e->global_quality = FF_QP2LAMBDA * quality;
    }
    AVDictionary *dictionary = NULL;
    must(av_dict_parse_string(&dictionary, options, "=", ":", 0), options);
    must(avcodec_open2(e, codec, &dictionary), name);
    av_dict_free(&dictionary);
    return e;
}

// encode gives the image of a frame. Every image stands for itself, so the
// encoder keeps nothing back.
static AVPacket *encode(AVCodecContext *e, AVFrame *frame, int64_t number) {
    AVPacket *image = av_packet_alloc();
    if (image == NULL)
        fail_memory();
    frame->pts = number; // FFmpeg wants them to grow
    frame->pict_type = AV_PICTURE_TYPE_NONE;
    frame->quality = e->global_quality;
    must(avcodec_send_frame(e, frame), e->codec->name);
    must(avcodec_receive_packet(e, image), e->codec->name);
    return image;
}

// Contact sheets.

static int sheet_width(const struct plan *p) { return SHEET_COLUMNS * p->tile_width; }
static int sheet_height(const struct plan *p) { return SHEET_TILES / SHEET_COLUMNS * p->tile_height; }

size_t sheet_size(const struct plan *p) {
    int size = av_image_get_buffer_size(AV_PIX_FMT_YUV420P, sheet_width(p), sheet_height(p), 1);
    must(size, "sheet");
    return (size_t)size;
}

static AVFrame *new_sheet(const struct plan *p) {
    AVFrame *sheet = av_frame_alloc();
    if (sheet == NULL)
        fail_memory();
    sheet->format = AV_PIX_FMT_YUV420P;
    sheet->width = sheet_width(p);
    sheet->height = sheet_height(p);
    must(av_frame_get_buffer(sheet, 0), "sheet");
    ptrdiff_t strides[4] = {sheet->linesize[0], sheet->linesize[1], sheet->linesize[2], 0};
    must(av_image_fill_black(sheet->data, strides, sheet->format, AVCOL_RANGE_JPEG, sheet->width, sheet->height), "sheet");
    sheet->color_range = AVCOL_RANGE_JPEG;
    return sheet;
}

static void put_tile(AVFrame *sheet, const AVFrame *tile, int place, const struct plan *p) {
    int x = place % SHEET_COLUMNS * p->tile_width, y = place / SHEET_COLUMNS * p->tile_height;
    uint8_t *at[4] = {0};
    for (int plane = 0; plane < 3; plane++) {
        int shift = plane > 0;
        at[plane] = sheet->data[plane] + (y >> shift) * sheet->linesize[plane] + (x >> shift);
    }
    av_image_copy(at, sheet->linesize, (const uint8_t **)tile->data, tile->linesize, AV_PIX_FMT_YUV420P, p->tile_width,
                  p->tile_height);
}

// Workers.

struct job {
    AVFrame *frame;
    struct chosen chosen;
    int64_t ticket;
};

struct worker {
    struct images *images;
    pthread_t thread;
    struct chain chain, tile_chain;
    AVCodecContext *encoder;
};

struct images {
    const struct plan *plan;
    AVRational aspect;
    int worker_count;
    struct worker workers[MAX_WORKERS];

    // Which pictures become images; used by the caller's thread alone.
    struct chain scene, miniature;
    char scene_filters[64];
    int64_t offered, scenes;
    AVFrame *kept; // miniature of the last one that dedupe kept

    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job queue[MAX_WORKERS];
    int queued;
    bool closed;
    int64_t tickets, turn;

    // Theirs whose turn it is; written is read by the caller too.
    atomic_llong written;
    AVFrame *sheet;
    int tiles;
};

// take_up_sheet goes on with a sheet that was begun elsewhere.
static void take_up_sheet(struct images *im) {
    const struct plan *p = im->plan;
    im->sheet = new_sheet(p);
    im->tiles = p->tiles;
    uint8_t *planes[4];
    int strides[4];
    must(av_image_fill_arrays(planes, strides, p->sheet, AV_PIX_FMT_YUV420P, sheet_width(p), sheet_height(p), 1), "sheet");
    av_image_copy(im->sheet->data, im->sheet->linesize, (const uint8_t **)planes, strides, AV_PIX_FMT_YUV420P,
                  sheet_width(p), sheet_height(p));
}

static void give_back_sheet(struct images *im) {
    const struct plan *p = im->plan;
    size_t size = sheet_size(p);
    uint8_t *pixels = av_malloc(size);
    if (pixels == NULL)
        fail_memory();
    must(av_image_copy_to_buffer(pixels, (int)size, (const uint8_t *const *)im->sheet->data, im->sheet->linesize,
                                 AV_PIX_FMT_YUV420P, sheet_width(p), sheet_height(p), 1),
         "sheet");
    write_record(RECORD_TILES, &(int64_t){im->tiles}, 1, pixels, size);
    av_free(pixels);
    av_frame_free(&im->sheet);
}

static void write_sheet(struct images *im) {
    int rows = (im->tiles + SHEET_COLUMNS - 1) / SHEET_COLUMNS;
    im->sheet->height = rows * im->plan->tile_height;
    AVCodecContext *e = open_encoder("mjpeg", "qmin=1:qmax=31:strict=unofficial:color_range=pc", 4, im->sheet);
    AVPacket *image = encode(e, im->sheet, 0);
    write_record(RECORD_SHEET, &(int64_t){im->tiles}, 1, image->data, (size_t)image->size);
    av_packet_free(&image);
    avcodec_free_context(&e);
    av_frame_free(&im->sheet);
    im->tiles = 0;
}

static void write_image(struct images *im, struct chosen c, const AVPacket *image, const AVFrame *tile) {
    int64_t left = im->plan->most - im->written;
    if (c.count > left)
        c.count = left;
    if (c.count <= 0)
        return;
    write_record(RECORD_IMAGE, (int64_t[]){c.pts, c.first, c.count}, 3, image->data, (size_t)image->size);
    for (int64_t i = 0; tile != NULL && i < c.count; i++) {
        if (im->sheet == NULL)
            im->sheet = new_sheet(im->plan);
        put_tile(im->sheet, tile, im->tiles++, im->plan);
        if (im->tiles == SHEET_TILES)
            write_sheet(im);
    }
    im->written += c.count;
}

static void do_job(struct worker *w, struct job *j) {
    struct images *im = w->images;
    const struct plan *p = im->plan;
    AVFrame *picture = pass(&w->chain, p->filters, j->frame, im->aspect), *tile = NULL;
    if (picture == NULL)
        fail("engine_failed", "the filters kept a picture back");
    av_frame_free(&j->frame);
    if (p->tile_filters != NULL)
        tile = pass(&w->tile_chain, p->tile_filters, picture, im->aspect);
    if (w->encoder == NULL)
        w->encoder = open_encoder(p->encoder, p->encoder_options, p->quality, picture);
    AVPacket *image = encode(w->encoder, picture, j->ticket);

    pthread_mutex_lock(&im->lock);
    while (im->turn != j->ticket)
        pthread_cond_wait(&im->changed, &im->lock);
    pthread_mutex_unlock(&im->lock);
    write_image(im, j->chosen, image, tile);
    pthread_mutex_lock(&im->lock);
    im->turn++;
    pthread_cond_broadcast(&im->changed);
    pthread_mutex_unlock(&im->lock);

    av_packet_free(&image);
    av_frame_free(&picture);
    av_frame_free(&tile);
}

static void *work(void *argument) {
    struct worker *w = argument;
    struct images *im = w->images;
    for (;;) {
        pthread_mutex_lock(&im->lock);
        while (im->queued == 0 && !im->closed)
            pthread_cond_wait(&im->changed, &im->lock);
        if (im->queued == 0) {
            pthread_mutex_unlock(&im->lock);
            return NULL;
        }
        struct job j = im->queue[0];
        im->queued--;
        memmove(im->queue, im->queue + 1, (size_t)im->queued * sizeof *im->queue);
        pthread_cond_broadcast(&im->changed);
        pthread_mutex_unlock(&im->lock);
        do_job(w, &j);
    }
}

struct images *start_images(const struct plan *p, AVRational sample_aspect) {
    struct images *im = av_mallocz(sizeof *im);
    if (im == NULL)
        fail_memory();
    im->plan = p;
    im->aspect = sample_aspect;
    im->scenes = p->number;
    if (p->tiles > 0)
        take_up_sheet(im);
    im->worker_count = p->threads < 1 ? 1 : p->threads > MAX_WORKERS ? MAX_WORKERS : p->threads;
    snprintf(im->scene_filters, sizeof im->scene_filters, "select='gt(scene,%.17g)'", p->threshold);
    pthread_mutex_init(&im->lock, NULL);
    pthread_cond_init(&im->changed, NULL);
    for (int i = 0; i < im->worker_count; i++) {
        im->workers[i].images = im;
        if (pthread_create(&im->workers[i].thread, NULL, work, &im->workers[i]) != 0)
            fail("engine_failed", "no thread");
    }
    return im;
}

// begins_scene shows a picture to the filter that lets through what begins a
// scene.
static bool begins_scene(struct images *im, AVFrame *frame) {
    frame->pts = im->offered++;
    AVFrame *out = pass(&im->scene, im->scene_filters, frame, im->aspect);
    bool cut = out != NULL;
    av_frame_free(&out);
    return cut;
}

// Near-duplicates. Two pictures are compared as miniatures, in which the noise
// of a camera and of compression averages out while a word that is typed on a
// large screen still shows. They differ if they do so by LIKENESS levels of 255
// on average, or by CELL_LIKENESS in one cell of CELL by CELL samples. At one
// picture a second, these numbers leave out of testdata/media's footage those in
// which nothing but the exposure changes a little; the least that moves in the
// cartoon makes about twice as much of a difference.

enum { MINIATURE_WIDTH = 128, MINIATURE_HEIGHT = 72, CELL = 4, LIKENESS = 4, CELL_LIKENESS = 16 };

// Scaled with integers only, so that all machines decide alike.
static const char miniature[] =
    "scale=w=128:h=72:flags=area+accurate_rnd+bitexact:out_color_matrix=bt601:out_range=pc,format=yuv420p";

// plane_differs adds to sum what the samples of a plane differ by, and reports
// whether one of its cells differs.
static bool plane_differs(const AVFrame *a, const AVFrame *b, int plane, int64_t *sum) {
    int shift = plane > 0, width = MINIATURE_WIDTH >> shift, height = MINIATURE_HEIGHT >> shift;
    int worst = 0;
    for (int y = 0; y < height; y += CELL) {
        for (int x = 0; x < width; x += CELL) {
            int cell = 0;
            for (int i = 0; i < CELL * CELL; i++) {
                ptrdiff_t row = y + i / CELL, column = x + i % CELL;
                cell += abs(a->data[plane][row * a->linesize[plane] + column] - b->data[plane][row * b->linesize[plane] + column]);
            }
            *sum += cell;
            worst = cell > worst ? cell : worst;
        }
    }
    return worst >= CELL_LIKENESS * CELL * CELL;
}

static bool differ(const AVFrame *a, const AVFrame *b) {
    int64_t sum = 0;
    bool cell_differs = false;
    for (int plane = 0; plane < 3; plane++)
        cell_differs = plane_differs(a, b, plane, &sum) || cell_differs;
    return cell_differs || sum >= LIKENESS * (MINIATURE_WIDTH * MINIATURE_HEIGHT * 3 / 2);
}

static AVFrame *shrink(struct images *im, AVFrame *frame) {
    AVFrame *small = pass(&im->miniature, miniature, frame, im->aspect);
    if (small == NULL)
        fail("engine_failed", "the filters kept a picture back");
    return small;
}

static void keep(struct images *im, AVFrame *small) {
    av_frame_free(&im->kept);
    im->kept = small;
}

void compare_with(struct images *im, AVFrame *frame) { keep(im, shrink(im, frame)); }

// is_new reports whether a picture differs from the last one that was kept, and
// if so keeps it.
static bool is_new(struct images *im, AVFrame *frame) {
    AVFrame *small = shrink(im, frame);
    if (im->kept != NULL && !differ(im->kept, small)) {
        av_frame_free(&small);
        return false;
    }
    keep(im, small);
    return true;
}

// sift reports whether a chosen picture becomes an image.
static bool sift(struct images *im, AVFrame *frame, struct chosen *c) {
    if (im->plan->mode == MODE_SCENES) {
        bool cut = begins_scene(im, frame);
        // The first picture begins a scene too. Others are there to compare with.
        if (c->count == 0 || !(cut || im->scenes == 0))
            return false;
        c->first = im->scenes++;
    }
    if (im->plan->dedupe) {
        c->count = 1;
        return is_new(im, frame);
    }
    return true;
}

void send_image(struct images *im, AVFrame *frame, struct chosen c) {
    if (!sift(im, frame, &c))
        return;
    struct job j = {av_frame_alloc(), c, 0};
    if (j.frame == NULL)
        fail_memory();
    av_frame_move_ref(j.frame, frame);
    pthread_mutex_lock(&im->lock);
    while (im->queued == im->worker_count)
        pthread_cond_wait(&im->changed, &im->lock);
    j.ticket = im->tickets++;
    im->queue[im->queued++] = j;
    pthread_cond_broadcast(&im->changed);
    pthread_mutex_unlock(&im->lock);
}

bool enough_images(struct images *im) {
    return im != NULL && atomic_load(&im->written) >= im->plan->most;
}

void finish_images(struct images *im, bool keep_sheet) {
    pthread_mutex_lock(&im->lock);
    im->closed = true;
    pthread_cond_broadcast(&im->changed);
    pthread_mutex_unlock(&im->lock);
    for (int i = 0; i < im->worker_count; i++) {
        struct worker *w = &im->workers[i];
        pthread_join(w->thread, NULL);
        close_chain(&w->chain);
        close_chain(&w->tile_chain);
        avcodec_free_context(&w->encoder);
    }
    if (im->tiles > 0 && (keep_sheet || im->plan->keep_sheet))
        give_back_sheet(im);
    else if (im->tiles > 0)
        write_sheet(im);
    close_chain(&im->scene);
    close_chain(&im->miniature);
    av_frame_free(&im->kept);
    av_free(im);
}
