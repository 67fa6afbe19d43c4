// The other side is internal/frames/wire.go. Numbers are little-endian, as on
// every machine that Fotograma runs on.

#include "frames.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/avutil.h>
#include <libavutil/error.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the protocol is little-endian");

#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { REQUESTS = 3, ANSWERS = 4 }; // file descriptors

// The other side has gone: there is nobody to tell.
static _Noreturn void hang_up(void) { _exit(3); }

static void write_all(int fd, const void *data, size_t size) {
    const uint8_t *p = data;
    while (size > 0) {
        ssize_t n = write(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            hang_up();
        p += n;
        size -= (size_t)n;
    }
}

static void read_all(int fd, void *data, size_t size) {
    uint8_t *p = data;
    while (size > 0) {
        ssize_t n = read(fd, p, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            hang_up();
        p += n;
        size -= (size_t)n;
    }
}

// Records: a type, the length of the rest, and the rest.

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;

void write_record(char type, const int64_t *numbers, size_t count, const uint8_t *data, size_t size) {
    uint32_t head[2] = {(uint32_t)type, (uint32_t)(count * sizeof *numbers + size)};
    pthread_mutex_lock(&writing);
    write_all(STDOUT_FILENO, head, sizeof head);
    write_all(STDOUT_FILENO, numbers, count * sizeof *numbers);
    write_all(STDOUT_FILENO, data, size);
    pthread_mutex_unlock(&writing);
}

void write_text(char type, const char *text) { write_record(type, NULL, 0, (const uint8_t *)text, strlen(text)); }

void write_number(char type, int64_t number) { write_record(type, &number, 1, NULL, 0); }

enum { SPARE = 128 << 20 }; // a large picture

bool short_of_memory(void) {
    void *volatile spare = malloc(SPARE); // else compilers leave it out
    free(spare);
    return spare == NULL;
}

void fail(const char *code, const char *format, ...) {
    if (short_of_memory())
        code = "too_much_memory"; // many libraries say something else
    char text[1024];
    int n = snprintf(text, sizeof text, "%s\n", code);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + n, sizeof text - (size_t)n, format, arguments);
    va_end(arguments);
    write_text(RECORD_FAIL, text);
    _exit(1); // other threads may be at work; nothing is left to be saved
}

void fail_memory(void) { fail("too_much_memory", "memory was refused"); }

// Errors.

static atomic_int errors, decoder_errors;
static atomic_bool references_missing;

// is_about_references tells of what a decoder says when a stream releases or asks
// for pictures that were left out.
static bool is_about_references(const char *format) {
    static const char *const formats[] = {"mmco: unref short failure", "co located POCs unavailable",
                                          "Missing reference picture", "Could not find ref with POC"};
    for (size_t i = 0; i < LENGTH(formats); i++) {
        if (strncmp(format, formats[i], strlen(formats[i])) == 0)
            return true;
    }
    return false;
}

static bool is_decoder(void *context) {
    const AVClass *class = context == NULL ? NULL : *(AVClass **)context;
    return class != NULL && class->get_category != NULL && class->get_category(context) == AV_CLASS_CATEGORY_DECODER;
}

// is_about_sound tells of what is said of a codec that is not the picture's. Its
// packets are looked at when a file is opened, and some versions find fault with
// sound that others made.
static bool is_about_sound(void *context) {
    const AVClass *class = context == NULL ? NULL : *(AVClass **)context;
    return class == avcodec_get_class() && ((AVCodecContext *)context)->codec_type != AVMEDIA_TYPE_VIDEO;
}

void expect_missing_references(void) { atomic_store(&references_missing, true); }

static void log_line(void *context, int level, const char *format, va_list arguments) {
    if (level > AV_LOG_ERROR || is_about_sound(context) ||
        (atomic_load(&references_missing) && is_about_references(format)))
        return;
    atomic_fetch_add(&errors, 1);
    atomic_fetch_add(&decoder_errors, is_decoder(context));
    av_log_default_callback(context, level, format, arguments);
}

void log_errors(void) {
    av_log_set_level(AV_LOG_ERROR);
    av_log_set_callback(log_line);
}

int logged_errors(void) { return atomic_load(&errors); }

int logged_decoder_errors(void) { return atomic_load(&decoder_errors); }

// The plan: lines of "key=value" up to an empty one.

static char *line;
static size_t line_room;

// next_setting reads a line; false at the empty one.
static bool next_setting(char **key, char **value) {
    ssize_t n = getline(&line, &line_room, stdin);
    if (n <= 0)
        hang_up();
    line[n - 1] = 0;
    if (line[0] == 0)
        return false;
    char *equals = strchr(line, '=');
    if (equals == NULL)
        fail("engine_failed", "no setting: %s", line);
    *equals = 0;
    *key = line;
    *value = equals + 1;
    return true;
}

struct number_setting {
    const char *key;
    int64_t *value;
};

static bool set_number(const struct number_setting *settings, size_t count, const char *key, const char *value) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(key, settings[i].key) == 0) {
            *settings[i].value = strtoll(value, NULL, 10);
            return true;
        }
    }
    return false;
}

void read_limits(struct limits *l) {
    const struct number_setting numbers[] = {
        {"size", &l->size}, {"max_pixels", &l->max_pixels}, {"max_alloc", &l->max_alloc},
        {"max_memory", &l->max_memory}, {"max_cpu", &l->max_cpu}};
    char *key, *value;
    while (next_setting(&key, &value)) {
        if (!set_number(numbers, LENGTH(numbers), key, value))
            fail("engine_failed", "no such limit: %s", key);
    }
}

static enum mode parse_mode(const char *name) {
    static const char *const names[] = {
        [MODE_INSTANTS] = "instants", [MODE_NTH] = "nth",       [MODE_KEYFRAMES] = "keyframes",
        [MODE_SCENES] = "scenes",     [MODE_ORIGIN] = "origin", [MODE_END] = "end"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return (enum mode)i;
    }
    fail("engine_failed", "no such mode: %s", name);
}

// read_array reads what follows the plan's lines.
static void *read_array(size_t count, size_t size) {
    if (count == 0)
        return NULL;
    void *array = av_malloc_array(count, size);
    if (array == NULL)
        fail_memory();
    if (fread(array, size, count, stdin) != count)
        hang_up();
    return array;
}

void read_plan(struct plan *p) {
    *p = (struct plan){.origin = AV_NOPTS_VALUE, .declared_end = AV_NOPTS_VALUE, .until = INT64_MAX, .most = INT64_MAX, .nth = 1, .known = AV_NOPTS_VALUE, .about = AV_NOPTS_VALUE};
    int64_t stream = 0, plain = 0, dedupe = 0, quality = 0, threads = 1, tile_width = 0, tile_height = 0, tiles = 0, keep = 0;
    const struct number_setting numbers[] = {
        {"stream", &stream},
        {"plain", &plain},
        {"origin", &p->origin},
        {"instants", &p->instant_count},
        {"from", &p->from},
        {"until", &p->until},
        {"nth", &p->nth},
        {"counted", &p->counted},
        {"number", &p->number},
        {"most", &p->most},
        {"declared_end", &p->declared_end},
        {"about", &p->about},
        {"known", &p->known},
        {"threads", &threads},
        {"dedupe", &dedupe},
        {"quality", &quality},
        {"tile_width", &tile_width},
        {"tile_height", &tile_height},
        {"tiles", &tiles},
        {"keep_sheet", &keep}};
    const struct {
        const char *key;
        char **value;
    } texts[] = {{"filters", &p->filters},
                 {"encoder", &p->encoder},
                 {"encoder_options", &p->encoder_options},
                 {"tile_filters", &p->tile_filters}};
    char *key, *value;
    while (next_setting(&key, &value)) {
        bool known = set_number(numbers, LENGTH(numbers), key, value);
        for (size_t i = 0; i < LENGTH(texts); i++) {
            if (strcmp(key, texts[i].key) == 0) {
                if ((*texts[i].value = av_strdup(value)) == NULL)
                    fail_memory();
                known = true;
            }
        }
        if (strcmp(key, "mode") == 0)
            p->mode = parse_mode(value);
        else if (strcmp(key, "threshold") == 0)
            p->threshold = strtod(value, NULL);
        else if (!known)
            fail("engine_failed", "no such setting: %s", key);
    }
    p->stream = (int)stream;
    p->plain = plain != 0;
    p->dedupe = dedupe != 0;
    p->quality = (int)quality;
    p->threads = (int)threads;
    p->tile_width = (int)tile_width;
    p->tile_height = (int)tile_height;
    p->tiles = (int)tiles;
    p->keep_sheet = keep != 0;
    p->instants = read_array((size_t)p->instant_count, sizeof *p->instants);
    p->sheet = read_array(p->tiles > 0 ? sheet_size(p) : 0, 1);
}

void free_plan(struct plan *p) {
    av_free(p->instants);
    av_free(p->filters);
    av_free(p->encoder);
    av_free(p->encoder_options);
    av_free(p->tile_filters);
    av_free(p->sheet);
}

// Bytes of the video, by range requests.

enum {
    LONGEST_READ = 1 << 20, // that the other side allows
    BUFFER = 64 << 10,      // so much FFmpeg reads at a time, and so beyond what it needs
};

enum request_kind { READ, WILL_READ_NOW, WILL_READ_LATER };

struct request {
    int64_t offset;
    int64_t length;
    int64_t kind;
};

struct range_reader {
    int64_t size, position;
};

static void ask(int64_t offset, int64_t length, enum request_kind kind) {
    const struct request r = {offset, length, kind};
    write_all(REQUESTS, &r, sizeof r);
}

static int read_range(void *opaque, uint8_t *buffer, int size) {
    struct range_reader *r = opaque;
    if (r->position >= r->size)
        return AVERROR_EOF;
    if (size > r->size - r->position)
        size = (int)(r->size - r->position);
    if (size > LONGEST_READ)
        size = LONGEST_READ; // FFmpeg asks for the rest
    ask(r->position, size, READ);
    int64_t n;
    read_all(ANSWERS, &n, sizeof n);
    if (n <= 0) // the source failed; the other side knows why
        return n == 0 ? AVERROR_EOF : AVERROR(EIO);
    read_all(ANSWERS, buffer, (size_t)n);
    r->position += n;
    return (int)n;
}

static int64_t seek_range(void *opaque, int64_t offset, int whence) {
    struct range_reader *r = opaque;
    switch (whence & ~AVSEEK_FORCE) {
    case AVSEEK_SIZE:
        return r->size;
    case SEEK_CUR:
        offset += r->position;
        break;
    case SEEK_END:
        offset += r->size;
        break;
    default:
        break;
    }
    if (offset < 0)
        return AVERROR(EINVAL);
    r->position = offset;
    return offset;
}

AVIOContext *open_range_reader(int64_t size) {
    struct range_reader *r = av_mallocz(sizeof *r);
    uint8_t *buffer = av_malloc(BUFFER);
    if (r == NULL || buffer == NULL)
        fail_memory();
    r->size = size;
    AVIOContext *io = avio_alloc_context(buffer, BUFFER, 0, r, read_range, NULL, seek_range);
    if (io == NULL)
        fail_memory();
    return io;
}

void will_read(int64_t from, int64_t to, bool now) {
    if (from < to)
        ask(from, to - from + BUFFER, now ? WILL_READ_NOW : WILL_READ_LATER);
}
